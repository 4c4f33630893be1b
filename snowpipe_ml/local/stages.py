"""Stages and the files on them: CREATE STAGE, CREATE FILE FORMAT, PUT, GET, LIST, REMOVE.

An internal stage is a folder of the warehouse; an external one is a ``file://`` folder.
"""

from __future__ import annotations

import email.utils
import glob
import gzip
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote as url_unquote
from urllib.parse import urlparse

from snowpipe_ml.local import errors
from snowpipe_ml.local.objects import Modifiers, dropped, if_not_exists
from snowpipe_ml.local.reader import Reader
from snowpipe_ml.local.statements import Result, Statement, command, rows, status
from snowpipe_ml.local.storage import dumps

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection

_CHUNK = 2**20
_MD5: dict[tuple[str, int, int], str] = {}

# Endings by which PUT sees that a file is compressed already.
_COMPRESSED = {".gz": "GZIP", ".bz2": "BZIP2", ".zst": "ZSTD", ".zip": "NONE", ".parquet": "PARQUET", ".orc": "ORC"}


@dataclass(frozen=True)
class Stage:
    """A stage as it stands in the catalog.

    Attributes:
        folder: where its files are.
        label: what LIST and COPY put before a file's path.
    """

    database: str
    schema: str
    name: str
    folder: Path
    label: str
    options: dict[str, Any]
    external: bool

    def files(self, path: str, pattern: str | None = None) -> list[StagedFile]:
        """The files whose path starts with ``path`` and fits the whole pattern, by name."""
        regex = re.compile(pattern) if pattern else None
        found = []
        for file in sorted(_walk(self.folder)):
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
    """A file on a stage; ``relative`` is its path there."""

    stage: Stage
    relative: str
    path: Path

    @property
    def label(self) -> str:
        """Its name as LIST and COPY show it."""
        return f"{self.stage.label}/{self.relative}"

    @property
    def md5(self) -> str:
        """The MD5 of its bytes in hexadecimal."""
        stat = self.path.stat()
        key = (str(self.path), stat.st_mtime_ns, stat.st_size)
        if key not in _MD5:
            digest = hashlib.md5(usedforsecurity=False)
            with self.path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
            _MD5[key] = digest.hexdigest()
        return _MD5[key]


def _walk(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        for name in names:
            if not name.endswith(".uploading"):
                yield Path(root) / name


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
    folder = _external_folder(url) if url else connection.storage.path / "stages" / stage_id
    label = url.rstrip("/") if url else stage.lower()
    return Stage(database, schema, stage, folder, label, json.loads(options or "{}"), bool(url))


def _external_folder(url: str) -> Path:
    parsed = urlparse(url)
    if parsed.scheme != "file":
        raise errors.UnsupportedError(
            f"external stages on {parsed.scheme}://", "A file:// URL is an external stage here"
        )
    return Path(url_unquote(parsed.netloc + parsed.path))


# --------------------------------------------------------------------------- CREATE, DROP


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
        _external_folder(url)
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
            (connection.storage.path / "stages" / stage_id).mkdir(parents=True)
        connection.duck.execute(
            f"INSERT INTO {stages} (schema_name, name, id, url, options, comment, session) VALUES (?,?,?,?,?,?,?)",
            [schema, name, stage_id, url, dumps(options), options.get("COMMENT"),
             str(connection.session_id) if modifiers.temporary else None],
        )  # fmt: skip
    return status(f"Stage area {name} successfully created.")


@command("DROP STAGE")
def drop_stage(statement: Statement) -> Result:
    """``DROP STAGE [IF EXISTS] name``, with its files."""
    connection, reader = statement.connection, statement.reader
    reader.expect("DROP", "STAGE")
    lenient = reader.accept("IF", "EXISTS")
    database, schema, name = connection.resolve(reader.name(), "DROP STAGE")
    if not _remove_stage(connection, connection.catalog(database, "STAGES"), schema, name) and not lenient:
        raise errors.missing("Stage", f"{database}.{schema}.{name}")
    return dropped(name)


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
    where = f"FROM {formats} WHERE schema_name = ? AND name = ?"
    with connection.storage.lock:
        if connection.duck.execute(f"SELECT 1 {where}", [schema, name]).fetchone():
            if lenient:
                return status(f"{name} already exists, statement succeeded.")
            if not modifiers.replace:
                raise errors.exists(name)
            connection.duck.execute(f"DELETE {where}", [schema, name])
        connection.duck.execute(
            f"INSERT INTO {formats} (schema_name, name, options, comment, session) VALUES (?, ?, ?, ?, ?)",
            [schema, name, dumps(options), options.get("COMMENT"),
             str(connection.session_id) if modifiers.temporary else None],
        )  # fmt: skip
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
    return dropped(name)


def file_format(connection: Connection, given: Any, stage: Stage | None) -> dict[str, Any]:
    """The options of a file format: given in brackets, by name, or with the stage."""
    if given is None:
        given = (stage.options.get("FILE_FORMAT") if stage else None) or {}
    if isinstance(given, str):
        given = {"FORMAT_NAME": given}
    if not isinstance(given, dict):
        raise errors.syntax("FILE_FORMAT = ( ... ) takes options or a name")
    if "FORMAT_NAME" in given:
        name = connection.resolve(Reader(str(given["FORMAT_NAME"])).name())
        row = connection.duck.execute(
            f"SELECT options FROM {connection.catalog(name[0], 'FILE_FORMATS')} WHERE schema_name = ? AND name = ?",
            list(name[1:]),
        ).fetchone()
        if row is None:
            raise errors.missing("File format", ".".join(name))
        return {**json.loads(row[0]), **{k: v for k, v in given.items() if k != "FORMAT_NAME"}}
    return dict(given)


# --------------------------------------------------------------------------- PUT, GET


@command("PUT")
def put(statement: Statement) -> Result:
    """``PUT 'file://PATTERN' @stage/path options``; streams come beside the statement."""
    connection, reader = statement.connection, statement.reader
    reader.expect("PUT")
    source = reader.string() if reader.peek().kind == "string" else _bare_file(reader)
    stage, path = find_stage(connection, reader.stage())
    options = reader.options()
    reader.end()
    if stage.external:
        raise errors.error(1059, "22023", "PUT needs an internal stage")
    local = source.removeprefix("file://")
    compress = bool(options.get("AUTO_COMPRESS", True))
    overwrite = bool(options.get("OVERWRITE", False))
    if statement.file_stream is not None:
        sources: list[tuple[str, Any]] = [(os.path.basename(local), statement.file_stream)]
    else:
        sources = [(os.path.basename(name), name) for name in sorted(glob.glob(os.path.expanduser(local)))]
        if not sources:
            raise errors.error(253006, "22000", f"File doesn't exist: ['{local}']")
    results = [_upload(stage, path, name, data, compress, overwrite) for name, data in sources]
    names = (
        "source",
        "target",
        "source_size",
        "target_size",
        "source_compression",
        "target_compression",
        "status",
        "message",
    )
    kinds = ["BIGINT" if name.endswith("_size") else "VARCHAR" for name in names]
    return rows(list(zip(names, kinds, strict=True)), results)


def _bare_file(reader: Reader) -> str:
    start = reader.peek().start
    while not reader.done and reader.peek().kind != "stage":
        reader.next()
    return reader.text[start : reader.peek().start].strip()


def _upload(
    stage: Stage, path: str, name: str, source: str | IO[bytes], compress: bool, overwrite: bool
) -> tuple[Any, ...]:
    known = _COMPRESSED.get(os.path.splitext(name)[1].lower())
    zipping = compress and known is None
    target_name = f"{name}.gz" if zipping else name
    folder = stage.file(path) if path else stage.folder
    target = folder / target_name
    source_kind = known or "NONE"
    target_kind = "GZIP" if zipping else source_kind
    if target.exists() and not overwrite:
        size = os.path.getsize(source) if isinstance(source, str) else 0
        return (name, target_name, size, 0, source_kind, target_kind, "SKIPPED", "")
    folder.mkdir(parents=True, exist_ok=True)
    # Written aside and renamed: a reader never sees half a file, nor does a killed process leave one.
    aside = folder / f".{target_name}.{uuid.uuid4().hex}.uploading"
    size = 0
    try:
        with aside.open("wb") as out, _reading(source) as data:
            sink: Any = gzip.GzipFile("", "wb", 6, out, mtime=0) if zipping else out
            while chunk := data.read(_CHUNK):
                size += len(chunk)
                sink.write(chunk)
            if zipping:
                sink.close()
            out.flush()
            os.fsync(out.fileno())
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)
    return (name, target_name, size, target.stat().st_size, source_kind, target_kind, "UPLOADED", "")


class _reading:  # noqa: N801 - used as a keyword-like context
    """Opens a path; leaves a caller's stream open."""

    def __init__(self, source: str | IO[bytes]) -> None:
        self.stream: IO[bytes] = open(source, "rb") if isinstance(source, str) else source  # noqa: SIM115
        self.own = isinstance(source, str)

    def __enter__(self) -> IO[bytes]:
        return self.stream

    def __exit__(self, *_: object) -> None:
        if self.own:
            self.stream.close()


@command("GET")
def get(statement: Statement) -> Result:
    """``GET @stage/path 'file://FOLDER' [PATTERN = 'x']``."""
    connection, reader = statement.connection, statement.reader
    reader.expect("GET")
    stage, path = find_stage(connection, reader.stage())
    target = Path((reader.string() if reader.peek().kind == "string" else _rest_word(reader)).removeprefix("file://"))
    options = reader.options()
    found = stage.files(path, options.get("PATTERN"))
    target.mkdir(parents=True, exist_ok=True)
    results = []
    for file in found:
        shutil.copyfile(file.path, target / file.path.name)
        results.append((file.path.name, file.path.stat().st_size, "DOWNLOADED", ""))
    return rows([("file", "VARCHAR"), ("size", "BIGINT"), ("status", "VARCHAR"), ("message", "VARCHAR")], results)


def _rest_word(reader: Reader) -> str:
    start = reader.peek().start
    end = start
    while end < len(reader.text) and not reader.text[end].isspace():
        end += 1
    while not reader.done and reader.peek().start < end:
        reader.next()
    return reader.text[start:end]


# --------------------------------------------------------------------------- LIST, REMOVE

_LIST_COLUMNS = [("name", "VARCHAR"), ("size", "BIGINT"), ("md5", "VARCHAR"), ("last_modified", "VARCHAR")]


@command("LIST", "LS")
def list_files(statement: Statement) -> Result:
    """``LIST @stage/path [PATTERN = 'x']``."""
    reader = statement.reader
    reader.next()
    stage, path = find_stage(statement.connection, reader.stage())
    options = reader.options()
    reader.end()
    found = [
        (file.label, file.path.stat().st_size, file.md5, _http_date(file.path.stat().st_mtime))
        for file in stage.files(path, options.get("PATTERN"))
    ]
    return rows(_LIST_COLUMNS, found)


def _http_date(seconds: float) -> str:
    return email.utils.formatdate(seconds, usegmt=True)


@command("REMOVE", "RM")
def remove(statement: Statement) -> Result:
    """``REMOVE @stage/path [PATTERN = 'x']``; the path is a prefix, as on Snowflake."""
    reader = statement.reader
    reader.next()
    stage, path = find_stage(statement.connection, reader.stage())
    options = reader.options()
    reader.end()
    gone = []
    for file in stage.files(path, options.get("PATTERN")):
        file.path.unlink()
        gone.append((file.label, "removed"))
    return rows([("name", "VARCHAR"), ("result", "VARCHAR")], gone)
