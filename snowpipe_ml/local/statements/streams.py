"""Streams on tables: the changes since a DML statement last read the stream.

A stream stores the rows of its table at the stream's offset and compares them with the current rows. The
difference shows inserted and deleted rows, but cannot tell an update from a delete and an insert.
METADATA$ISUPDATE is therefore refused if there are both, and METADATA$ROW_ID is always refused.
https://docs.snowflake.com/en/user-guide/streams-intro
"""

from __future__ import annotations

import uuid

from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.catalog.streams import find_stream, set_offset
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import CATALOG, Name, quoted
from snowpipe_ml.local.core.result import Result, rows, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, already_dropped, dropped, if_not_exists
from snowpipe_ml.local.statements.scope import Scope


@command("CREATE STREAM")
def create_stream(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] STREAM [IF NOT EXISTS] name ON TABLE t [APPEND_ONLY = TRUE] [SHOW_INITIAL_ROWS = TRUE]``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("STREAM")
    lenient = if_not_exists(reader)
    name = session.resolve(reader.name(), "CREATE STREAM")
    reader.accept("COPY", "GRANTS")
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
    with session.storage.naming(name):
        there = find_stream(session, name)
        if there and lenient:
            return status(f"{name[2]} already exists, statement succeeded.")
        if there and not modifiers.replace:
            raise errors.exists(name[2])
        if there:
            _remove(session, name, there[0])
        kept = f"STREAM_{uuid.uuid4().hex.upper()}"
        session.duck.execute(
            f"INSERT INTO {session.catalog(name[0], 'STREAMS')} VALUES (?, ?, ?, ?, ?, ?)",
            [name[1], name[2], kept, table[1], table[2], bool(options.get("APPEND_ONLY"))],
        )
        session.storage.has_streams = True
        set_offset(session, name, kept, table, empty=bool(options.get("SHOW_INITIAL_ROWS")))
    return status(f"Stream {name[2]} successfully created.")


def _remove(session: Session, name: Name, kept: str) -> None:
    session.duck.execute(f"DROP TABLE IF EXISTS {quoted(name[0], CATALOG, kept)}")
    session.duck.execute(
        f"DELETE FROM {session.catalog(name[0], 'STREAMS')} WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    )


@command("DROP STREAM")
def drop_stream(statement: Statement) -> Result:
    """``DROP STREAM [IF EXISTS] name``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("DROP", "STREAM")
    lenient = reader.accept("IF", "EXISTS")
    name = session.resolve(reader.name(), "DROP STREAM")
    found = find_stream(session, name)
    if found is None:
        if lenient:
            return already_dropped(name[2])
        raise errors.missing("Stream", ".".join(name))
    _remove(session, name, found[0])
    return dropped(name[2])


@command("SHOW STREAMS")
def show_streams(statement: Statement) -> Result:
    """``SHOW STREAMS``."""
    session = statement.session
    scope = Scope.of(statement, "STREAMS")
    found = []
    for database in session.storage.databases():
        for schema, name, table_schema, table, append in session.duck.execute(
            "SELECT schema_name, name, table_schema, table_name, append_only "
            f"FROM {session.catalog(database, 'STREAMS')} ORDER BY 1, 2"
        ).fetchall():
            if scope.keep(database, schema, name):
                found.append(
                    (
                        name,
                        database,
                        schema,
                        f"{database}.{table_schema}.{table}",
                        "APPEND_ONLY" if append else "DEFAULT",
                    )
                )
    names = ("name", "database_name", "schema_name", "table_name", "mode")
    return rows([(n, "VARCHAR") for n in names], found)
