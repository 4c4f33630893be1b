"""When a table or view last changed: ``SYSTEM$LAST_CHANGE_COMMIT_TIME``.

https://docs.snowflake.com/en/sql-reference/functions/system_last_change_commit_time

Each statement that changes a table notes so in its own transaction. The notes are only appended, so
that two sessions that write to one table do not stand in each other's way; old ones go when the
warehouse is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from snowpipe_ml.local import errors
from snowpipe_ml.local.csvfiles import literal
from snowpipe_ml.local.reader import Reader
from snowpipe_ml.local.storage import CATALOG, quoted

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection

Name = tuple[str, str, str]


def note_change(connection: Connection, name: Name) -> None:
    """Note, in the open transaction, that a table or view changes in it."""
    schema, table = (literal(part) for part in name[1:])
    # As literals: a prepared statement takes DuckDB twice as long.
    connection.duck.execute(
        f"INSERT INTO {quoted(name[0], CATALOG, 'CHANGES')} VALUES ({schema}, {table}, {connection.storage.clock.tick()})"
    )


def written_table(tree: exp.Expr) -> Name | None:
    """The table that a rewritten DML statement writes."""
    node = tree.this
    node = node.this if isinstance(node, exp.Schema) else node
    if not isinstance(node, exp.Table) or len(node.parts) != 3:
        return None
    database, schema, name = (part.name for part in node.parts)
    return database, schema, name


def last_change(connection: Connection, text: str) -> int:
    """The time of the last change of a table, or of the tables that a view reads, in nanoseconds.

    Raises:
        ProgrammingError: there is no such table or view.
    """
    from snowpipe_ml.local.tables import existing_kind

    name = connection.resolve(Reader(text).name(), "SYSTEM$LAST_CHANGE_COMMIT_TIME")
    kind = existing_kind(connection, name)
    if kind is None or connection.hidden(name):
        raise errors.missing("Table", ".".join(name))
    names = {name}
    if kind == "VIEW":
        _add_read(connection, name, names)
    found = [_last(connection, each) for each in names]
    return max(found)


def _last(connection: Connection, name: Name) -> int:
    row = connection.duck.execute(
        f"SELECT max(changed_at) FROM {connection.catalog(name[0], 'CHANGES')} WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    ).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def _add_read(connection: Connection, view: Name, names: set[Name]) -> None:
    """Add the tables and views that a view reads."""
    import sqlglot

    row = connection.duck.execute(
        "SELECT sql FROM duckdb_views() WHERE database_name = ? AND schema_name = ? AND view_name = ?",
        list(view),
    ).fetchone()
    if row is None:
        return
    for table in sqlglot.parse_one(str(row[0]), read="duckdb").find_all(exp.Table):
        parts = [part.name for part in table.parts]
        whole = [*view[: 3 - len(parts)], *parts]  # DuckDB leaves out what a name shares with the view's
        if (found := (whole[0], whole[1], whole[2])) not in names:
            names.add(found)
            _add_read(connection, found, names)
