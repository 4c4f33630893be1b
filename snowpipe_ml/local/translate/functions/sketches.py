"""Sketches and bitmaps: the aggregates that make and merge states, and the estimates from them.

https://docs.snowflake.com/en/sql-reference/functions-aggregation
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import bitmaps, sketches
from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.conversions import variant_of
from snowpipe_ml.local.translate.expressions import builtin, called, macro, stored_cast
from snowpipe_ml.local.translate.functions.generation import hash_, hash_key
from snowpipe_ml.local.translate.registry import scalar_function
from snowpipe_ml.local.translate.signatures import Kind, check_count, converted
from snowpipe_ml.local.translate.stars import expand_stars
from snowpipe_ml.local.translate.types import T

assert bitmaps.__name__  # these register the functions in Python
assert sketches.__name__


def _no_window(call: exp.Expr) -> None:
    if isinstance(call.parent, exp.Window):
        raise UnsupportedError(f"{call.name.upper()} as a window function")


def _arguments(call: exp.Expr, least: int, most: int | None) -> list[exp.Expr]:
    """Return the arguments of an aggregate, without a DISTINCT that has no effect."""
    _no_window(call)
    first = call.expressions[0] if call.expressions else None
    if isinstance(first, exp.Distinct):
        call.set("expressions", [*first.expressions, *call.expressions[1:]])
    check_count(call, least, most)
    return [argument.copy() for argument in call.expressions]


def _json(node: exp.Expr, kind: exp.DType) -> exp.Expr:
    made = stored_cast(node, "JSON")
    made.to.meta["kind"] = kind
    return made


def _state(node: exp.Expr) -> exp.Expr:
    """Return a state that is an OBJECT as text."""
    return stored_cast(converted(node, Kind.VARIANT), "VARCHAR")


def _list(node: exp.Expr) -> exp.Expr:
    return builtin("list", node)


def _constant(call: exp.Expr, place: int, default: int) -> exp.Expr:
    """Return an argument that is a whole number."""
    if place >= len(call.expressions):
        return exp.Literal.number(default)
    return converted(call.expressions[place], Kind.INTEGER)


def _hashes(values: list[exp.Expr]) -> exp.Expr:
    """Collect the hashes of the rows in which a value is known; equal numbers of any types have the same."""
    known = exp.or_(
        *(exp.Is(this=value.copy(), expression=exp.Null()).not_() for value in values), copy=False
    )
    hashed = builtin("hash", *map(hash_key, values))
    return _list(exp.Case(ifs=[exp.If(this=exp.Paren(this=known), true=hashed)]))


@scalar_function("HASH_AGG", returns=T.BIGINT)
def _hash_agg(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate HASH_AGG: the sum of the rows' hashes, in 64 bits. The numbers are not Snowflake's.

    https://docs.snowflake.com/en/sql-reference/functions/hash_agg
    """
    check_count(call, 1, None)
    distinct = isinstance(call.expressions[0], exp.Distinct)
    if distinct:
        call.set("expressions", call.expressions[0].expressions)
    window = call.parent if isinstance(call.parent, exp.Window) else None
    if window is not None and window.args.get("order") is not None:
        raise UnsupportedError("HASH_AGG with ORDER BY in its window, which Snowflake refuses")
    hashed: exp.Expr = stored_cast(hash_(call, session), "HUGEINT")
    total: exp.Expr = exp.Sum(this=exp.Distinct(expressions=[hashed]) if distinct else hashed)
    if window is not None:
        around = window.copy()
        around.set("this", total)
        total = around
    made = macro("sf_wrapped", total)
    if window is None:
        return made
    window.replace(exp.Paren(this=made))
    return call


@scalar_function("HLL_ACCUMULATE", returns=T.VARBINARY)
def _hll_accumulate(call: exp.Expr, session: Session) -> exp.Expr:
    if any(isinstance(argument, exp.Star) for argument in call.expressions):
        raise UnsupportedError("HLL_ACCUMULATE(*)", "Name the columns")
    return called("hll_accumulate", _hashes(_arguments(call, 1, None)))


@scalar_function("HLL_COMBINE", returns=T.VARBINARY)
def _hll_combine(call: exp.Expr, session: Session) -> exp.Expr:
    return called("hll_combine", _list(_arguments(call, 1, 1)[0]))


@scalar_function("HLL_ESTIMATE", returns=T.BIGINT)
def _hll_estimate(call: exp.Expr, session: Session) -> exp.Expr:
    return called("hll_estimate", _arguments(call, 1, 1)[0])


@scalar_function("HLL_EXPORT", returns=T.OBJECT)
def _hll_export(call: exp.Expr, session: Session) -> exp.Expr:
    return _json(called("hll_export", _arguments(call, 1, 1)[0]), T.OBJECT)


@scalar_function("HLL_IMPORT", returns=T.VARBINARY)
def _hll_import(call: exp.Expr, session: Session) -> exp.Expr:
    return called("hll_import", _state(_arguments(call, 1, 1)[0]))


@scalar_function("APPROX_PERCENTILE_ACCUMULATE", returns=T.OBJECT)
def _percentile_accumulate(call: exp.Expr, session: Session) -> exp.Expr:
    value = stored_cast(converted(_arguments(call, 1, 1)[0], Kind.FLOAT), "DOUBLE")
    return _json(called("percentile_accumulate", _list(value)), T.OBJECT)


@scalar_function("APPROX_PERCENTILE_COMBINE", returns=T.OBJECT)
def _percentile_combine(call: exp.Expr, session: Session) -> exp.Expr:
    return _json(called("percentile_combine", _list(_state(_arguments(call, 1, 1)[0]))), T.OBJECT)


@scalar_function("APPROX_PERCENTILE_ESTIMATE", returns=T.DOUBLE)
def _percentile_estimate(call: exp.Expr, session: Session) -> exp.Expr:
    state, fraction = _arguments(call, 2, 2)
    return called("percentile_estimate", _state(state), stored_cast(fraction, "DOUBLE"))


@scalar_function("APPROX_TOP_K_ACCUMULATE", returns=T.OBJECT)
def _top_k_accumulate(call: exp.Expr, session: Session) -> exp.Expr:
    value, _ = _arguments(call, 2, 2)
    listed = _list(stored_cast(variant_of(value), "VARCHAR"))
    return _json(called("top_k_accumulate", listed, _constant(call, 1, 0)), T.OBJECT)


@scalar_function("APPROX_TOP_K_COMBINE", returns=T.OBJECT)
def _top_k_combine(call: exp.Expr, session: Session) -> exp.Expr:
    state = _arguments(call, 1, 2)[0]
    counters = _constant(call, 1, 0) if len(call.expressions) > 1 else stored_cast(exp.Null(), "BIGINT")
    return _json(called("top_k_combine", _list(_state(state)), counters), T.OBJECT)


@scalar_function("APPROX_TOP_K_ESTIMATE", returns=T.ARRAY)
def _top_k_estimate(call: exp.Expr, session: Session) -> exp.Expr:
    state = _arguments(call, 1, 2)[0]
    return _json(called("top_k_estimate", _state(state), _constant(call, 1, 1)), T.ARRAY)


@scalar_function("MINHASH", returns=T.OBJECT)
def _minhash(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``MINHASH(k, a, b)`` and ``MINHASH(k, *)``."""
    _no_window(call)
    check_count(call, 2, None)
    size = _constant(call, 0, 0)
    if isinstance(call.expressions[1], exp.Distinct):
        values = [value.copy() for value in call.expressions[1].expressions]
    else:
        values = expand_stars(call)[1:]
    return _json(called("minhash", _hashes(values), size), T.OBJECT)


@scalar_function("MINHASH_COMBINE", returns=T.OBJECT)
def _minhash_combine(call: exp.Expr, session: Session) -> exp.Expr:
    return _json(called("minhash_combine", _list(_state(_arguments(call, 1, 1)[0]))), T.OBJECT)


@scalar_function("APPROXIMATE_SIMILARITY", "APPROXIMATE_JACCARD_INDEX", returns=T.DOUBLE)
def _similarity(call: exp.Expr, session: Session) -> exp.Expr:
    given = _arguments(call, 1, None)
    if len(given) > 1 or isinstance(given[0], exp.Star):
        raise UnsupportedError(f"{call.name.upper()} of several columns", "Put their states under each other")
    return called("similarity", _list(_state(given[0])))


@scalar_function("BITMAP_AND", "BITMAP_OR", returns=T.VARBINARY)
def _bitmap_operation(call: exp.Expr, session: Session) -> exp.Expr:
    check_count(call, 2, 2)
    return called(call.name.lower(), *(converted(argument, Kind.BINARY) for argument in call.expressions))


@scalar_function("BITMAP_AND_AGG", returns=T.VARBINARY)
def _bitmap_and_agg(call: exp.Expr, session: Session) -> exp.Expr:
    return called("bitmap_and_agg", _list(converted(_arguments(call, 1, 1)[0], Kind.BINARY)))


@scalar_function("BITMAP_TO_ARRAY", returns=T.ARRAY)
def _bitmap_to_array(call: exp.Expr, session: Session) -> exp.Expr:
    check_count(call, 1, 2)
    bitmap = converted(call.expressions[0], Kind.BINARY)
    return _json(called("bitmap_to_array", bitmap, _constant(call, 1, 1)), T.ARRAY)


@scalar_function("BITMAP_ABSOLUTE_POSITION", returns=T.BIGINT)
def _absolute_position(call: exp.Expr, session: Session) -> exp.Expr:
    check_count(call, 2, 2)
    return called("bitmap_absolute_position", _constant(call, 0, 0), _constant(call, 1, 0))
