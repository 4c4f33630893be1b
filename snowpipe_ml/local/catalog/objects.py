"""Look up tables and views."""

from __future__ import annotations

from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.session import Session


def existing_kind(session: Session, name: Name) -> str | None:
    """Return TABLE or VIEW, or None if no such object exists."""
    found = _stored(session, name)
    return found[0] if found is not None and found[1] == name[2] else None


def case_twin(session: Session, name: Name) -> str | None:
    """Return the name of an existing table or view that differs only in case; None if there is none.

    DuckDB does not store two such names.
    """
    found = _stored(session, name)
    return found[1] if found is not None and found[1] != name[2] else None


def _stored(session: Session, name: Name) -> tuple[str, str] | None:
    """Return TABLE or VIEW, and the stored name, of the object with this name; its case may differ."""

    def find() -> tuple[str, str] | None:
        rows = session.duck.execute(
            "SELECT 'TABLE', table_name FROM duckdb_tables() "
            "WHERE database_name = $1 AND schema_name = $2 AND lower(table_name) = lower($3) "
            "UNION ALL SELECT 'VIEW', view_name FROM duckdb_views() "
            "WHERE database_name = $1 AND schema_name = $2 AND lower(view_name) = lower($3)",
            list(name),
        ).fetchall()
        return max(((kind, stored) for kind, stored in rows), key=lambda row: row[1] == name[2], default=None)

    return session.known(("object", *name), find)
