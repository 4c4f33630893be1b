"""The list of all kinds of schema objects, and operations on all objects of a schema or session."""

from __future__ import annotations

from snowpipe_ml.local.catalog.dynamic_tables import DynamicTables
from snowpipe_ml.local.catalog.file_formats import FileFormats
from snowpipe_ml.local.catalog.functions import Functions, Procedures
from snowpipe_ml.local.catalog.kind import Kind, Schema
from snowpipe_ml.local.catalog.sequences import Sequences
from snowpipe_ml.local.catalog.stages import Stages
from snowpipe_ml.local.catalog.streamlits import Streamlits
from snowpipe_ml.local.catalog.streams import Streams
from snowpipe_ml.local.catalog.tables import Tables, Views
from snowpipe_ml.local.catalog.tags import Tags
from snowpipe_ml.local.catalog.tasks import Tasks
from snowpipe_ml.local.core.session import Session

# In the order in which they are cloned: tables read sequences, streams read tables.
KINDS: dict[str, Kind] = {
    kind.word: kind
    for kind in (
        Sequences(),
        Tables(),
        Views(),
        Stages(),
        FileFormats(),
        Streams(),
        Tasks(),
        Functions(),
        Procedures(),
        Tags(),
        Streamlits(),
        DynamicTables(),
    )
}


def clone_objects(session: Session, source: Schema, target: Schema) -> None:
    """Clone the objects of a schema into an empty one."""
    for kind in KINDS.values():
        kind.clone(session, source, target)


def drop_objects(session: Session, database: str, schema: str) -> None:
    """Drop what is left of the objects of a schema that DuckDB has dropped."""
    for kind in KINDS.values():
        kind.drop_schema(session, database, schema)


def drop_temporary(session: Session) -> None:
    """Drop all temporary objects of a session."""
    for database in session.temporary_in.intersection(session.storage.databases()):
        for kind in KINDS.values():
            kind.drop_temporary(session, database)
