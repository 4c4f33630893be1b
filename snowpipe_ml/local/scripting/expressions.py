"""Evaluate the expressions of a block as queries, so that every function of SQL can be used in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from sqlglot import exp

from snowpipe_ml.local.core import connector, errors
from snowpipe_ml.local.core.connector_errors import connector_errors
from snowpipe_ml.local.core.queries import select
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import with_wide_numbers
from snowpipe_ml.local.core.typed_values import TypedValue
from snowpipe_ml.local.scripting.failures import EXPRESSION_ERROR, failed, may_be_handled
from snowpipe_ml.local.scripting.nodes import Expression
from snowpipe_ml.local.scripting.scope import Bindings, Scope
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.syntax.trees import copied, nodes
from snowpipe_ml.local.translate.compiled import compiled
from snowpipe_ml.local.translate.compiler import to_sql
from snowpipe_ml.local.translate.outputs import structures
from snowpipe_ml.local.translate.typed_values import typed_node
from snowpipe_ml.sql import DataType


def evaluate(
    session: Session, scope: Scope, expression: Expression, target: DataType | None = None
) -> TypedValue:
    """Return the value of an expression, converted to a type if one is given.

    Raises:
        ScriptError: it cannot be evaluated.
    """
    try:
        with connector_errors(session.client.translated):
            return compute(session, scope, expression.text, target)
    except connector.ProgrammingError as raised:
        if not may_be_handled(raised):
            raise
        raise failed(EXPRESSION_ERROR, raised, expression.place) from raised


def compute(session: Session, scope: Scope, text: str, target: DataType | None = None) -> TypedValue:
    """Return the value of an expression, outside of a block; its errors are those of the expression."""
    parsed = _parsed(text)
    if isinstance(parsed, exp.Column):
        known = scope.value(_name(parsed))
        if known is not None:
            return known if target is None else convert(session, known, target)
    tree: exp.Expr = exp.Paren(this=copied(parsed))
    _bind_names(tree, scope)
    if target is not None:
        tree = _converted(tree, target)
    return _value(session, tree, Bindings(scope))


def value_of(session: Session, node: exp.Expr, target: DataType) -> TypedValue:
    """Return the value of an expression without variables, converted to a type."""
    return _value(session, _converted(node.copy(), target), None)


def convert(session: Session, value: TypedValue, target: DataType) -> TypedValue:
    """Convert a value to a type, as an assignment does."""
    if value.type.complete == target.complete and not value.column.duckdb.endswith("]"):
        return value
    return _value(session, _converted(typed_node(value), target), None)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> exp.Expr:
    tree = parse(f"SELECT {text}")
    clauses = [key for key, value in tree.args.items() if value and key != "expressions"]
    if not isinstance(tree, exp.Select) or clauses or len(tree.expressions) != 1:
        raise errors.syntax(f"'{text}' is not an expression")
    node: exp.Expr = tree.expressions[0].pop()
    if isinstance(node, exp.Alias | exp.Aliases | exp.Star):
        raise errors.syntax(f"'{text}' is not an expression")
    return node


def _name(column: exp.Column) -> str:
    """Return the stored form of a name, whose parts are separated by periods."""
    return ".".join(part.name if part.args.get("quoted") else part.name.upper() for part in column.parts)


def _bind_names(tree: exp.Expr, scope: Scope) -> None:
    """Replace the names of variables by placeholders; inside a query only ``:name`` is a variable."""
    for column in nodes(tree, exp.Column):
        if column.find_ancestor(exp.Query) is not None:
            continue
        name = _name(column)
        if scope.value(name) is not None:
            column.replace(exp.Placeholder(this=name))
    for dot in nodes(tree, exp.Dot):  # :row.field
        if isinstance(dot.this, exp.Placeholder) and isinstance(dot.expression, exp.Identifier):
            name = f"{dot.this.name}.{dot.expression.name}".upper()
            if scope.value(name) is not None:
                dot.replace(exp.Placeholder(this=name))


def _converted(node: exp.Expr, target: DataType) -> exp.Expr:
    return exp.Cast(this=node, to=exp.DataType.build(target.sql, dialect="snowflake"))


def _value(session: Session, node: exp.Expr, bindings: Bindings | None) -> TypedValue:
    """Evaluate a node."""
    return with_wide_numbers(session, lambda: _selected(session, node.copy(), bindings))


def _selected(session: Session, node: exp.Expr, bindings: Bindings | None) -> TypedValue:
    with compiled(session, exp.select(exp.alias_(node, "V", quoted=True)), bindings) as query:
        known = structures(query)
        columns, table = select(session, to_sql(query))
    column = columns[0]
    if column.duckdb == "JSON" and len(known) == 1:
        column = replace(column, structure=known[0])
    return TypedValue(column, table.column(0))


def evaluate_all(session: Session, scope: Scope, expressions: Sequence[Expression]) -> tuple[TypedValue, ...]:
    """Return the values of several expressions."""
    return tuple(evaluate(session, scope, expression) for expression in expressions)
