"""The changes of a table that its streams have not returned yet.

Each stream has a table, whose name is in the column ``kept``. A row of it is the net change of one row of
the stream's table since the stream's offset: ``old`` is NULL for a new row, ``new`` for a deleted one. A
statement that changes the table adds its changes, so a row that was updated is known to be one, and an
append-only stream keeps a row that is deleted later.

Within an open transaction a stream returns what it had when the transaction began. So the first statement of
a transaction that changes the table copies the changes so far, and collects its own beside them: if the
transaction reads the stream in DML, only its own are left when it is committed.

https://docs.snowflake.com/en/user-guide/streams-intro
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from snowpipe_ml.local.catalog.versions import keep_version
from snowpipe_ml.local.core.names import CATALOG, Name, literal, quoted
from snowpipe_ml.local.core.session import Session

INITIAL = "INITIAL_ROWS"
"""The property of a stream that still returns the rows that existed when it was created: its ``kept``."""


class Offset:
    """A stream in an open transaction; called when the transaction is committed.

    Attributes:
        before: the table of the changes when the transaction began; there is one only if ``changed``.
        since: the table of the changes that the transaction itself has made; as ``before``.
        consumed: whether the transaction has read the stream in DML.
        changed: whether the transaction has changed the stream's table.
    """

    def __init__(self, session: Session, database: str, kept: str) -> None:
        self._session = session
        self._own = kept
        self._kept = quoted(database, CATALOG, kept)
        self._properties = session.catalog(database, "PROPERTIES")
        self.before = quoted("temp", "main", f"{kept}_BEFORE")
        self.since = quoted("temp", "main", f"{kept}_SINCE")
        self.consumed = False
        self.changed = False

    def begin(self) -> None:
        """Keep the changes so far, because the transaction is about to change the stream's table."""
        if not self.changed:
            duck = self._session.duck
            duck.execute(f"CREATE TEMP TABLE {self.before} AS FROM {self._kept}")
            duck.execute(f"CREATE TEMP TABLE {self.since} AS FROM {self._kept} WHERE false")
            self.changed = True

    def __call__(self) -> None:
        """Move the stream's offset if the transaction has read it in DML."""
        duck = self._session.duck
        if self.consumed:
            duck.execute(f"DELETE FROM {self._kept}")
            duck.execute(
                f"DELETE FROM {self._properties} WHERE property = ? AND value = ?", [INITIAL, self._own]
            )
            if self.changed:
                duck.execute(f"INSERT INTO {self._kept} FROM {self.since}")
        if self.changed:
            duck.execute(f"DROP TABLE {self.before}")
            duck.execute(f"DROP TABLE {self.since}")


def open_offset(session: Session, stream: Name, kept: str) -> Offset:
    """Return the stream's state in the open transaction."""
    found = session.at_commit.get(stream)
    if not isinstance(found, Offset):
        found = session.at_commit[stream] = Offset(session, stream[0], kept)
    return found


def create_changes(session: Session, kept: str, database: str, table: Name, *, initial_rows: bool) -> None:
    """Create the table of a stream's changes; with ``initial_rows`` all rows of the table are new."""
    rows = "" if initial_rows else " WHERE false"
    session.duck.execute(
        f"CREATE TABLE {quoted(database, CATALOG, kept)} AS "
        f"SELECT uuid() AS change, CASE WHEN false THEN _sf_row END AS old, "
        f"_sf_row AS new FROM {quoted(*table)} AS _sf_row{rows}"
    )


def changes_query(relation: str, *, append_only: bool) -> str:
    """Return the query of a stream's rows, of a table of changes."""
    more = 'old IS NOT NULL AND new IS NOT NULL AS "METADATA$ISUPDATE", sha1(change::VARCHAR) AS "METADATA$ROW_ID"'
    inserted = (
        f"SELECT unnest(new), 'INSERT' AS \"METADATA$ACTION\", {more} FROM {relation} WHERE new IS NOT NULL"
    )
    if append_only:
        return inserted
    return f"{inserted} UNION ALL SELECT unnest(old), 'DELETE', {more} FROM {relation} WHERE old IS NOT NULL"


@dataclass(frozen=True)
class Affected:
    """The rows of a table that a statement can change.

    Attributes:
        old: a DuckDB query of the ``rowid`` of the rows that it can update or delete; empty if there are none, and None
            if they are not known.
        updated: the columns that it can update.
    """

    old: str | None = None
    updated: frozenset[str] = frozenset()


ANY = Affected()
INSERTED = Affected(old="")


@contextmanager
def tracked(session: Session, table: Name | None, affected: Affected = ANY) -> Iterator[None]:
    """Add what the block changes in a table to the changes of its streams, in the open transaction.

    Rows are identified by DuckDB's ``rowid``. It is not kept beyond the transaction, because a checkpoint changes it.

    Args:
        session: the session.
        table: the table; None if it is not known.
        affected: the rows that the block can change. If they are few, they take little time, however many rows the
            table has.
    """
    if table is not None and affected is not INSERTED:
        keep_version(session, table)
    streams = _streams_on(session, table) if table is not None and session.storage.has_streams else []
    if table is None or not streams:
        yield
        return
    target, duck = quoted(*table), session.duck
    before, found = (f"_sf_{uuid.uuid4().hex}" for _ in range(2))
    rows = f"SELECT rowid AS place, _sf_row AS value FROM {target} AS _sf_row"
    some = "true" if affected.old is None else f"rowid IN ({affected.old})" if affected.old else "false"
    duck.execute(f"CREATE TEMP TABLE {before} AS {rows} WHERE {some}")
    last = duck.execute(f"SELECT coalesce(max(rowid), -1) FROM {target}").fetchone()
    opened = [
        open_offset(session, stream, kept) if session.in_transaction else None for stream, kept, _ in streams
    ]
    for offset in opened:
        if offset is not None:
            offset.begin()
    yield
    assert last is not None
    after = f"{rows} WHERE rowid IN (SELECT place FROM {before}) UNION ALL {rows} WHERE rowid > {last[0]}"
    duck.execute(
        f"CREATE TEMP TABLE {found} AS SELECT uuid() AS change, b.value AS old, a.value AS new "
        f"FROM {before} AS b FULL JOIN ({after}) AS a USING (place) "
        "WHERE b.place IS NULL OR a.place IS NULL OR b.value IS DISTINCT FROM a.value"
    )
    if affected.old != "":
        _pair_moved(session, found, table, affected.updated)
    for (_, kept, append_only), offset in zip(streams, opened, strict=True):
        _add(session, quoted(table[0], CATALOG, kept), found, append_only)
        if offset is not None:
            _add(session, offset.since, found, append_only)
    duck.execute(f"DROP TABLE {before}")
    duck.execute(f"DROP TABLE {found}")


def _pair_moved(session: Session, found: str, table: Name, updated: frozenset[str]) -> None:
    """Make one change of a row that an UPDATE has moved: DuckDB deletes and inserts rows whose lists or VARIANTs change.

    The old and the new row are found by the columns that the statement does not update; of rows that are equal
    in them, it does not matter which is taken.

    Args:
        session: the session.
        found: the table of the changes.
        table: the table that was changed.
        updated: the columns that the statement can update.
    """
    duck = session.duck
    moved = duck.execute(
        f"SELECT count(*) FILTER (old IS NULL), count(*) FILTER (new IS NULL) FROM {found}"
    ).fetchone()
    if not updated or moved is None or 0 in moved:
        return
    described = duck.execute(f"DESCRIBE SELECT * FROM {quoted(*table)}").fetchall()
    same = [quoted(name) for name, *_ in described if name not in updated]
    sides = [
        f"(SELECT change, {side}, {', '.join([*(f'{side}.{column} AS {column}' for column in same), '']) or ''}"
        f"row_number() OVER ({_partition(side, same)}) AS _sf_i FROM {found} WHERE {other} IS NULL)"
        for side, other in (("old", "new"), ("new", "old"))
    ]
    conditions = ["o._sf_i = n._sf_i", *(f"o.{column} IS NOT DISTINCT FROM n.{column}" for column in same)]
    pairs = f"_sf_{uuid.uuid4().hex}"
    duck.execute(
        f"CREATE TEMP TABLE {pairs} AS SELECT o.change AS change, n.change AS gone, n.new AS new "
        f"FROM {sides[0]} AS o JOIN {sides[1]} AS n ON {' AND '.join(conditions)}"
    )
    duck.execute(f"UPDATE {found} AS f SET new = p.new FROM {pairs} AS p WHERE f.change = p.change")
    duck.execute(
        f"DELETE FROM {found} WHERE change IN (SELECT gone FROM {pairs}) OR old IS NOT DISTINCT FROM new"
    )
    duck.execute(f"DROP TABLE {pairs}")


def _partition(side: str, columns: list[str]) -> str:
    return f"PARTITION BY {', '.join(f'{side}.{column}' for column in columns)}" if columns else ""


def _streams_on(session: Session, table: Name) -> list[tuple[Name, str, bool]]:
    """List the streams on a table that can still be read, as (name, kept, whether it is append-only)."""
    return [
        ((table[0], schema, name), kept, append_only)
        for schema, name, kept, append_only in session.duck.execute(
            f"SELECT s.schema_name, s.name, s.kept, s.append_only FROM {session.catalog(table[0], 'STREAMS')} AS s "
            f"WHERE s.table_schema = {literal(table[1])} AND s.table_name = {literal(table[2])}"
        ).fetchall()
        if has_same_columns(session, table[0], kept, table)
    ]


def has_same_columns(session: Session, database: str, kept: str, table: Name) -> bool | None:
    """Return whether a stream's table has the columns of the kept changes; None if one of them does not exist."""
    row = _type(session, f"SELECT _sf_row FROM {quoted(*table)} AS _sf_row")
    changes = _type(session, f"SELECT new FROM {quoted(database, CATALOG, kept)}")
    return None if row is None or changes is None else row == changes


def _type(session: Session, query: str) -> str | None:
    """Return the type of a query's column; None if it cannot be read."""
    try:
        relation = session.duck.query(query)
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    return str(relation.types[0]) if relation is not None else None


def _add(session: Session, kept: str, found: str, append_only: bool) -> None:
    """Add the changes of a statement to those of a stream.

    A changed row that is new or changed for the stream already is found by its values; of equal rows it does
    not matter which one is taken.
    """
    duck = session.duck
    if append_only:
        duck.execute(f"INSERT INTO {kept} FROM {found} WHERE old IS NULL")
        return
    first = duck.execute(f"SELECT 1 FROM {found} WHERE old IS NOT NULL LIMIT 1").fetchone()
    if first is None:
        duck.execute(f"INSERT INTO {kept} FROM {found}")
        return
    pairs = f"_sf_{uuid.uuid4().hex}"
    duck.execute(
        f"CREATE TEMP TABLE {pairs} AS SELECT f.change AS change, k.change AS known, f.new AS new FROM "
        f"(SELECT change, old, new, row_number() OVER (PARTITION BY old) AS i FROM {found} WHERE old IS NOT NULL) AS f "
        f"JOIN (SELECT change, new, row_number() OVER (PARTITION BY new) AS i FROM {kept} WHERE new IS NOT NULL) AS k "
        "ON f.old IS NOT DISTINCT FROM k.new AND f.i = k.i"
    )
    duck.execute(f"UPDATE {kept} AS k SET new = p.new FROM {pairs} AS p WHERE k.change = p.known")
    duck.execute(f"DELETE FROM {kept} WHERE old IS NOT DISTINCT FROM new")
    duck.execute(f"INSERT INTO {kept} FROM {found} WHERE change NOT IN (SELECT change FROM {pairs})")
    duck.execute(f"DROP TABLE {pairs}")
