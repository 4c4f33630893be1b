"""A log of changes to tables and views, for ``SYSTEM$LAST_CHANGE_COMMIT_TIME``.

https://docs.snowflake.com/en/sql-reference/functions/system_last_change_commit_time

Each statement that changes a table appends an entry in its own transaction. Entries are never updated, so
that two sessions that write to the same table do not conflict. Time Travel uses them too: see versions.py.
Outdated entries are deleted when the warehouse is opened.
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.reader import Reader


def written_table(tree: exp.Expr) -> Name | None:
    """Return the table that a translated DML statement changes."""
    node = tree.this
    node = node.this if isinstance(node, exp.Schema) else node
    if not isinstance(node, exp.Table) or len(node.parts) != 3:
        return None
    database, schema, name = (part.name for part in node.parts)
    return database, schema, name


def last_change(session: Session, text: str) -> int:
    """Return the time of the last change of a table, or of a view and the tables it reads, in nanoseconds.

    Raises:
        ProgrammingError: the table or view does not exist.
    """
    name = session.resolve(Reader(text).name(), "SYSTEM$LAST_CHANGE_COMMIT_TIME")
    kind = existing_kind(session, name)
    if kind is None or session.hidden(name):
        raise errors.missing("Table", ".".join(name))
    names = {name}
    if kind == "VIEW":
        _add_read(session, name, names)
    found = [_last(session, each) for each in names]
    return max(found)


def _last(session: Session, name: Name) -> int:
    row = session.duck.execute(
        f"SELECT max(changed_at) FROM {session.catalog(name[0], 'CHANGES')} WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    ).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def _add_read(session: Session, view: Name, names: set[Name]) -> None:
    """Add the tables and views that a view reads, directly or through other views."""
    import sqlglot

    row = session.duck.execute(
        "SELECT sql FROM duckdb_views() WHERE database_name = ? AND schema_name = ? AND view_name = ?",
        list(view),
    ).fetchone()
    if row is None:
        return
    for table in sqlglot.parse_one(str(row[0]), read="duckdb").find_all(exp.Table):
        parts = [part.name for part in table.parts]
        whole = [*view[: 3 - len(parts)], *parts]  # DuckDB omits qualifiers that equal those of the view
        if (found := (whole[0], whole[1], whole[2])) not in names:
            names.add(found)
            _add_read(session, found, names)
