"""Convert the columns of set operations to a common type, as Snowflake does."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.expressions import stored_cast
from snowpipe_ml.local.translate.outputs import outputs
from snowpipe_ml.local.translate.types import (
    DECIMALS,
    FLOATS,
    INTEGERS,
    TEXTS,
    VARIANTS,
    T,
    kind,
)

_NUMBERS = INTEGERS | DECIMALS | FLOATS
_STORED = {
    **dict.fromkeys(INTEGERS, "BIGINT"),
    **dict.fromkeys(FLOATS, "DOUBLE"),
    **dict.fromkeys(TEXTS, "VARCHAR"),
    T.BOOLEAN: "BOOLEAN",
    T.DATE: "DATE",
}
_KINDS = "snowpipe_kinds"


def unite_types(tree: exp.Expr) -> None:
    """Convert the text columns of a branch to numbers where the other branch has numbers.

    DuckDB would convert the numbers to text.

    https://docs.snowflake.com/en/sql-reference/operators-query

    Raises:
        UnsupportedError: a column that must be converted is not named in its branch.
    """
    for operation in reversed(nodes(tree, exp.SetOperation)):
        left, right = branch_kinds(operation.this), branch_kinds(operation.expression)
        if operation.args.get("by_name") or len(left) != len(right):
            continue
        united = []
        for position, (one, other) in enumerate(zip(left, right, strict=True)):
            if one is None and other in _STORED:
                _type_null(operation.this, position, _STORED[other])
            if one in TEXTS and other in _NUMBERS:
                _convert(operation.this, position, other)
            elif other in TEXTS and one in _NUMBERS:
                _convert(operation.expression, position, one)
            united.append(_united(one, other))
        operation.meta[_KINDS] = united


def _united(one: exp.DType | None, other: exp.DType | None) -> exp.DType | None:
    if one in VARIANTS and other in VARIANTS and one != other:
        return T.VARIANT
    return other if one in TEXTS or one is None else one


def _type_null(query: exp.Expr, position: int, stored: str) -> None:
    """Give a NULL the type of the other branch: in a recursive query, the first branch determines the types."""
    query = query.unnest()
    if isinstance(query, exp.Select) and len(query.expressions) > position:
        value = query.expressions[position].unalias()
        if isinstance(value, exp.Null):
            value.replace(stored_cast(exp.Null(), stored))


def branch_kinds(query: exp.Expr) -> list[exp.DType | None]:
    """Return the types of a query's columns; empty if they are not known."""
    while isinstance(query, exp.Subquery):
        query = query.this
    if isinstance(query, exp.SetOperation):
        found: list[exp.DType | None] = query.meta.get(_KINDS, [])
        return found
    if not isinstance(query, exp.Select):
        return []
    known = outputs(query)
    if known:
        return [found for _, found in known]
    return [] if query.is_star else [kind(output.unalias()) for output in query.expressions]


def _convert(query: exp.Expr, position: int, to: exp.DType | None) -> None:
    while isinstance(query, exp.Subquery):
        query = query.this
    if isinstance(query, exp.SetOperation):
        _convert(query.this, position, to)
        _convert(query.expression, position, to)
        return
    if query.is_star:
        raise UnsupportedError("a text united with a number by a star", "Name and cast the columns")
    output = query.expressions[position]
    # https://docs.snowflake.com/en/sql-reference/data-type-conversion
    made = stored_cast(output.unalias().copy(), "DOUBLE" if to in FLOATS else "DECIMAL(18,5)")
    output.replace(exp.alias_(made, exp.to_identifier(output.alias_or_name, quoted=True)))
