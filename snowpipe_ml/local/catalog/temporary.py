"""Temporary objects: they belong to a session and are dropped when it ends."""

from __future__ import annotations

import shutil

from snowpipe_ml.local.core.names import Name, quoted
from snowpipe_ml.local.core.session import Session


def remember_temporary(session: Session, kind: str, name: Name) -> None:
    """Record the session as the owner of a temporary object, which no other session sees."""
    session.storage.owners[name] = session.session_id
    session.duck.execute(
        f"INSERT INTO {session.catalog(name[0], 'TEMPORARY')} VALUES (?, ?, ?, ?)",
        [kind, name[1], name[2], str(session.session_id)],
    )


def rename_temporary(session: Session, old: Name, new: Name) -> None:
    """Update the record of a temporary object that is renamed; do nothing for other objects."""
    owner = session.storage.owners.pop(old, None)
    if owner is not None:
        session.storage.owners[new] = owner
        session.duck.execute(
            f"UPDATE {session.catalog(old[0], 'TEMPORARY')} SET name = ? WHERE schema_name = ? AND name = ?",
            [new[2], *old[1:]],
        )


def drop_temporary(session: Session) -> None:
    """Drop all temporary objects of a session."""
    owner = str(session.session_id)
    for database in session.storage.databases():
        temporary = session.catalog(database, "TEMPORARY")
        rows = session.duck.execute(
            f"SELECT kind, schema_name, name FROM {temporary} WHERE session = ?", [owner]
        ).fetchall()
        for kind, schema, name in rows:
            session.duck.execute(f"DROP {kind} IF EXISTS {quoted(database, schema, name)}")
            session.storage.owners.pop((database, schema, name), None)
        if rows:
            session.duck.execute(f"DELETE FROM {temporary} WHERE session = ?", [owner])
        for table in ("STAGES", "FILE_FORMATS", "FUNCTIONS"):
            catalog = session.catalog(database, table)
            if not session.duck.execute(f"SELECT 1 FROM {catalog} WHERE session = ?", [owner]).fetchone():
                continue
            columns = "id" if table == "STAGES" else "name"
            gone = session.duck.execute(
                f"DELETE FROM {catalog} WHERE session = ? RETURNING {columns}", [owner]
            ).fetchall()
            for (stage_id,) in gone if table == "STAGES" else ():
                shutil.rmtree(session.storage.path / "stages" / stage_id, ignore_errors=True)
