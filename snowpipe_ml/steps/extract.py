"""``extract``: month files, wherever they are, become gzipped CSV on a stage."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from typing import Literal as Choice

from pydantic import BaseModel, ConfigDict, Field

from snowpipe_ml.errors import SourceFileError, StepError
from snowpipe_ml.plugins import (
    PlanContext,
    Resource,
    RunContext,
    RunsIn,
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
from snowpipe_ml.steps.archives import DAMAGED, Archive, csv_members, download, folder_archives, month_of, write_member
from snowpipe_ml.steps.generated import generate, given_version

_REFUSED = "RUN_ID VARCHAR, STEP VARCHAR, FILE VARCHAR, LINE NUMBER(38, 0), ERROR VARCHAR, RECORD VARCHAR"


FolderName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]


class Layout(BaseModel):
    """A header by which files are sorted: its titles in order; case, spaces and marks do not count."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    columns: tuple[str, ...] = Field(min_length=1)


@dataclass
class _Unpacked:
    """What became of one archive: (layout, file) of its members, and those that were refused."""

    archive: Archive
    digest: str
    members: list[tuple[str, Path]] = field(default_factory=list)
    refused: list[SourceFileError] = field(default_factory=list)


@register("extract")
class Extract(Step["Extract.Settings"]):
    """Unpack archives, sort their CSV files by header layout, and stage them gzipped.

    Each layout gets a folder below ``into``. An archive that is staged with the same content is
    left alone. A file that cannot be used is refused by its name and line; the others go on.
    """

    class Settings(StepSettings):
        """Settings of ``extract``."""

        from_: str = Field(alias="from", description="A folder, an http(s) URL, or 'sample'")
        into: StageLocation
        layouts: dict[FolderName, Layout] = Field(min_length=1, description="Folder on the stage: header")
        files: str = Field("*", description="Which files of a folder, such as 'JC-*.zip'")
        months: tuple[str, ...] = Field((), description="Only these months (YYYY-MM); all if empty")
        url_file: str | None = Field(None, description="File name at a URL, with {month} for YYYYMM")
        generator: str | None = Field(None, description="module.py:function that writes the sample's files")
        on_error: Choice["continue", "abort"] = "continue"
        refused: TableName | None = Field(None, description="A table that gets a row for each refused file")

    settings: Extract.Settings
    runs_in = RunsIn.CLIENT

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        return ()

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield stage(self.settings.into, "into")
        if self.settings.refused is not None:
            yield table(self.settings.refused, "refused", adds=True)

    def external_version(self, ctx: PlanContext) -> str | None:
        s = self.settings
        folder = ctx.path(s.from_)
        if not folder.is_dir():
            return given_version(ctx, s.generator, s.from_)
        stats = [(a.name, a.path.stat()) for a in folder_archives(folder, s.files)]
        return "\n".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)

    def always_runs(self, ctx: PlanContext) -> str | None:
        return "a file at a URL may have changed" if "://" in self.settings.from_ else None

    def plan(self, ctx: PlanContext) -> StepPlan:
        return StepPlan(f"stage the files of {self.settings.from_} under {self.settings.into}")

    # ----------------------------------------------------------------------- run

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        with tempfile.TemporaryDirectory(prefix="snowpipe-extract-") as scratch:
            archives = self._archives(ctx, Path(scratch))
            staged = self._staged(ctx)
            fresh = [(a, d) for a, d in ((a, a.digest()) for a in archives) if staged.get(a.name) != d]
            ctx.progress(0, len(fresh), "")
            unpacked, uploaded = [], 0
            with ThreadPoolExecutor(ctx.threads) as executor:
                jobs = [executor.submit(self._unpack, a, d, Path(scratch) / "out" / a.name) for a, d in fresh]
                for number, job in enumerate(jobs, 1):
                    item = job.result()
                    unpacked.append(item)
                    uploaded += self._upload(ctx, item, staged.get(item.archive.name))
                    ctx.progress(number, len(fresh), item.archive.name)
        refused = [error for item in unpacked for error in item.refused]
        if refused and s.on_error == "abort":
            raise refused[0]
        self._keep_refused(ctx, refused)
        replaced = [i.archive.name for i in unpacked if i.archive.name in staged]
        warnings = [f"refused: {error}" for error in refused]
        warnings += [f"{name} has changed since it was staged; rows loaded from it before stay" for name in replaced]
        strangers = sorted(set(staged) - {archive.name for archive in archives}) if not s.months else []
        if strangers:
            warnings.append(
                f"{len(strangers)} archives that were staged before, such as {strangers[0]}, are not in {s.from_}; "
                "their rows stay"
            )
        return StepResult(
            rows=uploaded, message=f"{uploaded} files staged, {len(archives) - len(fresh)} archives unchanged",
            warnings=tuple(warnings), metrics={"archives": len(archives), "uploaded": uploaded, "refused": len(refused)},
        )  # fmt: skip

    def _archives(self, ctx: RunContext, scratch: Path) -> list[Archive]:
        s = self.settings
        if s.from_.startswith(("http://", "https://")):
            if not s.months or s.url_file is None:
                raise StepError("a URL has no list of its files: give `months` and `url_file`")
            folder = scratch / "downloads"
            folder.mkdir()
            names = [s.url_file.replace("{month}", month.replace("-", "")) for month in s.months]
            with ThreadPoolExecutor(ctx.threads) as executor:
                return list(executor.map(lambda name: download(s.from_, name, folder), names))
        folder = generate(ctx, s.generator, s.from_)
        if not folder.is_dir():
            raise StepError(f"no such folder: {folder}")
        found = [a for a in folder_archives(folder, s.files) if not s.months or month_of(a.name) in s.months]
        if not found:
            raise StepError(f"no file fits {s.files!r} in {folder}")
        return found

    def _manifests(self) -> StagePath:
        return self.settings.into.child("_manifests/")

    def _staged(self, ctx: RunContext) -> dict[str, str]:
        """Archive -> digest, as the manifests on the stage say. A manifest is uploaded last."""
        rows = ctx.execute(sql("LIST {place}", place=self._manifests()))
        found = {}
        for row in rows:
            name, _, digest = row["name"].rsplit("/", 1)[-1].removesuffix(".json").rpartition(".")
            found[name] = digest
        return found

    def _unpack(self, archive: Archive, digest: str, folder: Path) -> _Unpacked:
        result = _Unpacked(archive, digest)
        layouts = {name: layout.columns for name, layout in self.settings.layouts.items()}
        try:
            for number, (full, stream) in enumerate(csv_members(archive), 1):
                inner = full.partition("!")[2] or full
                # The whole path, and a number: a/b.csv and a_b.csv are two files.
                name = f"{inner.replace('!', '/').replace('/', '_').removesuffix('.csv')}.{number}.csv.gz"
                try:
                    result.members.append(write_member(stream, layouts, full, folder, name))
                except SourceFileError as error:
                    result.refused.append(error)
        except SourceFileError as error:
            result.refused.append(error)
        except DAMAGED as error:
            # Whoever reads a damaged member finds it: the archive's reader, or the one who unpacks.
            result.refused.append(SourceFileError(f"damaged archive: {error}", file=archive.name))
            result.members.clear()
        if not result.members and not result.refused:
            result.refused.append(SourceFileError("no CSV file inside", file=archive.name))
        return result

    def _upload(self, ctx: RunContext, item: _Unpacked, before: str | None) -> int:
        s = self.settings
        if before is not None:
            for layout in s.layouts:
                ctx.execute(sql("REMOVE {place}", place=s.into.child(f"{layout}/{item.archive.name}.{before}/")))
            ctx.execute(sql("REMOVE {place}", place=self._manifests().child(f"{item.archive.name}.{before}.json")))
        for layout, path in item.members:
            place = s.into.child(f"{layout}/{item.archive.name}.{item.digest}/")
            ctx.session.file.put(str(path), place.text, auto_compress=False, overwrite=True)
        # What was refused is tried again next time: no manifest says that it is staged.
        if not item.refused:
            manifest = item.members[0][1].parent / f"{item.archive.name}.{item.digest}.json"
            manifest.write_text(
                json.dumps({"archive": item.archive.name, "members": [p.name for _, p in item.members]})
            )
            ctx.session.file.put(str(manifest), self._manifests().text, auto_compress=False, overwrite=True)
        if item.members:
            shutil.rmtree(item.members[0][1].parent.parent, ignore_errors=True)
        return len(item.members)

    def _keep_refused(self, ctx: RunContext, refused: list[SourceFileError]) -> None:
        name = self.settings.refused
        if name is None:
            return
        ctx.execute(sql("CREATE TABLE IF NOT EXISTS {name} ({columns})", name=name, columns=Sql(_REFUSED)))
        if refused:
            values = [Literal((ctx.run.id, self.name, e.file, e.line, e.reason, e.record)) for e in refused]
            rows = join(", ", values)
            ctx.execute(
                sql("INSERT INTO {name} SELECT $1, $2, $3, $4, $5, $6 FROM VALUES {rows}", name=name, rows=rows)
            )
