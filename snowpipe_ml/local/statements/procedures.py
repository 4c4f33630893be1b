"""Stored procedures: CALL, and the statements that a procedure runs in its caller's session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyarrow as pa
from sqlglot import exp

from snowpipe_ml.local.catalog.functions import Definition
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.exchange import answer as serve
from snowpipe_ml.local.core.queries import select
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.typed_values import TypedValue
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Params
from snowpipe_ml.local.python.arguments import (
    _as_arrow,
    _cast,
    _stored,
    snowflake_type,
    stored_values,
    with_defaults,
)
from snowpipe_ml.local.python.calls import _put, _relation
from snowpipe_ml.local.python.definition import read_arguments, read_definition
from snowpipe_ml.local.python.registry import functions_of
from snowpipe_ml.local.python.travel import arrow_type
from snowpipe_ml.local.scripting.expressions import convert, value_of
from snowpipe_ml.local.scripting.interpreter import Returned, run_block
from snowpipe_ml.local.scripting.parser import parse_block
from snowpipe_ml.local.scripting.scope import Bindings, Variable
from snowpipe_ml.local.statements.base import Statement, binds, command, describes
from snowpipe_ml.local.statements.queries import run_query
from snowpipe_ml.local.statements.scripting import shown
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.local.translate.arrow_relation import empty_relation
from snowpipe_ml.local.translate.bindings import bind
from snowpipe_ml.local.translate.compiled import compiled
from snowpipe_ml.local.translate.compiler import Compiler, to_sql
from snowpipe_ml.local.translate.names import qualified_name, store_identifiers
from snowpipe_ml.local.translate.registry import user_table
from snowpipe_ml.sql import DataType

_VARIABLE = "variable"
"""The metadata of an argument: the name of the variable that it is, if it is one."""


@command("CALL")
@binds
def call(statement: Statement) -> Result:
    """``CALL name(arguments)``: return one row with the value, or the returned table."""
    reader = statement.reader
    reader.expect("CALL")
    if reader.peek().upper.startswith("SYSTEM$"):
        return run_query(statement.session, f"SELECT {reader.rest()}", statement.params, statement.query_id)
    name, params = _procedure_name(reader, statement.params)
    session, given = statement.session, _arguments(reader.rest(), params)
    return _run(session, _find_procedure(session, name, given), given, params)


def _procedure_name(reader: Reader, params: Params) -> tuple[tuple[str, ...], Params]:
    """Parse the name of a procedure, which can be the value of a variable or a bound value.

    Returns:
        The name, and the values of the placeholders that follow it: that of ``IDENTIFIER(?)`` is used up.
    """
    if reader.accept("IDENTIFIER", "(", ":"):
        value = params.get(reader.next().text) if isinstance(params, Mapping) else None
        value = value.python if isinstance(value, TypedValue) else None
    elif reader.accept("IDENTIFIER", "(", "?"):
        value, params = (params[0], params[1:]) if params and isinstance(params, Sequence) else (None, None)
    else:
        return reader.name(), params
    reader.expect(")")
    if value is None:
        raise errors.error(2049, "42601", "SQL compilation error:\nBind variable not set.")
    return Reader(str(value)).name(), params


@describes("CALL")
def _describe_call(statement: Statement) -> list[Column]:
    """The columns of a procedure's result, without calling it."""
    session, reader = statement.session, statement.reader
    reader.expect("CALL")
    if reader.peek().upper.startswith("SYSTEM$"):
        return [Column(reader.peek().upper, "VARCHAR")]
    name, params = _procedure_name(reader, statement.params)
    definition = _find_procedure(session, name, _arguments(reader.rest(), params))
    if definition.returns_table:
        return [Column(name, _stored(kind)) for name, kind in definition.table]
    return [Column(definition.name, _stored(definition.returns))]


@command("WITH")
def anonymous(statement: Statement) -> Result:
    """``WITH name AS PROCEDURE (...) ... AS $$...$$ CALL name(...)``: an anonymous procedure."""
    session, reader = statement.session, statement.reader
    reader.expect("WITH")
    name = session.resolve((reader.identifier(),), "CALL")
    reader.expect("AS", "PROCEDURE")
    definition = read_definition(reader, "PROCEDURE", name, read_arguments(reader))
    reader.expect("CALL")
    reader.name()
    functions_of(session.storage).check(session, definition)
    return _run(session, definition, _arguments(reader.rest()))


def _arguments(text: str, params: Params = None) -> list[exp.Expr]:
    """Parse an argument list such as ``(1, x => 2)``."""
    closing = text.rindex(")") + 1 if ")" in text else len(text)
    if text[closing:].strip():
        raise errors.syntax(f"syntax error: unexpected '{text[closing:].split()[0]}' behind the arguments")
    tree = parse(f"SELECT _CALL{text[:closing]}")
    found = tree.expressions[0]
    if not isinstance(found, exp.Anonymous):
        raise errors.UnsupportedError("CALL of a method (name!METHOD)")
    variables = [_value_given(node).name if _is_variable(node) else "" for node in found.expressions]
    bind(tree, params)
    store_identifiers(tree)
    for node, variable in zip(found.expressions, variables, strict=True):
        _value_given(node).meta[_VARIABLE] = variable
    return list(found.expressions)


def _value_given(node: exp.Expr) -> exp.Expr:
    return node.expression if isinstance(node, exp.Kwarg) else node


def _is_variable(node: exp.Expr) -> bool:
    """Return whether an argument is ``:name``, so that an OUT argument can be assigned to it."""
    value = _value_given(node)
    return isinstance(value, exp.Placeholder) and not value.name.isdigit() and value.name not in ("", "?")


def call_procedure(session: Session, name: tuple[str, ...], given: list[exp.Expr]) -> Result:
    """Call a procedure.

    Raises:
        ProgrammingError: the procedure does not exist, or its handler raised an error.
    """
    return _run(session, _find_procedure(session, name, given), given)


def _find_procedure(session: Session, name: tuple[str, ...], given: list[exp.Expr]) -> Definition:
    types = [snowflake_type(node) for node in given]
    definition = functions_of(session.storage).choose(session, name, types, "PROCEDURE")
    if definition is None:
        raise errors.unknown_function(name)
    return definition


def _run(session: Session, definition: Definition, given: list[exp.Expr], params: Params = None) -> Result:
    if definition.language == "SQL":
        targets = _targets(definition, given, params)
        with session.inside_procedure():
            result, outputs = _run_block(session, definition, given)
        for name, variable in targets.items():
            variable.value = convert(session, outputs[name].value, variable.type)
        return result
    with session.inside_procedure():
        return _run_inside(session, definition, given)


def _targets(definition: Definition, given: list[exp.Expr], params: Params) -> dict[str, Variable]:
    """Return the caller's variables that the OUT arguments are assigned to, by the names of the arguments.

    Raises:
        ProgrammingError: an OUT argument is not a variable of a block.
    """
    filled = with_defaults(definition, given)
    found = {}
    for argument, node in zip(definition.arguments, filled, strict=True):
        if argument.output:
            name = str(node.meta.get(_VARIABLE, ""))
            variable = params.variable(name) if name and isinstance(params, Bindings) else None
            if variable is None:
                raise errors.syntax(
                    f"the argument {argument.name} of {definition.name} is OUT: call it in a block, with a variable "
                    f"such as :{argument.name.lower()}"
                )
            found[argument.name] = variable
    return found


def _run_inside(session: Session, definition: Definition, given: list[exp.Expr]) -> Result:
    arguments = _evaluate(session, definition, given)
    with _rights(session, definition):
        answer, value = functions_of(session.storage).run_procedure(
            session, definition, arguments, lambda request: serve(session.client, request)
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
            f"the procedure {definition.name} is declared to return a table but returned {answer['type']}",
        )
    return _declared(definition, Result(*session.storage.results.get(answer["query_id"])))


def _declared(definition: Definition, returned: Result) -> Result:
    """Give the columns of a returned table the names that the procedure declares."""
    columns = returned.columns
    if definition.table:
        if len(definition.table) != len(columns):
            raise errors.error(
                2232,
                "22000",
                f"the procedure {definition.name} returns {len(columns)} columns but declares {len(definition.table)}",
            )
        columns = [
            Column(name, c.duckdb, structure=c.structure)
            for (name, _), c in zip(definition.table, columns, strict=True)
        ]
    return Result(columns, returned.table)


def _run_block(
    session: Session, definition: Definition, given: list[exp.Expr]
) -> tuple[Result, dict[str, Variable]]:
    """Run a procedure in Snowflake Scripting; return its result, and its arguments as they are at the end."""
    arguments = {}
    for argument, node in zip(definition.arguments, with_defaults(definition, given), strict=True):
        kind = DataType.parse(argument.type)
        value = TypedValue.null(kind) if argument.output else value_of(session, node, kind)
        arguments[argument.name] = Variable(value, kind)
    with _rights(session, definition):
        returned = run_block(session, parse_block(str(definition.body)), arguments)
        if not definition.returns_table:
            kind = DataType.parse(definition.returns)
            value = (
                TypedValue.null(kind) if returned.value is None else convert(session, returned.value, kind)
            )
            return shown(Returned(value), definition.name), arguments
    if returned.table is None:
        raise errors.error(
            100357,
            "P0000",
            f"the procedure {definition.name} is declared to return a table but returned no table",
        )
    return _declared(definition, returned.table), arguments


def _evaluate(session: Session, definition: Definition, given: list[exp.Expr]) -> pa.Table:
    """Evaluate the arguments; return one row with their values."""
    filled = with_defaults(definition, given)
    if not filled:
        return pa.table({"0": pa.nulls(1)})
    cells = [
        exp.alias_(_cast(node.copy(), argument.type), f"A{i}")
        for i, (node, argument) in enumerate(zip(filled, definition.arguments, strict=True))
    ]
    with compiled(session, exp.select(*cells)) as query:
        _, table = select(session, to_sql(query))
    columns = [
        _as_arrow(column, arrow_type(argument.type))
        for column, argument in zip(table.columns, definition.arguments, strict=True)
    ]
    return pa.table(columns, names=[str(i) for i in range(len(columns))])


@contextmanager
def _rights(session: Session, definition: Definition) -> Iterator[None]:
    """Apply the rights of a procedure.

    With owner's rights it runs in its own database and schema and does not see the caller's variables.

    https://docs.snowflake.com/en/developer-guide/stored-procedure/stored-procedures-rights
    """
    if definition.execute_as == "CALLER":
        yield
        return
    before = session.database, session.schema
    variables, session.variables = session.variables, {}
    session.use(definition.database, definition.schema)
    try:
        yield
    finally:
        session.variables = variables
        if before[0] in session.storage.databases():
            session.use(str(before[0]), before[1])


@user_table
def expand_procedure(node: exp.TableFromRows, compiler: Compiler) -> bool:
    """``SELECT * FROM TABLE(procedure(1))``: call a procedure that returns a table."""
    call = node.this.find(exp.Anonymous)
    if call is None:
        return False
    session = compiler.session
    found = functions_of(session.storage).find(session, qualified_name(call), "PROCEDURE")
    if not any(definition.returns_table for definition in found):
        return False
    alias = node.args.get("alias")
    columns = found[0].table
    if compiler.describing and columns:
        _put(node, empty_relation([(name, _stored(kind)) for name, kind in columns]), alias)
        return True
    result = call_procedure(session, qualified_name(call), call.expressions)
    _put(node, _relation(compiler, result.columns, result.table), alias)
    return True
