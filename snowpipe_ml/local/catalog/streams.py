"""Streams: their offsets, and the changes since an offset.

The offset of a stream is stored as a copy of the table's rows (``kept`` is the name of the copy).
"""

from __future__ import annotations

import uuid
from functools import partial

from snowpipe_ml.local.catalog.kind import CREATED, PLACE, Kept, Schema
from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.catalog.properties import note_creation, with_creation
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import CATALOG, Name, literal, quoted
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
        CREATED,
        *PLACE,
        ("owner", "VARCHAR", "'SYSADMIN'"),
        ("comment", "VARCHAR", "''"),
        ("table_name", "VARCHAR", "concat_ws('.', database_name, table_schema, table_name)"),
        ("source_type", "VARCHAR", "'Table'"),
        ("base_tables", "VARCHAR", "concat_ws('.', database_name, table_schema, table_name)"),
        ("type", "VARCHAR", "'DELTA'"),
        ("stale", "VARCHAR", "'false'"),
        ("mode", "VARCHAR", "CASE WHEN append_only THEN 'APPEND_ONLY' ELSE 'DEFAULT' END"),
        ("stale_after", "TIMESTAMP WITH TIME ZONE", "NULL"),
        ("invalid_reason", "VARCHAR", "'N/A'"),
        ("owner_role_type", "VARCHAR", "'ROLE'"),
    )

    def relation(self, session: Session, database: str) -> str:
        """Return the table of the catalog, with the time of the creation."""
        return with_creation(session, database, super().relation(session, database), "STREAM")

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
    note_creation(session, (*name[:2], f"STREAM {name[2]}"))
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


def rename_base(session: Session, old: Name, new: Name) -> None:
    """Let the streams on a table follow its new name."""
    session.duck.execute(
        f"UPDATE {session.catalog(old[0], 'STREAMS')} SET table_schema = ?, table_name = ? "
        "WHERE table_schema = ? AND table_name = ?",
        [*new[1:], *old[1:]],
    )


def make_stale(session: Session, table: Name) -> None:
    """Drop the offsets of the streams on a table that is dropped or replaced: they can no longer be read."""
    if not session.storage.has_streams:
        return
    for (kept,) in session.duck.execute(
        f"SELECT kept FROM {session.catalog(table[0], 'STREAMS')} WHERE table_schema = ? AND table_name = ?",
        list(table[1:]),
    ).fetchall():
        session.duck.execute(f"DROP TABLE IF EXISTS {quoted(table[0], CATALOG, kept)}")


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


def advance(session: Session, consumed: list[tuple[Name, str, Name]], *, at_commit: bool = False) -> None:
    """Advance the offsets of the streams that a statement has consumed, in its transaction.

    Args:
        session: the session.
        consumed: the streams, each with its offset and its table.
        at_commit: whether the offsets move only when the open transaction is committed: until then all its
            statements read the same changes.
    """
    for name, kept, table in consumed:
        if not at_commit:
            set_offset(session, name, kept, table)
        elif name not in session.at_commit:
            set_offset(session, name, _following(kept), table)
            session.at_commit[name] = partial(_move, session, name, kept)


def _following(kept: str) -> str:
    return f"{kept}_NEXT"


def _move(session: Session, name: Name, kept: str) -> None:
    following = quoted(name[0], CATALOG, _following(kept))
    session.duck.execute(
        f"CREATE OR REPLACE TABLE {quoted(name[0], CATALOG, kept)} AS SELECT * FROM {following}"
    )
    session.duck.execute(f"DROP TABLE {following}")


def until(session: Session, name: Name, kept: str, table: Name) -> Name:
    """Return the table with the rows up to which a stream is read.

    Raises:
        UnsupportedError: the open transaction has changed the stream's table before it reads the stream.
    """
    if name in session.at_commit:
        return name[0], CATALOG, _following(kept)
    if session.in_transaction:
        query = (
            f"SELECT max(changed_at) FROM {quoted(table[0], CATALOG, 'CHANGES')} "
            f"WHERE schema_name = {literal(table[1])} AND name = {literal(table[2])}"
        )
        # Another connection sees what is committed.
        if session.duck.execute(query).fetchone() != session.duck.cursor().execute(query).fetchone():
            raise errors.UnsupportedError("a stream in a transaction that has changed its table")
    return table


def has_data(session: Session, text: str) -> bool:
    """Evaluate ``SYSTEM$STREAM_HAS_DATA('name')``."""
    name = session.resolve(Reader(text).name())
    found = find_stream(session, name)
    if found is None:
        raise errors.missing("Stream", ".".join(name))
    check_base(session, name, found[0], found[1])
    new, gone = changed_parts(name, found[0], found[1])
    return bool(session.duck.execute(f"SELECT 1 FROM (({new}) UNION ALL ({gone})) LIMIT 1").fetchone())
