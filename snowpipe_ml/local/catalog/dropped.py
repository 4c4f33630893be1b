"""Dropped tables and schemas that UNDROP restores: their rows as copies, their notes under hidden names.

https://docs.snowflake.com/en/sql-reference/sql/undrop-table
https://docs.snowflake.com/en/sql-reference/sql/undrop-schema
"""

from __future__ import annotations

import json
import time
from typing import TypedDict

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.catalog.grants import on_table
from snowpipe_ml.local.catalog.versions import (
    NOTES,
    forget_versions,
    is_kept,
    move_versions,
    new_version,
    note_version,
    rename_versions,
    retention,
    retention_setting,
    size_of,
)
from snowpipe_ml.local.core.ddl import after_name
from snowpipe_ml.local.core.names import CATALOG, Name, literal, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Row

# The catalog tables of other objects, which are not restored with their schema.
_OTHERS = ("STAGES", "FILE_FORMATS", "FUNCTIONS", "STREAMLITS", "TAGS", "STREAMS", "TASKS")
_DAY = 86_400 * 10**9


class Definition(TypedDict):
    """A dropped schema, without the notes about its tables.

    Attributes:
        tables: the copies of its tables, by name.
        views: name, definition and comment of its views.
        sequences: name, next value and step of its sequences.
        others: the catalog tables with its other objects.
        grants: the privileges on it and its objects.
    """

    tables: dict[str, str]
    views: list[tuple[str, str, str | None]]
    sequences: list[Row]
    others: list[str]
    grants: list[Row]


def keep_dropped(session: Session, name: Name) -> bool:
    """Keep a table, in the open transaction, that the transaction is about to drop or replace.

    Returns:
        Whether it is kept; the notes about it are then those of the kept table.
    """
    if not is_kept(session, name):
        return False
    size = size_of(session, name)
    if size is None:
        forget_versions(session, name)
        return False
    kept = new_version()
    definition = _definition(session, name) | {"grants": on_table(session, name)}
    session.duck.execute(f"CREATE TABLE {quoted(name[0], CATALOG, kept)} AS FROM {quoted(*name)}")
    move_notes(session, name, (name[0], CATALOG, kept))
    move_versions(session, name, (name[0], CATALOG, kept))
    note_version(session, name, kept, *size, dropped=json.dumps(definition))
    return True


def _definition(session: Session, name: Name) -> dict[str, object]:
    """Return what restores a table besides its rows and notes."""
    columns = stored_columns(session, name)
    row = session.duck.execute(
        "SELECT comment FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
        list(name),
    ).fetchone()
    return {
        "columns": [column.sql for column in columns],
        "comments": {column.name: column.comment for column in columns if column.comment is not None},
        "comment": row[0] if row else None,
    }


def move_notes(session: Session, old: Name, new: Name) -> None:
    """Store what is noted about a table under another name."""
    # Most tables have few notes: to look for them takes less time than to move what is not there.
    noted = session.duck.execute(
        " UNION ALL ".join(
            f"SELECT '{table}' FROM {session.catalog(old[0], table)} WHERE schema_name = $1 AND {column} = $2"
            for table, column in NOTES.items()
        ),
        list(old[1:]),
    ).fetchall()
    for table in {table for (table,) in noted}:
        session.duck.execute(
            f"UPDATE {session.catalog(old[0], table)} SET schema_name = ?, {NOTES[table]} = ? "
            f"WHERE schema_name = ? AND {NOTES[table]} = ?",
            [*new[1:], *old[1:]],
        )


def restore_table(session: Session, name: Name) -> list[Row] | None:
    """Restore the latest dropped table of a name, in the open transaction.

    Returns:
        The privileges that it had; None if no table is kept.
    """
    row = _latest(session, name)
    if row is None:
        return None
    kept, text = row
    definition = json.loads(text)
    _restore(session, name, kept, definition)
    move_notes(session, (name[0], CATALOG, kept), name)
    rename_versions(session, (name[0], CATALOG, kept), name)
    session.storage.retentions.pop(name[0], None)
    return list(definition["grants"])


def _latest(session: Session, name: Name) -> Row | None:
    """Return (copy, definition) of the latest dropped object of a name that is not too old."""
    oldest = time.time_ns() - max(retention(session, name), 1) * _DAY
    return session.duck.execute(
        f"SELECT kept, definition FROM {quoted(name[0], CATALOG, 'VERSIONS')} WHERE schema_name = ? AND name = ? "
        f"AND definition IS NOT NULL AND changed_at >= {oldest} ORDER BY changed_at DESC LIMIT 1",
        list(name[1:]),
    ).fetchone()


def _restore(session: Session, name: Name, kept: str, definition: dict[str, object]) -> None:
    columns, comments = definition["columns"], definition["comments"]
    assert isinstance(columns, list)
    assert isinstance(comments, dict)
    copy = quoted(name[0], CATALOG, kept)
    session.duck.execute(f"CREATE TABLE {quoted(*name)} ({', '.join(columns)})")
    session.duck.execute(f"INSERT INTO {quoted(*name)} FROM {copy}")
    if definition["comment"]:
        session.duck.execute(f"COMMENT ON TABLE {quoted(*name)} IS {literal(str(definition['comment']))}")
    for column, comment in comments.items():
        session.duck.execute(f"COMMENT ON COLUMN {quoted(*name, column)} IS {literal(comment)}")
    session.duck.execute(f"DROP TABLE {copy}")
    session.duck.execute(f"DELETE FROM {quoted(name[0], CATALOG, 'VERSIONS')} WHERE kept = '{kept}'")


def keep_schema(session: Session, database: str, schema: str, grants: list[Row]) -> str | None:
    """Copy the tables of a schema that is about to be dropped; return the name under which its notes are kept.

    Returns:
        None if a table is too large, or no retention is set.
    """
    place = (database, schema, "")
    if not retention_setting(session, place):
        return None
    tables = [
        name
        for (name,) in session.duck.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? ORDER BY table_oid",
            [database, schema],
        ).fetchall()
        if is_kept(session, (database, schema, name))
    ]
    sizes = {name: size_of(session, (database, schema, name)) for name in tables}
    if None in sizes.values():
        return None
    group = new_version()
    kept = {}
    for name, size in sizes.items():
        assert size is not None
        copy = new_version()
        of_table = json.dumps(_definition(session, (database, schema, name)))
        session.duck.execute(
            f"CREATE TABLE {quoted(database, CATALOG, copy)} AS FROM {quoted(database, schema, name)}"
        )
        note_version(session, (database, group, name), copy, *size, dropped=of_table)
        kept[name] = copy
    views = session.duck.execute(
        "SELECT view_name, sql, comment FROM duckdb_views() WHERE database_name = ? AND schema_name = ? "
        "AND NOT internal ORDER BY view_oid",
        [database, schema],
    ).fetchall()
    definition: Definition = {
        "tables": kept,
        "views": [(name, after_name(str(text)), comment) for name, text, comment in views],
        "sequences": _sequences(session, database, schema),
        "others": _others(session, database, schema),
        "grants": grants,
    }
    note_version(session, place, group, 0, 0, dropped=json.dumps(definition))
    return group


def _sequences(session: Session, database: str, schema: str) -> list[Row]:
    return session.duck.execute(
        "SELECT sequence_name, coalesce(last_value + increment_by, start_value), increment_by FROM duckdb_sequences() "
        "WHERE database_name = ? AND schema_name = ?",
        [database, schema],
    ).fetchall()


def _others(session: Session, database: str, schema: str) -> list[str]:
    return [
        table
        for table in _OTHERS
        if session.duck.execute(
            f"SELECT 1 FROM {session.catalog(database, table)} WHERE schema_name = ? LIMIT 1", [schema]
        ).fetchone()
    ]


def move_schema_notes(session: Session, database: str, old: str, new: str) -> None:
    """Store what is noted about the tables and views of a schema, and about itself, under another schema's name."""
    for table in (*NOTES, "CHANGES", "VERSIONS"):
        others = " AND NOT (name = '' AND definition IS NOT NULL)" if table == "VERSIONS" else ""
        session.duck.execute(
            f"UPDATE {session.catalog(database, table)} SET schema_name = ? WHERE schema_name = ?{others}",
            [new, old],
        )


def dropped_schema(session: Session, database: str, schema: str) -> tuple[str, Definition] | None:
    """Return the latest dropped schema of a name: where its notes are, and its definition."""
    row = _latest(session, (database, schema, ""))
    if row is None:
        return None
    group, definition = row[0], json.loads(row[1])
    there = session.duck.execute(
        f"SELECT count(*) FROM {quoted(database, CATALOG, 'VERSIONS')} WHERE list_contains(?, kept)",
        [list(definition["tables"].values())],
    ).fetchone()
    # Copies are dropped one by one, the oldest first: a schema without all of its tables is not restored.
    return (group, definition) if there == (len(definition["tables"]),) else None


def restore_schema(session: Session, database: str, schema: str) -> list[Row]:
    """Restore the latest dropped schema of a name, in the open transaction.

    Returns:
        The privileges on it and its objects.
    """
    found = dropped_schema(session, database, schema)
    assert found is not None
    group, definition = found
    session.duck.execute(f"CREATE SCHEMA {quoted(database, schema)}")
    for name, start, step in definition["sequences"]:
        session.duck.execute(
            f"CREATE SEQUENCE {quoted(database, schema, name)} START {int(start)} INCREMENT {int(step)}"
        )
    versions = quoted(database, CATALOG, "VERSIONS")
    tables = session.duck.execute(
        f"SELECT name, kept, definition FROM {versions} WHERE list_contains(?, kept) ORDER BY changed_at",
        [list(definition["tables"].values())],
    ).fetchall()
    for name, kept, text in tables:
        _restore(session, (database, schema, name), kept, json.loads(text))
    for name, text, comment in definition["views"]:
        session.duck.execute(f"CREATE VIEW {quoted(database, schema, name)} {text}")
        if comment is not None:
            session.duck.execute(
                f"COMMENT ON VIEW {quoted(database, schema, name)} IS {literal(str(comment))}"
            )
    session.duck.execute(f"DELETE FROM {versions} WHERE kept = '{group}'")
    session.storage.retentions.pop(database, None)
    move_schema_notes(session, database, group, schema)
    return definition["grants"]
