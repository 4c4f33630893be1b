"""Load delimited files with mixed line endings, which Snowflake reads and DuckDB's reader does not.

The error of the reader does not name the file, and it aborts the transaction. Inside a transaction of the
caller the files are therefore checked before they are loaded; otherwise only after a failure, so that
loading is not slowed down.
"""

from __future__ import annotations

import gzip
import os
import queue
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TypeVar

import duckdb

from snowpipe_ml.local.catalog.load_history import Loaded
from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.files.csv import CsvFormat

_CHUNK = 2**20
T = TypeVar("T")
Load = Callable[[list[StagedFile], dict[str, Loaded]], T]


def gave_up(raised: duckdb.Error) -> bool:
    """Return whether DuckDB's reader failed to read on in a file, usually because of its line endings."""
    return "reached an invalid state" in str(raised)


def with_even_lines(session: Session, fmt: CsvFormat, files: list[StagedFile], load: Load[T]) -> T:
    """Load delimited files; those with mixed line endings from a copy in which every line ends in LF.

    Args:
        session: the session.
        fmt: the format of the files.
        files: the files.
        load: loads files; its second argument holds the files that cannot be read, by path.

    Raises:
        ProgrammingError: a file cannot be read for another reason.
    """
    if session.in_transaction:
        mixed = _with_mixed_ends(fmt, files)
        if not mixed:
            with _naming_the_file(session, fmt, files):
                return load(files, {})
    else:
        try:
            return load(files, {})
        except duckdb.InvalidInputException as raised:
            mixed = _with_mixed_ends(fmt, files) if gave_up(raised) else []
            if not mixed:
                with _naming_the_file(session, fmt, files):
                    raise
    with tempfile.TemporaryDirectory(prefix="copy-", dir=session.storage.path / "external") as folder:
        evened: dict[str, StagedFile] = {}
        failed: dict[str, Loaded] = {}
        for number, file in enumerate(mixed):
            copy = Path(folder) / f"{number}.csv"
            _write_evenly(fmt, file.path, copy)
            evened[file.relative] = replace(file, copy=copy)
            message = _unreadable(session, fmt, copy)
            if message:
                failed[file.relative] = Loaded.unreadable(file, message, 100000)
        files = [evened.get(file.relative, file) for file in files]
        with _naming_the_file(session, fmt, files):
            return load(files, failed)


@contextmanager
def _naming_the_file(session: Session, fmt: CsvFormat, files: Sequence[StagedFile]) -> Iterator[None]:
    """Add the name of the file to the error when DuckDB's reader fails to read on in a file.

    Raises:
        ProgrammingError: a file cannot be read to its end.
    """
    try:
        yield
    except duckdb.InvalidInputException as raised:
        for file in files if gave_up(raised) else []:
            message = _unreadable(session, fmt, file.path)
            if message:
                raise errors.error(100016, "22000", f"{message}\n  File '{file.relative}'") from raised
        raise


def _with_mixed_ends(fmt: CsvFormat, files: Sequence[StagedFile]) -> list[StagedFile]:
    waiting: queue.SimpleQueue[StagedFile] = queue.SimpleQueue()
    for file in files:
        waiting.put(file)
    mixed: set[str] = set()
    failures: list[BaseException] = []

    def work() -> None:
        while not failures:
            try:
                file = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                if _is_mixed(fmt, file.path):
                    mixed.add(file.relative)
            except BaseException as raised:
                failures.append(raised)

    # Not an executor: it accepts no work once interpreter shutdown has begun, and a process that holds the
    # warehouse may still serve other processes then.
    threads = [
        threading.Thread(target=work, daemon=True) for _ in range(min(len(files), os.cpu_count() or 1))
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException as raised:
        failures.append(raised)
        raise
    if failures:
        raise failures[0]
    return [file for file in files if file.relative in mixed]


def _is_mixed(fmt: CsvFormat, path: Path) -> bool:
    try:
        # Handling quotes is slow, and matters only if the file has different line endings.
        return all(len(_ends(fmt, path, quote)) > 1 for quote in ("", fmt.quote))
    except (OSError, EOFError, zlib.error):
        return False  # a damaged archive: DuckDB's reader reports it


def _ends(fmt: CsvFormat, path: Path, quote: str) -> set[str]:
    """Return the kinds of line endings in a file."""
    found: set[str] = set()
    with fmt.open_bytes(path) as file:
        for piece, quoted in _pieces(file, quote.encode(), fmt.delimiter.encode()):
            if quoted:
                continue
            returns = piece.count(b"\r")
            both = piece.count(b"\r\n") if returns else 0
            found.update(
                ["CR LF"] * (both > 0) + ["CR"] * (returns > both) + ["LF"] * (piece.count(b"\n") > both)
            )
            if len(found) > 1:
                break
    return found


def _pieces(file: IO[bytes], quote: bytes, delimiter: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield the bytes of a file in pieces, each with whether it is quoted; CR and LF stay together."""
    opening = (
        b"\n",
        b"\r",
        delimiter[-1:],
        b"\xbf",
        quote,
    )  # bytes that can precede a quoted field; BF ends a byte order mark
    quoted, held, last = False, b"", b"\n"
    while chunk := file.read(_CHUNK):
        chunk, held = held + chunk, b""
        if chunk.endswith(b"\r"):
            chunk, held = chunk[:-1], b"\r"
        for number, piece in enumerate(chunk.split(quote) if quote else [chunk]):
            if number:
                if quoted:
                    quoted, last = False, quote
                else:  # within an unquoted field a quote is an ordinary character
                    quoted, last = last in opening, b""
                yield quote, True
            yield piece, quoted
            last = piece[-1:] or last
    yield held, quoted


def _write_evenly(fmt: CsvFormat, source: Path, target: Path) -> None:
    """Copy a file with LF at the end of each line outside quotes; a compressed file stays compressed."""
    with (
        fmt.open_bytes(source) as file,
        gzip.open(target, "wb", 1) if fmt.is_gzip(source) else target.open("wb") as out,
    ):
        for piece, quoted in _pieces(file, fmt.quote.encode(), fmt.delimiter.encode()):
            out.write(piece if quoted else piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))


def _unreadable(session: Session, fmt: CsvFormat, path: Path) -> str | None:
    """Return why DuckDB cannot read a file to its end; None if it can.

    The file is read outside the transaction, because the error would abort it.
    """
    columns = [(f"_{n + 1}", "VARCHAR") for n in range(max(1, fmt.width(path)))]
    cursor = session.duck.cursor()
    try:
        cursor.execute(
            f"SELECT count(COLUMNS(*)) FROM {fmt.read_csv([path], columns, ['ignore_errors = true'])}"
        )
    except duckdb.InvalidInputException as raised:
        reason = str(raised).splitlines()[0]
        return f"The file cannot be read to its end because of its quotes or line endings: {reason}"
    finally:
        cursor.close()
    return None
