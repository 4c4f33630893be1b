"""ROUND, FLOOR, CEIL and TRUNC: a NUMBER stays a NUMBER, with the scale that is given.

https://docs.snowflake.com/en/sql-reference/functions-numeric
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.expressions import builtin, macro, stored_cast
from snowpipe_ml.local.translate.registry import SCALAR_FUNCTIONS, scalar_function
from snowpipe_ml.local.translate.signatures import Kind, check_count, converted
from snowpipe_ml.local.translate.type_names import wrong_type
from snowpipe_ml.local.translate.types import (
    DECIMALS,
    FLOATS,
    INTEGERS,
    TIMESTAMPS,
    T,
    kind,
    number_type,
    precision_of,
    scale_of,
)

_EVEN, _AWAY = "HALF_TO_EVEN", "HALF_AWAY_FROM_ZERO"
_NAMES = ("EXPR", "SCALE", "ROUNDING_MODE")


def _constant(scale: exp.Expr | None) -> int | None:
    """The value of a constant scale; None if it is not constant."""
    if scale is None:
        return 0
    if isinstance(scale, exp.Neg) and isinstance(scale.this, exp.Literal) and scale.this.is_int:
        return -int(scale.this.name)
    return int(scale.name) if isinstance(scale, exp.Literal) and scale.is_int else None


def _result(arguments: list[exp.Expr]) -> exp.DataType | None:
    found = kind(arguments[0]) if arguments else None
    if found in INTEGERS:
        return exp.DataType(this=T.BIGINT)
    if found in DECIMALS:
        return _rounded_type(arguments[0], arguments[1] if len(arguments) > 1 else None)
    if found in TIMESTAMPS | {T.DATE}:
        return arguments[0].type
    return exp.DataType(this=T.DOUBLE) if found is not None else None


def _rounded_type(value: exp.Expr, scale: exp.Expr | None) -> exp.DataType | None:
    """One digit more than the argument, because rounding can carry."""
    given, precision, constant = scale_of(value), precision_of(value), _constant(scale)
    if given is None or precision is None:
        return None
    if constant is not None and constant >= given:
        return number_type(precision, given)
    return number_type(precision + 1, given if constant is None else max(constant, 0))


def _rounding(function: str) -> Callable[[exp.Expr, Session], exp.Expr]:
    def translate(call: exp.Expr, session: Session) -> exp.Expr:
        check_count(call, 1, 2)
        value, *more = call.expressions
        return _rounded(function, value, more[0] if more else None)

    return translate


def _rounded(function: str, value: exp.Expr, scale: exp.Expr | None) -> exp.Expr:
    if isinstance(value, exp.Null):
        return stored_cast(exp.null(), "BIGINT")
    if isinstance(scale, exp.Null):
        scale = stored_cast(exp.null(), "BIGINT")
    found, digits = kind(value), _constant(scale)
    if found in INTEGERS:
        return _whole(function, value, scale, digits)
    if found in DECIMALS:
        return _decimal(function, value, scale, digits)
    if found is None and scale is None:
        return builtin(function, value.copy())  # DuckDB's functions keep the type of a number
    if found is None:
        raise UnsupportedError(f"{function.upper()} of a number whose type is not known here", "Cast it")
    number = value.copy() if found in FLOATS else converted(value, Kind.NUMBER)
    places = exp.Literal.number(0) if scale is None else converted(scale, Kind.INTEGER)
    return macro(f"sf_{function}_float", number, places)


def _whole(function: str, value: exp.Expr, scale: exp.Expr | None, digits: int | None) -> exp.Expr:
    if digits is not None and digits >= 0:
        return value.copy()
    if digits is not None:
        return _to_unit(function, value, digits)
    assert scale is not None
    branches = [exp.If(this=_is(scale, -n), true=_to_unit(function, value, -n)) for n in range(1, 19)]
    return exp.Case(ifs=[exp.If(this=_at_least(scale, 0), true=value.copy()), *branches])


def _to_unit(function: str, value: exp.Expr, digits: int) -> exp.Expr:
    if digits < -18:
        raise UnsupportedError(f"{function.upper()} to more than 18 digits before the decimal point")
    return macro(f"sf_{function}_whole", value.copy(), exp.Literal.number(10**-digits))


def _is(scale: exp.Expr, digits: int) -> exp.Expr:
    return exp.EQ(this=scale.copy(), expression=exp.Literal.number(digits))


def _at_least(scale: exp.Expr, digits: int) -> exp.Expr:
    return exp.GTE(this=scale.copy(), expression=exp.Literal.number(digits))


def _decimal(function: str, value: exp.Expr, scale: exp.Expr | None, digits: int | None) -> exp.Expr:
    given, precision, type_ = scale_of(value), precision_of(value), _rounded_type(value, scale)
    if given is None or precision is None or type_ is None:
        if function == "round" and digits is not None:
            return builtin("round", value.copy(), exp.Literal.number(digits))
        raise UnsupportedError(f"{function.upper()} of a NUMBER of unknown scale", "Cast it")
    if digits is not None:
        return value.copy() if digits >= given else _to_places(function, value, digits, type_)
    assert scale is not None
    ifs = [exp.If(this=_at_least(scale, given), true=value.copy())]
    ifs += [
        exp.If(this=_is(scale, n), true=_to_places(function, value, n, type_))
        for n in range(given - 1, given - precision - 1, -1)
    ]
    return exp.Case(ifs=ifs)


def _to_places(function: str, value: exp.Expr, digits: int, type_: exp.DataType) -> exp.Expr:
    divided = _quotient(value) if digits == 0 else None
    if function != "round" and divided is not None:
        return stored_cast(macro(f"sf_{function}_quotient", *divided), type_.sql(dialect="duckdb"))
    rounded = builtin("round", value.copy(), exp.Literal.number(digits))
    made = rounded
    if function != "round":
        unit = exp.Literal.number(str(10**-digits) if digits <= 0 else f"0.{'0' * (digits - 1)}1")
        made = macro(f"sf_{function}_decimal", value.copy(), rounded, unit)
    return stored_cast(made, type_.sql(dialect="duckdb"))


def _quotient(value: exp.Expr) -> list[exp.Expr] | None:
    """The operands of a translated division of an integer by a small constant, or None."""
    found = value.unnest()
    if not isinstance(found, exp.Anonymous) or found.name != "_MACROS.main.sf_idiv":
        return None
    dividend, divisor = (part.copy() for part in found.expressions)
    is_small = isinstance(divisor, exp.Literal) and divisor.is_int and 0 < int(divisor.name) <= 1_000_000
    return [dividend, divisor] if is_small else None


for _name, _function in ("FLOOR", "floor"), ("CEIL", "ceil"):
    scalar_function(_name, returns=_result)(_rounding(_function))


@scalar_function("TRUNC", "TRUNCATE", returns=_result)
def trunc(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate TRUNC of a number; of a date it is DATE_TRUNC."""
    check_count(call, 1, 2)
    value, *more = call.expressions
    if kind(value) in TIMESTAMPS | {T.DATE} or (
        more and isinstance(more[0], exp.Literal) and more[0].is_string
    ):
        if "DATE_TRUNC" in SCALAR_FUNCTIONS and more:
            part = exp.Anonymous(this="DATE_TRUNC", expressions=[more[0].copy(), value.copy()])
            return SCALAR_FUNCTIONS["DATE_TRUNC"](part, session)
        raise UnsupportedError("TRUNC of a date", "Use DATE_TRUNC")
    return _rounded("trunc", value, more[0] if more else None)


def _round_arguments(arguments: list[exp.Expr]) -> list[exp.Expr]:
    """Put the arguments of ROUND in order; the last ones can be named."""
    named = {
        part.name.upper(): part.expression
        for part in arguments
        if isinstance(part, exp.Kwarg | exp.PropertyEQ)
    }
    if not named:
        return arguments
    return arguments[: len(arguments) - len(named)] + [named[name] for name in _NAMES if name in named]


def _round_result(arguments: list[exp.Expr]) -> exp.DataType | None:
    return _result(_round_arguments(arguments))


@scalar_function("ROUND", returns=_round_result)
def round_(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``ROUND(value, scale, mode)``, half away from zero or half to even."""
    check_count(call, 1, 3)
    value, *more = _round_arguments(call.expressions)
    scale = more[0] if more else None
    mode = more[1].name.upper() if len(more) > 1 and isinstance(more[1], exp.Literal) else _AWAY
    if len(more) > 1 and (mode not in (_EVEN, _AWAY) or not isinstance(more[1], exp.Literal)):
        raise UnsupportedError("this rounding mode")
    found = kind(value)
    if len(more) > 1 and found not in INTEGERS | DECIMALS:
        raise wrong_type("ROUND", *call.expressions)
    rounded = _rounded("round", value, scale)
    digits, given = _constant(scale), scale_of(value)
    if mode == _AWAY or (found in INTEGERS and (digits or 0) >= 0):
        return rounded
    if digits is None or given is None:
        raise UnsupportedError("HALF_TO_EVEN with a scale that is not a constant")
    if digits >= given:
        return rounded
    unit = exp.Literal.number(str(10**-digits) if digits <= 0 else f"0.{'0' * (digits - 1)}1")
    made = macro("sf_round_even", value.copy(), rounded, unit)
    type_ = _rounded_type(value, scale) if found in DECIMALS else exp.DataType(this=T.BIGINT)
    return stored_cast(made, type_.sql(dialect="duckdb")) if type_ is not None else made
