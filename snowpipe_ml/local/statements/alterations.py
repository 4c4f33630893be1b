"""Changes to existing tables and views: DROP, TRUNCATE and ALTER."""

from __future__ import annotations

from snowpipe_ml.local.catalog.changes import note_change
from snowpipe_ml.local.catalog.load_history import forget_loads
from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.catalog.temporary import rename_temporary
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, quoted
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import if_not_exists
from snowpipe_ml.local.statements.retyping import retype
from snowpipe_ml.local.statements.tables import column_definitions
from snowpipe_ml.local.statements.tags import set_tags, unset_tags
from snowpipe_ml.local.syntax.reader import Reader


@command("TRUNCATE")
def truncate(statement: Statement) -> Result:
    """``TRUNCATE [TABLE] [IF EXISTS] name``; this deletes the load history of the table too."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("TRUNCATE")
    reader.accept("TABLE")
    lenient = reader.accept("IF", "EXISTS")
    name = session.resolve(reader.name(), "TRUNCATE")
    if existing_kind(session, name) != "TABLE" or session.hidden(name):
        if lenient:
            return status("Statement executed successfully.")
        raise errors.missing_target(".".join(name))

    def run() -> None:
        with in_transaction(session):
            session.duck.execute(f"DELETE FROM {quoted(*name)}")
            forget_loads(session, name)
            note_change(session, name)

    retry_conflicts(run)
    return status("Statement executed successfully.")


@command("ALTER TABLE", "ALTER VIEW")
def alter(statement: Statement) -> Result:
    """``ALTER TABLE name SET TAG | UNSET TAG | RENAME TO | ADD, DROP, RENAME or ALTER COLUMN``."""
    session, reader = statement.session, statement.reader
    reader.expect("ALTER")
    kind = reader.next().upper
    lenient = reader.accept("IF", "EXISTS")
    name = session.resolve(reader.name(), f"ALTER {kind}")
    if existing_kind(session, name) is None or session.hidden(name):
        if lenient:
            return status("Statement executed successfully.")
        raise errors.missing(kind.capitalize(), ".".join(name))
    if reader.accept("SET", "TAG"):
        # The domain of a view's tag is TABLE, see the documentation of SYSTEM$GET_TAG.
        return set_tags(session, "TABLE", name, reader)
    if reader.accept("UNSET", "TAG"):
        return unset_tags(session, "TABLE", name, reader)
    for words in (("MODIFY", "COLUMN"), ("ALTER", "COLUMN"), ("MODIFY",)):
        if (
            reader.looking_at(*words)
            and reader.peek(len(words) + 1).upper == "SET"
            and reader.peek(len(words) + 2).upper == "TAG"
        ):
            reader.accept(*words)
            column = reader.identifier()
            reader.expect("SET", "TAG")
            return set_tags(session, "TABLE", name, reader, column)
    session.commit_open()
    target = quoted(*name)
    if reader.accept("RENAME", "TO"):
        new = session.resolve(reader.name(), "RENAME")
        if new[:2] != name[:2]:
            raise errors.UnsupportedError("RENAME TO another schema")
        text = f"ALTER {kind} {target} RENAME TO {quoted(new[2])}"
        retry_conflicts(lambda: _changed(session, text, name, new))
        rename_temporary(session, name, new)
        return status("Statement executed successfully.")
    if reader.accept("RENAME", "COLUMN"):
        old = reader.identifier()
        reader.expect("TO")
        text = f"ALTER TABLE {target} RENAME COLUMN {quoted(old)} TO {quoted(reader.identifier())}"
    elif reader.accept("DROP", "COLUMN"):
        text = f"ALTER TABLE {target} DROP COLUMN {quoted(reader.identifier())}"
    elif reader.accept("ADD", "COLUMN") or reader.accept("ADD"):
        there = if_not_exists(reader)
        (column, column_kind, _, default), *more = column_definitions(reader.rest(), session)
        if more or column_kind is None:
            raise errors.UnsupportedError("ADD of several columns at once")
        guard = "IF NOT EXISTS " if there else ""
        text = f"ALTER TABLE {target} ADD COLUMN {guard}{quoted(column)} {column_kind.sql(dialect='duckdb')}"
        if default is not None:
            text += f" DEFAULT {default}"
    elif _retypes(session, reader, name):
        return status("Statement executed successfully.")
    elif reader.accept("SET"):
        reader.options()
        return status("Statement executed successfully.")
    else:
        raise errors.UnsupportedError(
            f"ALTER {kind} ... {reader.rest().split()[0] if not reader.done else ''}"
        )
    retry_conflicts(lambda: _changed(session, text, name))
    return status("Statement executed successfully.")


def _retypes(session: Session, reader: Reader, table: Name) -> bool:
    """Run ``ALTER|MODIFY [COLUMN] name [SET DATA] TYPE type``; return False for any other statement."""
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
        retype(session, table, column, reader.rest())
    except ValueError as error:
        raise errors.syntax(str(error)) from error
    return True


def _changed(session: Session, text: str, *names: Name) -> None:
    with in_transaction(session):
        session.duck.execute(text)
        for name in names:
            note_change(session, name)
