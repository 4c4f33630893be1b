"""Temporary objects: they belong to a session and are dropped when it ends."""

from __future__ import annotations

from snowpipe_ml.local.core.names import Name
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
