"""Sequences, which are stored as DuckDB sequences."""

from __future__ import annotations

from snowpipe_ml.local.core.names import Name, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import retry_conflicts


def make(session: Session, name: Name, start: int, step: int) -> None:
    """Create or replace a sequence."""
    bounds = "MINVALUE -9223372036854775808 MAXVALUE 9223372036854775807"
    retry_conflicts(
        lambda: session.duck.execute(
            f"CREATE OR REPLACE SEQUENCE {quoted(*name)} INCREMENT BY {step} {bounds} START WITH {start}"
        )
    )


def exists(session: Session, name: Name) -> bool:
    """Return whether a sequence exists."""
    return bool(
        session.duck.execute(
            "SELECT 1 FROM duckdb_sequences() WHERE database_name = ? AND schema_name = ? AND sequence_name = ?",
            list(name),
        ).fetchone()
    )
