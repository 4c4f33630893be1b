"""The parts of dates and times that functions take as an argument, with their abbreviations.

https://docs.snowflake.com/en/sql-reference/functions-date-time#supported-date-and-time-parts
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

from snowpipe_ml.local.core import errors

_ABBREVIATIONS = {
    "YEAR": "Y YY YYY YYYY YR YEARS YRS",
    "QUARTER": "Q QTR QTRS QUARTERS",
    "MONTH": "MM MON MONS MONTHS",
    "WEEK": "W WK WEEKOFYEAR WOY WY WEEKS",
    "WEEK_ISO": "WEEKISO WEEKOFYEARISO WEEKOFYEAR_ISO",
    "DAY": "D DD DAYS DAYOFMONTH",
    "DAYOFWEEK": "WEEKDAY DOW DW",
    "DAYOFWEEK_ISO": "DAYOFWEEKISO WEEKDAY_ISO DOW_ISO DW_ISO",
    "DAYOFYEAR": "YEARDAY DOY DY",
    "YEAROFWEEK": "",
    "YEAROFWEEKISO": "",
    "HOUR": "H HH HR HOURS HRS",
    "MINUTE": "M MI MIN MINUTES MINS",
    "SECOND": "S SEC SECONDS SECS",
    "MILLISECOND": "MS MSEC MILLISECONDS",
    "MICROSECOND": "US USEC MICROSECONDS",
    "NANOSECOND": "NS NSEC NANOSEC NSECOND NANOSECONDS NANOSECS NSECONDS",
    "EPOCH_SECOND": "EPOCH EPOCH_SECONDS",
    "EPOCH_MILLISECOND": "EPOCH_MILLISECONDS",
    "EPOCH_MICROSECOND": "EPOCH_MICROSECONDS",
    "EPOCH_NANOSECOND": "EPOCH_NANOSECONDS",
    "TIMEZONE_HOUR": "TZH",
    "TIMEZONE_MINUTE": "TZM",
}
_PARTS = {name: part for part, others in _ABBREVIATIONS.items() for name in (part, *others.split())}
DATE_UNITS = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY")
TIME_UNITS = ("HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND")
UNITS = (*DATE_UNITS, *TIME_UNITS)
"""The parts that can be added, subtracted and counted."""
TRUNCATED = (*UNITS, "WEEK_ISO", "YEAROFWEEKISO")
"""The parts that a date or time can be truncated to."""
_INCREMENT = re.compile(r"\s*([+-]?\d+)\s*([A-Za-z_]*)\s*\Z")


def part_of(node: exp.Expr, function: str, allowed: tuple[str, ...] | None = None) -> str:
    """Return the part that an argument names: ``'mons'`` and ``mm`` are MONTH.

    Args:
        node: the argument, a name or a constant text.
        function: the function, for the error.
        allowed: the parts that the function takes; None for all.

    Raises:
        ProgrammingError: the argument names no part, or one that the function does not take.
        UnsupportedError: the argument is not a constant.
    """
    if not isinstance(node, exp.Var | exp.Column | exp.Literal | exp.Identifier):
        raise errors.UnsupportedError(f"a part of {function} that is not a constant")
    part = _PARTS.get(node.name.strip().upper())
    if part is None or (allowed is not None and part not in allowed):
        raise errors.syntax(f"'{node.name}' is not a valid date/time component for function {function}")
    return part


def increments(interval: exp.Interval) -> Iterator[tuple[int, str]]:
    """Yield the (number, part) of an interval constant, in order: ``INTERVAL '1 year, 3 quarters'``.

    https://docs.snowflake.com/en/sql-reference/data-types-datetime#interval-constants

    Raises:
        ProgrammingError: the text is not that of an interval constant.
        UnsupportedError: the interval is not a constant, or has the form ``'1-1' YEAR TO MONTH``.
    """
    unit = interval.args.get("unit")
    if not isinstance(interval.this, exp.Literal) or isinstance(unit, exp.IntervalSpan):
        raise errors.UnsupportedError(
            f"the interval {interval.sql(dialect='snowflake')}", "Write it as INTERVAL '1 year, 2 months'"
        )
    for text in interval.this.name.split(","):
        match = _INCREMENT.match(text)
        name = match.group(2) or (unit.name if unit is not None else "SECOND") if match else ""
        part = _PARTS.get(name.upper())
        if match is None or part not in UNITS:
            raise errors.syntax(f"invalid value '{interval.this.name}' for an interval constant")
        yield int(match.group(1)), part
