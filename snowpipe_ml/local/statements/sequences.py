"""Sequences: CREATE, ALTER and DESCRIBE.

https://docs.snowflake.com/en/user-guide/querying-sequences
"""

from __future__ import annotations

from snowpipe_ml.local.catalog.properties import note_creation
from snowpipe_ml.local.catalog.sequences import Sequences, make
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.catalog_names import new_name
from snowpipe_ml.local.core.names import Name, literal, quoted
from snowpipe_ml.local.core.result import Result, rows, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import retry_conflicts
from snowpipe_ml.local.core.values import text_option
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, claim, if_not_exists
from snowpipe_ml.local.syntax.reader import Reader


@command("CREATE SEQUENCE")
def create_sequence(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] SEQUENCE [IF NOT EXISTS] name [START = n] [INCREMENT = n]``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("SEQUENCE")
    lenient = if_not_exists(reader)
    name = new_name(session, reader.name(), "CREATE SEQUENCE")
    start = step = 1
    comment = None
    reader.accept("WITH")
    while not reader.done:
        if reader.accept("START"):
            reader.accept("WITH") or reader.accept("=")
            start = reader.integer()
        elif reader.accept("INCREMENT"):
            reader.accept("BY") or reader.accept("=")
            step = reader.integer()
        elif not (reader.accept("ORDER") or reader.accept("NOORDER") or reader.accept(",")):
            comment = _comment_option(reader)
    if step == 0:
        raise errors.error(
            1008, "22023", "SQL compilation error:\ninvalid value [0] for parameter 'INCREMENT'"
        )
    with session.storage.naming(name):
        there = claim(session, Sequences(), name, replace=modifiers.replace, lenient=lenient)
        if there is not None:
            return there
        make(session, name, start, step)
        _comment(session, name, comment)
        note_creation(session, (*name[:2], f"SEQUENCE {name[2]}"))
    return status(f"Sequence {name[2]} successfully created.")


@command("ALTER SEQUENCE")
def alter_sequence(statement: Statement) -> Result:
    """``ALTER SEQUENCE [IF EXISTS] name SET [INCREMENT [BY] [=] n] [COMMENT = 'x'] | UNSET COMMENT``.

    The next value is still that of the old increment.
    https://docs.snowflake.com/en/sql-reference/sql/alter-sequence
    """
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("ALTER", "SEQUENCE")
    lenient = reader.accept("IF", "EXISTS")
    name = session.resolve(reader.name(), "ALTER SEQUENCE")
    done = status("Statement executed successfully.")
    row = next((row for row in _described(session, name)), None)
    if row is None:
        if lenient:
            return done
        raise errors.missing("Sequence", ".".join(name))
    if reader.accept("UNSET", "COMMENT"):
        reader.end()
        _comment(session, name, "")
        return done
    if reader.accept("RENAME"):
        raise errors.UnsupportedError("ALTER SEQUENCE ... RENAME")
    reader.accept("SET")
    while not reader.done:
        if reader.accept("INCREMENT"):
            reader.accept("BY")
            reader.accept("=")
            make(session, name, _number(row, "next_value"), reader.integer())
            _comment(session, name, str(row["comment"]))
        elif not (reader.accept("ORDER") or reader.accept("NOORDER") or reader.accept(",")):
            _comment(session, name, _comment_option(reader))
    return done


@command("DESCRIBE SEQUENCE", "DESC SEQUENCE")
def describe_sequence(statement: Statement) -> Result:
    """``DESCRIBE SEQUENCE name``: its row of SHOW SEQUENCES.

    https://docs.snowflake.com/en/sql-reference/sql/desc-sequence
    """
    session, reader = statement.session, statement.reader
    reader.next()
    reader.expect("SEQUENCE")
    name = session.resolve(reader.name(), "DESCRIBE SEQUENCE")
    reader.end()
    found = _described(session, name)
    if not found:
        raise errors.missing("Sequence", ".".join(name))
    shown = Sequences.shown
    return rows([(column, kind) for column, kind, _ in shown], [tuple(row.values()) for row in found])


def _described(session: Session, name: Name) -> list[dict[str, object]]:
    columns = [column for column, _, _ in Sequences.shown]
    return [
        dict(zip(columns, row, strict=True))
        for schema, sequence, row in Sequences().rows(session, name[0])
        if (schema, sequence) == name[1:]
    ]


def _number(row: dict[str, object], column: str) -> int:
    value = row[column]
    assert isinstance(value, int)
    return value


def _comment_option(reader: Reader) -> str | None:
    options = reader.options()
    for key in options:
        if key != "COMMENT":
            raise errors.invalid_property(key, "SEQUENCE")
    if not options:
        raise reader.unexpected()
    return text_option(options, "COMMENT")


def _comment(session: Session, name: Name, comment: str | None) -> None:
    if comment is not None:
        retry_conflicts(
            session,
            lambda: session.duck.execute(f"COMMENT ON SEQUENCE {quoted(*name)} IS {literal(comment)}"),
        )
