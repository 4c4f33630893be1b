"""Stages and the files on them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote as url_unquote
from urllib.parse import urlparse

from snowpipe_ml.local.catalog.kind import CREATED, PLACE, Kept, Schema
from snowpipe_ml.local.catalog.streams import make_stale
from snowpipe_ml.local.core import connector, errors, private
from snowpipe_ml.local.core.names import CATALOG, Name, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Options
from snowpipe_ml.local.syntax.reader import Reader

_CHUNK = 2**20


_MD5: dict[tuple[str, int, int], str] = {}


class Stages(Kept):
    """Stages; the files of an internal stage are not cloned, as on Snowflake."""

    word = "STAGE"
    table = "STAGES"
    temporary = True
    owned = "id"
    shown = (
        CREATED,
        *PLACE,
        ("url", "VARCHAR", "coalesce(url, '')"),
        ("has_credentials", "VARCHAR", "'N'"),
        ("has_encryption_key", "VARCHAR", "'N'"),
        ("owner", "VARCHAR", "'SYSADMIN'"),
        ("comment", "VARCHAR", "coalesce(comment, '')"),
        ("region", "VARCHAR", "NULL"),
        ("type", "VARCHAR", "CASE WHEN url IS NULL THEN 'INTERNAL' ELSE 'EXTERNAL' END"),
        ("cloud", "VARCHAR", "NULL"),
        ("notification_channel", "VARCHAR", "NULL"),
        ("storage_integration", "VARCHAR", "NULL"),
        ("endpoint", "VARCHAR", "NULL"),
        ("owner_role_type", "VARCHAR", "'ROLE'"),
        (
            "directory_enabled",
            "VARCHAR",
            "CASE WHEN json_extract_string(options, '$.DIRECTORY.ENABLE') = 'true' THEN 'Y' ELSE 'N' END",
        ),
    )
    cloned: ClassVar[Mapping[str, str]] = {
        "name": "name",
        "id": "replace(uuid()::VARCHAR, '-', '')",
        "url": "url",
        "options": "options",
        "comment": "comment",
    }

    def release(self, session: Session, database: str, owned: str) -> None:
        """Delete the files of an internal stage, and its directory table."""
        directory = directory_name(database, owned)
        make_stale(session, directory)
        session.duck.execute(f"DROP TABLE IF EXISTS {quoted(*directory)}")
        shutil.rmtree(session.storage.path / "stages" / owned, ignore_errors=True)

    def clone(self, session: Session, source: Schema, target: Schema) -> None:
        """Clone stages, and make the folders of internal ones."""
        super().clone(session, source, target)
        for (stage_id,) in session.duck.execute(
            f"SELECT id FROM {session.catalog(target[0], self.table)} WHERE schema_name = ? AND url IS NULL",
            [target[1]],
        ).fetchall():
            private.make_folder(session.storage.path / "stages" / stage_id)


class MissingFilesError(connector.LateProgrammingError):
    """Listed files are not on a stage.

    Args:
        first: the label of the first one.
        names: their names as they were given.
    """

    def __init__(self, first: str, names: Sequence[str]) -> None:
        connector.ProgrammingError.__init__(
            self,
            f"Remote file '{first}' was not found. The file might not exist.",
            errno=91016,
            sqlstate="22000",
        )
        self.names = names


@dataclass(frozen=True)
class Stage:
    """A stage, as defined in the catalog.

    Attributes:
        folder: the folder of its files.
        label: the prefix of file paths in the results of LIST and COPY.
        links: the folder for links to files of external stages, because DuckDB may only read files inside
            the warehouse's folder.
        directory: its directory table.
    """

    database: str
    schema: str
    name: str
    folder: Path
    label: str
    options: Options
    external: bool
    links: Path
    directory: Name

    def files(self, path: str, pattern: str | None = None) -> list[StagedFile]:
        """List the files whose path starts with ``path`` and fully matches the pattern, sorted by path."""
        regex = re.compile(pattern) if pattern else None
        found = []
        for file in sorted(file for file in _walk(self.folder) if _belongs(file, self.folder)):
            relative = file.relative_to(self.folder).as_posix()
            if relative.startswith(path) and (regex is None or regex.fullmatch(relative)):
                found.append(StagedFile(self, relative, file))
        return found

    def listed(self, path: str, names: Collection[str], pattern: str | None = None) -> list[StagedFile]:
        """List the named files below a path, as the option FILES does.

        Raises:
            MissingFilesError: one of them does not exist.
        """
        wanted = {f"{path.rstrip('/')}/{name}".lstrip("/"): name for name in names}
        found = [file for file in self.files(path, pattern) if file.relative in wanted]
        missing = wanted.keys() - {file.relative for file in found}
        if missing:
            first = min(missing)
            raise MissingFilesError(f"{self.label}/{first}", [wanted[each] for each in sorted(missing)])
        return found

    def file(self, relative: str) -> Path:
        """Return the absolute path of a file.

        Raises:
            ProgrammingError: the path leads out of the stage's folder.
        """
        place = (self.folder / relative).resolve()
        if not place.is_relative_to(self.folder.resolve()):
            raise errors.error(1059, "22023", f"the path leaves the stage: {relative!r}")
        return place


@dataclass(frozen=True)
class StagedFile:
    """A file on a stage.

    Args:
        stage: the stage.
        relative: its path on the stage.
        source: the file itself; DuckDB cannot read it in place if the stage is external.
        copy: a copy that is read instead of the file.
    """

    stage: Stage
    relative: str
    source: Path
    copy: Path | None = None

    @cached_property
    def path(self) -> Path:
        """The path that DuckDB reads; files of an external stage are linked or copied into the warehouse.

        The hard link or copy is deleted together with this object, so that it does not outlive a file that is
        changed or removed later.

        Raises:
            ProgrammingError: the file was removed or is not readable.
        """
        if self.copy is not None or not self.stage.external:
            return self.copy or self.source
        folder = tempfile.mkdtemp(prefix="read-", dir=self.stage.links)
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        link = Path(folder) / self.source.name
        with self._readable():
            try:
                os.link(self.source.resolve(), link)
            except OSError:  # the file is on another file system, or the file system has no hard links
                private.copy_file(self.source, link)
        return link

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Convert file system errors to Snowflake's, with the name of the file.

        Raises:
            ProgrammingError: the file was removed or is not readable.
        """
        try:
            yield
        except (FileNotFoundError, PermissionError) as raised:
            raise errors.error(
                91016,
                "22000",
                f"Remote file '{self.label}' was not found or cannot be read: {raised.strerror}",
            ) from raised

    def stat(self) -> os.stat_result:
        """Return the size and times of the source file.

        Raises:
            ProgrammingError: the file was removed or is not readable.
        """
        with self._readable():
            return self.source.stat()

    @property
    def label(self) -> str:
        """The name of the file in the results of LIST and COPY."""
        return f"{self.stage.label}/{self.relative}"

    @property
    def md5(self) -> str:
        """The MD5 of the file's content, in hexadecimal.

        Raises:
            ProgrammingError: the file was removed or is not readable.
        """
        found = self.stat()
        key = (str(self.source), found.st_mtime_ns, found.st_size)
        if key not in _MD5:
            digest = hashlib.md5(usedforsecurity=False)
            with self._readable(), self.source.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
            _MD5[key] = digest.hexdigest()
        return _MD5[key]


def _walk(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        for name in names:
            if not name.endswith(".uploading"):
                yield Path(root) / name


def _belongs(file: Path, folder: Path) -> bool:
    """Return whether a path is a file of the stage, not a pipe, device, broken or outside link."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            return False
        return not file.is_symlink() or file.resolve().is_relative_to(folder.resolve())
    except OSError:
        return False


def find_stage(session: Session, reference: str) -> tuple[Stage, str]:
    """Resolve ``@[[db.]schema.]name[/path]`` to the stage and the path.

    Raises:
        ProgrammingError: the stage does not exist.
        UnsupportedError: it is a user or table stage.
    """
    if not reference.startswith("@"):
        raise errors.syntax(f"a stage path must start with @: {reference!r}")
    if reference.startswith(("@~", "@%")):
        raise errors.UnsupportedError("user and table stages", "Create a named stage")
    text = reference[1:]
    reader = Reader(text.split("/", 1)[0] if not text.startswith('"') else text)
    name = reader.name()
    consumed = reader.tokens[reader.index - 1].end
    path = text[consumed:].lstrip("/")
    return named_stage(session, name), path


def named_stage(session: Session, name: tuple[str, ...]) -> Stage:
    """Look up a stage by its name."""
    database, schema, stage = session.resolve(name, "this statement on a stage")
    row = session.duck.execute(
        f"SELECT id, url, options FROM {session.catalog(database, 'STAGES')} WHERE schema_name = ? AND name = ?",
        [schema, stage],
    ).fetchone()
    if row is None:
        raise errors.missing("Stage", f"{database}.{schema}.{stage}")
    stage_id, url, options = row
    folder = _external_folder(session, url) if url else session.storage.path / "stages" / stage_id
    label = url.rstrip("/") if url else stage.lower()
    links = session.storage.path / "external"
    directory = directory_name(database, stage_id)
    return Stage(
        database, schema, stage, folder, label, json.loads(options or "{}"), bool(url), links, directory
    )


def directory_name(database: str, stage_id: str) -> Name:
    """Return the name of the directory table of a stage."""
    return database, CATALOG, f"DIRECTORY_{stage_id.upper()}"


def _external_folder(session: Session, url: str) -> Path:
    """Return the folder of an external stage.

    Raises:
        ProgrammingError: the folder is inside the warehouse's folder or contains it, so that the stage could
            overwrite the warehouse's own files.
        UnsupportedError: the URL is not a ``file://`` URL.
    """
    parsed = urlparse(url)
    if parsed.scheme != "file":
        raise errors.UnsupportedError(f"external stages on {parsed.scheme}://", "Use a file:// URL")
    folder = Path(url_unquote(parsed.netloc + parsed.path))
    place, home = folder.resolve(), session.storage.path.resolve()
    if _contains(home, place) or _contains(place, home):
        raise errors.error(
            1059,
            "22023",
            f"invalid URL {url!r}: a stage's folder must not be inside the warehouse's own folder "
            "or contain it",
        )
    return folder


def _contains(outer: Path, inner: Path) -> bool:
    """Return whether a folder is or contains another one.

    Paths are also compared by file identity, because some file systems ignore case in names.
    """
    if inner.is_relative_to(outer):
        return True
    if not os.path.exists(outer):
        return False
    return any(os.path.exists(each) and os.path.samefile(each, outer) for each in (inner, *inner.parents))
