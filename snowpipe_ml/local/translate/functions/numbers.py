"""Translate arithmetic and statistics of NUMBERs, with Snowflake's scales and rounding."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.casts import macro
from snowpipe_ml.local.translate.registry import same_in_duckdb
from snowpipe_ml.local.translate.types import DECIMALS, FLOATS, INTEGERS, TEXTS, T, kind, scale_of


def division(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``/``, which is always a floating-point division in DuckDB.

    ``1 / 3`` is 0.333333, ``1.0::FLOAT / 3`` is 0.333...
    """
    left, right = kind(node.this), kind(node.expression)
    if left in FLOATS or right in FLOATS:
        return node
    if left in INTEGERS and right in INTEGERS:
        return macro("sf_idiv", node.this.copy(), node.expression.copy())
    if left in INTEGERS | DECIMALS and right in INTEGERS | DECIMALS:
        return _exact_division(node)
    return macro("sf_div", node.this.copy(), node.expression.copy())


def _exact_division(node: exp.Expr) -> exp.Expr:
    """Divide NUMBERs as in ``1.50 / 7``: the scale is that of the left operand plus six, at most twelve.

    The quotient is rounded half away from zero.

    https://docs.snowflake.com/en/sql-reference/operators-arithmetic
    """
    scales = [scale_of(node.this), scale_of(node.expression)]
    if None in scales:
        raise UnsupportedError("division of NUMBERs of unknown scale", "Cast both operands")
    left, right = (int(scale or 0) for scale in scales)
    scale = max(left, min(left + 6, 12))
    numbers = [
        exp.Literal.number(10**left),
        exp.Literal.number(10**right),
        exp.Literal.number(10 ** (scale - left + right)),
    ]
    quotient = macro("sf_exact_division", node.this.copy(), node.expression.copy(), *numbers)
    if scale:
        unit = exp.cast(
            exp.Literal.number(f"0.{'0' * (scale - 1)}1"), f"DECIMAL({scale + 1},{scale})", dialect="duckdb"
        )
        quotient = exp.Mul(this=quotient, expression=unit)
    result = exp.cast(exp.Paren(this=quotient), f"DECIMAL(38,{scale})", dialect="duckdb")
    for made in result.find_all(exp.Cast):
        if made.to.this == T.DECIMAL and made is not node.this:
            made.to.meta["stored"] = True
    return result


def average(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate AVG: the average of integers has a scale of six."""
    if kind(node.this) in INTEGERS and isinstance(node.parent, exp.Window):
        total, count = node.parent.copy(), node.parent.copy()
        total.set("this", exp.Sum(this=node.this.copy()))
        count.set("this", exp.Count(this=node.this.copy()))
        # With a window frame Snowflake truncates to three digits, as Snowpark's test suite expects.
        name = "sf_idiv" if node.parent.args.get("spec") is None else "sf_idiv3"
        node.parent.replace(macro(name, total, count))
        return node
    if kind(node.this) in INTEGERS and not isinstance(node.parent, exp.Window | exp.Filter):
        argument = node.this.copy()
        return macro("sf_idiv", exp.Sum(this=argument), exp.Count(this=argument.copy()))
    return node


def variance(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate variances: ``VAR_POP(n)`` of integers has a scale of six, ``STDDEV_POP(n)`` is its root."""
    deviation = isinstance(node, exp.Stddev | exp.StddevPop | exp.StddevSamp)
    if kind(node.this) not in INTEGERS:
        return node
    spread = exp.VariancePop if isinstance(node, exp.StddevPop | exp.VariancePop) else exp.Variance
    outer = node.parent if isinstance(node.parent, exp.Window) else None
    whole: exp.Expr = spread(this=node.this.copy())
    if outer is not None:
        window = outer.copy()
        window.set("this", whole)
        whole = window
    result = macro("sf_root_of_scale_6" if deviation else "sf_scale_6", whole)
    if outer is None:
        return result
    outer.replace(result)
    return node


def kurtosis(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate KURTOSIS: that of integers has a scale of twelve."""
    if kind(node.this) not in INTEGERS or isinstance(node.parent, exp.Window):
        return node
    return macro("sf_scale_12", node.copy())


def random_number(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``RANDOM()``, a 64-bit integer; refuse a seed, which would require Snowflake's sequence."""
    if node.args.get("this") is not None:
        raise UnsupportedError("RANDOM with a seed")
    return macro("sf_random")


def uniform(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``UNIFORM(1, 10, RANDOM())``: for integer bounds an integer, with both bounds included."""
    generator = node.args.get("gen")
    if not (isinstance(generator, exp.Anonymous) and generator.name == "memory.main.sf_random"):
        raise UnsupportedError("UNIFORM with a generator other than RANDOM()")
    whole = kind(node.this) in INTEGERS and kind(node.expression) in INTEGERS
    return macro("sf_uniform_whole" if whole else "sf_uniform", node.this.copy(), node.expression.copy())


def random_text(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``RANDSTR(10, RANDOM())``: the generator's value determines the text.

    A constant generator gives the same text for all rows.
    """
    return macro("sf_randstr", node.this.copy(), node.args["generator"].copy())


def statistics(node: exp.Expr, session: Session) -> exp.Expr:
    """Cast texts in ``CORR(a, b)`` and the covariances to numbers."""
    for part in list(node.iter_expressions()):
        if kind(part) in TEXTS:
            part.replace(exp.cast(part.copy(), "DOUBLE", dialect="duckdb"))
    return node


def whole_literal(node: exp.Expr, session: Session) -> exp.Expr:
    """Cast the literal in ``86400 * 100000`` to BIGINT; DuckDB would use 32-bit arithmetic."""
    if isinstance(node.this, exp.Literal) and kind(node.this) == T.BIGINT:
        cast_ = exp.cast(node.this.copy(), "BIGINT", dialect="duckdb")
        cast_.to.meta["stored"] = True
        node.this.replace(cast_)
    return node


same_in_duckdb(
    "ABS",
    "ACOS",
    "ACOSH",
    "ASIN",
    "ASINH",
    "ATAN",
    "ATAN2",
    "ATANH",
    "BITAND",
    "BITNOT",
    "BITOR",
    "BITSHIFTLEFT",
    "BITSHIFTRIGHT",
    "BITXOR",
    "BIT_AND",
    "BIT_ANDAGG",
    "BIT_NOT",
    "BIT_OR",
    "BIT_ORAGG",
    "BIT_SHIFTLEFT",
    "BIT_SHIFTRIGHT",
    "BIT_XOR",
    "BIT_XORAGG",
    "CBRT",
    "CEIL",
    "COS",
    "COSH",
    "COT",
    "DEGREES",
    "DIV0",
    "DIV0NULL",
    "EXP",
    "FACTORIAL",
    "FLOOR",
    "HAVERSINE",
    "LN",
    "LOG",
    "MOD",
    "PI",
    "POW",
    "POWER",
    "RADIANS",
    "RANDOM",
    "RANDSTR",
    "ROUND",
    "SEQ1",
    "SEQ2",
    "SEQ4",
    "SEQ8",
    "SIGN",
    "SIN",
    "SINH",
    "SQRT",
    "SQUARE",
    "TAN",
    "TANH",
    "TRUNC",
    "TRUNCATE",
    "UNIFORM",
)
