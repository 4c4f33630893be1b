"""From a statement's first words to the code that serves it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa

from snowpipe_ml.local import errors
from snowpipe_ml.local.reader import Reader
from snowpipe_ml.local.types import Column

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection


@dataclass(frozen=True)
class Result:
    """What a statement returns. ``table``'s columns are those of ``columns``, in order."""

    columns: list[Column]
    table: pa.Table
    rowcount: int | None = None


@dataclass
class Statement:
    """A statement that is read word by word, and what came with it."""

    connection: Connection
    text: str
    reader: Reader
    query_id: str
    file_stream: IO[bytes] | None = None
    options: dict[str, Any] = field(default_factory=dict)


Handler = Callable[[Statement], Result]
_HANDLERS: dict[tuple[str, ...], Handler] = {}


def command(*beginnings: str) -> Callable[[Handler], Handler]:
    """Serve the statements that begin with these words; the longest beginning wins."""

    def decorate(handler: Handler) -> Handler:
        for beginning in beginnings:
            _HANDLERS[tuple(beginning.split())] = handler
        return handler

    return decorate


# Words that may stand between CREATE and the kind of object, and change nothing of which it is.
_CREATE_MODIFIERS = {
    "OR",
    "REPLACE",
    "ALTER",
    "TEMPORARY",
    "TEMP",
    "SCOPED",
    "TRANSIENT",
    "VOLATILE",
    "LOCAL",
    "GLOBAL",
    "SECURE",
    "AGGREGATE",
    "EXTERNAL",
}


def _find(reader: Reader) -> Handler | None:
    words = [token.upper for token in reader.tokens[:12] if token.kind == "word"]
    if words[:1] == ["WITH"]:  # a query, unless it is WITH x AS PROCEDURE ... CALL x()
        return _HANDLERS[("WITH",)] if [t.upper for t in reader.tokens[2:4]] == ["AS", "PROCEDURE"] else None
    if words[:1] == ["CREATE"]:
        kind = [word for word in words[1:] if word not in _CREATE_MODIFIERS]
        words = ["CREATE", *kind]
    for length in (3, 2, 1):
        handler = _HANDLERS.get(tuple(words[:length]))
        if handler:
            return handler
    return None


_LOADING = threading.Lock()
_loaded = False


def _load() -> None:
    """Import what serves statements, once; another thread waits until all of it is there."""
    global _loaded
    with _LOADING:
        if not _loaded:
            _import_handlers()
            _loaded = True


def _import_handlers() -> None:
    from snowpipe_ml.local import (  # noqa: F401
        account,
        alterations,
        copying,
        objects,
        plans,
        sequences,
        sessions,
        shows,
        stages,
        streams,
        tables,
        tags,
        tasks,
        transfers,
    )
    from snowpipe_ml.local.python import statements  # noqa: F401


def run(
    connection: Connection,
    text: str,
    params: Sequence[Any] | dict[str, Any] | None,
    query_id: str,
    file_stream: IO[bytes] | None,
) -> Result:
    """Run one statement.

    Raises:
        ProgrammingError: as Snowflake would.
    """
    from snowpipe_ml.local.query import run_query

    if not _loaded:
        _load()
    first = FIRST_WORD.match(text)
    if first and first.group(1).upper() in ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES"):
        return run_query(connection, text, params, query_id)
    reader = Reader(_bind(text, params) if params and "?" in text else text)
    if reader.done:
        raise errors.error(900, "42601", "SQL compilation error:\nEmpty SQL statement.")
    handler = _find(reader)
    if handler is None:
        return run_query(connection, text, params, query_id)
    return handler(Statement(connection, text, reader, query_id, file_stream))


FIRST_WORD = re.compile(r"\s*\(?\s*([A-Za-z]+)")


def _bind(text: str, params: Sequence[Any] | dict[str, Any]) -> str:
    """A command's text with its ``?`` replaced by literals; strings and comments are left alone."""
    from snowpipe_ml.sql import Literal

    values = iter(params.values() if isinstance(params, dict) else params)
    pieces, position = [], 0
    for token in Reader(text).tokens:
        if token.text == "?":
            pieces += [text[position : token.start], Literal(next(values)).sql]
            position = token.end
    return "".join(pieces) + text[position:]


def describe(connection: Connection, text: str, params: Any = None) -> list[Column]:
    """The columns a statement would return, without running it."""
    from snowpipe_ml.local.query import describe_query

    if not _loaded:
        _load()
    reader = Reader(text)
    handler = _find(reader) if not reader.done else None
    if handler is None:
        return describe_query(connection, text, params)
    if (
        reader.looking_at("SHOW")
        or reader.looking_at("LIST")
        or reader.looking_at("LS")
        or reader.looking_at("DESCRIBE")
        or reader.looking_at("DESC")
    ):
        return handler(Statement(connection, text, reader, "")).columns
    return [Column("status", "VARCHAR")]


def insert_many(connection: Connection, text: str, rows: Sequence[Sequence[Any]]) -> Result:
    """An INSERT with placeholders, for many rows at once."""
    from snowpipe_ml.local.query import insert_rows

    return insert_rows(connection, text, rows)


def split(text: str) -> Iterator[str]:
    """The statements of a script."""
    start = 0
    reader = Reader(text + "\n;")
    # Reader drops trailing semicolons; those between statements are marks.
    for token in reader.tokens:
        if token.text == ";":
            if text[start : token.start].strip():
                yield text[start : token.start].strip()
            start = token.end
    if text[start:].strip().strip(";"):
        yield text[start:].strip().rstrip(";")


def rows(columns: Sequence[tuple[str, str]], values: Sequence[Sequence[Any]]) -> Result:
    """A result of literal rows; ``columns`` are (name, DuckDB type)."""
    arrow = {
        "VARCHAR": pa.string(),
        "BIGINT": pa.int64(),
        "BOOLEAN": pa.bool_(),
        "DOUBLE": pa.float64(),
        "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", tz="UTC"),
        "JSON": pa.string(),
    }
    by_column = list(zip(*values, strict=True)) if values else [()] * len(columns)
    arrays = [pa.array(column, arrow[kind]) for column, (_, kind) in zip(by_column, columns, strict=True)]
    return Result(
        [Column(name, kind) for name, kind in columns],
        pa.table(arrays, names=[str(i) for i in range(len(columns))]),
    )


def status(message: str) -> Result:
    """The one-cell result of DDL."""
    return rows([("status", "VARCHAR")], [(message,)])


def counts(**by_kind: int) -> Result:
    """The result of DML: ``counts(inserted=3)`` is 'number of rows inserted', 3."""
    result = rows([(f"number of rows {kind}", "BIGINT") for kind in by_kind], [tuple(by_kind.values())])
    return Result(result.columns, result.table, sum(by_kind.values()))
