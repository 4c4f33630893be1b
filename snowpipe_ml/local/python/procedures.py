"""Stored procedures: CALL, and the statements that a procedure sends back to its caller's session."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from snowflake.connector.errors import Error, ProgrammingError
from sqlglot import exp

from snowpipe_ml.local import errors
from snowpipe_ml.local.python.calls import _cast, _stored, snowflake_type, with_defaults
from snowpipe_ml.local.python.definition import Definition, read_definition
from snowpipe_ml.local.python.pool import Answer
from snowpipe_ml.local.python.registry import arrow_type, session_state
from snowpipe_ml.local.statements import Result, Statement, command
from snowpipe_ml.local.types import Column

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection


@command("CALL")
def call(statement: Statement) -> Result:
    """``CALL name(arguments)``: one row with its value, or the table that it returns."""
    reader = statement.reader
    reader.expect("CALL")
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
            2140, "42601",
            f"SQL compilation error:\\nUnknown user-defined function {'.'.join(name)}",
        )  # fmt: skip
    return _run(connection, definition, given)


def _run(connection: Connection, definition: Definition, given: list[exp.Expr]) -> Result:
    arguments = _evaluate(connection, definition, given)
    with _rights(connection, definition):
        answer, value = connection.storage.functions.run_procedure(
            connection, definition, arguments, lambda request: _serve(connection, request)
        )
    if not definition.returns_table:
        assert value is not None
        return Result([Column(definition.name, _stored(definition.returns))], value)
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
                2232, "22000",
                f"the procedure {definition.name} returns {len(columns)} columns, and declares {len(definition.table)}",
            )  # fmt: skip
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


# --------------------------------------------------------------------------- what a procedure asks


def _serve(connection: Connection, request: dict[str, Any]) -> Answer:
    """Run what a procedure asks for; its errors go back to it."""
    try:
        columns, table, rowcount = _perform(connection, request)
    except duckdb.Error as raised:
        return _raised(connection.translated(raised) or errors.translate(raised), request)
    except Error as raised:
        return _raised(raised, request)
    answer = {
        "columns": [[column.name, column.duckdb] for column in columns],
        "rowcount": rowcount,
        "state": session_state(connection),
    }
    return answer, table


def _perform(connection: Connection, request: dict[str, Any]) -> tuple[list[Column], pa.Table | None, int | None]:
    # The worker runs as the same user on the same machine: its pickles are no less trusted than itself.
    packed: Any = pickle.loads(bytes.fromhex(request["packed"])) if "packed" in request else None  # noqa: S301
    match request["call"]:
        case "execute":
            params, data = packed
            stream = io.BytesIO(data) if data is not None else None
            for listener in connection.listeners:
                listener(request["command"])
            result = connection.perform(request["command"], params, request["query_id"], stream, request["tag"])
            return result.columns, result.table, result.rowcount
        case "executemany":
            result = connection.perform_many(request["command"], packed, request["query_id"])
            return result.columns, result.table, result.rowcount
        case "describe":
            return connection.describe(request["command"], packed), None, None
        case "result":
            columns, table = connection.result(request["query_id"])
            return columns, table, None
    raise AssertionError(request["call"])


def _raised(raised: Error, request: dict[str, Any]) -> Answer:
    text = raised.raw_msg if isinstance(raised, ProgrammingError) else str(raised)
    return {"raised": [text, raised.errno, raised.sqlstate, raised.sfqid or request.get("query_id")]}, None
