"""Streams: their definitions, and the rows that a statement reads from them; see stream_changes.py."""

from __future__ import annotations

import uuid

from snowpipe_ml.local.catalog.kind import CREATED, PLACE, Kept, Schema
from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.catalog.properties import (
    COMMENT,
    note_creation,
    properties_of,
    set_property,
    with_creation,
)
from snowpipe_ml.local.catalog.stream_changes import (
    INITIAL,
    Offset,
    create_changes,
    has_same_columns,
    open_offset,
)
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import CATALOG, Name, literal, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.reader import Reader


class Streams(Kept):
    """Streams. A cloned stream tracks the clone of its table from the time of cloning.

    https://docs.snowflake.com/en/user-guide/object-clone
    """

    word = "STREAM"
    table = "STREAMS"
    owned = "kept"
    shown = (
        CREATED,
        *PLACE,
        ("owner", "VARCHAR", "'SYSADMIN'"),
        ("comment", "VARCHAR", "coalesce(comment, '')"),
        ("table_name", "VARCHAR", "concat_ws('.', database_name, table_schema, table_name)"),
        ("source_type", "VARCHAR", "'Table'"),
        ("base_tables", "VARCHAR", "concat_ws('.', database_name, table_schema, table_name)"),
        ("type", "VARCHAR", "'DELTA'"),
        (
            "stale",
            "VARCHAR",
            "CASE WHEN kept IN (SELECT table_name FROM duckdb_tables()) THEN 'false' ELSE 'true' END",
        ),
        ("mode", "VARCHAR", "CASE WHEN append_only THEN 'APPEND_ONLY' ELSE 'DEFAULT' END"),
        ("stale_after", "TIMESTAMP WITH TIME ZONE", "NULL"),
        ("invalid_reason", "VARCHAR", "'N/A'"),
        ("owner_role_type", "VARCHAR", "'ROLE'"),
    )

    def relation(self, session: Session, database: str) -> str:
        """Return the table of the catalog, with the time of the creation and the comment."""
        created = with_creation(session, database, super().relation(session, database), "STREAM")
        return (
            f"(SELECT o.*, p.value AS comment FROM {created} o LEFT JOIN {session.catalog(database, 'PROPERTIES')} p "
            f"ON p.schema_name = o.schema_name AND p.name = 'STREAM ' || o.name AND p.property = {literal(COMMENT)})"
        )

    def release(self, session: Session, database: str, owned: str) -> None:
        """Drop the table of the changes."""
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
    session: Session,
    name: Name,
    table: Name,
    *,
    append_only: bool,
    initial_rows: bool = False,
    kept: str | None = None,
) -> None:
    """Create a stream.

    Args:
        session: the session.
        name: the stream.
        table: its table.
        append_only: whether it returns inserted rows only.
        initial_rows: whether it returns the existing rows too.
        kept: the table of its changes, as :func:`changes_at` makes one; None for a stream whose offset is now.
    """
    changes = kept or _new_name()
    Streams().add(
        session,
        name,
        {"kept": changes, "table_schema": table[1], "table_name": table[2], "append_only": append_only},
    )
    note_creation(session, stream_property(name))
    session.storage.has_streams = True
    if kept is None:
        create_changes(session, changes, name[0], table, initial_rows=initial_rows)
    if initial_rows:
        set_property(session, stream_property(name), INITIAL, changes)


def _new_name() -> str:
    return f"STREAM_{uuid.uuid4().hex.upper()}"


def stream_property(name: Name) -> Name:
    """Return the name under which the properties of a stream are stored."""
    return (*name[:2], f"STREAM {name[2]}")


def changes_at(session: Session, at: Name, table: Name, append_only: bool) -> str:
    """Make a table of the changes since the offset of a stream, and return its name.

    Raises:
        ProgrammingError: the stream does not exist, or is stale.
        UnsupportedError: its changes are not those that the new stream returns.
    """
    found = find_stream(session, at)
    if found is None:
        raise errors.missing("Stream", ".".join(at))
    kept, of, only_inserts = found
    check_base(session, at, kept, of)
    if of != table:
        raise errors.UnsupportedError("AT (STREAM => ...) with a stream on another object")
    if only_inserts != append_only:
        raise errors.UnsupportedError("AT (STREAM => ...) with a stream of another mode")
    if INITIAL in properties_of(session, stream_property(at)):
        raise errors.UnsupportedError("AT (STREAM => ...) with a stream whose initial rows are not consumed")
    copy = _new_name()
    session.duck.execute(
        f"CREATE TABLE {quoted(at[0], CATALOG, copy)} AS FROM {quoted(at[0], CATALOG, kept)}"
    )
    return copy


def find_stream(session: Session, name: Name) -> tuple[str, Name, bool] | None:
    """Return (name of the table of its changes, its table, whether it is append-only), or None."""
    row = session.duck.execute(
        f"SELECT kept, table_schema, table_name, append_only FROM {session.catalog(name[0], 'STREAMS')} "
        "WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    ).fetchone()
    return (row[0], (name[0], row[1], row[2]), row[3]) if row else None


def refuse_stream(session: Session, name: Name) -> None:
    """Refuse a new table or view with the name of a stream.

    Raises:
        ProgrammingError: a stream has the name.
    """
    if session.storage.has_streams and find_stream(session, name) is not None:
        raise errors.exists_as(name[2], "STREAM")


def rename_base(session: Session, old: Name, new: Name) -> None:
    """Point the streams on a table to its new name."""
    session.duck.execute(
        f"UPDATE {session.catalog(old[0], 'STREAMS')} SET table_schema = ?, table_name = ? "
        "WHERE table_schema = ? AND table_name = ?",
        [*new[1:], *old[1:]],
    )


def make_stale(session: Session, table: Name) -> None:
    """Drop the changes of the streams on a table that is dropped or replaced: they can no longer be read."""
    if not session.storage.has_streams:
        return
    for (kept,) in session.duck.execute(
        f"SELECT kept FROM {session.catalog(table[0], 'STREAMS')} WHERE table_schema = ? AND table_name = ?",
        list(table[1:]),
    ).fetchall():
        session.duck.execute(f"DROP TABLE IF EXISTS {quoted(table[0], CATALOG, kept)}")


def column_changes(session: Session, table: Name, *changes: str) -> list[str]:
    """Return the statements that change the columns of a table also in the changes that its streams keep.

    https://docs.snowflake.com/en/user-guide/streams-intro

    Args:
        session: the session.
        table: the table.
        changes: what follows ``ALTER TABLE t`` in DuckDB's SQL, with ``{}`` before the name of the column.
    """
    if not session.storage.has_streams:
        return []
    kept = session.duck.execute(
        f"SELECT kept FROM {session.catalog(table[0], 'STREAMS')} WHERE table_schema = ? AND table_name = ?",
        list(table[1:]),
    ).fetchall()
    return [
        f"ALTER TABLE {quoted(table[0], CATALOG, name)} {change.format(f'{side}.')}"
        for (name,) in kept
        for change in changes
        for side in ("old", "new")
    ]


def check_base(session: Session, name: Name, kept: str, table: Name) -> None:
    """Check that a stream's table still has the columns that it had when the stream was created.

    Raises:
        ProgrammingError: the table was dropped or replaced.
        UnsupportedError: it got a column with a default, or a column has another type.
    """
    same = has_same_columns(session, name[0], kept, table)
    if same is False:
        raise errors.UnsupportedError(
            f"reading the stream {name[2]} after this change of its table's columns",
            "Create the stream again",
        )
    if same is None:
        raise errors.error(
            91901,
            "02000",
            f"SQL compilation error:\nBase table '{'.'.join(table)}' dropped, cannot read from the stream '{name[2]}'",
        )


def readable(session: Session, name: Name, kept: str) -> str:
    """Return the table of the changes that a statement reads: in a transaction those at its beginning."""
    offset = session.at_commit.get(name)
    if isinstance(offset, Offset) and offset.changed:
        return offset.before
    return quoted(name[0], CATALOG, kept)


def advance(session: Session, consumed: list[tuple[Name, str]]) -> None:
    """Advance the offsets of the streams that a statement has consumed, when its transaction is committed.

    Args:
        session: the session, in a transaction.
        consumed: the streams, each with the table of its changes.
    """
    for name, kept in consumed:
        open_offset(session, name, kept).consumed = True


def has_data(session: Session, text: str) -> bool:
    """Evaluate ``SYSTEM$STREAM_HAS_DATA('name')``."""
    name = session.resolve(Reader(text).name())
    found = find_stream(session, name)
    if found is None:
        raise errors.missing("Stream", ".".join(name))
    check_base(session, name, found[0], found[1])
    return bool(session.duck.execute(f"SELECT 1 FROM {readable(session, name, found[0])} LIMIT 1").fetchone())
