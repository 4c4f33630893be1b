"""Temporary objects: they belong to a session and are dropped when it ends."""

from __future__ import annotations

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.session import Session


def remember_temporary(session: Session, kind: str, name: Name) -> None:
    """Record the session as the owner of a temporary object, which no other session sees."""
    session.storage.owners[name] = session.session_id
    if name[2].endswith(errors.TWIN):
        shown = (*name[:2], name[2].rstrip(errors.TWIN))
        session.storage.covers[session.session_id, shown] = name
    session.duck.execute(
        f"INSERT INTO {session.catalog(name[0], 'TEMPORARY')} VALUES (?, ?, ?, ?)",
        [kind, name[1], name[2], session.owner(name[0])],
    )


def cover(session: Session, name: Name) -> Name:
    """Return the name under which a temporary table is stored that hides a permanent one of its name.

    DuckDB stores both in one schema. The invisible characters at the end are removed from what is shown.
    """
    stored = name
    while True:
        stored = (*name[:2], stored[2] + errors.TWIN)
        if stored not in session.storage.owners:
            return stored


def uncover(session: Session, stored: Name) -> None:
    """Make the table or view visible again that a dropped temporary table has hidden from its session."""
    for key, value in list(session.storage.covers.items()):
        if value == stored:
            del session.storage.covers[key]
