"""Changes to existing tables and views: DROP, TRUNCATE and ALTER."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from snowpipe_ml.local.catalog import grants
from snowpipe_ml.local.catalog.columns import declare, stored_columns
from snowpipe_ml.local.catalog.dynamic_tables import refuse_dynamic
from snowpipe_ml.local.catalog.load_history import forget_loads
from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.catalog.properties import CLUSTER_BY, set_property
from snowpipe_ml.local.catalog.stream_changes import tracked
from snowpipe_ml.local.catalog.streams import column_changes
from snowpipe_ml.local.catalog.tables import forget_column, rename_column, rename_notes
from snowpipe_ml.local.catalog.versions import keep_version, note_change
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, literal, quoted
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.core.values import text_option
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.column_changes import alter_column, change_keys
from snowpipe_ml.local.statements.columns import column_definitions
from snowpipe_ml.local.statements.modifiers import if_not_exists
from snowpipe_ml.local.statements.retention import check_retention, set_retention, unset_retention
from snowpipe_ml.local.statements.retyping import rebuilt, retype
from snowpipe_ml.local.statements.table_properties import PROPERTIES, clustering_key
from snowpipe_ml.local.statements.tags import set_tags, unset_tags
from snowpipe_ml.local.syntax.reader import Reader


@command("TRUNCATE")
def truncate(statement: Statement) -> Result:
    """``TRUNCATE [TABLE] [IF EXISTS] name``; this deletes the load history of the table too."""
    session, reader = statement.session, statement.reader
    reader.expect("TRUNCATE")
    reader.accept("TABLE")
    lenient = reader.accept("IF", "EXISTS")
    name = session.resolve(reader.name(), "TRUNCATE")
    if existing_kind(session, name) != "TABLE" or session.hidden(name):
        if lenient:
            return status("Statement executed successfully.")
        raise errors.missing_target(".".join(name))
    refuse_dynamic(session, name)

    def run() -> None:
        with in_transaction(session), tracked(session, name):
            session.duck.execute(f"DELETE FROM {quoted(*name)}")
            forget_loads(session, name)
            note_change(session, name)

    retry_conflicts(session, run)
    return status("Statement executed successfully.")


@command("ALTER TABLE", "ALTER VIEW")
def alter(statement: Statement) -> Result:
    """``ALTER TABLE name SET TAG | UNSET TAG | RENAME TO | SWAP WITH | ADD, DROP, RENAME or ALTER COLUMN``, and keys.

    https://docs.snowflake.com/en/sql-reference/sql/alter-table
    """
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
    refuse_dynamic(session, name)
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
        if existing_kind(session, new) is not None:
            raise errors.exists(new[2])
        text = f"ALTER {kind} {target} RENAME TO {quoted(new[2])}"
        result = _changed(session, [text], lambda: rename_notes(session, name, new), new, appended=0)
        grants.rename(session, kind, name, new)
        return result
    if reader.accept("RENAME", "COLUMN"):
        old = reader.identifier()
        reader.expect("TO")
        renamed = reader.identifier()
        text = f"ALTER TABLE {target} RENAME COLUMN {quoted(old)} TO {quoted(renamed)}"
        in_streams = column_changes(session, name, f"RENAME COLUMN {{}}{quoted(old)} TO {quoted(renamed)}")
        return _changed(
            session, [text, *in_streams], lambda: rename_column(session, name, old, renamed), name
        )
    if reader.accept("SWAP", "WITH"):
        return _swap(session, kind, name, session.resolve(reader.name(), "SWAP WITH"))
    _refuse_policies(reader, kind)
    if change_keys(session, reader, name) or _clusters(session, reader, name):
        return status("Statement executed successfully.")
    if reader.accept("DROP", "COLUMN") or reader.accept("DROP"):
        return _drop_columns(session, reader, name)
    if reader.accept("ADD", "COLUMN") or reader.accept("ADD"):
        return _add_columns(session, reader, name)
    if _retypes(session, reader, name) or alter_column(session, reader, name):
        return status("Statement executed successfully.")
    if reader.accept("SET"):
        _set_options(session, reader, kind, name)
        return status("Statement executed successfully.")
    if reader.accept("UNSET"):
        keys = [reader.identifier()]
        while reader.accept(","):
            keys.append(reader.identifier())
        reader.end()
        for key in set(keys) - PROPERTIES:
            raise errors.UnsupportedError(f"ALTER {kind} ... UNSET {key}")
        retry_conflicts(session, lambda: unset_retention(session, name, keys))
        if "COMMENT" in keys:
            retry_conflicts(session, lambda: session.duck.execute(f"COMMENT ON {kind} {target} IS NULL"))
        return status("Statement executed successfully.")
    raise errors.UnsupportedError(f"ALTER {kind} ... {reader.rest().split()[0] if not reader.done else ''}")


# What ADD, DROP and SET can be followed by, and no rule serves.
_REFUSED = (
    ("ADD", "SEARCH", "OPTIMIZATION"),
    ("DROP", "SEARCH", "OPTIMIZATION"),
    ("SUSPEND", "SEARCH", "OPTIMIZATION"),
    ("RESUME", "SEARCH", "OPTIMIZATION"),
    ("ADD", "ROW", "ACCESS", "POLICY"),
    ("DROP", "ROW", "ACCESS", "POLICY"),
    ("DROP", "ALL", "ROW", "ACCESS", "POLICIES"),
    ("ADD", "STORAGE", "LIFECYCLE", "POLICY"),
    ("DROP", "STORAGE", "LIFECYCLE", "POLICY"),
    ("ADD", "DATA", "METRIC", "FUNCTION"),
    ("DROP", "DATA", "METRIC", "FUNCTION"),
    ("MODIFY", "DATA", "METRIC", "FUNCTION"),
    ("SET", "DATA_METRIC_SCHEDULE"),
    ("UNSET", "DATA_METRIC_SCHEDULE"),
    ("SET", "AGGREGATION", "POLICY"),
    ("UNSET", "AGGREGATION", "POLICY"),
    ("SET", "JOIN", "POLICY"),
    ("UNSET", "JOIN", "POLICY"),
    ("SET", "CONTACT"),
    ("UNSET", "CONTACT"),
)


def _refuse_policies(reader: Reader, kind: str) -> None:
    """Refuse policies, search optimization and data metric functions by name.

    Raises:
        UnsupportedError: the statement is one of these.
    """
    for words in _REFUSED:
        if reader.looking_at(*words):
            raise errors.UnsupportedError(f"ALTER {kind} ... {' '.join(words)}")


def _add_columns(session: Session, reader: Reader, name: Name) -> Result:
    """Run ``ADD [COLUMN] [IF NOT EXISTS] name type ... [, name type ...]``."""
    lenient = if_not_exists(reader)
    there = {stored.name for stored in stored_columns(session, name)}
    added = [
        column
        for column in column_definitions(reader.rest(), session)
        if not (lenient and column.name in there)
    ]
    if any(column.declared is None for column in added):
        raise errors.syntax("a column that is added needs a type")
    for column in added:
        if column.name in there:
            raise errors.exists_column(column.name)
    if any(column.required or column.length is not None for column in added):
        # DuckDB cannot add a column with a constraint.
        stored = [each.sql for each in stored_columns(session, name)]
        change = rebuilt(session, name, [*stored, *(column.sql for column in added)])
    else:
        unless = "IF NOT EXISTS " if lenient else ""  # another session may add it meanwhile
        change = [f"ALTER TABLE {quoted(*name)} ADD COLUMN {unless}{column.sql}" for column in added]

    if all(
        column.default is None for column in added
    ):  # a default would be the value of rows that streams keep
        parts = (f"ADD COLUMN {{}}{quoted(column.name)} {column.kind}" for column in added)
        change += column_changes(session, name, *parts)

    def note() -> None:
        declare(session, name, [column.declared for column in added if column.declared is not None])
        for column in added:
            if column.comment is not None:
                target, text = quoted(*name, column.name), literal(column.comment)
                session.duck.execute(f"COMMENT ON COLUMN {target} IS {text}")

    return _changed(session, change, note, name)


def _drop_columns(session: Session, reader: Reader, name: Name) -> Result:
    """Run ``DROP [COLUMN] [IF EXISTS] name [, name ...]``."""
    lenient = reader.accept("IF", "EXISTS")
    gone = [reader.identifier()]
    while reader.accept(","):
        gone.append(reader.identifier())
    reader.end()
    there = {stored.name for stored in stored_columns(session, name)}
    if lenient:
        gone = [column for column in gone if column in there]
    for column in gone:
        if column not in there:
            raise errors.invalid_identifier(column)

    def note() -> None:
        for column in gone:
            forget_column(session, name, column)

    change = [f"ALTER TABLE {quoted(*name)} DROP COLUMN {quoted(column)}" for column in gone]
    change += column_changes(session, name, *(f"DROP COLUMN {{}}{quoted(column)}" for column in gone))
    return _changed(session, change, note, name)


def _swap(session: Session, kind: str, name: Name, other: Name) -> Result:
    """Run ``SWAP WITH other``: two tables of a schema exchange their names.

    https://docs.snowflake.com/en/sql-reference/sql/alter-table
    """
    if existing_kind(session, other) != kind or session.hidden(other):
        raise errors.missing(kind.capitalize(), ".".join(other))
    if other[:2] != name[:2]:
        raise errors.UnsupportedError("SWAP WITH a table of another schema")
    aside = (*name[:2], f"_swapped_{uuid.uuid4().hex}")
    steps = ((name, aside), (other, name), (aside, other))

    def note() -> None:
        for old, new in steps:
            rename_notes(session, old, new)

    change = [f"ALTER {kind} {quoted(*old)} RENAME TO {quoted(new[2])}" for old, new in steps]
    result = _changed(session, change, note, name, other, appended=0)
    for old, new in steps:
        grants.rename(session, kind, old, new)
    return result


def _clusters(session: Session, reader: Reader, table: Name) -> bool:
    """Run ``CLUSTER BY (...)`` and the like, which do not affect the content of a table; False for others."""
    for words in (("SUSPEND", "RECLUSTER"), ("RESUME", "RECLUSTER")):
        if reader.accept(*words):
            reader.end()
            return True
    key = None
    if reader.accept("CLUSTER", "BY"):
        key = clustering_key(reader)
    elif not reader.accept("DROP", "CLUSTERING", "KEY"):
        return False
    reader.end()
    retry_conflicts(session, lambda: set_property(session, table, CLUSTER_BY, key))
    return True


def _set_options(session: Session, reader: Reader, kind: str, name: Name) -> None:
    """``SET COMMENT = 'x'``; properties without effect on the content of a table are accepted."""
    options = reader.options()
    reader.end()
    for key in options:
        if key not in PROPERTIES:
            raise errors.invalid_property(key, kind)
    if kind == "TABLE":
        check_retention(options, transient=session.table_kind(name) != "TABLE")
        retry_conflicts(session, lambda: set_retention(session, name, options))
    comment = text_option(options, "COMMENT")
    if comment is not None:
        text = f"COMMENT ON {kind} {quoted(*name)} IS {literal(comment)}"
        retry_conflicts(session, lambda: session.duck.execute(text))


def _retypes(session: Session, reader: Reader, table: Name) -> bool:
    """Run ``ALTER|MODIFY [COLUMN] name [SET DATA] TYPE type``; return False for any other statement."""
    if not (reader.looking_at("ALTER") or reader.looking_at("MODIFY")):
        return False
    start = reader.index
    reader.next()
    if reader.looking_at("("):
        raise errors.UnsupportedError(
            "several changes in one ALTER COLUMN", "Send a statement for each column"
        )
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


def _changed(
    session: Session,
    change: list[str],
    note: Callable[[], None],
    *names: Name,
    appended: int | None = None,
) -> Result:
    """Run the statements of DuckDB that alter a table with its changes to the catalog, in one transaction.

    Args:
        session: the session.
        change: the statements.
        note: makes the changes to the catalog.
        names: the tables or views that change.
        appended: 0 if they keep their rows and columns.
    """

    def run() -> None:
        with in_transaction(session):
            if appended is None:
                for name in names:
                    keep_version(session, name)
            for text in change:
                session.duck.execute(text)
            note()
            for name in names:
                note_change(session, name, appended)

    retry_conflicts(session, run)
    return status("Statement executed successfully.")
