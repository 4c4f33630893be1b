"""Stored procedures: CALL, and the statements that a procedure sends back to its caller's session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from snowpipe_ml.local import errors
from snowpipe_ml.local.proxy import answer as serve
from snowpipe_ml.local.python.calls import _cast, _stored, snowflake_type, stored_values, with_defaults
from snowpipe_ml.local.python.definition import Definition, read_definition
from snowpipe_ml.local.python.travel import arrow_type
from snowpipe_ml.local.statements import Result, Statement, command
from snowpipe_ml.local.types import Column

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection


@command("CALL")
def call(statement: Statement) -> Result:
    """``CALL name(arguments)``: one row with its value, or the table that it returns."""
    reader = statement.reader
    reader.expect("CALL")
    if reader.peek().upper.startswith("SYSTEM$"):
        from snowpipe_ml.local.query import run_query

        return run_query(statement.connection, f"SELECT {reader.rest()}", None, statement.query_id)
    name = reader.name()
    return call_procedure(statement.connection, name, _arguments(reader.rest()))


@command("WITH")
def anonymous(statement: Statement) -> Result:
    """``WITH name AS PROCEDURE (...) ... AS $$...$$ CALL name(...)``: a procedure for one call."""
    connection, reader = statement.connection, statement.reader
    reader.expect("WITH")
    name = connection.resolve((reader.identifier(),), "CALL")
    reader.expect("AS", "PROCEDURE")
    definition = read_definition(reader, "PROCEDURE", name)
    reader.expect("CALL")
    reader.name()
    connection.storage.functions.check(connection, definition)
    return _run(connection, definition, _arguments(reader.rest()))


def _arguments(text: str) -> list[exp.Expr]:
    """The expressions of ``(1, x => 2)``."""
    from snowpipe_ml.local.query import parse
    from snowpipe_ml.local.rewrite.names import store_identifiers

    closing = text.rindex(")") + 1 if ")" in text else len(text)
    if text[closing:].strip():
        raise errors.UnsupportedError("CALL ... INTO", "It is for Snowflake Scripting")
    tree = parse(f"SELECT _CALL{text[:closing]}")
    store_identifiers(tree)
    found = tree.expressions[0]
    assert isinstance(found, exp.Anonymous)
    return list(found.expressions)


def call_procedure(connection: Connection, name: tuple[str, ...], given: list[exp.Expr]) -> Result:
    """Call a procedure.

    Raises:
        ProgrammingError: there is no such procedure, or its handler raised.
    """
    types = [snowflake_type(node) for node in given]
    definition = connection.storage.functions.choose(connection, name, types, "PROCEDURE")
    if definition is None:
        raise errors.error(
            2140,
            "42601",
            f"SQL compilation error:\nUnknown function {'.'.join(name)}",
        )
    return _run(connection, definition, given)


def _run(connection: Connection, definition: Definition, given: list[exp.Expr]) -> Result:
    arguments = _evaluate(connection, definition, given)
    with _rights(connection, definition):
        answer, value = connection.storage.functions.run_procedure(
            connection, definition, arguments, lambda request: serve(connection, request)
        )
    if not definition.returns_table:
        assert value is not None
        return Result(
            [Column(definition.name, _stored(definition.returns))], stored_values(definition, value)
        )
    if "query_id" not in answer:
        raise errors.error(
            100357,
            "P0000",
            f"the procedure {definition.name} is declared to return a table and returned {answer['type']}",
        )
    columns, table = connection.storage.results.get(answer["query_id"])
    if definition.table:
        if len(definition.table) != len(columns):
            raise errors.error(
                2232,
                "22000",
                f"the procedure {definition.name} returns {len(columns)} columns, and declares {len(definition.table)}",
            )
        columns = [Column(name, c.duckdb) for (name, _), c in zip(definition.table, columns, strict=True)]
    return Result(columns, table)


def _evaluate(connection: Connection, definition: Definition, given: list[exp.Expr]) -> pa.Table:
    """One row with the arguments' values."""
    from snowpipe_ml.local.python.calls import _as_arrow
    from snowpipe_ml.local.query import compiled, select, to_sql

    filled = with_defaults(definition, given)
    if not filled:
        return pa.table({"0": pa.nulls(1)})
    cells = [
        exp.alias_(_cast(node.copy(), argument.type), f"A{i}")
        for i, (node, argument) in enumerate(zip(filled, definition.arguments, strict=True))
    ]
    with compiled(connection, exp.select(*cells)) as query:
        _, table = select(connection, to_sql(query))
    columns = [
        _as_arrow(column, arrow_type(argument.type))
        for column, argument in zip(table.columns, definition.arguments, strict=True)
    ]
    return pa.table(columns, names=[str(i) for i in range(len(columns))])


@contextmanager
def _rights(connection: Connection, definition: Definition) -> Iterator[None]:
    """Owner's rights: the procedure's own database and schema, and none of the caller's variables.

    https://docs.snowflake.com/en/developer-guide/stored-procedure/stored-procedures-rights
    """
    if definition.execute_as == "CALLER":
        yield
        return
    before = connection.database, connection.schema
    variables, connection.variables = connection.variables, {}
    connection.use(definition.database, definition.schema)
    try:
        yield
    finally:
        connection.variables = variables
        if before[0] in connection.storage.databases():
            connection.use(str(before[0]), before[1])
