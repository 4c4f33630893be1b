"""Tables: CREATE and CLONE."""

from __future__ import annotations

from collections.abc import Callable

import duckdb

from snowpipe_ml.local.catalog import grants
from snowpipe_ml.local.catalog.columns import (
    Keys,
    copy_comments,
    copy_declared,
    declare,
    stored_columns,
)
from snowpipe_ml.local.catalog.dropped import keep_dropped
from snowpipe_ml.local.catalog.dynamic_tables import refuse_dynamic
from snowpipe_ml.local.catalog.objects import case_twin, existing_kind
from snowpipe_ml.local.catalog.properties import CLUSTER_BY, note_new, set_property
from snowpipe_ml.local.catalog.streams import refuse_stream
from snowpipe_ml.local.catalog.tables import forget, rename_notes
from snowpipe_ml.local.catalog.tags import copy_tags
from snowpipe_ml.local.catalog.temporary import cover, remember_temporary
from snowpipe_ml.local.catalog.versions import Version, has_columns_of
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.catalog_names import new_name
from snowpipe_ml.local.core.names import Name, literal, quoted
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.columns import (
    ColumnDefinition,
    check_columns,
    keep_definition,
    table_definition,
)
from snowpipe_ml.local.statements.modifiers import Modifiers, clone_version, if_not_exists
from snowpipe_ml.local.statements.queries import describe_query, described
from snowpipe_ml.local.statements.retention import check_retention, set_retention
from snowpipe_ml.local.statements.retyping import alter_to
from snowpipe_ml.local.statements.selected_tables import (
    as_select,
    calls_table_function,
    check_outputs,
    compiled_body,
    structured,
)
from snowpipe_ml.local.statements.selected_tables import (
    inferred as inferred_column,
)
from snowpipe_ml.local.statements.table_properties import Carried, Properties, read_properties
from snowpipe_ml.local.statements.tags import set_tag
from snowpipe_ml.local.statements.templates import template_columns
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.local.translate.checks import check_names
from snowpipe_ml.local.translate.compiled import consuming, missing_as_written
from snowpipe_ml.local.translate.compiler import to_sql
from snowpipe_ml.local.translate.outputs import structures
from snowpipe_ml.local.translate.passes import new_compiler


def _check_name(session: Session, name: Name, temporary: bool, there: str | None) -> None:
    """Refuse names that cannot coexist in DuckDB.

    Raises:
        UnsupportedError: the name differs from an existing one only in case; or a temporary object would
            exist together with a permanent one, or one of another session, with the same name.
    """
    twin = case_twin(session, name)
    if twin is not None:
        raise errors.UnsupportedError(f"names that differ only in case ({name[2]!r} and {twin!r})")
    if there is None:
        return
    owner = session.duck.execute(
        f"SELECT session FROM {session.catalog(name[0], 'TEMPORARY')} WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    ).fetchone()
    if (owner[0] if owner else None) != (str(session.session_id) if temporary else None):
        raise errors.UnsupportedError(
            f"a temporary object with the same name as another object ({name[2]})",
            "Drop the existing object or use another name",
        )


def _is_temporary(session: Session, name: Name) -> bool:
    return session.storage.owners.get(name) is not None


def _is_own(session: Session, name: Name) -> bool:
    """Return whether an object is a temporary one of this session."""
    return session.storage.owners.get(name) == session.session_id


def _step_aside(session: Session, name: Name, kind: str) -> None:
    """Rename a temporary table or view so that a permanent table can have its name, which it then hides."""
    if name[2].endswith(errors.TWIN):
        return
    stored = cover(session, name)
    with in_transaction(session):
        session.duck.execute(f"ALTER {kind} {quoted(*name)} RENAME TO {quoted(stored[2])}")
        rename_notes(session, name, stored)
    session.storage.covers[session.session_id, name] = stored


@command("CREATE TABLE")
def create_table(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] [TEMPORARY|TRANSIENT] TABLE name (columns) | AS query | CLONE t | LIKE t``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("TABLE")
    lenient = if_not_exists(reader)
    name = new_name(session, reader.name(), "CREATE TABLE")
    lenient = if_not_exists(reader) or lenient
    with session.storage.naming(name):
        return _create_table(statement, modifiers, name, lenient)


def _create_table(statement: Statement, modifiers: Modifiers, name: Name, lenient: bool) -> Result:
    session, reader = statement.session, statement.reader
    shown = name[2].rstrip(errors.TWIN)
    refuse_stream(session, name)
    there = existing_kind(session, name)
    if there and modifiers.temporary and not _is_temporary(session, name):
        name, there = cover(session, name), None
    elif there and not modifiers.temporary and _is_own(session, name):
        _step_aside(session, name, there)
        name = (*name[:2], shown)
        there = existing_kind(session, name)
    if there and lenient:
        return status(f"{shown} already exists, statement succeeded.")
    if name[2] == shown and (modifiers.temporary or modifiers.replace or not there):
        _check_name(session, name, modifiers.temporary, there)
    if there and not modifiers.replace and not (modifiers.alter and there == "TABLE"):
        raise errors.exists(name[2])
    refuse_dynamic(session, name)
    if there == "VIEW":
        raise errors.error(
            2203,
            "42601",
            f"SQL compilation error:\nObject '{name[2]}' is a VIEW and cannot be replaced by a TABLE.",
        )
    if reader.accept("CLONE"):
        source = session.resolve(reader.name(), "CLONE")
        at = clone_version(session, reader, source)
        return _clone(session, name, source, modifiers, read_properties(reader), at)
    if reader.accept("LIKE"):
        source = session.resolve(reader.name(), "LIKE")
        given = read_properties(reader)
        make = _like(session, name, source)

        def copy() -> None:
            copy_declared(session, source, name)
            copy_comments(session, source, name)

        _make(session, name, [make], modifiers, given, copy)
        return status(f"Table {shown} successfully created.")
    listed = _column_text(reader)
    if listed is None and reader.accept("USING", "TEMPLATE"):
        listed = template_columns(_column_text(reader) or reader.rest(), statement.run)
    given = read_properties(reader)
    query = reader.rest() if reader.accept("AS") else None
    if listed is None and query is None:
        raise reader.unexpected("expected columns, AS, CLONE or LIKE")
    columns, keys = table_definition(listed, session) if listed is not None else ([], Keys())
    if there and modifiers.alter:
        if query is not None:
            raise errors.UnsupportedError("CREATE OR ALTER TABLE ... AS")
        alter_to(session, name, columns, keys, given.comment)
        return status(f"Table {shown} successfully altered.")

    def keep() -> None:
        keep_definition(session, name, columns, keys)
        for column in columns:
            for tag, value in column.tags:
                set_tag(session, "TABLE", name, tag, value, column.name)

    if query is None:
        made = ", ".join(column.sql for column in columns)
        _make(session, name, [f"CREATE OR REPLACE TABLE {quoted(*name)} ({made})"], modifiers, given, keep)
    else:
        make_from(session, name, query, columns, modifiers, given, keep)
    return status(f"Table {shown} successfully created.")


def make_from(
    session: Session,
    name: Name,
    query: str,
    columns: list[ColumnDefinition],
    modifiers: Modifiers,
    given: Properties,
    keep: Callable[[], None],
) -> None:
    """Create or replace a table with the rows of a query; a text keeps the length that it has in the query.

    Args:
        session: the session.
        name: the table.
        query: the query.
        columns: its columns as the statement declares them; none to have those of the query.
        modifiers: whether it is temporary or transient.
        given: its other properties.
        keep: writes what else belongs to the table, in the same transaction.
    """
    compiler, facts = new_compiler(session, consuming=True), None
    try:
        selected = parse(query)
        if not columns:
            check_names(selected)
            facts = check_outputs(session, selected)
            if calls_table_function(selected):
                describe_query(session, query, None)  # a mistake is reported before the function runs
        with missing_as_written(selected):
            tree = compiled_body(session, compiler, selected, columns)
            body = to_sql(tree)
            inferred = described(session, body, structures(tree), facts) if not columns else []
        if any(column.length is not None or column.scale is not None for column in inferred):
            kinds = session.duck.execute(f"DESCRIBE {body}").fetchall()
            check_columns([row[0] for row in kinds])
            typed = [
                ColumnDefinition(row[0], row[1], declared=inferred_column(row[0], row[1], column))
                for row, column in zip(kinds, inferred, strict=True)
            ]

            def keep_all() -> None:
                keep()
                declare(session, name, [each.declared for each in typed if each.declared is not None])

            try:
                with consuming(session, compiler):
                    statements = as_select(session, name, typed, body)
                    _make(session, name, statements, modifiers, given, keep_all)
                    return
            except duckdb.ConstraintException:
                pass  # an inferred length is not declared: the rows determine it

        def keep_structures() -> None:
            keep()
            declare(session, name, structured(inferred))

        with consuming(session, compiler):
            _make(session, name, as_select(session, name, columns, body), modifiers, given, keep_structures)
    finally:
        compiler.release()


def _column_text(reader: Reader) -> str | None:
    """Return the text between the parentheses of the column list; None if there is no list."""
    if not reader.looking_at("("):
        return None
    reader.expect("(")
    start, depth = reader.peek().start, 1
    while True:
        token = reader.next()
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0:
            return reader.text[start : token.start]


def _make(
    session: Session,
    name: Name,
    statements: list[str],
    modifiers: Modifiers,
    given: Properties,
    after: Callable[[], None],
) -> bool:
    """Create or replace a table in one transaction; return whether a table of this name was there.

    Its load history is deleted, and of its tags, comments and privileges all that the statement does not copy.
    """
    replaced = existing_kind(session, name) is not None
    check_retention(given.options, transient=modifiers.transient)
    carried = Carried.of(session, "TABLE", name, given.copied)

    def make() -> None:
        with in_transaction(session):
            kept = replaced and keep_dropped(session, name)
            for text in statements:
                session.duck.execute(text)
            forget(session, name, kept=kept)
            note_new(session, name)
            if modifiers.temporary:
                remember_temporary(session, "TABLE", name)
            if modifiers.transient:
                transient = session.catalog(name[0], "TRANSIENT")
                session.duck.execute(f"INSERT INTO {transient} VALUES (?, ?)", list(name[1:]))
            after()
            if given.comment:
                session.duck.execute(f"COMMENT ON TABLE {quoted(*name)} IS {literal(given.comment)}")
            set_retention(session, name, given.options)
            if given.cluster_by is not None:
                set_property(session, name, CLUSTER_BY, given.cluster_by)
            for tag, value in given.tags:
                set_tag(session, "TABLE", name, tag, value)
            carried.restore(session, name, commented=bool(given.comment))

    retry_conflicts(session, make)
    if not modifiers.temporary:
        grants.created(session, "TABLE", name, replaced=replaced, copy_grants="GRANTS" in given.copied)
    return replaced


def _like(session: Session, name: Name, source: Name) -> str:
    """Return the statement that creates an empty table with another's columns, defaults and constraints."""
    if existing_kind(session, source) != "TABLE":
        raise errors.missing("Table", ".".join(source))
    columns = ", ".join(stored.sql for stored in stored_columns(session, source))
    return f"CREATE OR REPLACE TABLE {quoted(*name)} ({columns})"


def _clone(
    session: Session, name: Name, source: Name, modifiers: Modifiers, given: Properties, at: Version | None
) -> Result:
    """``CREATE TABLE x CLONE y [AT | BEFORE (...)]``: clone the rows and the tags, but not the load history.

    With COPY GRANTS, a clone that replaces no table has the privileges on its source.
    """
    if name == source:
        raise errors.UnsupportedError("CLONE of a table onto itself")
    make = _like(session, name, source)
    if at is not None and not has_columns_of(session, at, source):
        raise errors.UnsupportedError(
            "CLONE ... AT or BEFORE a change of the table's columns",
            "Use CREATE TABLE ... AS SELECT ... AT (...)",
        )
    rows = f"SELECT * FROM {quoted(*source)}" if at is None else at.query
    fill = f"INSERT INTO {quoted(*name)} {rows}"

    def copy() -> None:
        copy_declared(session, source, name)
        copy_comments(session, source, name)
        copy_tags(session, source, name)

    replaced = _make(session, name, [make, fill], modifiers, given, copy)
    if "GRANTS" in given.copied and not replaced and not modifiers.temporary:
        grants.copy(session, "TABLE", source, name)
    return status(f"Table {name[2].rstrip(errors.TWIN)} successfully created.")
