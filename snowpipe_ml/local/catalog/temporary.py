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
