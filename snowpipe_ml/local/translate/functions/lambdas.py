"""Functions that take a lambda expression: FILTER, TRANSFORM, REDUCE.

https://docs.snowflake.com/en/user-guide/querying-semistructured
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.conversions import variant_of
from snowpipe_ml.local.translate.expressions import builtin, macro, once, stored_cast
from snowpipe_ml.local.translate.registry import scalar_function
from snowpipe_ml.local.translate.signatures import check_count
from snowpipe_ml.local.translate.types import (
    DECIMALS,
    FLOATS,
    INTEGERS,
    TEXTS,
    VARIANTS,
    T,
    kind,
)

_NAMES = ("FILTER", "TRANSFORM", "REDUCE")


def declare_variables(tree: exp.Expr) -> None:
    """Give the variables of lambda expressions their type: an element of an ARRAY is a VARIANT.

    This runs before types are inferred. The accumulator of REDUCE has the type of its initial value.
    """
    for call in nodes(tree, exp.Anonymous):
        given = call.expressions
        if call.name.upper() not in _NAMES or not given or not isinstance(given[-1], exp.Lambda):
            continue
        lambda_ = given[-1]
        names = [variable.name for variable in lambda_.expressions]
        accumulator = names[0] if call.name.upper() == "REDUCE" else None
        for node in list(lambda_.this.find_all(exp.Identifier, exp.Column)):
            # sqlglot leaves a variable that occurs twice in its translation of a function as a column.
            inner = isinstance(node, exp.Identifier) and isinstance(node.parent, exp.Column | exp.JSONPathKey)
            if node.name not in names or inner or (isinstance(node, exp.Column) and node.table):
                continue
            if isinstance(node, exp.Column):
                node.replace(node := node.this.copy())
            if node.name == accumulator:
                made = _accumulator(node, given[1]) if len(given) == 3 else None
            else:
                made = stored_cast(node.copy(), "JSON")
            if made is not None:
                node.replace(made)


def _accumulator(node: exp.Expr, initial: exp.Expr) -> exp.Expr | None:
    of = _accumulator_type(initial)
    return stored_cast(node.copy(), of) if of is not None else None


def _accumulator_type(initial: exp.Expr) -> str | None:
    """Return the DuckDB type of REDUCE's accumulator; None if it does not follow from the initial value."""
    initial = initial.unnest()
    found = kind(initial)
    if isinstance(initial, exp.Array | exp.Struct) or found in VARIANTS:
        return "JSON"
    if found in TEXTS:
        return "TEXT"
    if found in INTEGERS | DECIMALS | FLOATS:
        return "DOUBLE"
    return None


@scalar_function("FILTER", returns=T.ARRAY)
def filter_array(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``FILTER(a, x -> x > 1)``."""
    check_count(call, 2, 2)
    condition = _lambda(call, 1)
    return _array(builtin("list_filter", _items(call), condition))


@scalar_function("TRANSFORM", returns=T.ARRAY)
def transform(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``TRANSFORM(a, x INT -> x * 2)``."""
    check_count(call, 2, 2)
    lambda_ = _lambda(call, 1)
    lambda_.set("this", variant_of(lambda_.this))
    return _array(builtin("list_transform", _items(call), lambda_))


def _reduced(arguments: list[exp.Expr]) -> exp.DataType | None:
    of = _accumulator_type(arguments[1]) if len(arguments) == 3 else None
    if of == "DOUBLE" and kind(arguments[1]) in INTEGERS:
        return exp.DataType(this=T.BIGINT)
    return exp.DataType.build(of, dialect="duckdb") if of is not None else None


@scalar_function("REDUCE", returns=_reduced)
def reduce(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``REDUCE(a, 0, (acc, x) -> acc + x)``; the result has the type of the initial value."""
    check_count(call, 3, 3)
    initial = call.expressions[1]
    of = _accumulator_type(initial)
    if of is None:
        raise UnsupportedError("REDUCE with an initial value of unknown type", "Cast it")
    lambda_ = _lambda(call, 2)
    result = exp.Cast(this=lambda_.this.copy(), to=exp.DataType.build(of, dialect="duckdb"))
    result.to.meta["stored"] = True
    if of == "JSON":
        lambda_.set("this", variant_of(lambda_.this))
    else:
        lambda_.set("this", result)
    # list_reduce needs an accumulator of the elements' type: both travel in a struct.
    acc, element = (variable.name for variable in lambda_.expressions)
    packed_acc, packed_element = exp.to_identifier("_sf_acc"), exp.to_identifier("_sf_item")
    for node in list(lambda_.this.find_all(exp.Identifier)):
        if node.name in (acc, element) and isinstance(node.parent, exp.Cast):
            field, of_ = ("a", packed_acc) if node.name == acc else ("v", packed_element)
            node.replace(builtin("struct_extract", of_.copy(), exp.Literal.string(field)))
    start = _pack(_initial(initial, of), stored_cast(exp.Null(), "JSON"))
    items = builtin(
        "list_transform",
        _items(call),
        exp.Lambda(
            this=_pack(stored_cast(exp.Null(), of), exp.to_identifier("_sf_x")),
            expressions=[exp.to_identifier("_sf_x")],
        ),
    )
    step = exp.Lambda(
        this=_pack(lambda_.this, stored_cast(exp.Null(), "JSON")), expressions=[packed_acc, packed_element]
    )
    folded = builtin("struct_extract", builtin("list_reduce", items, step, start), exp.Literal.string("a"))
    type_ = _reduced(call.expressions)
    made = stored_cast(folded, "BIGINT") if type_ is not None and type_.this == T.BIGINT else folded
    made.type = type_
    return made


def _initial(initial: exp.Expr, of: str) -> exp.Expr:
    return variant_of(initial) if of == "JSON" else stored_cast(initial.copy(), of)


def _pack(accumulator: exp.Expr, element: exp.Expr) -> exp.Expr:
    return macro("sf_pair", accumulator, element)


def _lambda(call: exp.Expr, place: int) -> exp.Lambda:
    lambda_ = call.expressions[place]
    if not isinstance(lambda_, exp.Lambda):
        raise UnsupportedError(f"{call.name.upper()} without a lambda expression")
    copied: exp.Lambda = lambda_.copy()
    return copied


def _items(call: exp.Expr) -> exp.Expr:
    """Return the elements of the array, with NULL for the missing ones."""
    each = exp.Lambda(
        this=macro("sf_defined", exp.to_identifier("_sf_x")), expressions=[exp.to_identifier("_sf_x")]
    )
    return builtin("list_transform", once("sf_items", variant_of(call.expressions[0])), each)


def _array(items: exp.Expr) -> exp.Expr:
    made = macro("sf_array", items)
    made.type = exp.DataType(this=T.ARRAY)
    return made
