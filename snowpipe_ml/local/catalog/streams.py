"""Streams: where their offsets are kept, and what changed since."""

from __future__ import annotations

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import CATALOG, Name, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.reader import Reader


def find_stream(session: Session, name: Name) -> tuple[str, Name, bool] | None:
    """(where its rows are kept, its table, whether it is append-only)."""
    row = session.duck.execute(
        f"SELECT kept, table_schema, table_name, append_only FROM {session.catalog(name[0], 'STREAMS')} "
        "WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    ).fetchone()
    return (row[0], (name[0], row[1], row[2]), row[3]) if row else None


def set_offset(session: Session, name: Name, kept: str, table: Name, *, empty: bool = False) -> None:
    """Keep the rows that the table has now, from which changes are counted; none of them if ``empty``."""
    where = " WHERE false" if empty else ""
    session.duck.execute(
        f"CREATE OR REPLACE TABLE {quoted(name[0], CATALOG, kept)} AS SELECT * FROM {quoted(*table)}{where}"
    )


def changed_parts(name: Name, kept: str, table: Name) -> tuple[str, str]:
    """(rows that are new, rows that are gone), as queries."""
    now, before = f"SELECT * FROM {quoted(*table)}", f"SELECT * FROM {quoted(name[0], CATALOG, kept)}"
    return f"({now} EXCEPT ALL {before})", f"({before} EXCEPT ALL {now})"


def advance(session: Session, consumed: list[tuple[Name, str, Name]]) -> None:
    """Move the offsets of the streams that a statement has read, in its transaction."""
    for name, kept, table in consumed:
        set_offset(session, name, kept, table)


def has_data(session: Session, text: str) -> bool:
    """``SYSTEM$STREAM_HAS_DATA('name')``."""
    name = session.resolve(Reader(text).name())
    found = find_stream(session, name)
    if found is None:
        raise errors.missing("Stream", ".".join(name))
    new, gone = changed_parts(name, found[0], found[1])
    return bool(session.duck.execute(f"SELECT 1 FROM (({new}) UNION ALL ({gone})) LIMIT 1").fetchone())
