"""Streams: their offsets, and the changes since an offset.

The offset of a stream is stored as a copy of the table's rows (``kept`` is the name of the copy).
"""

from __future__ import annotations

import uuid

from snowpipe_ml.local.catalog.kind import PLACE, Kept, Schema
from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import CATALOG, Name, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.reader import Reader


class Streams(Kept):
    """Streams; the clone of a stream starts anew, on the clone of its table.

    https://docs.snowflake.com/en/user-guide/object-clone
    """

    word = "STREAM"
    table = "STREAMS"
    owned = "kept"
    shown = (
        *PLACE,
        ("table_name", "VARCHAR", "concat_ws('.', database_name, table_schema, table_name)"),
        ("mode", "VARCHAR", "CASE WHEN append_only THEN 'APPEND_ONLY' ELSE 'DEFAULT' END"),
    )

    def release(self, session: Session, database: str, owned: str) -> None:
        """Drop the copy that is the offset."""
        session.duck.execute(f"DROP TABLE IF EXISTS {quoted(database, CATALOG, owned)}")

    def clone(self, session: Session, source: Schema, target: Schema) -> None:
        """Clone the streams whose tables are in the target's database too."""
        for name, table_schema, table_name, append_only in session.duck.execute(
            "SELECT name, table_schema, table_name, append_only "
            f"FROM {session.catalog(source[0], self.table)} WHERE schema_name = ?",
            [source[1]],
        ).fetchall():
            schema = target[1] if table_schema == source[1] else table_schema
            table = (target[0], schema, table_name)
            if existing_kind(session, table) == "TABLE":
                create(session, (*target, name), table, append_only=append_only)


def create(
    session: Session, name: Name, table: Name, *, append_only: bool, initial_rows: bool = False
) -> None:
    """Create a stream whose offset is now, or with ``initial_rows`` before the first row."""
    kept = f"STREAM_{uuid.uuid4().hex.upper()}"
    Streams().add(
        session,
        name,
        {"kept": kept, "table_schema": table[1], "table_name": table[2], "append_only": append_only},
    )
    session.storage.has_streams = True
    set_offset(session, name, kept, table, empty=initial_rows)


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
