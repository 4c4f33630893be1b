"""Streams: their offsets, and the changes since an offset.

The offset of a stream is stored as a copy of the table's rows (``kept`` is the name of the copy).
"""

from __future__ import annotations

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import CATALOG, Name, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.reader import Reader


def find_stream(session: Session, name: Name) -> tuple[str, Name, bool] | None:
    """Return (name of the copy that is its offset, its table, whether it is append-only), or None."""
    row = session.duck.execute(
        f"SELECT kept, table_schema, table_name, append_only FROM {session.catalog(name[0], 'STREAMS')} "
        "WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    ).fetchone()
    return (row[0], (name[0], row[1], row[2]), row[3]) if row else None


def set_offset(session: Session, name: Name, kept: str, table: Name, *, empty: bool = False) -> None:
    """Copy the table's current rows as the new offset; an empty copy if ``empty``."""
    where = " WHERE false" if empty else ""
    session.duck.execute(
        f"CREATE OR REPLACE TABLE {quoted(name[0], CATALOG, kept)} AS SELECT * FROM {quoted(*table)}{where}"
    )


def check_base(session: Session, name: Name, kept: str, table: Name) -> None:
    """Check that a stream's table still has the columns of the offset.

    Raises:
        ProgrammingError: the table was dropped, or replaced by one with other columns.
    """
    query = (
        "SELECT column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = ? AND schema_name = ? AND table_name = ? ORDER BY column_index"
    )
    now = session.duck.execute(query, list(table)).fetchall()
    if now != session.duck.execute(query, [name[0], CATALOG, kept]).fetchall():
        raise errors.error(
            91901,
            "02000",
            f"SQL compilation error:\nBase table '{'.'.join(table)}' dropped, cannot read from the stream '{name[2]}'",
        )


def changed_parts(name: Name, kept: str, table: Name) -> tuple[str, str]:
    """Return two queries: the inserted rows and the deleted rows since the offset."""
    now, before = f"SELECT * FROM {quoted(*table)}", f"SELECT * FROM {quoted(name[0], CATALOG, kept)}"
    return f"({now} EXCEPT ALL {before})", f"({before} EXCEPT ALL {now})"


def advance(session: Session, consumed: list[tuple[Name, str, Name]]) -> None:
    """Advance the offsets of the streams that a statement has consumed, in its transaction."""
    for name, kept, table in consumed:
        set_offset(session, name, kept, table)


def has_data(session: Session, text: str) -> bool:
    """Evaluate ``SYSTEM$STREAM_HAS_DATA('name')``."""
    name = session.resolve(Reader(text).name())
    found = find_stream(session, name)
    if found is None:
        raise errors.missing("Stream", ".".join(name))
    check_base(session, name, found[0], found[1])
    new, gone = changed_parts(name, found[0], found[1])
    return bool(session.duck.execute(f"SELECT 1 FROM (({new}) UNION ALL ({gone})) LIMIT 1").fetchone())
