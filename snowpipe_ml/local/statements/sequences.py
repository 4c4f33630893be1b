"""Sequences: CREATE, DROP and SHOW.

https://docs.snowflake.com/en/user-guide/querying-sequences
"""

from __future__ import annotations

from snowpipe_ml.local.catalog.properties import note_creation
from snowpipe_ml.local.catalog.sequences import Sequences, make
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, claim, if_not_exists


@command("CREATE SEQUENCE")
def create_sequence(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] SEQUENCE [IF NOT EXISTS] name [START = n] [INCREMENT = n]``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("SEQUENCE")
    lenient = if_not_exists(reader)
    name = session.resolve(reader.name(), "CREATE SEQUENCE")
    start = step = 1
    reader.accept("WITH")
    while not reader.done:
        if reader.accept("START"):
            reader.accept("WITH") or reader.accept("=")
            start = reader.integer()
        elif reader.accept("INCREMENT"):
            reader.accept("BY") or reader.accept("=")
            step = reader.integer()
        elif (
            not (reader.accept("ORDER") or reader.accept("NOORDER") or reader.accept(","))
            and not reader.options()
        ):
            raise reader.unexpected()
    with session.storage.naming(name):
        there = claim(session, Sequences(), name, replace=modifiers.replace, lenient=lenient)
        if there is not None:
            return there
        make(session, name, start, step)
        note_creation(session, (*name[:2], f"SEQUENCE {name[2]}"))
    return status(f"Sequence {name[2]} successfully created.")
