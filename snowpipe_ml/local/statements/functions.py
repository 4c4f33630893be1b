"""Functions and procedures: CREATE, DROP and DESCRIBE."""

from __future__ import annotations

import dataclasses

from snowpipe_ml.local.catalog import grants
from snowpipe_ml.local.catalog.functions import find_one, holds
from snowpipe_ml.local.catalog.functions import signature as types_of
from snowpipe_ml.local.core.catalog_names import new_name
from snowpipe_ml.local.core.result import Result, rows, status
from snowpipe_ml.local.python.arguments import check_expressions, is_query
from snowpipe_ml.local.python.definition import read_arguments, read_definition, read_signature
from snowpipe_ml.local.python.registry import functions_of
from snowpipe_ml.local.python.sql_queries import check_query_of
from snowpipe_ml.local.scripting.parser import parse_block
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.functions_show import complete_type
from snowpipe_ml.local.statements.modifiers import Modifiers, if_not_exists


@command("CREATE FUNCTION", "CREATE PROCEDURE")
def create_function(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] [TEMPORARY] [AGGREGATE] FUNCTION|PROCEDURE name(...) RETURNS ... LANGUAGE ...``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    kind = reader.next().upper
    lenient = if_not_exists(reader)
    name = new_name(session, reader.name(), f"CREATE {kind}")
    arguments = read_arguments(reader)
    copy_grants = reader.accept("COPY", "GRANTS")
    definition = read_definition(reader, "AGGREGATE" if modifiers.aggregate else kind, name, arguments)
    if modifiers.secure:
        definition = dataclasses.replace(definition, options={**definition.options, "SECURE": True})
    reader.end()
    check_expressions(definition, session)
    if (
        kind != "PROCEDURE"
        and definition.language == "SQL"
        and (definition.returns_table or is_query(definition))
    ):
        check_query_of(definition, session)
    if kind == "PROCEDURE" and definition.language == "SQL":
        parse_block(str(definition.body))
    replaced = holds(session, definition)
    created = functions_of(session.storage).create(
        session, definition, replace=modifiers.replace, lenient=lenient, temporary=modifiers.temporary
    )
    if not created:
        return status(f"{name[2]} already exists, statement succeeded.")
    if not modifiers.temporary:
        signature = definition.signature
        grants.created(session, kind, name, signature, replaced=replaced, copy_grants=copy_grants)
    return status(f"Function {name[2]} successfully created.")


@command("DESCRIBE FUNCTION", "DESC FUNCTION", "DESCRIBE PROCEDURE", "DESC PROCEDURE")
def describe_function(statement: Statement) -> Result:
    """``DESCRIBE FUNCTION|PROCEDURE name(types)``."""
    session, reader = statement.session, statement.reader
    reader.next()
    kind = reader.next().upper
    definition = find_one(session, kind, reader.name(), read_signature(reader))
    types = types_of(a.type for a in definition.arguments)[1:-1].split(", ")
    arguments = ", ".join(f"{a.name} {kind}" for a, kind in zip(definition.arguments, types, strict=False))
    properties = [
        ("signature", f"({arguments})"),
        ("returns", complete_type(definition.result)),
        ("language", definition.language),
        ("null handling", "RETURNS NULL ON NULL INPUT" if definition.strict else "CALLED ON NULL INPUT"),
        ("volatility", "VOLATILE"),
        *([("execute as", definition.execute_as)] if kind == "PROCEDURE" else []),
        ("body", definition.body or ""),
    ]
    if definition.language == "PYTHON":
        properties += [
            ("imports", str(list(definition.imports))),
            ("handler", definition.handler),
            ("runtime_version", definition.runtime),
            ("packages", str(list(definition.packages))),
            ("installed_packages", str(list(definition.packages))),
            ("artifact_repository", str(definition.options.get("ARTIFACT_REPOSITORY") or "")),
        ]
    return rows([("property", "VARCHAR"), ("value", "VARCHAR")], properties)
