"""Views: CREATE."""

from __future__ import annotations

from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.catalog.properties import TEXT, note_creation, set_property
from snowpipe_ml.local.catalog.tables import forget
from snowpipe_ml.local.catalog.temporary import remember_temporary
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import quoted
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.columns import column_definitions
from snowpipe_ml.local.statements.modifiers import Modifiers, if_not_exists
from snowpipe_ml.local.statements.tables import (
    _check_name,
    _check_query,
    _column_text,
    _properties,
)
from snowpipe_ml.local.statements.tags import set_tag
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.translate.checks import check_names
from snowpipe_ml.local.translate.compiler import to_sql
from snowpipe_ml.local.translate.passes import new_compiler


@command("CREATE VIEW")
def create_view(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] VIEW name [(columns)] AS query``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("VIEW")
    lenient = if_not_exists(reader)
    name = session.resolve(reader.name(), "CREATE VIEW")
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
    comment, tags = _properties(reader)
    reader.expect("AS")
    compiler = new_compiler(session, in_view=True)
    try:
        query = parse(reader.rest())
        if columns is None:
            check_names(query)
        body = to_sql(compiler.compile(query))
        if columns is None:
            _check_query(session, body)
        if compiler.registered:
            raise errors.UnsupportedError("a view that reads query results, metadata or staged files")
        listed = ""
        if columns is not None:
            listed = f" ({', '.join(quoted(column.name) for column in column_definitions(columns, session))})"
        # The query of the new view may read the replaced view only before this point.

        def make() -> None:
            with in_transaction(session):
                session.duck.execute(f"CREATE OR REPLACE VIEW {quoted(*name)}{listed} AS {body}")
                forget(session, name)
                note_creation(session, name)
                set_property(session, name, TEXT, statement.text.strip().rstrip(";"))
                for tag, value in tags:
                    set_tag(session, "TABLE", name, tag, value)

        retry_conflicts(make)
    finally:
        compiler.release()
    if modifiers.temporary:
        remember_temporary(session, "VIEW", name)
    if comment:
        text = comment.replace("'", "''")
        session.duck.execute(f"COMMENT ON VIEW {quoted(*name)} IS '{text}'")
    return status(f"View {name[2]} successfully created.")
