"""Streams: their definitions, and the rows that a statement reads from them; see stream_changes.py."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

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
    changes_query,
    create_changes,
    has_same_columns,
    open_offset,
)
from snowpipe_ml.local.catalog.view_changes import Tracked, track
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import CATALOG, Name, literal, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.reader import Reader

_TABLE = "concat_ws('.', database_name, table_schema, table_name)"


class Streams(Kept):
    """Streams. A cloned stream tracks the clone of its table from the time of cloning.

    https://docs.snowflake.com/en/user-guide/object-clone
    """

    word = "STREAM"
    table = "STREAMS"
    where = "part_of IS NULL"
    owned = "kept"
    shown = (
        CREATED,
        *PLACE,
        ("owner", "VARCHAR", "'SYSADMIN'"),
        ("comment", "VARCHAR", "coalesce(comment, '')"),
        ("table_name", "VARCHAR", f"coalesce(label, {_TABLE})"),
        ("source_type", "VARCHAR", "upper(source[1]) || lower(source[2:])"),
        ("base_tables", "VARCHAR", f"coalesce(bases, label, {_TABLE})"),
        ("type", "VARCHAR", "'DELTA'"),
        (
            "stale",
            "VARCHAR",
            "CASE WHEN lost = 0 THEN 'false' ELSE 'true' END",
        ),
        ("mode", "VARCHAR", "CASE WHEN append_only THEN 'APPEND_ONLY' ELSE 'DEFAULT' END"),
        ("stale_after", "TIMESTAMP WITH TIME ZONE", "NULL"),
        ("invalid_reason", "VARCHAR", "'N/A'"),
        ("owner_role_type", "VARCHAR", "'ROLE'"),
    )

    def relation(self, session: Session, database: str) -> str:
        """Return the table of the catalog, with the time of the creation, the comment and the tables of a view."""
        created = with_creation(session, database, super().relation(session, database), "STREAM")
        streams = session.catalog(database, self.table)
        there = "(SELECT table_name FROM duckdb_tables())"
        parts = (
            f"(SELECT part_of, string_agg(concat_ws('.', {literal(database)}, table_schema, table_name), ', ' ORDER BY name) "
            f"AS bases, count(*) FILTER (kept NOT IN {there}) AS lost FROM {streams} WHERE part_of IS NOT NULL GROUP BY 1)"
        )
        return (
            f"(SELECT o.*, p.value AS comment, c.bases, coalesce(c.lost, 0) + (o.kept NOT IN {there})::INT AS lost "
            f"FROM {created} o LEFT JOIN {session.catalog(database, 'PROPERTIES')} p "
            f"ON p.schema_name = o.schema_name AND p.name = 'STREAM ' || o.name AND p.property = {literal(COMMENT)} "
            f"LEFT JOIN {parts} c ON c.part_of = o.kept)"
        )

    def release(self, session: Session, database: str, owned: str) -> None:
        """Drop the tables of the changes."""
        parts = session.duck.execute(
            f"DELETE FROM {session.catalog(database, self.table)} WHERE part_of = ? RETURNING kept", [owned]
        ).fetchall()
        for kept in (owned, *(kept for (kept,) in parts)):
            session.duck.execute(f"DROP TABLE IF EXISTS {quoted(database, CATALOG, kept)}")

    def clone(self, session: Session, source: Schema, target: Schema) -> None:
        """Clone the streams on tables and views that are in the target's database too."""
        for name, kind, table_schema, table_name, append_only in session.duck.execute(
            "SELECT name, source, table_schema, table_name, append_only "
            f"FROM {session.catalog(source[0], self.table)} WHERE schema_name = ? AND part_of IS NULL",
            [source[1]],
        ).fetchall():
            schema = target[1] if table_schema == source[1] else table_schema
            of = (target[0], schema, table_name)
            if existing_kind(session, of) == kind:
                create(session, (*target, name), kind, of, append_only=append_only)


@dataclass(frozen=True)
class Part:
    """A table whose changes a stream has.

    Attributes:
        name: the key of its state in a transaction.
        kept: the table of the changes.
        table: the table.
    """

    name: Name
    kept: str
    table: Name


@dataclass(frozen=True)
class Stream:
    """A stream.

    Attributes:
        kept: the table of its changes; of a stream on a view, a table that is dropped with the view.
        of: the table or view that it tracks.
        append_only: whether it returns new rows only.
        parts: the tables whose changes it has.
        tracked: the query of its view.
    """

    name: Name
    kept: str
    of: Name
    append_only: bool
    parts: tuple[Part, ...]
    tracked: Tracked | None

    def changes(self, session: Session) -> str:
        """Return the DuckDB query of its rows."""
        kept = [_readable(session, part) for part in self.parts]
        if self.tracked is not None:
            return self.tracked.changes(kept, append_only=self.append_only)
        return changes_query(kept[0], append_only=self.append_only)


def create(
    session: Session,
    name: Name,
    kind: str,
    of: Name,
    *,
    append_only: bool,
    initial_rows: bool = False,
    kept: str | None = None,
    label: str | None = None,
) -> None:
    """Create a stream.

    Args:
        session: the session.
        name: the stream.
        kind: TABLE, VIEW or STAGE.
        of: the table or view; of a stage, its directory table.
        append_only: whether it returns inserted rows only.
        initial_rows: whether it returns the existing rows too.
        kept: the table of its changes, as :func:`changes_at` makes one; None for a stream whose offset is now.
        label: the name of the stage.
    """
    changes = kept or _new_name()
    tracked = track(session, of) if kind == "VIEW" else None
    values = {"source": kind, "table_schema": of[1], "table_name": of[2], "append_only": append_only}
    query = None if tracked is None else tracked.to_json()
    Streams().add(session, name, {**values, "kept": changes, "label": label, "query": query})
    note_creation(session, stream_property(name))
    session.storage.has_streams = True
    if tracked is not None:
        session.duck.execute(f"CREATE TABLE {quoted(name[0], CATALOG, changes)} (_ INT)")
        for number, table in enumerate(tracked.tables):
            part = f"{changes}_{number:03}"
            own = {**values, "source": "TABLE", "table_schema": table[1], "table_name": table[2]}
            Streams().add(session, (*name[:2], part), {**own, "kept": part, "part_of": changes})
            create_changes(session, part, name[0], table, initial_rows=initial_rows)
    elif kept is None:
        create_changes(session, changes, name[0], of, initial_rows=initial_rows)
    if initial_rows:
        set_property(session, stream_property(name), INITIAL, changes)


def _new_name() -> str:
    return f"STREAM_{uuid.uuid4().hex.upper()}"


def stream_property(name: Name) -> Name:
    """Return the name under which the properties of a stream are stored."""
    return (*name[:2], f"STREAM {name[2]}")


def changes_at(session: Session, at: Name, of: Name, append_only: bool) -> str:
    """Make a table of the changes since the offset of a stream, and return its name.

    Raises:
        ProgrammingError: the stream does not exist, or is stale.
        UnsupportedError: its changes are not those that the new stream returns.
    """
    found = find_stream(session, at)
    if found is None:
        raise errors.missing("Stream", ".".join(at))
    check_base(session, found)
    if found.of != of or found.tracked is not None:
        raise errors.UnsupportedError("AT (STREAM => ...) with a stream on another object, or on a view")
    if found.append_only != append_only:
        raise errors.UnsupportedError("AT (STREAM => ...) with a stream of another mode")
    if INITIAL in properties_of(session, stream_property(at)):
        raise errors.UnsupportedError("AT (STREAM => ...) with a stream whose initial rows are not consumed")
    copy = _new_name()
    session.duck.execute(
        f"CREATE TABLE {quoted(at[0], CATALOG, copy)} AS FROM {quoted(at[0], CATALOG, found.kept)}"
    )
    return copy


def find_stream(session: Session, name: Name) -> Stream | None:
    """Return a stream; None if it does not exist."""
    streams = session.catalog(name[0], "STREAMS")
    row = session.duck.execute(
        "SELECT kept, table_schema, table_name, append_only, query FROM "
        f"{streams} WHERE schema_name = ? AND name = ? AND part_of IS NULL",
        list(name[1:]),
    ).fetchone()
    if row is None:
        return None
    kept, schema, table, append_only, query = row
    of = (name[0], schema, table)
    if query is None:
        return Stream(name, kept, of, append_only, (Part(name, kept, of),), None)
    parts = session.duck.execute(
        f"SELECT schema_name, name, table_schema, table_name FROM {streams} WHERE part_of = ? ORDER BY name",
        [kept],
    ).fetchall()
    found = tuple(Part((name[0], a, b), b, (name[0], c, d)) for a, b, c, d in parts)
    return Stream(name, kept, of, append_only, found, Tracked.from_json(query))


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


def check_base(session: Session, stream: Stream) -> None:
    """Check that a stream's tables still have the columns that they had when the stream was created.

    Raises:
        ProgrammingError: one of them, or the view, was dropped or replaced.
        UnsupportedError: it got a column with a default, or a column has another type.
    """
    gone = [stream.of] if stream.tracked is not None and not _exists(session, stream) else []
    for part in stream.parts:
        same = has_same_columns(session, stream.name[0], part.kept, part.table)
        if same is False:
            raise errors.UnsupportedError(
                f"reading the stream {stream.name[2]} after this change of its table's columns",
                "Create the stream again",
            )
        gone += [part.table] if same is None else []
    if gone:
        raise errors.error(
            91901,
            "02000",
            f"SQL compilation error:\nBase table '{'.'.join(gone[0])}' dropped, cannot read from the stream "
            f"'{stream.name[2]}'",
        )


def _exists(session: Session, stream: Stream) -> bool:
    found = session.duck.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
        [stream.name[0], CATALOG, stream.kept],
    )
    return bool(found.fetchone())


def _readable(session: Session, part: Part) -> str:
    """Return the table of the changes that a statement reads: in a transaction those at its beginning."""
    offset = session.at_commit.get(part.name)
    if isinstance(offset, Offset) and offset.changed:
        return offset.before
    return quoted(part.name[0], CATALOG, part.kept)


def advance(session: Session, consumed: list[Stream]) -> None:
    """Advance the offsets of the streams that a statement has consumed, when its transaction is committed.

    Args:
        session: the session, in a transaction.
        consumed: the streams.
    """
    for part in (part for stream in consumed for part in stream.parts):
        open_offset(session, part.name, part.kept).consumed = True


def has_data(session: Session, text: str) -> bool:
    """Evaluate ``SYSTEM$STREAM_HAS_DATA('name')``; of a view, whether a row of its tables has changed."""
    name = session.resolve(Reader(text).name())
    found = find_stream(session, name)
    if found is None:
        raise errors.missing("Stream", ".".join(name))
    check_base(session, found)
    return any(
        session.duck.execute(f"SELECT 1 FROM {_readable(session, part)} LIMIT 1").fetchone()
        for part in found.parts
    )
