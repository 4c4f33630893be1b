"""Views: CREATE."""

from __future__ import annotations

from dataclasses import replace

from snowpipe_ml.local.catalog import grants
from snowpipe_ml.local.catalog.columns import declare
from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.catalog.properties import TEXT, note_new, set_property
from snowpipe_ml.local.catalog.streams import refuse_stream
from snowpipe_ml.local.catalog.tables import forget
from snowpipe_ml.local.catalog.temporary import remember_temporary
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.catalog_names import new_name
from snowpipe_ml.local.core.names import literal, quoted
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.columns import column_definitions
from snowpipe_ml.local.statements.modifiers import Modifiers, if_not_exists
from snowpipe_ml.local.statements.queries import described
from snowpipe_ml.local.statements.selected_tables import (
    check_count,
    check_names_of,
    check_outputs,
    structured,
)
from snowpipe_ml.local.statements.table_properties import Carried, read_properties
from snowpipe_ml.local.statements.tables import (
    _check_name,
    _column_text,
)
from snowpipe_ml.local.statements.tags import set_tag
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.translate.checks import check_names
from snowpipe_ml.local.translate.compiler import to_sql
from snowpipe_ml.local.translate.outputs import structures
from snowpipe_ml.local.translate.passes import new_compiler


@command("CREATE VIEW")
def create_view(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] VIEW name [(columns)] AS query``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("VIEW")
    lenient = if_not_exists(reader)
    name = new_name(session, reader.name(), "CREATE VIEW")
    refuse_stream(session, name)
    there = existing_kind(session, name)
    if there and lenient:
        return status(f"{name[2]} already exists, statement succeeded.")
    if there and not (modifiers.replace or modifiers.alter):
        raise errors.exists(name[2])
    _check_name(session, name, modifiers.temporary, there)
    if there == "TABLE":
        raise errors.error(
            2203,
            "42601",
            f"SQL compilation error:\nObject '{name[2]}' is a TABLE and cannot be replaced by a VIEW.",
        )
    columns = _column_text(reader)
    given = read_properties(reader)
    reader.expect("AS")
    compiler = new_compiler(session, in_view=True)
    try:
        query = parse(reader.rest())
        if columns is None:
            check_names(query)
            check_outputs(session, query)
        tree = compiler.compile(query)
        body = to_sql(tree)
        if columns is None:
            check_names_of(session, body)
        if compiler.registered:
            raise errors.UnsupportedError("a view that reads query results, metadata or staged files")
        named = column_definitions(columns, session) if columns is not None else []
        if named:
            check_count(session, body, named)
        shown = described(session, body, structures(tree), None) if any(structures(tree)) else []
        if named:
            shown = [replace(column, name=each.name) for column, each in zip(shown, named, strict=False)]
        collections = structured(shown)
        listed = f" ({', '.join(quoted(column.name) for column in named)})" if named else ""
        carried = Carried.of(session, "VIEW", name, given.copied)
        # The query of the new view may read the replaced view only before this point.

        def make() -> None:
            with in_transaction(session):
                session.duck.execute(f"CREATE OR REPLACE VIEW {quoted(*name)}{listed} AS {body}")
                forget(session, name)
                declare(session, name, collections)
                note_new(session, name)
                set_property(session, name, TEXT, statement.text.strip().rstrip(";"))
                for tag, value in given.tags:
                    set_tag(session, "TABLE", name, tag, value)
                if given.comment:
                    session.duck.execute(f"COMMENT ON VIEW {quoted(*name)} IS {literal(given.comment)}")
                for column in named:
                    for tag, value in column.tags:
                        set_tag(session, "TABLE", name, tag, value, column.name)
                    if column.comment is not None:
                        target, text = quoted(*name, column.name), literal(column.comment)
                        session.duck.execute(f"COMMENT ON COLUMN {target} IS {text}")
                carried.restore(session, name, commented=bool(given.comment))

        retry_conflicts(session, make)
    finally:
        compiler.release()
    if modifiers.temporary:
        remember_temporary(session, "VIEW", name)
    else:
        copy_grants = "GRANTS" in given.copied
        grants.created(session, "VIEW", name, replaced=there is not None, copy_grants=copy_grants)
    return status(f"View {name[2]} successfully created.")
