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
    new, gone = changed_parts(name, found[0], found[1])
    return bool(session.duck.execute(f"SELECT 1 FROM (({new}) UNION ALL ({gone})) LIMIT 1").fetchone())
