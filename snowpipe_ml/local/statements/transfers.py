"""Transfer files to and from stages: PUT, GET, LIST, REMOVE."""

from __future__ import annotations

import email.utils
import glob
import gzip
import os
import shutil
import uuid
from pathlib import Path
from typing import IO

from snowpipe_ml.local.catalog.stages import Stage, find_stage
from snowpipe_ml.local.core import connector, errors, private
from snowpipe_ml.local.core.result import Result, rows
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Options, Row, text_option
from snowpipe_ml.local.python.confinement import TMP, own_tmp_of
from snowpipe_ml.local.statements.base import Statement, command, describes
from snowpipe_ml.local.syntax.reader import Reader

_CHUNK = 2**20

# File extensions by which PUT recognizes compressed files.
_COMPRESSED = {
    ".gz": "GZIP",
    ".bz2": "BZIP2",
    ".zst": "ZSTD",
    ".zip": "NONE",
    ".parquet": "PARQUET",
    ".orc": "ORC",
}


_UPLOADED = [
    ("source", "VARCHAR"),
    ("target", "VARCHAR"),
    ("source_size", "BIGINT"),
    ("target_size", "BIGINT"),
    ("source_compression", "VARCHAR"),
    ("target_compression", "VARCHAR"),
    ("status", "VARCHAR"),
    ("message", "VARCHAR"),
]


_DOWNLOADED = [("file", "VARCHAR"), ("size", "BIGINT"), ("status", "VARCHAR"), ("message", "VARCHAR")]


@describes("PUT")
def _describe_put(statement: Statement) -> list[Column]:
    """The columns of a PUT's result; nothing is uploaded."""
    return [Column(name, kind) for name, kind in _UPLOADED]


@describes("GET")
def _describe_get(statement: Statement) -> list[Column]:
    """The columns of a GET's result; nothing is downloaded."""
    return [Column(name, kind) for name, kind in _DOWNLOADED]


@command("PUT")
def put(statement: Statement) -> Result:
    """``PUT 'file://PATTERN' @stage/path options``; or upload the stream passed with the statement."""
    session, reader = statement.session, statement.reader
    reader.expect("PUT")
    source = local_file(reader)
    stage, path = find_stage(session, reader.stage())
    options = _options(reader, "PUT", "AUTO_COMPRESS", "OVERWRITE", "PARALLEL", "SOURCE_COMPRESSION")
    reader.end()
    if stage.external:
        raise errors.error(1059, "22023", "PUT needs an internal stage")
    local = local_path(session, source)
    compress = bool(options.get("AUTO_COMPRESS", True))
    overwrite = bool(options.get("OVERWRITE", False))
    compression = _compression(str(options.get("SOURCE_COMPRESSION") or "NONE").upper(), options)
    if statement.file_stream is not None:
        sources: list[tuple[str, str | IO[bytes]]] = [(os.path.basename(local), statement.file_stream)]
    else:
        found = [name for name in sorted(glob.glob(local)) if _is_reachable(session, name)]
        sources = [(os.path.basename(name), name) for name in found]
        if not sources:
            raise errors.error(253006, "22000", f"File doesn't exist: ['{local}']")
    results = [_upload(stage, path, name, data, compress, overwrite, compression) for name, data in sources]
    return rows(_UPLOADED, results)


def _options(reader: Reader, command_: str, *known: str) -> Options:
    """Parse the options of a command.

    Raises:
        ProgrammingError: the command has no such option.
    """
    options = reader.options()
    for key in options:
        if key not in known:
            raise errors.invalid_property(key, command_)
    return options


_COMPRESSIONS = ("AUTO_DETECT", "GZIP", "BZ2", "BROTLI", "ZSTD", "DEFLATE", "RAW_DEFLATE", "NONE")


def _compression(given: str, options: Options) -> str:
    """Return how the files of a PUT are compressed: SOURCE_COMPRESSION, by default as they look."""
    if "SOURCE_COMPRESSION" not in options:
        return "AUTO_DETECT"
    if given not in _COMPRESSIONS:
        raise errors.error(
            253006, "22000", f"SOURCE_COMPRESSION is one of {', '.join(_COMPRESSIONS)}, not {given}"
        )
    return given


def local_file(reader: Reader) -> str:
    """Parse ``file://path``, quoted or not; return the path."""
    if reader.peek().kind == "string":
        return reader.string().removeprefix("file://")
    start = end = reader.peek().start
    while end < len(reader.text) and not reader.text[end].isspace():
        end += 1
    while not reader.done and reader.peek().start < end:
        reader.next()
    return reader.text[start:end].removeprefix("file://")


def local_path(session: Session, text: str) -> str:
    """Return the path of a local file or folder; in a procedure, one that its worker can reach.

    Raises:
        ProgrammingError: a procedure names a file outside of its temporary folder and its ``/tmp``.
    """
    if session.worker_folder is None:
        return os.path.join(session.folder, os.path.expanduser(text))
    home = session.worker_folder
    path = os.path.normpath(os.path.join(home, text.replace("~", home, 1) if text[:1] == "~" else text))
    own_tmp = own_tmp_of(home)
    if not Path(path).is_relative_to(home) and Path(path).is_relative_to(TMP) and own_tmp.is_dir():
        path = str(own_tmp / Path(path).relative_to(TMP))
    if not _is_reachable(session, path):
        raise errors.error(253006, "22000", f"File doesn't exist: ['{text}']")
    return path


def _is_reachable(session: Session, path: str) -> bool:
    """Return whether the running procedure, if there is one, can reach a file; links are followed."""
    home = session.worker_folder
    if home is None:
        return True
    roots = [home] if own_tmp_of(home).is_dir() else [home, TMP]
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(os.path.realpath(root)) for root in roots)


def _upload(
    stage: Stage,
    path: str,
    name: str,
    source: str | IO[bytes],
    compress: bool,
    overwrite: bool,
    compression: str,
) -> Row:
    if compression == "AUTO_DETECT":
        known = _COMPRESSED.get(os.path.splitext(name)[1].lower()) or _known_by_content(source)
    else:
        known = None if compression == "NONE" else compression
    zipping = compress and known is None
    target_name = f"{name}.gz" if zipping else name
    folder = stage.file(path) if path else stage.folder
    target = folder / target_name
    source_kind = known or "NONE"
    target_kind = "GZIP" if zipping else source_kind
    if target.exists() and not overwrite:
        size = os.path.getsize(source) if isinstance(source, str) else 0
        return (name, target_name, size, 0, source_kind, target_kind, "SKIPPED", "")
    private.make_folder(folder)
    # Write to a temporary name and rename: readers never see a partial file, even if the process is killed.
    # The folder is emptied when the warehouse is opened.
    aside = stage.links / f"{uuid.uuid4().hex}.uploading"
    size = 0
    try:
        with private.create_file(aside) as out, _reading(source) as data:
            sink = gzip.GzipFile("", "wb", 6, out, mtime=0) if zipping else out
            while chunk := data.read(_CHUNK):
                size += len(chunk)
                sink.write(chunk)
            if zipping:
                sink.close()
            out.flush()
            os.fsync(out.fileno())
        os.replace(aside, target)
    finally:
        private.remove(aside)
    return (name, target_name, size, target.stat().st_size, source_kind, target_kind, "UPLOADED", "")


def _known_by_content(source: str | IO[bytes]) -> str | None:
    """Detect PARQUET or ORC by the first bytes: files of the connector's write_pandas have no extension."""
    if not isinstance(source, str):
        return None
    with open(source, "rb") as file:
        start = file.read(4)
    return "PARQUET" if start == b"PAR1" else "ORC" if start[:3] == b"ORC" else None


class _reading:  # noqa: N801 - used as a keyword-like context
    """Opens a path; leaves a caller's stream open."""

    def __init__(self, source: str | IO[bytes]) -> None:
        self.stream: IO[bytes] = open(source, "rb") if isinstance(source, str) else source  # noqa: SIM115
        self.own = isinstance(source, str)
        if not self.own and self.stream.seekable():
            self.stream.seek(0)  # as the connector does, whatever the current position

    def __enter__(self) -> IO[bytes]:
        return self.stream

    def __exit__(self, *_: object) -> None:
        if self.own:
            self.stream.close()


@command("GET")
def get(statement: Statement) -> Result:
    """``GET @stage/path 'file://FOLDER' [PATTERN = 'x']``.

    Raises:
        OperationalError: there is no such file on the stage; the message is that of the connector.
    """
    session, reader = statement.session, statement.reader
    reader.expect("GET")
    stage, path = find_stage(session, reader.stage())
    target = Path(local_path(session, local_file(reader)))
    options = _options(reader, "GET", "PARALLEL", "PATTERN")
    found = stage.files(path, text_option(options, "PATTERN"))
    if not found:
        raise connector.OperationalError(
            "While getting file(s) there was an error: the file does not exist.", errno=253006
        )
    target.mkdir(parents=True, exist_ok=True)
    results = []
    for file in found:
        shutil.copyfile(file.source, target / file.source.name)
        results.append((file.source.name, file.stat().st_size, "DOWNLOADED", ""))
    return rows(_DOWNLOADED, results)


_LIST_COLUMNS = [("name", "VARCHAR"), ("size", "BIGINT"), ("md5", "VARCHAR"), ("last_modified", "VARCHAR")]


@command("LIST", "LS")
def list_files(statement: Statement) -> Result:
    """``LIST @stage/path [PATTERN = 'x']``."""
    reader = statement.reader
    reader.next()
    stage, path = find_stage(statement.session, reader.stage())
    options = reader.options()
    reader.end()
    found = [
        (file.label, file.stat().st_size, file.md5, _http_date(file.stat().st_mtime))
        for file in stage.files(path, text_option(options, "PATTERN"))
    ]
    return rows(_LIST_COLUMNS, found)


def _http_date(seconds: float) -> str:
    return email.utils.formatdate(seconds, usegmt=True)


@command("REMOVE", "RM")
def remove(statement: Statement) -> Result:
    """``REMOVE @stage/path [PATTERN = 'x']``; the path is a prefix, as on Snowflake."""
    reader = statement.reader
    reader.next()
    stage, path = find_stage(statement.session, reader.stage())
    options = reader.options()
    reader.end()
    gone = []
    for file in stage.files(path, text_option(options, "PATTERN")):
        file.source.unlink()
        gone.append((file.label, "removed"))
    return rows([("name", "VARCHAR"), ("result", "VARCHAR")], gone)
