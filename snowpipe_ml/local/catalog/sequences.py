"""Sequences, which are stored as DuckDB sequences."""

from __future__ import annotations

from snowpipe_ml.local.catalog.kind import CREATED, PLACE, Listed, Schema
from snowpipe_ml.local.catalog.properties import with_creation
from snowpipe_ml.local.core.names import Name, literal, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import retry_conflicts


def make(session: Session, name: Name, start: int, step: int) -> None:
    """Create or replace a sequence."""
    bounds = "MINVALUE -9223372036854775808 MAXVALUE 9223372036854775807"
    retry_conflicts(
        session,
        lambda: session.duck.execute(
            f"CREATE OR REPLACE SEQUENCE {quoted(*name)} INCREMENT BY {step} {bounds} START WITH {start}"
        ),
    )


class Sequences(Listed):
    """Sequences."""

    word = "SEQUENCE"
    shown = (
        *PLACE,
        ("next_value", "BIGINT", "coalesce(last_value + increment_by, start_value)"),
        ("interval", "BIGINT", "increment_by"),
        CREATED,
        ("owner", "VARCHAR", "'SYSADMIN'"),
        ("comment", "VARCHAR", "coalesce(comment, '')"),
        ("owner_role_type", "VARCHAR", "'ROLE'"),
        ("ordered", "VARCHAR", "'N'"),
    )

    def relation(self, session: Session, database: str) -> str:
        """Return DuckDB's sequences without those of AUTOINCREMENT columns."""
        found = (
            "(SELECT *, sequence_name AS name FROM duckdb_sequences() "
            f"WHERE database_name = {literal(database)} AND NOT starts_with(sequence_name, '_IDENTITY_'))"
        )
        return with_creation(session, database, found, "SEQUENCE")

    def drop(self, session: Session, name: Name, arguments: str = "") -> bool:
        """Drop a sequence; return False if it does not exist."""
        there = self.exists(session, name)
        if there:
            session.duck.execute(f"DROP SEQUENCE {quoted(*name)}")
        return there

    def clone(self, session: Session, source: Schema, target: Schema) -> None:
        """Clone sequences, also those of AUTOINCREMENT columns, which the clones of their tables read."""
        for name, start, step in session.duck.execute(
            "SELECT sequence_name, coalesce(last_value + increment_by, start_value), increment_by "
            "FROM duckdb_sequences() WHERE database_name = ? AND schema_name = ?",
            list(source),
        ).fetchall():
            make(session, (*target, name), start, step)
