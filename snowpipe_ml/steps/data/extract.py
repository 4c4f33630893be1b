"""``extract``: stage source files, from a folder or a URL, as gzipped CSV."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from typing import Literal as Choice

from pydantic import BaseModel, ConfigDict, Field

from snowpipe_ml.errors import SourceFileError, StepError
from snowpipe_ml.plugins import (
    Finding,
    PlanContext,
    Resource,
    RunContext,
    StageLocation,
    Step,
    StepPlan,
    StepResult,
    StepSettings,
    TableName,
    register,
    stage,
    table,
)
from snowpipe_ml.sql import Literal, Sql, StagePath, join, sql
from snowpipe_ml.steps.data.archives import DAMAGED, Archive, Limits, csv_members, folder_archives, month_of
from snowpipe_ml.steps.data.downloads import Downloads, download
from snowpipe_ml.steps.data.generated import SAMPLE, file_version, generate, generator_finding, given_version
from snowpipe_ml.steps.data.layouts import write_member
from snowpipe_ml.steps.data.staged_archives import ODD, StagedArchives, stage_name
from snowpipe_ml.temporary import TemporaryFolder
from snowpipe_ml.text.redaction import redact

# Errors of the machine rather than of a file: the step fails, and the file is not refused.
_OF_THE_MACHINE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
)
_LONGEST_NAME = 200  # bytes of an archive's name; its digest and the suffixes on the stage must still fit
_REFUSED = "RUN_ID VARCHAR, STEP VARCHAR, FILE VARCHAR, LINE NUMBER(38, 0), ERROR VARCHAR, RECORD VARCHAR"


FolderName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]


class Layout(BaseModel):
    """A header by which files are sorted: its titles in order, ignoring case, spaces and punctuation."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    columns: tuple[str, ...] = Field(min_length=1)


@dataclass
class _Unpacked:
    """An unpacked archive: (layout, file) of each member, and the refused members."""

    archive: Archive
    digest: str
    members: list[tuple[str, Path]] = field(default_factory=list)
    refused: list[SourceFileError] = field(default_factory=list)


@dataclass
class _Found:
    """The archives of a source: those that are new, changed, copies of another, or unusable."""

    names: set[str] = field(default_factory=set)
    fresh: list[tuple[Archive, str]] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    refused: list[SourceFileError] = field(default_factory=list)


@register("extract")
class Extract(Step["Extract.Settings"]):
    """Unpack archives, sort their CSV files by header layout, and stage them as gzip files.

    Each layout has a folder below ``into``. An archive whose content is already staged, under this or another
    name, is skipped. A file that cannot be used is refused, with its name and line; the others are staged.

    An archive whose content has changed since it was staged would be loaded twice. ``on_changed``
    controls this: ``refuse`` fails the step before anything is staged; ``replace`` removes the archive's
    old files from the stage, and downstream ``copy_into`` steps reload their tables; ``append`` stages it
    beside the old files.
    """

    class Settings(StepSettings):
        """Settings of ``extract``."""

        from_: str = Field(alias="from", description="A folder, an http(s) URL, or 'sample'")
        into: StageLocation
        layouts: dict[FolderName, Layout] = Field(min_length=1, description="Folder on the stage: header")
        files: str = Field("*", description="Pattern of the files in a folder, such as 'JC-*.zip'")
        months: tuple[str, ...] = Field((), description="Only files of these months (YYYY-MM); all if empty")
        url_file: str | None = Field(None, description="File name at a URL, with {month} for YYYYMM")
        generator: str | None = Field(None, description="module.py:function that generates the sample files")
        on_error: Choice["continue", "abort"] = "continue"
        on_changed: Choice["refuse", "replace", "append"] = Field(
            "refuse", description="Action for an archive that has changed since it was staged"
        )
        downloads: Downloads = Field(Downloads(), description="Limits on the files at a URL")
        limits: Limits = Field(Limits(), description="Limits on the content of an archive")
        refused: TableName | None = Field(None, description="Table that receives a row for each refused file")

    settings: Extract.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        return ()

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield stage(self.settings.into, "into")
        if self.settings.refused is not None:
            yield table(self.settings.refused, "refused", adds=True)

    def findings(self, ctx: PlanContext) -> Iterable[Finding]:
        given = self.settings.from_
        if given == SAMPLE:
            found = generator_finding(ctx, self.settings.generator, ())
            return () if found is None else (found,)
        if "://" in given or ctx.path(given).is_dir():
            return ()
        return (Finding(f"no such folder: {ctx.path(given)}", ("from",)),)

    def needs_client(self, ctx: PlanContext) -> str | None:
        given = self.settings.from_
        return None if given == SAMPLE or self.needs_network(ctx) else ctx.outside(given)

    def needs_network(self, ctx: PlanContext) -> bool:
        return "://" in self.settings.from_

    def external_version(self, ctx: PlanContext) -> str | None:
        s = self.settings
        folder = ctx.path(s.from_)
        if not folder.is_dir():
            return given_version(ctx, s.generator, s.from_)
        return "\n".join(
            file_version(archive.path, archive.name) for archive in folder_archives(folder, s.files)
        )

    def always_runs(self, ctx: PlanContext) -> str | None:
        return "a file at a URL may have changed" if "://" in self.settings.from_ else None

    def plan(self, ctx: PlanContext) -> StepPlan:
        return StepPlan(f"stage the files of {self.settings.from_} under {self.settings.into}")

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        with TemporaryFolder("extract") as scratch:
            archives, refused = self._archives(ctx, scratch)
            staged = self._staged(ctx)
            found = self._sorted(ctx, archives, staged)
            refused += found.refused
            if found.changed and s.on_changed == "refuse":
                raise StepError(_changed_message(found.changed, s.from_))
            ctx.progress(0, len(found.fresh), "")
            unpacked, uploaded = [], 0
            with ThreadPoolExecutor(ctx.threads) as executor:
                jobs = [
                    executor.submit(self._unpack, archive, digest, scratch / "out" / str(number))
                    for number, (archive, digest) in enumerate(found.fresh)
                ]
                try:
                    for number, job in enumerate(jobs, 1):
                        item = job.result()
                        unpacked.append(item)
                        uploaded += self._upload(ctx, item, staged)
                        ctx.progress(number, len(found.fresh), item.archive.name)
                except BaseException:
                    executor.shutdown(wait=False, cancel_futures=True)  # drops the jobs that have not started
                    raise
        refused += [error for item in unpacked for error in item.refused]
        if refused and (s.on_error == "abort" or not found.names):
            raise refused[0]
        self._keep_refused(ctx, refused)
        unchanged = len(archives) - len(found.fresh) - len(found.refused) - len(found.copies)
        counted = f"; {len(refused)} refused" if refused else ""
        return StepResult(
            rows=None,
            message=f"{uploaded} files staged, {unchanged} archives unchanged{counted}",
            warnings=tuple(self._warnings(refused, found, staged)),
            metrics={"archives": len(archives), "uploaded": uploaded, "refused": len(refused)},
        )

    def _warnings(
        self, refused: list[SourceFileError], found: _Found, staged: StagedArchives
    ) -> Iterable[str]:
        s = self.settings
        yield from (f"refused: {error}" for error in refused)
        yield from found.copies
        if s.on_changed == "append":
            for name in found.changed:
                yield f"{name} has changed since it was staged; the rows loaded from it earlier are kept"
        strangers = (
            sorted(set(staged.manifests) - {stage_name(name) for name in found.names}) if not s.months else []
        )
        if strangers:
            yield (
                f"{len(strangers)} archives staged before, such as {strangers[0]}, are not in {s.from_}; "
                "their rows are kept"
            )

    def _archives(self, ctx: RunContext, scratch: Path) -> tuple[list[Archive], list[SourceFileError]]:
        """Return the archives of the source, and the errors of those that could not be downloaded."""
        s = self.settings
        if s.from_.startswith(("http://", "https://")):
            return self._downloaded(ctx, scratch / "downloads")
        folder = generate(ctx, s.generator, s.from_)
        if not folder.is_dir():
            raise StepError(f"no such folder: {folder}")
        found = [a for a in folder_archives(folder, s.files) if not s.months or month_of(a.name) in s.months]
        if not found:
            raise StepError(f"no file matches {s.files!r} in {folder}")
        return found, []

    def _downloaded(self, ctx: RunContext, folder: Path) -> tuple[list[Archive], list[SourceFileError]]:
        s = self.settings
        if not s.months or s.url_file is None:
            raise StepError("the files at a URL cannot be listed: give `months` and `url_file`")
        folder.mkdir()
        names = [s.url_file.replace("{month}", month.replace("-", "")) for month in s.months]

        def fetch(name: str, target: Path) -> Archive | SourceFileError:
            try:
                download(s.from_, name, target, s.downloads)
            except SourceFileError as error:
                return error
            # Without the signature of the URL, which is secret and changes over time.
            return Archive(redact(name), target)

        wanted = dict.fromkeys(names)
        with ThreadPoolExecutor(ctx.threads) as executor:
            results = list(
                executor.map(fetch, wanted, (folder / str(number) for number in range(len(wanted))))
            )
        return [r for r in results if isinstance(r, Archive)], [
            r for r in results if isinstance(r, SourceFileError)
        ]

    def _sorted(self, ctx: RunContext, archives: list[Archive], staged: StagedArchives) -> _Found:
        """Sort the archives by the action that they need."""
        found = _Found()
        usable: list[tuple[Archive, str, str]] = []
        with ThreadPoolExecutor(ctx.threads) as executor:
            for archive, digest in zip(archives, executor.map(_digest, archives), strict=True):
                if isinstance(digest, SourceFileError):
                    found.refused.append(digest)
                else:
                    usable.append((archive, digest, stage_name(archive.name)))
        changing = {name for _, digest, name in usable if staged.has_changed(name, digest)}
        known = staged.contents()
        if self.settings.on_changed == "replace":
            # This run removes the old content of a changed archive, which may be staged again under
            # another name, as with latest.zip and previous.zip.
            known = {digest: name for digest, name in known.items() if name not in changing}
        for archive, digest, name in usable:
            found.names.add(archive.name)
            if staged.manifests.get(name) == digest:
                continue
            if known.get(digest, name) != name and name not in changing:
                found.copies.append(f"{archive.name} is skipped: it has the same content as {known[digest]}")
                continue
            known[digest] = name
            if name in changing:
                found.changed.append(archive.name)
            found.fresh.append((archive, digest))
        return found

    def _manifests(self) -> StagePath:
        return self.settings.into.child("_manifests/")

    def _staged(self, ctx: RunContext) -> StagedArchives:
        """List the archives that earlier runs have staged. The manifest of an archive is uploaded last."""
        found = StagedArchives()
        for row in ctx.execute(sql("LIST {place}", place=self.settings.into)):
            found.add(row["name"], self.settings.layouts)
        return found

    def _unpack(self, archive: Archive, digest: str, folder: Path) -> _Unpacked:
        result = _Unpacked(archive, digest)
        layouts = {name: layout.columns for name, layout in self.settings.layouts.items()}
        try:
            for number, (full, stream) in enumerate(csv_members(archive, self.settings.limits), 1):
                inner = full.partition("!")[2] or full
                # The whole path and a number, because a/b.csv and a_b.csv are two files.
                name = f"{ODD.sub('_', inner.replace('!', '/').replace('/', '_').removesuffix('.csv'))}.{number}.csv.gz"
                try:
                    result.members.append(write_member(stream, layouts, full, folder, name))
                except SourceFileError as error:
                    if error.file == archive.name:
                        raise  # the archive as a whole exceeds its limits
                    result.refused.append(error)
        except SourceFileError as error:
            result.refused.append(error)
            result.members.clear()
        except DAMAGED as error:
            # Damage shows when the archive is read or when a member is unpacked.
            result.refused.append(SourceFileError(f"damaged archive: {error}", file=archive.name))
            result.members.clear()
        except OSError as error:
            result.refused.append(_unreadable(archive.name, error))
            result.members.clear()
        if not result.members and not result.refused:
            result.refused.append(SourceFileError("no CSV file inside", file=archive.name))
        return result

    def _upload(self, ctx: RunContext, item: _Unpacked, staged: StagedArchives) -> int:
        s = self.settings
        name = stage_name(item.archive.name)
        # Remove the manifest first: an archive without one is staged again completely.
        if item.members and name in staged.manifests:
            old = f"{name}.{staged.manifests[name]}.json"
            ctx.execute(sql("REMOVE {place}", place=self._manifests().child(old)))
        if item.members and s.on_changed == "replace":
            for layout, digest in sorted(staged.folders.get(name, ())):
                if digest != item.digest:
                    ctx.execute(sql("REMOVE {place}", place=s.into.child(f"{layout}/{name}.{digest}/")))
        uploaded = 0
        for layout, path in item.members:
            # PUT encrypts with a new key each time, so COPY would treat the same file as a changed one.
            if (layout, f"{name}.{item.digest}", path.name) in staged.members:
                continue
            place = s.into.child(f"{layout}/{name}.{item.digest}/")
            ctx.put([path], place)
            uploaded += 1
        # An archive with a refused member gets no manifest, so the next run tries it again.
        if not item.refused:
            manifest = item.members[0][1].parent / f"{name}.{item.digest}.json"
            manifest.write_text(
                json.dumps({"archive": item.archive.name, "members": [p.name for _, p in item.members]})
            )
            ctx.put([manifest], self._manifests())
        if item.members:
            shutil.rmtree(item.members[0][1].parent.parent, ignore_errors=True)
        return uploaded

    def _keep_refused(self, ctx: RunContext, refused: list[SourceFileError]) -> None:
        name = self.settings.refused
        if name is None:
            return
        if ctx.shown(name) is None:
            create = "CREATE TABLE IF NOT EXISTS {name} ({columns})"
            ctx.create(name, sql(create, name=name, columns=Sql(_REFUSED)))
        if refused:
            values = [Literal((ctx.run.id, self.name, e.file, e.line, e.reason, e.record)) for e in refused]
            rows = join(", ", values)
            ctx.execute(
                sql(
                    "INSERT INTO {name} SELECT $1, $2, $3, $4, $5, $6 FROM VALUES {rows}",
                    name=name,
                    rows=rows,
                )
            )


def _digest(archive: Archive) -> str | SourceFileError:
    """Return the digest of an archive, or the reason why it cannot be used."""
    name = archive.name
    try:
        if len(name.encode()) > _LONGEST_NAME:
            return SourceFileError(
                f"its name has {len(name.encode())} bytes; at most {_LONGEST_NAME} are allowed",
                file=name,
            )
        return archive.digest()
    except UnicodeEncodeError:
        shown = os.fsencode(name).decode("utf-8", "backslashreplace")
        return SourceFileError("its name is not UTF-8; rename it", file=shown)
    except OSError as error:
        return _unreadable(name, error)


def _unreadable(name: str, error: OSError) -> SourceFileError:
    """Return the error of a file that cannot be read.

    Raises:
        OSError: the machine is at fault, not the file.
    """
    if error.errno in _OF_THE_MACHINE:
        raise error
    return SourceFileError(f"cannot be read: {error.strerror or error}", file=name)


def _changed_message(names: list[str], source: str) -> str:
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return (
        f"{listed} of {source} changed after being staged, and rows of the earlier content may be loaded already. "
        "Nothing was staged. Set `on_changed: replace` to reload the tables without the earlier rows, "
        "or `on_changed: append` to keep them beside the new ones"
    )
