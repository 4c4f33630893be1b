"""Streams on tables: what changed since a DML statement last read the stream.

A stream keeps the rows that its table had at the stream's offset, and compares them with those of
now. That tells what was added and what is gone; it does not tell an update from a row deleted and
another added, so METADATA$ISUPDATE is refused where there are both, and METADATA$ROW_ID always.
https://docs.snowflake.com/en/user-guide/streams-intro
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sqlglot import exp

from snowpipe_ml.local import errors
from snowpipe_ml.local.objects import Modifiers, already_dropped, dropped, if_not_exists
from snowpipe_ml.local.statements import Result, Statement, command, rows, status
from snowpipe_ml.local.storage import CATALOG, quoted

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection
    from snowpipe_ml.local.query import Compiler

Name = tuple[str, str, str]


@command("CREATE STREAM")
def create_stream(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] STREAM [IF NOT EXISTS] name ON TABLE t [APPEND_ONLY = TRUE] [SHOW_INITIAL_ROWS = TRUE]``."""
    connection, reader = statement.connection, statement.reader
    connection.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("STREAM")
    lenient = if_not_exists(reader)
    name = connection.resolve(reader.name(), "CREATE STREAM")
    reader.accept("COPY", "GRANTS")
    reader.expect("ON")
    if not reader.accept("TABLE"):
        raise errors.UnsupportedError(f"streams on a {reader.peek().upper}")
    table = connection.resolve(reader.name(), "CREATE STREAM")
    options = reader.options()
    reader.end()
    for key in set(options) - {"APPEND_ONLY", "SHOW_INITIAL_ROWS", "COMMENT"}:
        raise errors.UnsupportedError(f"{key} of a stream")
    if table[0] != name[0]:
        raise errors.UnsupportedError("a stream in another database than its table")
    from snowpipe_ml.local.tables import existing_kind

    if existing_kind(connection, table) != "TABLE":
        raise errors.missing("Table", ".".join(table))
    with connection.storage.naming(name):
        there = _find(connection, name)
        if there and lenient:
            return status(f"{name[2]} already exists, statement succeeded.")
        if there and not modifiers.replace:
            raise errors.exists(name[2])
        if there:
            _remove(connection, name, there[0])
        kept = f"STREAM_{uuid.uuid4().hex.upper()}"
        connection.duck.execute(
            f"INSERT INTO {connection.catalog(name[0], 'STREAMS')} VALUES (?, ?, ?, ?, ?, ?)",
            [name[1], name[2], kept, table[1], table[2], bool(options.get("APPEND_ONLY"))],
        )
        connection.storage.has_streams = True
        _set_offset(connection, name, kept, table, empty=bool(options.get("SHOW_INITIAL_ROWS")))
    return status(f"Stream {name[2]} successfully created.")


def _find(connection: Connection, name: Name) -> tuple[str, Name, bool] | None:
    """(where its rows are kept, its table, whether it is append-only)."""
    row = connection.duck.execute(
        f"SELECT kept, table_schema, table_name, append_only FROM {connection.catalog(name[0], 'STREAMS')} "
        "WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    ).fetchone()
    return (row[0], (name[0], row[1], row[2]), row[3]) if row else None


def _remove(connection: Connection, name: Name, kept: str) -> None:
    connection.duck.execute(f"DROP TABLE IF EXISTS {quoted(name[0], CATALOG, kept)}")
    connection.duck.execute(
        f"DELETE FROM {connection.catalog(name[0], 'STREAMS')} WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    )


def _set_offset(connection: Connection, name: Name, kept: str, table: Name, *, empty: bool = False) -> None:
    where = " WHERE false" if empty else ""
    connection.duck.execute(
        f"CREATE OR REPLACE TABLE {quoted(name[0], CATALOG, kept)} AS SELECT * FROM {quoted(*table)}{where}"
    )


@command("DROP STREAM")
def drop_stream(statement: Statement) -> Result:
    """``DROP STREAM [IF EXISTS] name``."""
    connection, reader = statement.connection, statement.reader
    connection.commit_open()
    reader.expect("DROP", "STREAM")
    lenient = reader.accept("IF", "EXISTS")
    name = connection.resolve(reader.name(), "DROP STREAM")
    found = _find(connection, name)
    if found is None:
        if lenient:
            return already_dropped(name[2])
        raise errors.missing("Stream", ".".join(name))
    _remove(connection, name, found[0])
    return dropped(name[2])


@command("SHOW STREAMS")
def show_streams(statement: Statement) -> Result:
    """``SHOW STREAMS``."""
    from snowpipe_ml.local.shows import Scope

    connection = statement.connection
    scope = Scope.of(statement, "STREAMS")
    found = []
    for database in connection.storage.databases():
        for schema, name, table_schema, table, append in connection.duck.execute(
            "SELECT schema_name, name, table_schema, table_name, append_only "
            f"FROM {connection.catalog(database, 'STREAMS')} ORDER BY 1, 2"
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


def expand_streams(tree: exp.Expr, compiler: Compiler) -> None:
    """Put a stream's changes in the place of its name; a DML statement that reads them moves the offset."""
    connection = compiler.connection
    if not connection.database or not connection.storage.has_streams:
        return
    target = tree.this if isinstance(tree, exp.Insert | exp.Merge) else None
    for table in list(tree.find_all(exp.Table)):
        if not isinstance(table.this, exp.Identifier) or table.meta.get("resolved") or table is target:
            continue
        parts = tuple(part.name for part in table.parts)
        if len(parts) == 1 and not connection.schema:
            continue
        name = connection.resolve(parts)
        found = _find(connection, name) if name[0] in connection.storage.databases() else None
        if found is None:
            continue
        kept, source, append_only = found
        changes = _changes(connection, tree, name, kept, source, append_only, compiler.describing)
        relation = exp.Subquery(this=exp.select("*").from_(compiler.view(changes)))
        alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name, quoted=True))
        relation.set("alias", alias.copy())
        table.replace(relation)
        if isinstance(tree, exp.Insert | exp.Merge | exp.Update | exp.Delete):
            compiler.consumed.append((name, kept, source))


def _parts(name: Name, kept: str, table: Name) -> tuple[str, str]:
    """(rows that are new, rows that are gone), as queries."""
    now, before = f"SELECT * FROM {quoted(*table)}", f"SELECT * FROM {quoted(name[0], CATALOG, kept)}"
    return f"({now} EXCEPT ALL {before})", f"({before} EXCEPT ALL {now})"


def _changes(
    connection: Connection,
    tree: exp.Expr,
    name: Name,
    kept: str,
    table: Name,
    append_only: bool,
    describing: bool,
) -> str:
    new, gone = _parts(name, kept, table)
    changed = not describing and bool(connection.duck.execute(f"SELECT 1 FROM {gone} LIMIT 1").fetchone())
    if append_only and changed:
        raise errors.UnsupportedError(
            "an append-only stream of a table in which rows were deleted or updated",
            "Read the stream before that",
        )
    unknown = changed and bool(connection.duck.execute(f"SELECT 1 FROM {new} LIMIT 1").fetchone())
    for column in tree.find_all(exp.Column):
        if column.name.upper() == "METADATA$ROW_ID" or (
            unknown and column.name.upper() == "METADATA$ISUPDATE"
        ):
            raise errors.UnsupportedError(f"{column.name.upper()} of these changes")
    update = "NULL::BOOLEAN" if unknown else "false"
    more = f'{update} AS "METADATA$ISUPDATE", NULL::VARCHAR AS "METADATA$ROW_ID"'
    inserted = f"SELECT *, 'INSERT' AS \"METADATA$ACTION\", {more} FROM {new}"
    return inserted if append_only else f"{inserted} UNION ALL SELECT *, 'DELETE', {more} FROM {gone}"


def advance(connection: Connection, consumed: list[tuple[Name, str, Name]]) -> None:
    """Move the offsets of the streams that a statement has read, in its transaction."""
    for name, kept, table in consumed:
        _set_offset(connection, name, kept, table)


def has_data(connection: Connection, text: str) -> bool:
    """``SYSTEM$STREAM_HAS_DATA('name')``."""
    from snowpipe_ml.local.reader import Reader

    name = connection.resolve(Reader(text).name())
    found = _find(connection, name)
    if found is None:
        raise errors.missing("Stream", ".".join(name))
    new, gone = _parts(name, found[0], found[1])
    return bool(connection.duck.execute(f"SELECT 1 FROM (({new}) UNION ALL ({gone})) LIMIT 1").fetchone())
