"""Aggregate functions: the conversion of their arguments, and the scales of their results."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import copied
from snowpipe_ml.local.translate.conversions import text_of
from snowpipe_ml.local.translate.expressions import builtin, macro, stored_cast
from snowpipe_ml.local.translate.functions.numbers import quotient
from snowpipe_ml.local.translate.functions.percentiles import approximate_quantile, median, percentile
from snowpipe_ml.local.translate.number_types import grown_scale, has_short_average
from snowpipe_ml.local.translate.registry import same_in_duckdb, scalar_function
from snowpipe_ml.local.translate.signatures import Kind, define
from snowpipe_ml.local.translate.type_names import wrong_type
from snowpipe_ml.local.translate.types import (
    DECIMALS,
    INTEGERS,
    TEXTS,
    VARIANTS,
    T,
    kind,
    scale_of,
)

NUMERIC_AGGREGATES: tuple[type[exp.Expr], ...] = (
    exp.Sum,
    exp.Avg,
    exp.Median,
    exp.Kurtosis,
    exp.Skewness,
    exp.Variance,
    exp.VariancePop,
    exp.Stddev,
    exp.StddevPop,
    exp.StddevSamp,
    exp.Corr,
    exp.CovarPop,
    exp.CovarSamp,
    exp.RegrAvgx,
    exp.RegrAvgy,
    exp.RegrCount,
    exp.RegrIntercept,
    exp.RegrR2,
    exp.RegrSlope,
    exp.RegrSxx,
    exp.RegrSxy,
    exp.RegrSyy,
    exp.ApproxQuantile,
)
BITWISE_AGGREGATES: tuple[type[exp.Expr], ...] = (exp.BitwiseAndAgg, exp.BitwiseOrAgg, exp.BitwiseXorAgg)
BOOLEAN_AGGREGATES: tuple[type[exp.Expr], ...] = (exp.LogicalAnd, exp.LogicalOr, exp.BoolxorAgg)


def arguments(node: exp.Expr) -> list[exp.Expr]:
    """List the arguments of an aggregate, also those below DISTINCT."""
    found: list[exp.Expr] = []
    for part in node.iter_expressions():
        found += part.expressions if isinstance(part, exp.Distinct) else [part]
    return found


def _called(node: exp.Expr) -> str:
    return str(node.meta.get("called", node.key)).upper()


def numeric(node: exp.Expr, session: Session) -> exp.Expr:
    """Convert text and VARIANT arguments to FLOAT, as in ``SUM('3')``; refuse a BOOLEAN as Snowflake does."""
    if isinstance(
        node, exp.Corr | exp.CovarPop | exp.CovarSamp
    ):  # symmetric; the second one is converted first
        first, second = node.this.copy(), node.expression.copy()
        node.set("this", second)
        node.set("expression", first)
    for argument in arguments(node):
        found = kind(argument)
        if found in TEXTS | VARIANTS:
            value = text_of(argument) if found in VARIANTS else argument.copy()
            argument.replace(stored_cast(value, "DOUBLE"))
        elif found in {T.BOOLEAN, T.DATE, T.TIME, T.BINARY}:
            raise wrong_type(_called(node), argument)
    return _nan_of_nan(node) if isinstance(node, exp.Corr) else node


def _nan_of_nan(correlation: exp.Corr) -> exp.Expr:
    """Make the correlation of values with a NaN NaN; sqlglot makes it NULL, as one without variance."""
    if isinstance(correlation.parent, exp.Window):
        return correlation
    covariance = exp.CovarPop(this=correlation.this.copy(), expression=correlation.expression.copy())
    return exp.Case(
        ifs=[exp.If(this=exp.IsNan(this=covariance), true=stored_cast(exp.Literal.string("nan"), "DOUBLE"))],
        default=correlation.copy(),
    )


def bitwise(node: exp.Expr, session: Session) -> exp.Expr:
    """Round the arguments of ``BITOR_AGG(x)`` to integers.

    https://docs.snowflake.com/en/sql-reference/functions/bitor_agg
    """
    for argument in arguments(node):
        found = kind(argument)
        if found not in INTEGERS:
            value = stored_cast(argument.copy(), "DOUBLE") if found in TEXTS else argument.copy()
            argument.replace(stored_cast(builtin("round", value), "BIGINT"))
    return node


def boolean(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``BOOLAND_AGG(x)``, which also takes numbers, and ``BOOLXOR_AGG(x)``: exactly one is true.

    https://docs.snowflake.com/en/sql-reference/functions/boolxor_agg
    """
    if kind(node.this) != T.BOOLEAN:
        node.set("this", stored_cast(node.this.copy(), "BOOLEAN"))
    if not isinstance(node, exp.BoolxorAgg):
        return node
    counted = exp.EQ(
        this=_windowed(node, builtin("count_if", node.this.copy())), expression=exp.Literal.number(1)
    )
    known = exp.GT(this=_windowed(node, exp.Count(this=node.this.copy())), expression=exp.Literal.number(0))
    return _instead(node, exp.Case(ifs=[exp.If(this=known, true=counted)]))


def _windowed(node: exp.Expr, made: exp.Expr) -> exp.Expr:
    """Put another aggregate under the window that an aggregate has."""
    if not isinstance(node.parent, exp.Window):
        return made
    window = copied(node.parent)
    window.set("this", made)
    return window


def _instead(node: exp.Expr, made: exp.Expr) -> exp.Expr:
    """Replace an aggregate, with the window around it, by an expression of aggregates."""
    if isinstance(node.parent, exp.Window):
        node.parent.replace(exp.Paren(this=made))
        return node
    return exp.Paren(this=made)


def average(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate AVG of a NUMBER: the scale grows by six, up to twelve; in most windows by three.

    https://docs.snowflake.com/en/sql-reference/functions/avg
    """
    value = arguments(node)[0]
    if kind(value) not in INTEGERS | DECIMALS:
        value.replace(stored_cast(value.copy(), "DOUBLE"))
        return node
    total = _windowed(node, exp.Sum(this=copied(node.this)))
    count = _windowed(node, exp.Count(this=copied(node.this)))
    scale = scale_of(value)
    if scale is None:
        raise errors.UnsupportedError("AVG of a NUMBER of unknown scale", "Cast it, as in x::NUMBER(38, 2)")
    digits = grown_scale(node, scale)
    windowed = has_short_average(node)
    if scale == 0:
        return _instead(node, macro("sf_idiv3" if windowed else "sf_idiv", total, count))
    if not windowed:
        return _instead(node, quotient(total, count, scale, 0, digits))
    # Further digits are cut off, as Snowpark's test suite expects.
    units = [exp.Literal.number(10**scale), exp.Literal.number(10 ** (digits - scale))]
    made = stored_cast(macro("sf_cut_division", total, count, *units), f"DECIMAL(38,{digits})")
    return _instead(node, made)


def variance(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate variances of a NUMBER: their scale is twice that of the argument plus six, at most twelve.

    ``STDDEV_POP(n)`` is the root of the rounded variance.

    https://docs.snowflake.com/en/sql-reference/functions/var_pop
    """
    deviation = isinstance(node, exp.Stddev | exp.StddevPop | exp.StddevSamp)
    value = arguments(node)[0]
    scale = scale_of(value)
    if kind(value) not in INTEGERS | DECIMALS or scale is None:
        return node
    spread = exp.VariancePop if isinstance(node, exp.StddevPop | exp.VariancePop) else exp.Variance
    whole = _windowed(node, spread(this=node.this.copy()))
    rounded = stored_cast(whole, f"DECIMAL(38,{grown_scale(spread(), scale)})")
    return _instead(node, builtin("sqrt", stored_cast(rounded, "DOUBLE")) if deviation else rounded)


def kurtosis(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate KURTOSIS: that of a NUMBER has a scale of twelve."""
    if kind(node.this) not in INTEGERS | DECIMALS:
        return node
    return _instead(node, macro("sf_scale_12", _windowed(node, node.copy())))


def _regular_expression(pattern: str) -> str:
    """Convert a pattern of LIKE to a regular expression."""
    marks = {"%": ".*", "_": "."}
    return "".join(marks.get(letter, re.escape(letter)) for letter in pattern)


def count(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``COUNT(a, b)`` and ``COUNT(t.*)``, which count the rows without a NULL.

    https://docs.snowflake.com/en/sql-reference/functions/count
    """
    given = [node.this, *node.expressions]
    star = node.this if isinstance(node.this, exp.Star) else node.this.this
    if isinstance(star, exp.Star) and isinstance(node.this, exp.Star | exp.Column):
        plain = isinstance(node.this, exp.Star) and not any(node.this.args.values())
        if plain or len(given) > 1:
            return node
        pattern = star.args.get("ilike")
        chosen: exp.Expr = node.this.copy()
        if pattern is not None:
            if isinstance(node.this, exp.Column):
                raise errors.UnsupportedError("COUNT(t.* ILIKE ...)", "Name the columns")
            chosen = exp.Literal.string(f"^(?i:{_regular_expression(pattern.name)})$")
        values = builtin("json_array", exp.Columns(this=chosen, unpack=True))
        return builtin("count_if", macro("sf_no_null", values))
    if len(given) < 2 or isinstance(node.this, exp.Distinct):
        return node
    known = exp.and_(
        *(exp.Is(this=value.copy(), expression=exp.Null()).not_() for value in given), copy=False
    )
    return builtin("count_if", exp.Paren(this=known))


def extreme_by(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``MAX_BY(x, y [, n])``: DuckDB's function also ignores the rows whose x is NULL.

    https://docs.snowflake.com/en/sql-reference/functions/max_by
    """
    name = "arg_max" if isinstance(node, exp.ArgMax) else "arg_min"
    value, by, limit = node.this, node.expression, node.args.get("count")
    if limit is None:
        return builtin(f"{name}_null", value.copy(), by.copy())
    found = builtin(name, builtin("row", value.copy()), by.copy(), limit.copy())
    return macro("sf_first_fields", found)


def distinct_count(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``APPROX_COUNT_DISTINCT(x)`` by the exact number."""
    if isinstance(node.this, exp.Star):
        raise errors.UnsupportedError(f"{_called(node)}(*)", "Name the columns")
    given = [node.this, *node.expressions]
    if isinstance(node.this, exp.Distinct):  # it has no effect
        given = [*node.this.expressions, *node.expressions]
    return exp.Count(this=exp.Distinct(expressions=[each.copy() for each in given]))


AGGREGATES: tuple[type[exp.Expr], ...] = (*NUMERIC_AGGREGATES, *BITWISE_AGGREGATES, *BOOLEAN_AGGREGATES)
RULES: tuple[tuple[tuple[type[exp.Expr], ...], Callable[[exp.Expr, Session], exp.Expr]], ...] = (
    (NUMERIC_AGGREGATES, numeric),
    (BITWISE_AGGREGATES, bitwise),
    (BOOLEAN_AGGREGATES, boolean),
    ((exp.Avg,), average),
    ((exp.Kurtosis,), kurtosis),
    ((exp.Median,), median),
    ((exp.Variance, exp.VariancePop, exp.Stddev, exp.StddevPop, exp.StddevSamp), variance),
    ((exp.WithinGroup,), percentile),
    ((exp.ApproxQuantile,), approximate_quantile),
    ((exp.ApproxDistinct,), distinct_count),
    ((exp.ArgMax, exp.ArgMin), extreme_by),
    ((exp.Count,), count),
)
"""The rules for sqlglot's classes of aggregates, in their order."""


@scalar_function("HLL", returns=T.BIGINT)
def _hll(call: exp.Expr, session: Session) -> exp.Expr:
    if any(isinstance(argument, exp.Star) for argument in call.expressions):
        raise errors.UnsupportedError("HLL(*)", "Name the columns")
    return exp.Count(this=exp.Distinct(expressions=[argument.copy() for argument in call.expressions]))


@scalar_function("APPROX_TOP_K", returns=T.ARRAY)
def _top_k(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``APPROX_TOP_K(x [, k [, counters]])``, exactly.

    https://docs.snowflake.com/en/sql-reference/functions/approx_top_k
    """
    if isinstance(call.parent, exp.Window):
        raise errors.UnsupportedError("APPROX_TOP_K as a window function")
    limit = call.expressions[1].copy() if len(call.expressions) > 1 else exp.Literal.number(1)
    return macro("sf_top_k", call.expressions[0].copy(), limit)


@scalar_function("BITMAP_CONSTRUCT_AGG", "BITMAP_OR_AGG", returns=T.VARBINARY)
def _bitmap(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate the aggregates that make bitmaps, which are stored as lists of positions.

    https://docs.snowflake.com/en/user-guide/querying-bitmaps-for-distinct-counts
    """
    if isinstance(call.parent, exp.Window):
        raise errors.UnsupportedError(f"{call.name.upper()} as a window function")
    name = "sf_bitmap" if call.name.upper() == "BITMAP_CONSTRUCT_AGG" else "sf_bitmap_union"
    return macro(name, call.expressions[0].copy())


define("BITMAP_COUNT", to="sf_bitmap_count", takes=(Kind.BINARY,), returns=T.BIGINT)
define("BITMAP_BIT_POSITION", to="sf_bitmap_position", takes=(Kind.INTEGER,), returns=T.BIGINT)
define("BITMAP_BUCKET_NUMBER", to="sf_bitmap_bucket", takes=(Kind.INTEGER,), returns=T.BIGINT)

SAME_AGGREGATES = (
    "ANY_VALUE",
    "APPROX_COUNT_DISTINCT",
    "APPROX_PERCENTILE",
    "AVG",
    "BITANDAGG",
    "BITAND_AGG",
    "BITORAGG",
    "BITOR_AGG",
    "BITXORAGG",
    "BITXOR_AGG",
    "BIT_AND_AGG",
    "BIT_OR_AGG",
    "BIT_XOR_AGG",
    "BOOLAND_AGG",
    "BOOLOR_AGG",
    "BOOLXOR_AGG",
    "CORR",
    "COUNT",
    "COUNT_IF",
    "COVAR_POP",
    "COVAR_SAMP",
    "KURTOSIS",
    "LISTAGG",
    "MAX",
    "MAX_BY",
    "MEDIAN",
    "MIN",
    "MIN_BY",
    "MODE",
    "PERCENTILE_CONT",
    "PERCENTILE_DISC",
    "REGR_AVGX",
    "REGR_AVGY",
    "REGR_COUNT",
    "REGR_INTERCEPT",
    "REGR_R2",
    "REGR_SLOPE",
    "REGR_SXX",
    "REGR_SXY",
    "REGR_SYY",
    "SKEW",
    "STDDEV",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "SUM",
    "VARIANCE",
    "VARIANCE_POP",
    "VARIANCE_SAMP",
    "VAR_POP",
    "VAR_SAMP",
)
"""The aggregate functions that sqlglot translates properly."""

same_in_duckdb(*SAME_AGGREGATES, "GROUPING", "GROUPING_ID")
