"""Delete the metadata of a table that is dropped or replaced."""

from __future__ import annotations

from snowpipe_ml.local.catalog.changes import note_change
from snowpipe_ml.local.catalog.load_history import forget_loads
from snowpipe_ml.local.catalog.tags import forget_tags
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.session import Session


def forget(session: Session, name: Name) -> None:
    """Delete the metadata of a table that is dropped or replaced, and record the change."""
    session.storage.owners.pop(name, None)
    session.duck.execute(
        f"DELETE FROM {session.catalog(name[0], 'TEMPORARY')} WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    )
    session.duck.execute(
        f"DELETE FROM {session.catalog(name[0], 'TRANSIENT')} WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    )
    forget_tags(session, name)
    forget_loads(session, name)
    note_change(session, name)
