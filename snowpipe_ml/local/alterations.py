"""What becomes of tables and views later: DROP, TRUNCATE, ALTER."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowpipe_ml.local import errors
from snowpipe_ml.local.changes import Name, note_change
from snowpipe_ml.local.load_history import forget_loads
from snowpipe_ml.local.objects import already_dropped, dropped, if_not_exists, rename_temporary
from snowpipe_ml.local.query import in_transaction
from snowpipe_ml.local.reader import Reader
from snowpipe_ml.local.retyping import retype
from snowpipe_ml.local.statements import Result, Statement, command, status
from snowpipe_ml.local.storage import quoted, retry_conflicts
from snowpipe_ml.local.tables import column_definitions, existing_kind, forget
from snowpipe_ml.local.tags import set_tags, unset_tags

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection


@command("DROP TABLE", "DROP VIEW")
def drop(statement: Statement) -> Result:
    """``DROP TABLE|VIEW [IF EXISTS] name``."""
    connection, reader = statement.connection, statement.reader
    connection.commit_open()
    reader.expect("DROP")
    kind = reader.next().upper
    lenient = reader.accept("IF", "EXISTS")
    name = connection.resolve(reader.name(), f"DROP {kind}")
    if existing_kind(connection, name) != kind or connection.hidden(name):
        if lenient:
            return already_dropped(name[2])
        raise errors.missing(kind.capitalize(), ".".join(name))

    def run() -> None:
        with in_transaction(connection):
            connection.duck.execute(f"DROP {kind} {quoted(*name)}")
            forget(connection, name)

    retry_conflicts(run)
    return dropped(name[2])


@command("TRUNCATE")
def truncate(statement: Statement) -> Result:
    """``TRUNCATE [TABLE] [IF EXISTS] name``; the table forgets what it has loaded."""
    connection, reader = statement.connection, statement.reader
    connection.commit_open()
    reader.expect("TRUNCATE")
    reader.accept("TABLE")
    lenient = reader.accept("IF", "EXISTS")
    name = connection.resolve(reader.name(), "TRUNCATE")
    if existing_kind(connection, name) != "TABLE" or connection.hidden(name):
        if lenient:
            return status("Statement executed successfully.")
        raise errors.missing_target(".".join(name))

    def run() -> None:
        with in_transaction(connection):
            connection.duck.execute(f"DELETE FROM {quoted(*name)}")
            forget_loads(connection, name)
            note_change(connection, name)

    retry_conflicts(run)
    return status("Statement executed successfully.")


@command("ALTER TABLE", "ALTER VIEW")
def alter(statement: Statement) -> Result:
    """``ALTER TABLE name SET TAG | UNSET TAG | RENAME TO | ADD, DROP, RENAME or ALTER COLUMN``."""
    connection, reader = statement.connection, statement.reader
    reader.expect("ALTER")
    kind = reader.next().upper
    lenient = reader.accept("IF", "EXISTS")
    name = connection.resolve(reader.name(), f"ALTER {kind}")
    if existing_kind(connection, name) is None or connection.hidden(name):
        if lenient:
            return status("Statement executed successfully.")
        raise errors.missing(kind.capitalize(), ".".join(name))
    if reader.accept("SET", "TAG"):
        # The domain of a view's tag is TABLE: documentation of SYSTEM$GET_TAG.
        return set_tags(connection, "TABLE", name, reader)
    if reader.accept("UNSET", "TAG"):
        return unset_tags(connection, "TABLE", name, reader)
    for words in (("MODIFY", "COLUMN"), ("ALTER", "COLUMN"), ("MODIFY",)):
        if (
            reader.looking_at(*words)
            and reader.peek(len(words) + 1).upper == "SET"
            and reader.peek(len(words) + 2).upper == "TAG"
        ):
            reader.accept(*words)
            column = reader.identifier()
            reader.expect("SET", "TAG")
            return set_tags(connection, "TABLE", name, reader, column)
    connection.commit_open()
    target = quoted(*name)
    if reader.accept("RENAME", "TO"):
        new = connection.resolve(reader.name(), "RENAME")
        if new[:2] != name[:2]:
            raise errors.UnsupportedError("RENAME TO another schema")
        text = f"ALTER {kind} {target} RENAME TO {quoted(new[2])}"
        retry_conflicts(lambda: _changed(connection, text, name, new))
        rename_temporary(connection, name, new)
        return status("Statement executed successfully.")
    if reader.accept("RENAME", "COLUMN"):
        old = reader.identifier()
        reader.expect("TO")
        text = f"ALTER TABLE {target} RENAME COLUMN {quoted(old)} TO {quoted(reader.identifier())}"
    elif reader.accept("DROP", "COLUMN"):
        text = f"ALTER TABLE {target} DROP COLUMN {quoted(reader.identifier())}"
    elif reader.accept("ADD", "COLUMN") or reader.accept("ADD"):
        there = if_not_exists(reader)
        (column, column_kind, _, default), *more = column_definitions(reader.rest(), connection)
        if more or column_kind is None:
            raise errors.UnsupportedError("ADD of several columns at once")
        guard = "IF NOT EXISTS " if there else ""
        text = f"ALTER TABLE {target} ADD COLUMN {guard}{quoted(column)} {column_kind.sql(dialect='duckdb')}"
        if default is not None:
            text += f" DEFAULT {default}"
    elif _retypes(connection, reader, name):
        return status("Statement executed successfully.")
    elif reader.accept("SET"):
        reader.options()
        return status("Statement executed successfully.")
    else:
        raise errors.UnsupportedError(
            f"ALTER {kind} ... {reader.rest().split()[0] if not reader.done else ''}"
        )
    retry_conflicts(lambda: _changed(connection, text, name))
    return status("Statement executed successfully.")


def _retypes(connection: Connection, reader: Reader, table: Name) -> bool:
    """Serve ``ALTER|MODIFY [COLUMN] name [SET DATA] TYPE type``; whether the statement is one."""
    if not (reader.looking_at("ALTER") or reader.looking_at("MODIFY")):
        return False
    start = reader.index
    reader.next()
    reader.accept("COLUMN")
    column = reader.identifier()
    reader.accept("SET", "DATA")
    if not reader.accept("TYPE"):
        reader.index = start
        return False
    try:
        retype(connection, table, column, reader.rest())
    except ValueError as error:
        raise errors.syntax(str(error)) from error
    return True


def _changed(connection: Connection, text: str, *names: Name) -> None:
    with in_transaction(connection):
        connection.duck.execute(text)
        for name in names:
            note_change(connection, name)
