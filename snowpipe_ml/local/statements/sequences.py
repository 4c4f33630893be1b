"""Sequences: CREATE, DROP and SHOW.

https://docs.snowflake.com/en/user-guide/querying-sequences
"""

from __future__ import annotations

from snowpipe_ml.local.catalog.sequences import exists, make
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import quoted
from snowpipe_ml.local.core.result import Result, rows, status
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, already_dropped, dropped, if_not_exists
from snowpipe_ml.local.statements.scope import Scope


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
        there = exists(session, name)
        if there and lenient:
            return status(f"{name[2]} already exists, statement succeeded.")
        if there and not modifiers.replace:
            raise errors.exists(name[2])
        make(session, name, start, step)
    return status(f"Sequence {name[2]} successfully created.")


@command("DROP SEQUENCE")
def drop_sequence(statement: Statement) -> Result:
    """``DROP SEQUENCE [IF EXISTS] name``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("DROP", "SEQUENCE")
    lenient = reader.accept("IF", "EXISTS")
    name = session.resolve(reader.name(), "DROP SEQUENCE")
    if not exists(session, name):
        if lenient:
            return already_dropped(name[2])
        raise errors.missing("Sequence", ".".join(name))
    session.duck.execute(f"DROP SEQUENCE {quoted(*name)}")
    return dropped(name[2])


@command("SHOW SEQUENCES")
def show_sequences(statement: Statement) -> Result:
    """``SHOW SEQUENCES [LIKE 'x'] [IN ...]``."""
    scope = Scope.of(statement, "SEQUENCES")
    found = statement.session.duck.execute(
        "SELECT sequence_name, database_name, schema_name, start_value, increment_by FROM duckdb_sequences() ORDER BY 2, 3, 1"
    ).fetchall()
    kept = [
        (name, database, schema, start, step)
        for name, database, schema, start, step in found
        if scope.keep(database, schema, name) and not name.startswith("_IDENTITY_")
    ]
    return rows(
        [
            ("name", "VARCHAR"),
            ("database_name", "VARCHAR"),
            ("schema_name", "VARCHAR"),
            ("next_value", "BIGINT"),
            ("interval", "BIGINT"),
        ],
        kept,
    )
