"""Translate arithmetic and statistics of NUMBERs, with Snowflake's scales and rounding."""

from __future__ import annotations

import re
from fractions import Fraction

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import copied, nodes
from snowpipe_ml.local.translate.expressions import macro, stored_cast
from snowpipe_ml.local.translate.number_types import quotient_scale
from snowpipe_ml.local.translate.registry import same_in_duckdb
from snowpipe_ml.local.translate.signatures import Kind, define
from snowpipe_ml.local.translate.types import (
    DECIMALS,
    FLOATS,
    INTEGERS,
    TEXTS,
    T,
    kind,
    scale_of,
)

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")
# With so many digits after the point, few sums are small enough for the first branch of sf_exact_division.
_MANY_DIGITS = 10
# The macros that divide. They repeat their operands.
_QUOTIENTS = frozenset(
    f"_MACROS.main.sf_{name}"
    for name in (
        *("exact_division", "close_division", "nested_division", "cut_division"),
        *("idiv", "idiv3"),
    )
)


def division(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``/``, which is always a floating-point division in DuckDB.

    ``1 / 3`` is 0.333333, ``1.0::FLOAT / 3`` is 0.333...
    """
    left, right = kind(node.this), kind(node.expression)
    if left in FLOATS or right in FLOATS:
        return node
    if isinstance(node.this.unnest(), exp.Null) or isinstance(node.expression.unnest(), exp.Null):
        return stored_cast(exp.Null(), "DECIMAL(38,6)")
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
    return quotient(node.this, node.expression, left, right, quotient_scale(left))


def quotient(dividend: exp.Expr, divisor: exp.Expr, left: int, right: int, scale: int) -> exp.Expr:
    """Divide NUMBERs of the scales ``left`` and ``right`` exactly, and round to a scale."""
    factor = _reciprocal(divisor, scale - left)
    if factor is not None:
        product = exp.Mul(this=exp.Paren(this=copied(dividend)), expression=factor)
        return stored_cast(product, f"DECIMAL(38,{scale})")
    more = scale - left + right
    numbers = [exp.Literal.number(10**digits) for digits in (left, right, more)]
    nested = any(
        call.name in _QUOTIENTS for side in (dividend, divisor) for call in nodes(side, exp.Anonymous)
    )
    exact, repeated = "sf_exact_division", "sf_nested_division"
    if left + more >= _MANY_DIGITS:
        # Few quotients are small enough for the first branch of sf_nested_division.
        exact, repeated = "sf_close_division", "sf_wide_division"
    made = macro(repeated if nested else exact, copied(dividend), copied(divisor), *numbers)
    if scale:
        unit = stored_cast(exp.Literal.number(f"0.{'0' * (scale - 1)}1"), f"DECIMAL({scale + 1},{scale})")
        made = exp.Mul(this=made, expression=unit)
    return stored_cast(exp.Paren(this=made), f"DECIMAL(38,{scale})")


def _reciprocal(divisor: exp.Expr, digits: int) -> exp.Expr | None:
    """Return the factor that replaces a division by a constant such as 2 or 100; None if there is no exact one.

    Args:
        divisor: the right operand.
        digits: the digits after the point of the factor.
    """
    constant = divisor.unnest()
    if not isinstance(constant, exp.Literal) or constant.is_string:
        return None
    value = Fraction(constant.name)
    if not value or 10**digits % value.numerator:
        return None
    digits_of_it = str(value.denominator * 10**digits // value.numerator).rjust(digits + 1, "0")
    whole, rest = digits_of_it[: len(digits_of_it) - digits], digits_of_it[len(digits_of_it) - digits :]
    return exp.Literal.number(f"{whole}.{rest}" if rest else whole)


def arithmetic(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``+``, ``-`` and ``*``: a product has at most twelve digits after the point.

    In ``86400 * 100000`` the literal becomes a BIGINT; DuckDB would use 32-bit arithmetic. Where 64 bits have
    turned out not to be enough, the numbers have 38 digits.
    """
    kinds = {kind(node.this), kind(node.expression)}
    if kinds & TEXTS and kinds & (INTEGERS | DECIMALS | FLOATS):
        for key in ("this", "expression"):
            node.set(key, _as_number(node.args[key]))
    scale = scale_of(node.this)
    numbers = INTEGERS | DECIMALS
    if session.wide_numbers and kinds <= numbers and scale is not None:
        node.this.replace(stored_cast(exp.Paren(this=node.this.copy()), f"DECIMAL(38,{scale})"))
    elif isinstance(node.this, exp.Literal) and kind(node.this) == T.BIGINT:
        node.this.replace(stored_cast(node.this.copy(), "BIGINT"))
    if isinstance(node, exp.Mul) and kind(node) in DECIMALS:
        scales = (scale_of(node.this), scale_of(node.expression), scale_of(node))
        if None not in scales and int(scales[0] or 0) + int(scales[1] or 0) > int(scales[2] or 0):
            assert node.type is not None
            made = stored_cast(node.copy(), node.type.sql(dialect="duckdb"))
            made.type = node.type
            return made
    return node


def _as_number(operand: exp.Expr) -> exp.Expr:
    """Convert an operand that is a constant text to a number, as Snowflake does."""
    if kind(operand) not in TEXTS:
        return operand
    if not isinstance(operand, exp.Literal):
        raise UnsupportedError("arithmetic with a text", "Cast it to a number")
    if not _NUMBER.match(operand.name.strip()):
        raise errors.error(100038, "22018", f"Numeric value '{operand.name}' is not recognized")
    return stored_cast(operand.copy(), "DOUBLE")


def same_as_number(arguments: list[exp.Expr]) -> exp.DataType | None:
    """Derive the type of a result that is that of the argument, or FLOAT for a text."""
    if not arguments or kind(arguments[0]) is None:
        return None
    numbers = INTEGERS | DECIMALS | FLOATS
    return arguments[0].type if kind(arguments[0]) in numbers else exp.DataType(this=T.DOUBLE)


define("ABS", to="abs", takes=(Kind.NUMBER,), returns=same_as_number)
define("SIGN", to="sign", takes=(Kind.NUMBER,), returns=T.INT)
define("FACTORIAL", to="sf_factorial", takes=(Kind.INTEGER,), returns=T.INT128)
define("PI", to="pi", returns=T.DOUBLE)
for _name, _macro in (
    *(
        (name, f"sf_{name.lower()}")
        for name in (
            *("ACOS", "ACOSH", "ASIN", "ATANH", "CBRT", "COSH", "COT"),
            *("EXP", "LN", "SINH", "SQRT", "SQUARE"),
        )
    ),
    *((name, name.lower()) for name in ("ASINH", "ATAN", "COS", "DEGREES", "RADIANS", "SIN", "TAN", "TANH")),
):
    define(_name, to=_macro, takes=(Kind.FLOAT,), returns=T.DOUBLE)
define("ATAN2", to="atan2", takes=(Kind.FLOAT, Kind.FLOAT), returns=T.DOUBLE)
define("LOG", to="sf_log", takes=(Kind.FLOAT, Kind.FLOAT), returns=T.DOUBLE)
define("POW", "POWER", to="sf_pow", takes=(Kind.FLOAT, Kind.FLOAT), returns=T.DOUBLE)
define("HAVERSINE", to="sf_haversine", takes=(Kind.FLOAT,) * 4, returns=T.DOUBLE)
define(
    "WIDTH_BUCKET",
    to="sf_width_bucket",
    takes=(Kind.NUMBER, Kind.NUMBER, Kind.NUMBER, Kind.INTEGER),
    returns=T.BIGINT,
)

define("NULLIFZERO", to="sf_null_if_zero", takes=(Kind.NUMBER,), returns=same_as_number)

same_in_duckdb(
    "BIT_ANDAGG",
    "BIT_ORAGG",
    "BIT_XORAGG",
    "DIV0",
    "DIV0NULL",
    "MOD",
)
