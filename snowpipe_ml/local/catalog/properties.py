"""Properties that DuckDB does not store for tables, views and schemas: comments, texts, times, keys.

A property belongs to a kind of object and to a name. That of a schema has the empty text for the name, that of
a database also for the schema.
"""

from __future__ import annotations

import datetime as dt
import re

from snowpipe_ml.local.core.names import Name, literal
from snowpipe_ml.local.core.session import Session

CREATED = "CREATED_ON"
COMMENT = "COMMENT"
TEXT = "TEXT"
KEYS = "KEYS"
CLUSTER_BY = "CLUSTER_BY"
DYNAMIC = "DYNAMIC"
_SECURE = re.compile(r"\s*CREATE\s+(OR\s+(REPLACE|ALTER)\s+)?SECURE\b", re.I)


def set_property(session: Session, name: Name, key: str, value: str | None) -> None:
    """Set a property of an object; None removes it."""
    table = session.catalog(name[0], "PROPERTIES")
    session.duck.execute(
        f"DELETE FROM {table} WHERE schema_name = ? AND name = ? AND property = ?", [*name[1:], key]
    )
    if value is not None:
        session.duck.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?)", [*name[1:], key, value])


def note_creation(session: Session, name: Name) -> None:
    """Record that an object is created now, and forget the properties of an object that it replaces."""
    forget_properties(session, name)
    note_new(session, name)


def note_new(session: Session, name: Name) -> None:
    """Record that an object is created now that has no properties yet."""
    session.duck.execute(
        f"INSERT INTO {session.catalog(name[0], 'PROPERTIES')} VALUES (?, ?, ?, ?)",
        [*name[1:], CREATED, dt.datetime.now(dt.UTC).isoformat()],
    )


def forget_properties(session: Session, name: Name) -> None:
    """Remove all properties of an object."""
    session.duck.execute(
        f"DELETE FROM {session.catalog(name[0], 'PROPERTIES')} WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    )


def rename_properties(session: Session, old: Name, new: Name) -> None:
    """Move the properties of an object to its new name."""
    session.duck.execute(
        f"UPDATE {session.catalog(old[0], 'PROPERTIES')} SET name = ? WHERE schema_name = ? AND name = ?",
        [new[2], *old[1:]],
    )


def properties(session: Session, database: str) -> dict[tuple[str, str], dict[str, str]]:
    """Return the properties of all objects of a database, by (schema, name)."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for schema, name, key, value in session.duck.execute(
        f"SELECT schema_name, name, property, value FROM {session.catalog(database, 'PROPERTIES')}"
    ).fetchall():
        found.setdefault((schema, name), {})[key] = value
    return found


def properties_of(session: Session, name: Name) -> dict[str, str]:
    """Return the properties of an object."""
    found = session.duck.execute(
        f"SELECT property, value FROM {session.catalog(name[0], 'PROPERTIES')} WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    ).fetchall()
    return dict(found)


def is_secure(known: dict[str, str]) -> bool:
    """Return whether a view was created as SECURE."""
    return _SECURE.match(known.get(TEXT, "")) is not None


def created_on(known: dict[str, str]) -> dt.datetime | None:
    """Return the time of the creation; None for objects that were created before it was recorded."""
    text = known.get(CREATED)
    return dt.datetime.fromisoformat(text) if text else None


def with_creation(session: Session, database: str, relation: str, word: str) -> str:
    """Return a relation of objects of a kind with the column ``created_on``."""
    return (
        f"(SELECT o.*, p.value::TIMESTAMPTZ AS created_on FROM {relation} o "
        f"LEFT JOIN {session.catalog(database, 'PROPERTIES')} p ON p.schema_name = o.schema_name "
        f"AND p.name = {literal(word + ' ')} || o.name AND p.property = {literal(CREATED)})"
    )
