"""Look up tables and views."""

from __future__ import annotations

from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.session import Session


def existing_kind(session: Session, name: Name) -> str | None:
    """Return TABLE or VIEW, or None if no such object exists."""
    row = session.duck.execute(
        "SELECT table_type FROM (SELECT 'TABLE' AS table_type, database_name, schema_name, table_name FROM duckdb_tables() "
        "UNION ALL SELECT 'VIEW', database_name, schema_name, view_name FROM duckdb_views()) "
        "WHERE database_name = ? AND schema_name = ? AND table_name = ?",
        list(name),
    ).fetchone()
    return str(row[0]) if row else None
