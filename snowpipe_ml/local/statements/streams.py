"""Streams on tables: the changes since a DML statement last read the stream.

Each statement that changes a table adds its changes to the table's streams. METADATA$ROW_ID is refused: DuckDB's
rows have no number that lasts.
https://docs.snowflake.com/en/user-guide/streams-intro
"""

from __future__ import annotations

from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.catalog.streams import Streams, create
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, claim, if_not_exists


@command("CREATE STREAM")
def create_stream(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] STREAM [IF NOT EXISTS] name ON TABLE t [APPEND_ONLY = TRUE] [SHOW_INITIAL_ROWS = TRUE]``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("STREAM")
    lenient = if_not_exists(reader)
    name = session.resolve(reader.name(), "CREATE STREAM")
    copy_grants = reader.accept("COPY", "GRANTS")
    reader.expect("ON")
    if not reader.accept("TABLE"):
        raise errors.UnsupportedError(f"streams on a {reader.peek().upper}")
    table = session.resolve(reader.name(), "CREATE STREAM")
    options = reader.options()
    reader.end()
    for key in set(options) - {"APPEND_ONLY", "SHOW_INITIAL_ROWS", "COMMENT"}:
        raise errors.UnsupportedError(f"{key} of a stream")
    if table[0] != name[0]:
        raise errors.UnsupportedError("a stream in another database than its table")
    if existing_kind(session, table) != "TABLE":
        raise errors.missing("Table", ".".join(table))
    other = existing_kind(session, name)
    if other is not None:
        raise errors.exists_as(name[2], other)
    with session.storage.naming(name):
        there = claim(
            session,
            Streams(),
            name,
            replace=modifiers.replace,
            lenient=lenient,
            copy_grants=copy_grants,
        )
        if there is not None:
            return there
        create(
            session,
            name,
            table,
            append_only=bool(options.get("APPEND_ONLY")),
            initial_rows=bool(options.get("SHOW_INITIAL_ROWS")),
        )
    return status(f"Stream {name[2]} successfully created.")
