"""Sums and differences of dates and times: DATEADD, DATEDIFF, ADD_MONTHS, and the operators.

https://docs.snowflake.com/en/sql-reference/functions-date-time
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.annotators import day_time
from snowpipe_ml.local.translate.date_parts import DATE_UNITS, TIME_UNITS, UNITS, increments, part_of
from snowpipe_ml.local.translate.expressions import builtin, macro, stored_cast
from snowpipe_ml.local.translate.moments import (
    LTZ,
    NTZ,
    TZ,
    Moment,
    as_date,
    checked,
    function_of,
    moment,
    typed,
)
from snowpipe_ml.local.translate.registry import scalar_function
from snowpipe_ml.local.translate.signatures import Kind, converted
from snowpipe_ml.local.translate.type_names import wrong_type
from snowpipe_ml.local.translate.types import (
    DECIMALS,
    FLOATS,
    INTEGERS,
    TEXTS,
    TIMESTAMPS,
    T,
    kind,
    moment_kind,
)

# DuckDB's function that makes an interval, and the number of its units in the part.
_INTERVALS = {
    "YEAR": ("to_years", 1),
    "QUARTER": ("to_months", 3),
    "MONTH": ("to_months", 1),
    "WEEK": ("to_days", 7),
    "DAY": ("to_days", 1),
    "HOUR": ("to_hours", 1),
    "MINUTE": ("to_minutes", 1),
    "SECOND": ("to_seconds", 1),
    "MILLISECOND": ("to_microseconds", 1000),
    "MICROSECOND": ("to_microseconds", 1),
}


def _interval(part: str, amount: exp.Expr) -> exp.Expr:
    if part == "NANOSECOND":
        return builtin("to_microseconds", macro("sf_micros_of", amount))
    name, units = _INTERVALS[part]
    if units > 1:
        amount = exp.Mul(this=exp.paren(amount), expression=exp.Literal.number(units))
    return builtin(name, stored_cast(exp.paren(amount), "INTEGER") if part in DATE_UNITS else amount)


def added(part: str, amount: exp.Expr, to: Moment, function: str) -> Moment:
    """Add a number of units to a date or time."""
    interval = _interval(part, amount)
    if to.type == T.TIME:
        if part in DATE_UNITS:
            raise wrong_type(function, to.node)
        return Moment(_plus(to.node.copy(), interval), T.TIME)
    if to.type == T.DATE:
        summed = _plus(to.node.copy(), interval)
        if part in DATE_UNITS:
            return Moment(as_date(summed), T.DATE)
        return Moment(typed(stored_cast(summed, "TIMESTAMP"), NTZ), NTZ)
    if to.type == TZ:
        return Moment(macro("sf_tz_moved", to.node.copy(), _plus(to.clock, interval)), TZ)
    return Moment(_plus(to.node.copy(), interval), to.type)


def _plus(left: exp.Expr, right: exp.Expr) -> exp.Expr:
    return exp.paren(exp.Add(this=exp.paren(left), expression=right), copy=False)


def _sum_kind(arguments: list[exp.Expr]) -> exp.DataType | None:
    if len(arguments) != 3:
        return None
    found = moment_kind(arguments[2])
    if found == T.DATE and part_of(arguments[0], "DATEADD", UNITS) in TIME_UNITS:
        found = NTZ
    return None if found is None else exp.DataType(this=found)


@scalar_function("DATEADD", "TIMEADD", "TIMESTAMPADD", returns=_sum_kind)
def _dateadd(call: exp.Expr, session: Session) -> exp.Expr:
    function = function_of(call)
    written, amount, value = checked(call, 3, 3)
    part = part_of(written, function, UNITS)
    made = added(part, converted(amount, Kind.INTEGER), moment(value, function), function)
    return typed(made.node, made.type)


_SMALLER_THAN_HOURS = ("MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND")


@scalar_function("DATEDIFF", "TIMEDIFF", "TIMESTAMPDIFF", returns=T.BIGINT)
def _datediff(call: exp.Expr, session: Session) -> exp.Expr:
    function = function_of(call)
    written, first, second = checked(call, 3, 3)
    part = part_of(written, function, UNITS)
    pair = [moment(first, function), moment(second, function)]
    types = {one.type for one in pair}
    if T.TIME in types:
        pair = [_as_time(one, value) for one, value in zip(pair, (first, second), strict=True)]
        if part in DATE_UNITS or {one.type for one in pair} != {T.TIME}:
            raise wrong_type(function, first, second)
    if TZ not in types:
        return typed(_difference(part, [one.clock for one in pair], types), T.BIGINT)
    zoned = [Moment(one.zoned, TZ) for one in pair]
    instants = _difference(part, [one.utc for one in zoned], {NTZ})
    if part in _SMALLER_THAN_HOURS:
        return typed(instants, T.BIGINT)
    clocks = _difference(part, [one.clock for one in zoned], {NTZ})
    return typed(macro("sf_same_difference", clocks, instants), T.BIGINT)


def _as_time(one: Moment, value: exp.Expr) -> Moment:
    return Moment(macro("sf_time", value.copy()), T.TIME) if kind(value) in TEXTS else one


def _difference(part: str, clocks: list[exp.Expr], types: set[exp.DType]) -> exp.Expr:
    if part == "NANOSECOND":
        micros = _difference("MICROSECOND", clocks, types)
        return exp.paren(exp.Mul(this=micros, expression=exp.Literal.number(1000)))
    if part == "WEEK":
        return macro("sf_weeks_between", *(as_date(clock) for clock in clocks))
    if part in TIME_UNITS and T.TIME not in types:
        clocks = [stored_cast(clock, "TIMESTAMP") for clock in clocks]
    return builtin("date_diff", exp.Literal.string(part.lower()), *clocks)


@scalar_function("ADD_MONTHS", returns=lambda arguments: _first_kind(arguments))
def _add_months(call: exp.Expr, session: Session) -> exp.Expr:
    value, number = checked(call, 2, 2)
    to = moment(value, "ADD_MONTHS")
    if to.type == T.TIME:
        raise wrong_type("ADD_MONTHS", value)
    months = converted(number, Kind.INTEGER)
    if to.type == T.DATE:
        return as_date(macro("sf_add_months", stored_cast(to.clock, "TIMESTAMP"), months))
    clock = macro("sf_add_months", to.clock, months)
    if to.type == TZ:
        return typed(macro("sf_tz_moved", to.node.copy(), clock), TZ)
    return typed(stored_cast(clock, "TIMESTAMPTZ" if to.type == LTZ else "TIMESTAMP"), to.type)


def _first_kind(arguments: list[exp.Expr]) -> exp.DataType | None:
    found = moment_kind(arguments[0]) if arguments else None
    return None if found is None else exp.DataType(this=found)


@scalar_function("MONTHS_BETWEEN", returns=T.DOUBLE)
def _months_between(call: exp.Expr, session: Session) -> exp.Expr:
    pair = [moment(value, "MONTHS_BETWEEN") for value in checked(call, 2, 2)]
    if any(one.type == T.TIME for one in pair):
        raise wrong_type("MONTHS_BETWEEN", *call.expressions)
    clocks = [stored_cast(one.clock, "TIMESTAMP") for one in pair]
    return typed(stored_cast(exp.paren(macro("sf_months_between", *clocks)), "DOUBLE"), T.DOUBLE)


_NUMBERS = INTEGERS | DECIMALS | FLOATS


def date_operator(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``d + 1``, ``d1 - d2`` and ``x + INTERVAL '1 day, 2 hours'``.

    https://docs.snowflake.com/en/sql-reference/data-types-datetime#simple-arithmetic-for-dates
    """
    left, right = node.this, node.expression
    if isinstance(left.unnest(), exp.Interval) and isinstance(node, exp.Add):
        left, right = right, left
    if isinstance(right.unnest(), exp.Interval):
        return _with_interval(left, right.unnest(), isinstance(node, exp.Sub))
    kinds = kind(left), kind(right)
    if isinstance(node, exp.Add) and kinds[1] == T.DATE:
        left, right, kinds = right, left, kinds[::-1]
    if kinds == (T.DATE, T.DATE) and isinstance(node, exp.Sub):
        return typed(builtin("date_diff", exp.Literal.string("day"), right.copy(), left.copy()), T.BIGINT)
    if kinds[0] == T.DATE and kinds[1] in _NUMBERS | TEXTS:
        days = stored_cast(converted(right, Kind.INTEGER), "INTEGER")
        made = type(node)(this=exp.paren(left.copy()), expression=days)
        return typed(exp.paren(as_date(exp.paren(made))), T.DATE)
    if set(kinds) & (TIMESTAMPS | {T.TIME}) and None not in kinds:
        if isinstance(node, exp.Sub) and set(kinds) <= TIMESTAMPS | {T.DATE}:
            raise errors.UnsupportedError("a difference of timestamps as an interval", "Use DATEDIFF")
        raise wrong_type("+" if isinstance(node, exp.Add) else "-", left, right)
    return node


def _with_interval(value: exp.Expr, interval: exp.Interval, negative: bool) -> exp.Expr:
    to = moment(value, "INTERVAL")
    for number, part in increments(interval):
        amount = exp.Literal.number(abs(number))
        signed: exp.Expr = exp.paren(exp.Neg(this=amount)) if (number < 0) != negative else amount
        to = added(part, signed, to, "INTERVAL")
    if to.type == T.DATE and day_time(interval):
        to = Moment(stored_cast(to.node, "TIMESTAMP"), NTZ)
    return typed(to.node, to.type)


def _day_time(interval: exp.Interval) -> bool:
    """Return whether an interval is written as ``'3' DAY``, whose sum with a DATE is a timestamp."""
    return bool(interval.meta.get("qualified")) and interval.text("unit").upper().rstrip("S") == "DAY"
