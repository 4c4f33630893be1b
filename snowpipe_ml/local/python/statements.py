"""CREATE, DROP and DESCRIBE of functions and procedures."""

from __future__ import annotations

from snowpipe_ml.local import errors
from snowpipe_ml.local.objects import Modifiers, dropped, if_not_exists
from snowpipe_ml.local.python.definition import read_definition, read_type
from snowpipe_ml.local.statements import Result, Statement, command, rows, status


@command("CREATE FUNCTION")
def create_function(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] [TEMPORARY] FUNCTION name(...) RETURNS ... LANGUAGE PYTHON ...``."""
    connection, reader = statement.connection, statement.reader
    connection.commit_open()
    modifiers = Modifiers(reader)
    aggregate = "AGGREGATE" in (token.upper for token in reader.tokens[:6])
    if aggregate:
        raise errors.UnsupportedError("aggregate functions in Python")
    reader.expect("FUNCTION")
    lenient = if_not_exists(reader)
    name = connection.resolve(reader.name(), "CREATE FUNCTION")
    definition = read_definition(reader, "FUNCTION", name)
    created = connection.storage.functions.create(
        connection, definition, replace=modifiers.replace, lenient=lenient, temporary=modifiers.temporary
    )
    if not created:
        return status(f"{name[2]} already exists, statement succeeded.")
    return status(f"Function {name[2]} successfully created.")


@command("CREATE PROCEDURE", "CALL", "EXECUTE IMMEDIATE")
def procedures(statement: Statement) -> Result:
    """Procedures are refused for now."""
    raise errors.UnsupportedError("stored procedures and Snowflake Scripting")


@command("DROP FUNCTION")
def drop_function(statement: Statement) -> Result:
    """``DROP FUNCTION [IF EXISTS] name(types)``."""
    connection, reader = statement.connection, statement.reader
    reader.expect("DROP", "FUNCTION")
    lenient = reader.accept("IF", "EXISTS")
    database, schema, name = connection.resolve(reader.name(), "DROP FUNCTION")
    reader.expect("(")
    types = []
    while not reader.accept(")"):
        types.append(read_type(reader))
        reader.accept(",")
    signature = "(" + ", ".join(types) + ")"
    gone = connection.duck.execute(
        f"DELETE FROM {connection.catalog(database, 'FUNCTIONS')} WHERE schema_name = ? AND name = ? AND signature = ? RETURNING 1",
        [schema, name, signature],
    ).fetchall()
    if not gone and not lenient:
        raise errors.missing("Function", f"{name}{signature}")
    return dropped(name)


@command("DESCRIBE FUNCTION", "DESC FUNCTION")
def describe_function(statement: Statement) -> Result:
    """``DESCRIBE FUNCTION name(types)``."""
    connection, reader = statement.connection, statement.reader
    reader.next()
    reader.expect("FUNCTION")
    name = reader.name()
    reader.expect("(")
    types = []
    while not reader.accept(")"):
        types.append(read_type(reader))
        reader.accept(",")
    signature = "(" + ", ".join(types) + ")"
    for definition in connection.storage.functions.find(connection, name):
        if definition.signature == signature:
            arguments = ", ".join(f"{a.name} {a.type}" for a in definition.arguments)
            table = ", ".join(f"{column} {kind}" for column, kind in definition.table)
            return rows(
                [("property", "VARCHAR"), ("value", "VARCHAR")],
                [("signature", f"({arguments})"), ("returns", definition.returns or f"TABLE ({table})"),
                 ("language", definition.language), ("runtime_version", definition.runtime),
                 ("packages", str(list(definition.packages))), ("imports", str(list(definition.imports))),
                 ("handler", definition.handler), ("body", definition.body or "")],
            )  # fmt: skip
    raise errors.missing("Function", f"{name[-1]}{signature}")
