"""Changes to existing tables and views: DROP, TRUNCATE and ALTER."""

from __future__ import annotations

from collections.abc import Callable

from snowpipe_ml.local.catalog import grants
from snowpipe_ml.local.catalog.changes import note_change
from snowpipe_ml.local.catalog.columns import declare, stored_columns
from snowpipe_ml.local.catalog.load_history import forget_loads
from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.catalog.stream_changes import tracked
from snowpipe_ml.local.catalog.tables import forget_column, rename_column, rename_notes
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, literal, quoted
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.core.values import text_option
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.column_changes import alter_column
from snowpipe_ml.local.statements.columns import column_definitions
from snowpipe_ml.local.statements.modifiers import if_not_exists
from snowpipe_ml.local.statements.retyping import rebuilt, retype
from snowpipe_ml.local.statements.table_properties import PROPERTIES
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
        with in_transaction(session), tracked(session, name):
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
        result = _changed(session, [text], lambda: rename_notes(session, name, new), name, new)
        grants.rename(session, kind, name, new)
        return result
    if reader.accept("RENAME", "COLUMN"):
        old = reader.identifier()
        reader.expect("TO")
        renamed = reader.identifier()
        text = f"ALTER TABLE {target} RENAME COLUMN {quoted(old)} TO {quoted(renamed)}"
        return _changed(session, [text], lambda: rename_column(session, name, old, renamed), name)
    if reader.accept("DROP", "COLUMN"):
        gone = reader.identifier()
        text = f"ALTER TABLE {target} DROP COLUMN {quoted(gone)}"
        return _changed(session, [text], lambda: forget_column(session, name, gone), name)
    if reader.accept("ADD", "COLUMN") or reader.accept("ADD"):
        return _add_column(session, reader, name)
    if _retypes(session, reader, name) or alter_column(session, reader, name):
        return status("Statement executed successfully.")
    if reader.accept("SET"):
        _set_options(session, reader, kind, name)
        return status("Statement executed successfully.")
    if reader.accept("UNSET"):
        if reader.identifier() != "COMMENT":
            raise errors.UnsupportedError(f"ALTER {kind} ... UNSET")
        retry_conflicts(lambda: session.duck.execute(f"COMMENT ON {kind} {target} IS NULL"))
        return status("Statement executed successfully.")
    raise errors.UnsupportedError(f"ALTER {kind} ... {reader.rest().split()[0] if not reader.done else ''}")


def _add_column(session: Session, reader: Reader, name: Name) -> Result:
    """Run ``ADD [COLUMN] [IF NOT EXISTS] name type ...``."""
    lenient = if_not_exists(reader)
    column, *more = column_definitions(reader.rest(), session)
    if more or column.declared is None:
        raise errors.UnsupportedError("ADD of several columns at once")
    if lenient and any(stored.name == column.name for stored in stored_columns(session, name)):
        return status("Statement executed successfully.")
    if column.required or column.declared.length is not None:  # DuckDB cannot add a column with a constraint
        stored = [each.sql for each in stored_columns(session, name)]
        change = rebuilt(session, name, [*stored, column.sql])
    else:
        unless = "IF NOT EXISTS " if lenient else ""  # another session may add it meanwhile
        change = [f"ALTER TABLE {quoted(*name)} ADD COLUMN {unless}{column.sql}"]
    declared = [column.declared]
    added = column

    def note() -> None:
        declare(session, name, declared)
        if added.comment is not None:
            session.duck.execute(f"COMMENT ON COLUMN {quoted(*name, added.name)} IS {literal(added.comment)}")

    return _changed(session, change, note, name)


def _set_options(session: Session, reader: Reader, kind: str, name: Name) -> None:
    """``SET COMMENT = 'x'``; properties without effect on the content of a table are accepted."""
    options = reader.options()
    reader.end()
    for key in options:
        if key not in PROPERTIES:
            raise errors.invalid_property(key, kind)
    comment = text_option(options, "COMMENT")
    if comment is not None:
        text = f"COMMENT ON {kind} {quoted(*name)} IS {literal(comment)}"
        retry_conflicts(lambda: session.duck.execute(text))


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


def _changed(session: Session, change: list[str], note: Callable[[], None], *names: Name) -> Result:
    """Run the statements of DuckDB that alter a table with its changes to the catalog, in one transaction."""

    def run() -> None:
        with in_transaction(session):
            for text in change:
                session.duck.execute(text)
            note()
            for name in names:
                note_change(session, name)

    retry_conflicts(run)
    return status("Statement executed successfully.")
