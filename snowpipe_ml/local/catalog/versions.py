"""Earlier versions of tables, for Time Travel.

Rows that a statement only appends cost nothing: the log of changes has their number, and an earlier version is the
first rows of the table. Before any other change a table is copied, if a statement has set
DATA_RETENTION_TIME_IN_DAYS of it, of its schema or of its database, and if it is small enough. Without the
setting, statements take no longer, and Time Travel reaches back to the last such change.

The log has an entry for each change: the number of rows that it appended, or NULL for any other change, beyond
which only a copy reaches. See docs/decisions/0062-versions-of-tables.md.

https://docs.snowflake.com/en/user-guide/data-time-travel
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import CATALOG, Name, literal, quoted
from snowpipe_ml.local.core.session import Session

RETENTION = "DATA_RETENTION_TIME_IN_DAYS"
CHANGE_TRACKING = "CHANGE_TRACKING"
LARGEST = 5_000_000
"""How many values (rows times columns) a table may have that is copied before a change."""

TOGETHER = 20_000_000
"""How many values all copies in a database may have; the oldest ones are dropped first."""

MOST = 24
"""How many copies a database may have: each makes the look-up of names in DuckDB's catalog a little slower."""

# The catalog tables with notes about tables and views, and the column with the name of the table or view.
NOTES = {
    "TRANSIENT": "name",
    "TAG_VALUES": "object_name",
    "LOADS": "table_name",
    "COPY_ERRORS": "table_name",
    "COPY_FAILURES": "table_name",
    "COLUMNS": "table_name",
    "PROPERTIES": "name",
}
_DAY = 86_400 * 10**9
_DEFAULT = 1


def retention(session: Session, name: Name) -> int:
    """Return how many days earlier versions of a table are kept: its own setting, its schema's, its database's."""
    days = retention_setting(session, name)
    if days is None:
        return _DEFAULT
    transient = days > _DEFAULT and name[2] and session.table_kind(name) == "TRANSIENT"
    return _DEFAULT if transient else days


def retention_setting(session: Session, name: Name) -> int | None:
    """Return the days that a statement has set for a table, its schema or its database; None for the default."""
    known = session.storage.retentions.get(name[0])
    if known is None:
        known = {
            (schema, table): int(days)
            for schema, table, days in session.duck.execute(
                f"SELECT schema_name, name, value FROM {session.catalog(name[0], 'PROPERTIES')} "
                f"WHERE property = {literal(RETENTION)}"
            ).fetchall()
        }
        session.storage.retentions[name[0]] = known
    for key in ((name[1], name[2]), (name[1], ""), ("", "")):
        if key in known:
            return known[key]
    return None


def is_kept(session: Session, name: Name) -> bool:
    """Return whether a table is copied before a change: a statement has set its retention, and it is not temporary."""
    return (
        bool(retention_setting(session, name)) and name[1] != CATALOG and name not in session.storage.owners
    )


def keep_version(session: Session, name: Name) -> None:
    """Copy a table, in the open transaction, that the transaction is about to change otherwise than by new rows."""
    if not is_kept(session, name):
        return
    size = size_of(session, name)
    if size is None:
        return
    kept = new_version()
    session.duck.execute(f"CREATE TABLE {quoted(name[0], CATALOG, kept)} AS FROM {quoted(*name)}")
    note_version(session, name, kept, *size)


def new_version() -> str:
    """Return the name of a copy in the schema of the catalog."""
    return f"VERSION_{uuid.uuid4().hex.upper()}"


def note_version(
    session: Session, name: Name, kept: str, rows: int, columns: int, dropped: str | None = None
) -> None:
    """Record a copy of a table; ``dropped`` is the definition of a table that can be restored."""
    _make_room(session, name[0], rows * columns)
    tick = session.storage.clock.tick()
    session.duck.execute(
        f"INSERT INTO {quoted(name[0], CATALOG, 'VERSIONS')} VALUES ({literal(name[1])}, {literal(name[2])}, "
        f"'{kept}', {tick}, {rows}, {rows * columns}, {'NULL' if dropped is None else literal(dropped)})"
    )
    _move_at_commit(session, name[0], tick)


def size_of(session: Session, name: Name) -> tuple[int, int] | None:
    """Return the rows and columns of a table that is small enough to be copied; None for another."""
    relation = session.duck.query(f"FROM {quoted(*name)}")
    row = session.duck.execute(f"SELECT count(*) FROM {quoted(*name)}").fetchone()
    if row is None or relation is None:
        return None
    rows, columns = int(row[0]), len(relation.columns)
    return (rows, columns) if rows * columns <= LARGEST else None


def _make_room(session: Session, database: str, cells: int) -> None:
    """Drop the oldest copies of a database until half of the room is free, if another one does not fit."""
    versions = quoted(database, CATALOG, "VERSIONS")
    row = session.duck.execute(f"SELECT count(*), sum(cells), min(changed_at) FROM {versions}").fetchone()
    now = time.time_ns()
    if row is None or not row[0]:
        return
    oldest = now - _DEFAULT * _DAY
    if row[0] < MOST and row[1] + cells <= TOGETHER and row[2] >= oldest:
        return
    gone, dropped, number, total = [], [], 0, cells
    for kept, size, changed_at, schema, name, restorable in session.duck.execute(
        "SELECT kept, cells, changed_at, schema_name, name, definition IS NOT NULL "
        f"FROM {versions} ORDER BY changed_at DESC"
    ).fetchall():
        number, total = number + 1, total + size
        days = max(retention(session, (database, schema, name)), _DEFAULT)
        full = row[0] >= MOST or row[1] + cells > TOGETHER
        limits = (MOST // 2, TOGETHER // 2) if full else (MOST, TOGETHER)
        if number > limits[0] or total > limits[1] or changed_at < now - days * _DAY:
            gone.append(kept)
            dropped += [kept] if restorable else []
    for kept in gone:
        session.duck.execute(f"DROP TABLE IF EXISTS {quoted(database, CATALOG, kept)}")
    if gone:
        session.duck.execute(f"DELETE FROM {versions} WHERE kept IN ({_listed(gone)})")
    if dropped:
        _forget_notes(session, database, _listed(dropped))


def _listed(names: list[str]) -> str:
    return ", ".join(map(literal, names))


def _forget_notes(session: Session, database: str, kept: str) -> None:
    """Delete the notes of dropped tables and schemas that can no longer be restored."""
    for table, column in (*NOTES.items(), ("CHANGES", "name")):
        session.duck.execute(
            f"DELETE FROM {session.catalog(database, table)} "
            f"WHERE schema_name IN ({kept}) OR (schema_name = '{CATALOG}' AND {column} IN ({kept}))"
        )


def note_change(session: Session, name: Name, appended: int | None = None) -> None:
    """Record, in the open transaction, that it changes a table or view.

    Args:
        session: the session.
        name: the table or view.
        appended: how many rows are new, if nothing else has changed.
    """
    schema, table = (literal(part) for part in name[1:])
    tick = session.storage.clock.tick()
    number = "NULL" if appended is None else str(appended)
    # Literals and not parameters: a prepared statement takes twice as long.
    session.duck.execute(
        f"INSERT INTO {quoted(name[0], CATALOG, 'CHANGES')} VALUES ({schema}, {table}, {tick}, {number})"
    )
    _move_at_commit(session, name[0], tick)


class _Commit:
    """Gives the changes of an open transaction the time of its commit; called when it is committed."""

    def __init__(self, session: Session, database: str, ticks: tuple[int, ...] = ()) -> None:
        self._session, self._database = session, database
        self.ticks = ticks

    def __copy__(self) -> _Commit:
        return _Commit(self._session, self._database, self.ticks)

    def __call__(self) -> None:
        """Move them by the time that has passed since the last one."""
        by = self._session.storage.clock.tick() - max(self.ticks)
        listed = ", ".join(map(str, self.ticks))
        for table in ("CHANGES", "VERSIONS"):
            self._session.duck.execute(
                f"UPDATE {quoted(self._database, CATALOG, table)} SET changed_at = changed_at + {by} "
                f"WHERE changed_at IN ({listed})"
            )


def _move_at_commit(session: Session, database: str, tick: int) -> None:
    if session.transaction is None:
        return
    key = (database, CATALOG, "CHANGES")
    found = session.at_commit.get(key)
    if not isinstance(found, _Commit):
        found = session.at_commit[key] = _Commit(session, database)
    found.ticks += (tick,)


@dataclass(frozen=True)
class Version:
    """The rows of a table at a time.

    Attributes:
        table: the table that has them, or a copy of it.
        rows: how many of its first rows they are; None for all.
    """

    table: Name
    rows: int | None

    @property
    def query(self) -> str:
        """The DuckDB query of the rows."""
        first = "" if self.rows is None else f" LIMIT {self.rows}"
        return f"SELECT * FROM {quoted(*self.table)}{first}"


def version_at(session: Session, name: Name, moment: int) -> Version:
    """Find the rows of a table at a time in nanoseconds.

    Raises:
        ProgrammingError: the table did not exist at that time, or no version of it was kept.
    """
    changes, versions = (quoted(name[0], CATALOG, table) for table in ("CHANGES", "VERSIONS"))
    place = f"schema_name = {literal(name[1])} AND name = {literal(name[2])}"
    later = session.duck.execute(
        f"SELECT changed_at, appended, NULL, NULL FROM {changes} WHERE {place} AND changed_at > {moment} UNION ALL "
        f"SELECT changed_at, NULL, kept, rows FROM {versions} WHERE {place} AND changed_at > {moment} "
        "AND definition IS NULL ORDER BY 1"
    ).fetchall()
    oldest = time.time_ns() - max(retention(session, name), 0) * _DAY
    first = session.duck.execute(f"SELECT min(changed_at) FROM {changes} WHERE {place}").fetchone()
    if moment < oldest or not first or first[0] is None or first[0] > moment:
        raise unavailable(session, name)
    appended = 0
    for _, new, kept, rows in later:
        if kept is not None:
            return Version((name[0], CATALOG, kept), rows - appended if appended else None)
        if new is None:
            raise unavailable(session, name)
        appended += new
    if not appended:
        return Version(name, None)
    row = session.duck.execute(f"SELECT count(*) FROM {quoted(*name)}").fetchone()
    return Version(name, int(row[0]) - appended if row else 0)


def has_columns_of(session: Session, version: Version, name: Name) -> bool:
    """Return whether a version has the columns that a table has now."""
    first, second = (session.duck.query(f"FROM {quoted(*table)}") for table in (version.table, name))
    assert first is not None
    assert second is not None
    return (first.columns, first.types) == (second.columns, second.types)


def appended_between(session: Session, name: Name, start: int, end: int) -> bool:
    """Return whether rows were only appended to a table between two times."""
    found = session.duck.execute(
        f"SELECT 1 FROM {quoted(name[0], CATALOG, 'CHANGES')} WHERE schema_name = {literal(name[1])} "
        f"AND name = {literal(name[2])} AND changed_at > {start} AND changed_at <= {end} AND appended IS NULL LIMIT 1"
    )
    return found.fetchone() is None


def statement_times(session: Session, name: Name, query_id: str) -> tuple[int, int]:
    """Return the times just before and after the changes of a statement to a table.

    Raises:
        ProgrammingError: the statement is not known.
    """
    query = session.storage.history.find(query_id)
    if query is None or query.ended is None:
        raise errors.error(709, "02000", f"Statement {query_id} not found")
    start, end = (int(each.timestamp() * 1e6) * 1000 for each in (query.started, query.ended))
    end += 999
    first: int | None = None
    for table in ("CHANGES", "VERSIONS"):
        row = session.duck.execute(
            f"SELECT min(changed_at) FROM {quoted(name[0], CATALOG, table)} WHERE schema_name = {literal(name[1])} "
            f"AND name = {literal(name[2])} AND changed_at BETWEEN {start} AND {end}"
        ).fetchone()
        if row is not None and row[0] is not None:
            first = min(first or row[0], row[0])
    return (end if first is None else first - 1), end


def rename_versions(session: Session, old: Name, new: Name) -> None:
    """Give a table that is renamed, or restored, the versions that it had under its old name."""
    forget_versions(session, new)
    session.duck.execute(
        f"DELETE FROM {quoted(new[0], CATALOG, 'CHANGES')} WHERE schema_name = ? AND name = ?", list(new[1:])
    )
    move_versions(session, old, new)


def move_versions(session: Session, old: Name, new: Name) -> None:
    """Store the versions of a table under a name that no other table has had."""
    for table in ("CHANGES", "VERSIONS"):
        undropped = " AND definition IS NULL" if table == "VERSIONS" else ""
        session.duck.execute(
            f"UPDATE {quoted(old[0], CATALOG, table)} SET schema_name = ?, name = ? "
            f"WHERE schema_name = ? AND name = ?{undropped}",
            [*new[1:], *old[1:]],
        )


def forget_versions(session: Session, name: Name) -> None:
    """Drop the copies of a table, or of all tables of a schema or database."""
    versions = quoted(name[0], CATALOG, "VERSIONS")
    where = "definition IS NULL"
    for column, value in (("schema_name", name[1]), ("name", name[2])):
        where += f" AND {column} = {literal(value)}" if value else ""
    found = session.duck.execute(f"SELECT kept FROM {versions} WHERE {where}").fetchall()
    for (kept,) in found:
        session.duck.execute(f"DROP TABLE IF EXISTS {quoted(name[0], CATALOG, kept)}")
    if found:
        session.duck.execute(f"DELETE FROM {versions} WHERE {where}")


def unavailable(session: Session, name: Name) -> Exception:
    """Make Snowflake's error for a time that Time Travel does not reach."""
    return errors.error(
        707,
        "02000",
        f"Time travel data is not available for table {name[2]}. The requested time is either beyond the allowed "
        f"time travel period or before the object creation time.{hint(session, name)}",
    )


def hint(session: Session, name: Name) -> str:
    """Return what to do about a version that was not kept because no statement has set a retention."""
    if retention_setting(session, name) is not None:
        return ""
    return (
        f" (The embedded warehouse keeps tables as they were before a change once a statement sets {RETENTION} of "
        "the table, its schema or its database.)"
    )


def space(session: Session, database: str) -> list[tuple[str, str, int, int, int]]:
    """List the tables of which copies are kept: schema, name, copies, rows and values."""
    return [
        (schema, name, copies, int(rows), int(cells))
        for schema, name, copies, rows, cells in session.duck.execute(
            f"SELECT schema_name, name, count(*), sum(rows), sum(cells) FROM {quoted(database, CATALOG, 'VERSIONS')} "
            "GROUP BY ALL ORDER BY 1, 2"
        ).fetchall()
    ]
