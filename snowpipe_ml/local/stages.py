"""Stages, the files on them, and file formats: CREATE and DROP, and how a stage path is read.

An internal stage is a folder of the warehouse; an external one is a ``file://`` folder.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as url_quote
from urllib.parse import unquote as url_unquote
from urllib.parse import urlparse

from snowpipe_ml.local import errors, private
from snowpipe_ml.local.objects import Modifiers, already_dropped, claim, dropped, if_not_exists
from snowpipe_ml.local.reader import Reader
from snowpipe_ml.local.statements import Result, Statement, command, rows, status
from snowpipe_ml.local.storage import dumps

if TYPE_CHECKING:
    import pyarrow as pa

    from snowpipe_ml.local.connection import Connection
    from snowpipe_ml.local.types import Column

_CHUNK = 2**20
# https://docs.snowflake.com/en/sql-reference/sql/create-file-format
FORMAT_DEFAULTS: dict[str, dict[str, Any]] = {
    "CSV": {
        "RECORD_DELIMITER": "\\n",
        "FIELD_DELIMITER": ",",
        "FILE_EXTENSION": "",
        "SKIP_HEADER": 0,
        "PARSE_HEADER": False,
        "DATE_FORMAT": "AUTO",
        "TIME_FORMAT": "AUTO",
        "TIMESTAMP_FORMAT": "AUTO",
        "BINARY_FORMAT": "HEX",
        "ESCAPE": "NONE",
        "ESCAPE_UNENCLOSED_FIELD": "\\\\",
        "TRIM_SPACE": False,
        "FIELD_OPTIONALLY_ENCLOSED_BY": "NONE",
        "NULL_IF": ["\\\\N"],
        "COMPRESSION": "AUTO",
        "ERROR_ON_COLUMN_COUNT_MISMATCH": True,
        "SKIP_BLANK_LINES": False,
        "REPLACE_INVALID_CHARACTERS": False,
        "EMPTY_FIELD_AS_NULL": True,
        "SKIP_BYTE_ORDER_MARK": True,
        "ENCODING": "UTF8",
    },
    "JSON": {
        "FILE_EXTENSION": "",
        "DATE_FORMAT": "AUTO",
        "TIME_FORMAT": "AUTO",
        "TIMESTAMP_FORMAT": "AUTO",
        "BINARY_FORMAT": "HEX",
        "TRIM_SPACE": False,
        "NULL_IF": [],
        "COMPRESSION": "AUTO",
        "ENABLE_OCTAL": False,
        "ALLOW_DUPLICATE": False,
        "STRIP_OUTER_ARRAY": False,
        "STRIP_NULL_VALUES": False,
        "IGNORE_UTF8_ERRORS": False,
        "REPLACE_INVALID_CHARACTERS": False,
        "SKIP_BYTE_ORDER_MARK": True,
    },
    "PARQUET": {
        "TRIM_SPACE": False,
        "NULL_IF": [],
        "COMPRESSION": "AUTO",
        "BINARY_AS_TEXT": True,
        "USE_LOGICAL_TYPE": False,
        "REPLACE_INVALID_CHARACTERS": False,
        "USE_VECTORIZED_SCANNER": False,
    },
}
_MD5: dict[tuple[str, int, int], str] = {}


@dataclass(frozen=True)
class Stage:
    """A stage as it stands in the catalog.

    Attributes:
        folder: where its files are.
        label: what LIST and COPY put before a file's path.
        links: where files of external stages are linked for DuckDB, which reads nothing outside of the warehouse.
    """

    database: str
    schema: str
    name: str
    folder: Path
    label: str
    options: dict[str, Any]
    external: bool
    links: Path

    def files(self, path: str, pattern: str | None = None) -> list[StagedFile]:
        """The files whose path starts with ``path`` and fits the whole pattern, by name."""
        regex = re.compile(pattern) if pattern else None
        found = []
        for file in sorted(file for file in _walk(self.folder) if _belongs(file, self.folder)):
            relative = file.relative_to(self.folder).as_posix()
            if relative.startswith(path) and (regex is None or regex.fullmatch(relative)):
                found.append(StagedFile(self, relative, file))
        return found

    def file(self, relative: str) -> Path:
        """A file's place.

        Raises:
            ProgrammingError: the path leaves the stage.
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
        relative: its path there.
        source: the file itself; of an external stage, DuckDB cannot read it there.
        copy: a copy whose rows are read in its place.
    """

    stage: Stage
    relative: str
    source: Path
    copy: Path | None = None

    @cached_property
    def path(self) -> Path:
        """Give the path that DuckDB reads: a file of an external stage is linked into the warehouse, or else copied.

        The link or copy goes with this object, so that nothing is left of a file that is changed or removed later.

        Raises:
            ProgrammingError: the file is gone, or may not be read.
        """
        if self.copy is not None or not self.stage.external:
            return self.copy or self.source
        folder = tempfile.mkdtemp(prefix="read-", dir=self.stage.links)
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        link = Path(folder) / self.source.name
        with self._readable():
            try:
                os.link(self.source.resolve(), link)
            except OSError:  # another file system, or one without links
                private.copy_file(self.source, link)
        return link

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Name the file in an error of the file system.

        Raises:
            ProgrammingError: the file is gone, or may not be read.
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
        """The size and times of the file itself.

        Raises:
            ProgrammingError: the file is gone.
        """
        with self._readable():
            return self.source.stat()

    @property
    def label(self) -> str:
        """Its name as LIST and COPY show it."""
        return f"{self.stage.label}/{self.relative}"

    @property
    def md5(self) -> str:
        """The MD5 of its bytes in hexadecimal.

        Raises:
            ProgrammingError: the file is gone, or may not be read.
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
    """Tell a file of a stage from a pipe or device, a link that leads nowhere, and one that leads out of the stage."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            return False
        return not file.is_symlink() or file.resolve().is_relative_to(folder.resolve())
    except OSError:
        return False


def find_stage(connection: Connection, reference: str) -> tuple[Stage, str]:
    """The stage that ``@[[db.]schema.]name[/path]`` means, and the path.

    Raises:
        ProgrammingError: there is no such stage; UnsupportedError for user and table stages.
    """
    if not reference.startswith("@"):
        raise errors.syntax(f"a stage path starts with @: {reference!r}")
    if reference.startswith(("@~", "@%")):
        raise errors.UnsupportedError("user and table stages", "Create a named stage")
    text = reference[1:]
    reader = Reader(text.split("/", 1)[0] if not text.startswith('"') else text)
    name = reader.name()
    consumed = reader.tokens[reader.index - 1].end
    path = text[consumed:].lstrip("/")
    return named_stage(connection, name), path


def named_stage(connection: Connection, name: tuple[str, ...]) -> Stage:
    """A stage by its name."""
    database, schema, stage = connection.resolve(name, "this statement on a stage")
    row = connection.duck.execute(
        f"SELECT id, url, options FROM {connection.catalog(database, 'STAGES')} WHERE schema_name = ? AND name = ?",
        [schema, stage],
    ).fetchone()
    if row is None:
        raise errors.missing("Stage", f"{database}.{schema}.{stage}")
    stage_id, url, options = row
    folder = _external_folder(connection, url) if url else connection.storage.path / "stages" / stage_id
    label = url.rstrip("/") if url else stage.lower()
    links = connection.storage.path / "external"
    return Stage(database, schema, stage, folder, label, json.loads(options or "{}"), bool(url), links)


def _external_folder(connection: Connection, url: str) -> Path:
    """The folder of an external stage.

    Raises:
        ProgrammingError: it is a part of the warehouse, or the warehouse a part of it; a stage could then overwrite
            the warehouse's own files.
        UnsupportedError: the URL is not a file's.
    """
    parsed = urlparse(url)
    if parsed.scheme != "file":
        raise errors.UnsupportedError(
            f"external stages on {parsed.scheme}://", "A file:// URL is an external stage here"
        )
    folder = Path(url_unquote(parsed.netloc + parsed.path))
    place, home = folder.resolve(), connection.storage.path.resolve()
    if _contains(home, place) or _contains(place, home):
        raise errors.error(
            1059,
            "22023",
            f"invalid URL {url!r}: a stage's folder cannot be in the warehouse's own folder or above it",
        )
    return folder


def _contains(outer: Path, inner: Path) -> bool:
    """Compare by file as well as by path: on some file systems names that differ in case are one folder."""
    if inner.is_relative_to(outer):
        return True
    if not os.path.exists(outer):
        return False
    return any(os.path.exists(each) and os.path.samefile(each, outer) for each in (inner, *inner.parents))


@command("CREATE STAGE")
def create_stage(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] [TEMPORARY] STAGE [IF NOT EXISTS] name [URL = 'file://...'] options``."""
    connection, reader = statement.connection, statement.reader
    modifiers = Modifiers(reader)
    reader.expect("STAGE")
    lenient = if_not_exists(reader)
    database, schema, name = connection.resolve(reader.name(), "CREATE STAGE")
    lenient = if_not_exists(reader) or lenient
    options = reader.options()
    reader.end()
    url = options.pop("URL", None)
    if url:
        _external_folder(connection, url)
    stages = connection.catalog(database, "STAGES")
    with connection.storage.lock:
        row = connection.duck.execute(
            f"SELECT id FROM {stages} WHERE schema_name = ? AND name = ?", [schema, name]
        ).fetchone()
        if row:
            if lenient:
                return status(f"{name} already exists, statement succeeded.")
            if not modifiers.replace:
                raise errors.exists(name)
            _remove_stage(connection, stages, schema, name)
        stage_id = uuid.uuid4().hex
        if not url:
            private.make_folder(connection.storage.path / "stages" / stage_id)
        connection.duck.execute(
            f"INSERT INTO {stages} (schema_name, name, id, url, options, comment, session) VALUES (?,?,?,?,?,?,?)",
            [
                schema,
                name,
                stage_id,
                url,
                dumps(options),
                options.get("COMMENT"),
                str(connection.session_id) if modifiers.temporary else None,
            ],
        )
    return status(f"Stage area {name} successfully created.")


@command("DROP STAGE")
def drop_stage(statement: Statement) -> Result:
    """``DROP STAGE [IF EXISTS] name``, with its files."""
    connection, reader = statement.connection, statement.reader
    reader.expect("DROP", "STAGE")
    lenient = reader.accept("IF", "EXISTS")
    database, schema, name = connection.resolve(reader.name(), "DROP STAGE")
    gone = _remove_stage(connection, connection.catalog(database, "STAGES"), schema, name)
    if not gone and not lenient:
        raise errors.missing("Stage", f"{database}.{schema}.{name}")
    return dropped(name) if gone else already_dropped(name)


def _remove_stage(connection: Connection, stages: str, schema: str, name: str) -> bool:
    gone = connection.duck.execute(
        f"DELETE FROM {stages} WHERE schema_name = ? AND name = ? RETURNING id", [schema, name]
    ).fetchall()
    for (stage_id,) in gone:
        shutil.rmtree(connection.storage.path / "stages" / stage_id, ignore_errors=True)
    return bool(gone)


@command("CREATE FILE FORMAT")
def create_file_format(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] FILE FORMAT [IF NOT EXISTS] name options``."""
    connection, reader = statement.connection, statement.reader
    modifiers = Modifiers(reader)
    reader.expect("FILE", "FORMAT")
    lenient = if_not_exists(reader)
    database, schema, name = connection.resolve(reader.name(), "CREATE FILE FORMAT")
    lenient = if_not_exists(reader) or lenient
    options = reader.options()
    reader.end()
    formats = connection.catalog(database, "FILE_FORMATS")
    with connection.storage.lock:
        there = claim(connection, formats, schema, name, replace=modifiers.replace, lenient=lenient)
        if there is not None:
            return there
        connection.duck.execute(
            f"INSERT INTO {formats} (schema_name, name, options, comment, session) VALUES (?, ?, ?, ?, ?)",
            [
                schema,
                name,
                dumps(options),
                options.get("COMMENT"),
                str(connection.session_id) if modifiers.temporary else None,
            ],
        )
    return status(f"File format {name} successfully created.")


@command("DROP FILE FORMAT")
def drop_file_format(statement: Statement) -> Result:
    """``DROP FILE FORMAT [IF EXISTS] name``."""
    connection, reader = statement.connection, statement.reader
    reader.expect("DROP", "FILE", "FORMAT")
    lenient = reader.accept("IF", "EXISTS")
    database, schema, name = connection.resolve(reader.name(), "DROP FILE FORMAT")
    gone = connection.duck.execute(
        f"DELETE FROM {connection.catalog(database, 'FILE_FORMATS')} WHERE schema_name = ? AND name = ? RETURNING 1",
        [schema, name],
    ).fetchall()
    if not gone and not lenient:
        raise errors.missing("File format", name)
    return dropped(name) if gone else already_dropped(name)


def file_format(connection: Connection, given: Any, stage: Stage | None) -> dict[str, Any]:
    """The options of a file format: given in brackets, by name, or with the stage."""
    if given is None:
        given = (stage.options.get("FILE_FORMAT") if stage else None) or {}
    if isinstance(given, str):
        given = {"FORMAT_NAME": given}
    if not isinstance(given, dict):
        raise errors.syntax("FILE_FORMAT = ( ... ) takes options or a name")
    if "FORMAT_NAME" in given:
        written = Reader(str(given["FORMAT_NAME"])).name()
        name = connection.resolve(written)
        row = connection.duck.execute(
            f"SELECT options FROM {connection.catalog(name[0], 'FILE_FORMATS')} WHERE schema_name = ? AND name = ?",
            list(name[1:]),
        ).fetchone()
        if row is None:
            raise errors.missing("File format", ".".join(written))
        return {**json.loads(row[0]), **{k: v for k, v in given.items() if k != "FORMAT_NAME"}}
    return dict(given)


def directory(stage: Stage) -> tuple[list[Column], pa.Table]:
    """The directory table of a stage. It needs no REFRESH here: it is read from the folder.

    Raises:
        ProgrammingError: the stage was created without DIRECTORY = (ENABLE = TRUE).
    """
    options = stage.options.get("DIRECTORY")
    if not (isinstance(options, dict) and options.get("ENABLE")):
        raise errors.error(
            2003,
            "02000",
            f"SQL compilation error:\nThe stage '{stage.name}' has no directory table: DIRECTORY = (ENABLE = TRUE)",
        )
    found = []
    for file in stage.files(""):
        about = file.stat()
        modified = dt.datetime.fromtimestamp(about.st_mtime, dt.UTC)
        url = f"file://{url_quote(str(file.source))}"
        found.append((file.relative, about.st_size, modified, file.md5, file.md5, url))
    kinds = {"SIZE": "BIGINT", "LAST_MODIFIED": "TIMESTAMP WITH TIME ZONE"}
    names = ("RELATIVE_PATH", "SIZE", "LAST_MODIFIED", "MD5", "ETAG", "FILE_URL")
    result = rows([(name, kinds.get(name, "VARCHAR")) for name in names], found)
    return result.columns, result.table


@command("ALTER STAGE")
def alter_stage(statement: Statement) -> Result:
    """``ALTER STAGE [IF EXISTS] name REFRESH [SUBPATH = 'x'] | SET options``."""
    connection, reader = statement.connection, statement.reader
    reader.expect("ALTER", "STAGE")
    lenient = reader.accept("IF", "EXISTS")
    name = connection.resolve(reader.name(), "ALTER STAGE")
    stages = connection.catalog(name[0], "STAGES")
    row = connection.duck.execute(
        f"SELECT options FROM {stages} WHERE schema_name = ? AND name = ?", list(name[1:])
    ).fetchone()
    if row is None:
        if lenient:
            return status("Statement executed successfully.")
        raise errors.missing("Stage", ".".join(name))
    if reader.accept("REFRESH"):
        reader.options()
        return status("Statement executed successfully.")
    reader.expect("SET")
    given = reader.options()
    reader.end()
    for key in set(given) - {"FILE_FORMAT", "DIRECTORY", "COMMENT"}:
        raise errors.UnsupportedError(f"ALTER STAGE ... SET {key}")
    connection.duck.execute(
        f"UPDATE {stages} SET options = ?, comment = coalesce(?, comment) WHERE schema_name = ? AND name = ?",
        [dumps(json.loads(row[0] or "{}") | given), given.get("COMMENT"), *name[1:]],
    )
    return status("Statement executed successfully.")
