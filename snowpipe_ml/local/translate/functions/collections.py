"""Aggregate functions that collect values: ARRAY_AGG, ARRAY_UNIQUE_AGG, ARRAY_UNION_AGG, OBJECT_AGG.

https://docs.snowflake.com/en/sql-reference/functions/array_agg
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.conversions import text_of, variant_of
from snowpipe_ml.local.translate.expressions import builtin, macro, once, stored_cast
from snowpipe_ml.local.translate.registry import scalar_function
from snowpipe_ml.local.translate.signatures import check_count
from snowpipe_ml.local.translate.types import TEXTS, VARIANTS, T, kind

COLLECTING = ("ARRAYAGG", "ARRAY_AGG", "ARRAY_UNION_AGG", "ARRAY_UNIQUE_AGG", "OBJECTAGG", "OBJECT_AGG")
"""The functions of this module."""


@scalar_function("ARRAY_AGG", "ARRAYAGG", returns=T.ARRAY)
def array_agg(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``ARRAY_AGG([DISTINCT] x) [WITHIN GROUP (ORDER BY y)] [OVER (...)]``; of no rows it is []."""
    distinct = call.expressions[0] if isinstance(call.expressions[0], exp.Distinct) else None
    given = distinct.expressions if distinct is not None else call.expressions
    if len(given) != 1:
        check_count(call, 1, 1)
    value = given[0]
    order = _order(call)
    if distinct is not None:
        keyed = _keyed(value)
        if order is not None and any(item.this != value and item.this != keyed for item in order.expressions):
            raise UnsupportedError("ARRAY_AGG(DISTINCT x) with an order of another expression")
        if kind(value) in VARIANTS:
            descending = order is not None and bool(order.expressions[0].args.get("desc"))
            unique = once("sf_array_distinct", macro("sf_json_list", _list(variant_of(value), value)))
            flag = exp.Boolean(this=not descending)
            sorted_ = once("sf_array_sort", unique, flag, stored_cast(exp.Null(), "BOOLEAN"))
            return _placed(call, sorted_ if order is not None else unique)
        if order is None:
            order = exp.Order(expressions=[exp.Ordered(this=value.copy())])
        collected = _list(value, value, order, distinct=True)
        body = variant_of(_typed_name("_sf_x", value))
        each = exp.Lambda(this=body, expressions=[exp.to_identifier("_sf_x")])
        return _placed(call, macro("sf_json_list", builtin("list_transform", collected, each)))
    return _placed(call, macro("sf_json_list", _list(variant_of(value), value, order)))


@scalar_function("ARRAY_UNIQUE_AGG", returns=T.ARRAY)
def array_unique_agg(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``ARRAY_UNIQUE_AGG(x)``, the distinct values that are not NULL."""
    check_count(call, 1, 1)
    value = call.expressions[0]
    collected = macro("sf_json_list", _list(variant_of(value), value))
    unique = once("sf_array_distinct", collected)
    return _placed(call, once("sf_array_sort", unique, exp.true(), stored_cast(exp.Null(), "BOOLEAN")))


@scalar_function("ARRAY_UNION_AGG", returns=T.ARRAY)
def array_union_agg(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``ARRAY_UNION_AGG(a)``: each value as often as in the array that has most copies of it."""
    check_count(call, 1, 1)
    value = call.expressions[0]
    return _placed(call, once("sf_array_union", _list(macro("sf_to_array", variant_of(value)), value)))


@scalar_function("OBJECT_AGG", "OBJECTAGG", returns=T.OBJECT)
def object_agg(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``OBJECT_AGG(key, value)``: rows with NULL are ignored; of no rows it is {}."""
    distinct = call.expressions[0] if isinstance(call.expressions[0], exp.Distinct) else None
    given = distinct.expressions if distinct is not None else call.expressions
    if len(given) != 2:
        check_count(call, 2, 2)
    key, value = given
    text = key.copy() if kind(key) in TEXTS else text_of(key)
    pair = builtin("row", text, variant_of(value))
    present = exp.And(
        this=_present(key),
        expression=_present(value),
    )
    collected: exp.Expr = builtin("list", exp.Distinct(expressions=[pair]) if distinct is not None else pair)
    collected = exp.Filter(this=collected, expression=exp.Where(this=present))
    return _placed(call, once("sf_object_of_pairs", _windowed(call, collected)), of=T.OBJECT)


def _present(node: exp.Expr) -> exp.Expr:
    return exp.Not(this=exp.Is(this=exp.Paren(this=node.copy()), expression=exp.Null()))


def _typed_name(name: str, like: exp.Expr) -> exp.Expr:
    """Return a lambda's variable as an expression of a known type."""
    made = exp.Paren(this=exp.to_identifier(name))
    of = kind(like)
    variable = exp.column(exp.to_identifier(name))
    variable.type = exp.DataType(this=of) if of is not None else None
    made.set("this", variable)
    return variable


def _keyed(value: exp.Expr) -> exp.Expr:
    return once("sf_order", value.copy())


def _list(
    value: exp.Expr, counted: exp.Expr, order: exp.Expr | None = None, *, distinct: bool = False
) -> exp.Expr:
    """Collect the values of the rows in which an expression is not NULL."""
    inner: exp.Expr = exp.Distinct(expressions=[value.copy()]) if distinct else value.copy()
    if order is not None:
        inner = exp.Order(this=inner, expressions=[item.copy() for item in order.expressions])
    made = builtin("list", inner)
    return exp.Filter(this=made, expression=exp.Where(this=_present(counted)))


def _order(call: exp.Expr) -> exp.Expr | None:
    within = call.parent
    if isinstance(within, exp.WithinGroup) and call.arg_key == "this":
        found: exp.Expr = within.expression
        return found
    return None


def _windowed(call: exp.Expr, collected: exp.Expr) -> exp.Expr:
    """Put the OVER clause of a call around the list that is collected."""
    outer = _outermost(call)
    if isinstance(outer, exp.Window):
        window = outer.copy()
        window.set("this", collected)
        return window
    return collected


def _outermost(call: exp.Expr) -> exp.Expr:
    while isinstance(call.parent, exp.WithinGroup | exp.Window | exp.Filter) and call.arg_key == "this":
        call = call.parent
    return call


def _placed(call: exp.Expr, made: exp.Expr, of: exp.DType = T.ARRAY) -> exp.Expr:
    """Replace a call with its WITHIN GROUP and OVER clauses."""
    outer = _outermost(call)
    if isinstance(outer, exp.Window) and not made.find(exp.Window):
        for collected in list(made.find_all(exp.Filter)):
            window = outer.copy()
            window.set("this", collected.copy())
            collected.replace(window)
            break
    made.type = exp.DataType(this=of)
    if outer is call:
        return made
    outer.replace(made)
    return call
