"""The declarations of stored columns: nullability, VARCHAR length, default and comment."""

from __future__ import annotations

import re
from dataclasses import dataclass

from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column

# The CHECK constraint by which statements/tables.py stores the length of VARCHAR(n), as DuckDB prints it.
_LENGTH = re.compile(r'CHECK\(\(length\("?(.*?)"?\) <= (\d+)\)\)\Z')

# The sequence of an AUTOINCREMENT column; see statements/tables.py.
_IDENTITY = re.compile(r"_IDENTITY_[0-9A-F]{32}")


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """A column of a table or view as it was declared.

    Attributes:
        column: its name and type.
        default: the expression of its default, as DuckDB prints it; None for an AUTOINCREMENT column.
        comment: its comment.
        identity: (start, increment) of an AUTOINCREMENT column.
    """

    column: Column
    default: str | None
    comment: str | None
    identity: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """The stored name of the column."""
        return self.column.name


def stored_columns(session: Session, table: Name) -> list[StoredColumn]:
    """List the columns of a table or view, in order; an empty list if it does not exist."""
    found = session.duck.execute(
        "SELECT column_name, data_type, is_nullable, column_default, comment FROM duckdb_columns() "
        "WHERE database_name = ? AND schema_name = ? AND table_name = ? ORDER BY column_index",
        list(table),
    ).fetchall()
    if not found:
        return []
    lengths = varchar_lengths(session, table[0], table[1], table[2])
    columns = []
    for name, kind, nullable, default, comment in found:
        identity = _identity(session, default)
        column = Column(name, kind, nullable, lengths.get((table[1], table[2], name)))
        columns.append(StoredColumn(column, None if identity else default, comment, identity))
    return columns


def _identity(session: Session, default: str | None) -> tuple[int, int] | None:
    """Return (start, increment) of the hidden sequence that a default reads, if it reads one."""
    if not _IDENTITY.search(default or ""):
        return None
    # By its whole name: a cloned table has a sequence of the same name in another schema.
    row = session.duck.execute(
        "SELECT start_value, increment_by FROM duckdb_sequences() WHERE contains("
        "$1, concat('\"', database_name, '\".\"', schema_name, '\".\"', sequence_name, '\"'))",
        [default],
    ).fetchone()
    return (row[0], row[1]) if row else None


def varchar_lengths(
    session: Session, database: str, schema: str | None = None, table: str | None = None
) -> dict[Name, int]:
    """Return the declared lengths of VARCHAR columns, by (schema, table, column)."""
    found = session.duck.execute(
        "SELECT schema_name, table_name, constraint_text FROM duckdb_constraints() WHERE constraint_type = 'CHECK' "
        "AND database_name = $1 AND ($2 IS NULL OR schema_name = $2) AND ($3 IS NULL OR table_name = $3)",
        [database, schema, table],
    ).fetchall()
    return {
        (of_schema, of_table, match.group(1).replace('""', '"')): int(match.group(2))
        for of_schema, of_table, text in found
        if (match := _LENGTH.match(text))
    }
