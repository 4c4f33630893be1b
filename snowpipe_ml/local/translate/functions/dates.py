"""Date and time functions: their parts, their truncation, and dates and timestamps made of parts.

https://docs.snowflake.com/en/sql-reference/functions-date-time
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.parameters import time_zones
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.date_parts import DATE_UNITS, TIME_UNITS, TRUNCATED, part_of
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
from snowpipe_ml.local.translate.types import TEXTS, T, kind, moment_kind

_SIMPLE = {
    "YEAR": "year",
    "QUARTER": "quarter",
    "MONTH": "month",
    "DAY": "day",
    "DAYOFYEAR": "dayofyear",
    "DAYOFWEEK_ISO": "isodow",
    "WEEK_ISO": "week",
    "YEAROFWEEKISO": "isoyear",
    "HOUR": "hour",
    "MINUTE": "minute",
    "SECOND": "second",
}
_WEEKS = {"DAYOFWEEK": "sf_day_of_week", "WEEK": "sf_week", "YEAROFWEEK": "sf_year_of_week"}
_OF_TIMES = ("HOUR", "MINUTE", "SECOND", "NANOSECOND")
# The number of microseconds in the unit of an epoch.
_EPOCHS = {
    "EPOCH_SECOND": 1_000_000,
    "EPOCH_MILLISECOND": 1000,
    "EPOCH_MICROSECOND": 1,
    "EPOCH_NANOSECOND": 1,
}


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def extracted(part: str, of: Moment, function: str) -> exp.Expr:
    """Return a part of a date or time as an integer."""
    if of.type == T.TIME and part not in _OF_TIMES:
        raise wrong_type(function, of.node)
    if part in _SIMPLE:
        if of.type == T.DATE and part in _OF_TIMES:
            return typed(builtin(_SIMPLE[part], stored_cast(of.clock, "TIMESTAMP")), T.BIGINT)
        return typed(builtin(_SIMPLE[part], of.clock), T.BIGINT)
    if part in _WEEKS:
        return typed(macro(_WEEKS[part], as_date(of.clock)), T.BIGINT)
    if part == "NANOSECOND":
        clock = stored_cast(of.clock, "TIMESTAMP") if of.type == T.DATE else of.clock
        micros = exp.Mod(this=exp.paren(builtin("microsecond", clock)), expression=_number(1_000_000))
        return typed(exp.paren(exp.Mul(this=exp.paren(micros), expression=_number(1000))), T.BIGINT)
    if part in _EPOCHS:
        return _epoch(part, of, function)
    if of.type == NTZ:  # its offset is that of UTC
        return typed(
            exp.If(this=exp.Is(this=of.node.copy(), expression=exp.Null()).not_(), true=_number(0)), T.BIGINT
        )
    if of.type not in (TZ, LTZ):
        raise wrong_type(function, of.node)
    return typed(macro("sf_offset_part", of.zoned, _number(60 if part == "TIMEZONE_HOUR" else 1)), T.BIGINT)


def _epoch(part: str, of: Moment, function: str) -> exp.Expr:
    if of.type == T.DATE and part != "EPOCH_SECOND":
        raise wrong_type(function, of.node)
    micros = builtin("epoch_us", stored_cast(of.utc, "TIMESTAMP"))
    if part == "EPOCH_NANOSECOND":
        return typed(exp.paren(exp.Mul(this=micros, expression=_number(1000))), T.BIGINT)
    unit = _EPOCHS[part]
    whole = macro("sf_floored", micros, _number(unit)) if unit > 1 else micros
    return typed(exp.paren(exp.IntDiv(this=whole, expression=_number(unit))), T.BIGINT)


@scalar_function("DATE_PART", "EXTRACT", returns=T.BIGINT)
def date_part(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``DATE_PART(part, x)`` and ``EXTRACT(part FROM x)``."""
    written, value = checked(call, 2, 2)
    function = function_of(call)
    return extracted(part_of(written, function), moment(value, function), function)


_FUNCTIONS = {
    "YEAR": "YEAR",
    "YEAROFWEEK": "YEAROFWEEK",
    "YEAROFWEEKISO": "YEAROFWEEKISO",
    "QUARTER": "QUARTER",
    "MONTH": "MONTH",
    "DAY": "DAY",
    "DAYOFMONTH": "DAY",
    "DAYOFWEEK": "DAYOFWEEK",
    "DAYOFWEEKISO": "DAYOFWEEK_ISO",
    "DAYOFYEAR": "DAYOFYEAR",
    "WEEK": "WEEK",
    "WEEKOFYEAR": "WEEK",
    "WEEKISO": "WEEK_ISO",
    "HOUR": "HOUR",
    "MINUTE": "MINUTE",
    "SECOND": "SECOND",
}


@scalar_function(*_FUNCTIONS, returns=T.BIGINT)
def _part(call: exp.Expr, session: Session) -> exp.Expr:
    function = function_of(call)
    (value,) = checked(call, 1, 1)
    return extracted(_FUNCTIONS[function], moment(value, function), function)


@scalar_function("DAYNAME", "MONTHNAME", returns=T.VARCHAR)
def _name(call: exp.Expr, session: Session) -> exp.Expr:
    function = function_of(call)
    (value,) = checked(call, 1, 1)
    of = moment(value, function)
    if of.type == T.TIME:
        raise wrong_type(function, value)
    pattern = "%a" if function == "DAYNAME" else "%b"
    return typed(builtin("strftime", of.clock, exp.Literal.string(pattern)), T.VARCHAR)


def _kind_of(index: int) -> Callable[[list[exp.Expr]], exp.DataType | None]:
    def returns(arguments: list[exp.Expr]) -> exp.DataType | None:
        found = moment_kind(arguments[index]) if len(arguments) > index else None
        return None if found is None else exp.DataType(this=found)

    return returns


@scalar_function("DATE_TRUNC", returns=_kind_of(1))
def _date_trunc(call: exp.Expr, session: Session) -> exp.Expr:
    written, value = checked(call, 2, 2)
    return truncated(written, value, "DATE_TRUNC")


def truncated(written: exp.Expr, value: exp.Expr, function: str) -> exp.Expr:
    """Translate ``DATE_TRUNC(part, x)`` and ``TRUNC(x, part)``; the type of x is that of the result."""
    part = part_of(written, function, TRUNCATED)
    of = moment(value, function)
    if of.type == T.TIME:
        if part not in TIME_UNITS:
            raise wrong_type(function, value)
        return typed(stored_cast(_at(part, _on_epoch(of.clock)), "TIME"), T.TIME)
    if of.type == T.DATE:
        return as_date(of.node) if part in ("DAY", *TIME_UNITS) else _first_day(part, of.node.copy())
    if of.type == TZ:
        return typed(macro("sf_tz_moved", of.node.copy(), stored_cast(_at(part, of.clock), "TIMESTAMP")), TZ)
    if of.type == LTZ and part in TIME_UNITS:  # an hour may occur twice on the wall clock
        return typed(_at(part, of.node.copy()), LTZ)
    clock = stored_cast(_at(part, of.clock), "TIMESTAMP")
    return typed(stored_cast(clock, "TIMESTAMPTZ"), LTZ) if of.type == LTZ else typed(clock, NTZ)


def _on_epoch(time: exp.Expr) -> exp.Expr:
    day = stored_cast(exp.Literal.string("1970-01-01"), "DATE")
    return exp.paren(exp.Add(this=day, expression=time))


def _at(part: str, clock: exp.Expr) -> exp.Expr:
    if part == "NANOSECOND":
        return clock
    if part in TIME_UNITS or part in ("YEAR", "QUARTER", "MONTH", "DAY"):
        return builtin("date_trunc", exp.Literal.string(part.lower()), clock)
    return _first_day(part, as_date(clock))


def _first_day(part: str, date: exp.Expr) -> exp.Expr:
    match part:
        case "WEEK":
            return typed(exp.paren(macro("sf_week_first", date)), T.DATE)
        case "YEAROFWEEKISO":
            return typed(macro("sf_iso_year_first", date), T.DATE)
        case _:
            unit = exp.Literal.string("week" if part == "WEEK_ISO" else part.lower())
            return as_date(builtin("date_trunc", unit, date))


@scalar_function("LAST_DAY", returns=T.DATE)
def _last_day(call: exp.Expr, session: Session) -> exp.Expr:
    value, *written = checked(call, 1, 2)
    parts = ("YEAR", "QUARTER", "MONTH", "WEEK", "WEEK_ISO", "YEAROFWEEKISO", "DAY")
    part = part_of(written[0], "LAST_DAY", parts) if written else "MONTH"
    of = moment(value, "LAST_DAY")
    if of.type == T.TIME:
        raise wrong_type("LAST_DAY", value)
    date = as_date(of.clock)
    if part == "MONTH":
        return typed(builtin("last_day", date), T.DATE)
    if part == "DAY":
        return date
    if part == "YEAROFWEEKISO":
        raise errors.UnsupportedError("LAST_DAY with the part YEAROFWEEKISO")
    length = {"YEAR": ("to_months", 12), "QUARTER": ("to_months", 3)}.get(part, ("to_days", 7))
    after = exp.Add(this=_first_day(part, date), expression=builtin(length[0], _number(length[1])))
    return typed(exp.paren(exp.Sub(this=as_date(exp.paren(after)), expression=_number(1))), T.DATE)


@scalar_function("NEXT_DAY", "PREVIOUS_DAY", returns=T.DATE)
def _next_day(call: exp.Expr, session: Session) -> exp.Expr:
    function = function_of(call)
    value, name = checked(call, 2, 2)
    of = moment(value, function)
    if of.type == T.TIME:
        raise wrong_type(function, value)
    return typed(
        exp.paren(macro(f"sf_{function.lower()}", as_date(of.clock), converted(name, Kind.TEXT))), T.DATE
    )


def _whole(argument: exp.Expr) -> exp.Expr:
    return converted(argument, Kind.INTEGER)


@scalar_function("DATE_FROM_PARTS", "DATEFROMPARTS", returns=T.DATE)
def _date_from_parts(call: exp.Expr, session: Session) -> exp.Expr:
    return typed(exp.paren(macro("sf_date_from_parts", *map(_whole, checked(call, 3, 3)))), T.DATE)


@scalar_function("TIME_FROM_PARTS", "TIMEFROMPARTS", returns=T.TIME)
def _time_from_parts(call: exp.Expr, session: Session) -> exp.Expr:
    parts = [_whole(part) for part in checked(call, 3, 4)]
    return typed(exp.paren(macro("sf_time_from_parts", *parts, *[_number(0)] * (4 - len(parts)))), T.TIME)


def _timestamp(call: exp.Expr, most: int) -> exp.Expr:
    """Make the wall clock of six or seven numbers, or of a date and a time."""
    given = call.expressions
    if len(given) == 2:
        date, time = (moment(part, function_of(call)) for part in given)
        clock = stored_cast(time.clock, "TIME")
        return exp.paren(exp.Add(this=as_date(date.clock), expression=clock))
    parts = [_whole(part) for part in checked(call, 6, most)[:7]]
    return exp.paren(macro("sf_timestamp_from_parts", *parts, *[_number(0)] * (7 - len(parts))))


@scalar_function(
    "TIMESTAMP_FROM_PARTS",
    "TIMESTAMPFROMPARTS",
    "TIMESTAMP_NTZ_FROM_PARTS",
    "TIMESTAMPNTZFROMPARTS",
    returns=NTZ,
)
def _ntz_from_parts(call: exp.Expr, session: Session) -> exp.Expr:
    return typed(stored_cast(_timestamp(call, 7), "TIMESTAMP"), NTZ)


@scalar_function("TIMESTAMP_LTZ_FROM_PARTS", "TIMESTAMPLTZFROMPARTS", returns=LTZ)
def _ltz_from_parts(call: exp.Expr, session: Session) -> exp.Expr:
    checked(call, 6, 7)
    return typed(stored_cast(_timestamp(call, 7), "TIMESTAMPTZ"), LTZ)


@scalar_function("TIMESTAMP_TZ_FROM_PARTS", "TIMESTAMPTZFROMPARTS", returns=TZ)
def _tz_from_parts(call: exp.Expr, session: Session) -> exp.Expr:
    given = checked(call, 6, 8)
    clock = _timestamp(call, 8)
    if len(given) < 8:
        return typed(macro("sf_local_to_tz", clock), TZ)
    zone = time_zone(given[7])
    return typed(macro("sf_in_zone", macro("sf_zone_to_utc", clock, zone), zone.copy()), TZ)


def time_zone(argument: exp.Expr) -> exp.Expr:
    """Return the name of a time zone, which is checked if it is constant: Snowflake has no ``PDT``."""
    if argument.is_string and time_zones() and argument.name not in time_zones():
        raise errors.error(100094, "22023", f"Unknown timezone: '{argument.name}'")
    return converted(argument, Kind.TEXT)


@scalar_function(
    "CONVERT_TIMEZONE",
    returns=lambda arguments: exp.DataType(this=NTZ if len(arguments) == 3 else TZ),
)
def _convert_timezone(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``CONVERT_TIMEZONE([source,] target, x)``."""
    *zones, value = checked(call, 2, 3)
    of = moment(value, "CONVERT_TIMEZONE")
    if of.type == T.TIME:
        raise wrong_type("CONVERT_TIMEZONE", value)
    names = [time_zone(zone) for zone in zones]
    if len(names) == 2:
        if of.type in (TZ, LTZ):  # with a source, the value must be a TIMESTAMP_NTZ
            raise wrong_type("CONVERT_TIMEZONE", value)
        utc = macro("sf_zone_to_utc", stored_cast(of.clock, "TIMESTAMP"), names[0])
        return typed(builtin("timezone", names[1], builtin("timezone", exp.Literal.string("UTC"), utc)), NTZ)
    if value.type is not None and moment_kind(value) == NTZ and value.type.this not in (NTZ, T.TIMESTAMP):
        of = Moment(macro("sf_text_to_tz", converted(value, Kind.TEXT)), TZ)  # a text may have an offset
    instant = of.utc if of.type in (TZ, LTZ) else macro("sf_tz_utc", of.zoned)
    return typed(macro("sf_in_zone", instant, names[0]), TZ)


@scalar_function("TIME_SLICE", returns=_kind_of(0))
def _time_slice(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``TIME_SLICE(x, length, part [, 'START' | 'END'])``."""
    value, length, written, *side = checked(call, 3, 4)
    part = part_of(written, "TIME_SLICE", (*DATE_UNITS, "HOUR", "MINUTE", "SECOND"))
    if kind(value) in TEXTS:
        raise wrong_type("TIME_SLICE", *call.expressions)
    of = moment(value, "TIME_SLICE")
    if of.type not in (T.DATE, NTZ) or (of.type == T.DATE and part not in DATE_UNITS):
        raise wrong_type("TIME_SLICE", value)
    if not length.is_int or int(length.name) < 1:
        raise errors.syntax("the length of a slice must be a positive integer constant")
    end = side[0].name.upper() if side and side[0].is_string else "" if side else "START"
    if end not in ("START", "END"):
        raise errors.syntax("the last argument of TIME_SLICE must be 'START' or 'END'")
    more, width = _number(int(end == "END")), int(length.name)
    if part in ("YEAR", "QUARTER", "MONTH"):
        months = {"YEAR": 12, "QUARTER": 3, "MONTH": 1}[part] * width
        made = macro("sf_slice_months", of.clock, _number(months), more)
    elif part in ("WEEK", "DAY"):
        first: exp.Expr = stored_cast(exp.Literal.string("1970-01-01"), "DATE")
        first = macro("sf_week_first", first) if part == "WEEK" else first
        days = width * (7 if part == "WEEK" else 1)
        made = exp.paren(macro("sf_slice_days", of.clock, first, _number(days), more))
    else:
        micros = {"HOUR": 3_600_000_000, "MINUTE": 60_000_000, "SECOND": 1_000_000}[part] * width
        made = macro("sf_slice_micros", of.clock, _number(micros), more)
    return as_date(made) if of.type == T.DATE else typed(stored_cast(made, "TIMESTAMP"), NTZ)
