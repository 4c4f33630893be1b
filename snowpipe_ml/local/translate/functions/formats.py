"""Conversions of dates and times from and to text with a format."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.time_formats import (
    Fraction,
    Half,
    InputFormat,
    Offset,
    OutputPart,
    Pattern,
    input_format,
)
from snowpipe_ml.local.core.time_formats import output_format as parts_of
from snowpipe_ml.local.translate.expressions import builtin, macro, stored_cast
from snowpipe_ml.local.translate.types import T


def written_by_format(value: exp.Expr, text: str, found: exp.DType) -> exp.Expr:
    """Translate ``TO_CHAR(x, 'format')`` of a date, time or timestamp.

    Raises:
        UnsupportedError: the format has an unsupported element.
    """
    pieces = [_written(part, value, found) for part in parts_of(text)]
    if not pieces:
        return exp.Literal.string("")
    made = pieces[0]
    for piece in pieces[1:]:
        made = exp.DPipe(this=made, expression=piece)
    return exp.paren(made) if len(pieces) > 1 else made


def _written(part: OutputPart, value: exp.Expr, found: exp.DType | None) -> exp.Expr:
    match part:
        case Pattern():
            return builtin("strftime", _wall_clock(value, found), exp.Literal.string(part.text))
        case Fraction():
            digits = builtin("strftime", _wall_clock(value, found), exp.Literal.string("%f"))
            return builtin("left", digits, exp.Literal.number(part.digits))
        case Offset():
            return _offset(part, value, found)
        case Half():
            return builtin(
                "left",
                builtin("strftime", _wall_clock(value, found), exp.Literal.string("%p")),
                exp.Literal.number(1),
            )


def _wall_clock(value: exp.Expr, found: exp.DType | None) -> exp.Expr:
    """Convert to a value that strftime accepts; it formats an instant in the session's time zone."""
    if found == T.TIMESTAMPTZ:
        return macro("sf_tz_local", value.copy())
    if found == T.TIME:
        return exp.Paren(
            this=exp.Add(this=stored_cast(exp.Literal.string("1970-01-01"), "DATE"), expression=value.copy())
        )
    return value.copy()


def _offset(part: Offset, value: exp.Expr, found: exp.DType | None) -> exp.Expr:
    if found in (T.DATE, T.TIME):
        raise UnsupportedError(f"the time zone of a {found.value} in a format")
    if found not in (T.TIMESTAMPTZ, T.TIMESTAMPLTZ):
        return exp.Literal.string("Z")  # https://docs.snowflake.com/en/sql-reference/data-types-datetime
    zoned = value.copy() if found == T.TIMESTAMPTZ else macro("sf_instant_to_tz", value.copy())
    if part.separator is None:
        return macro("sf_offset_hours", zoned)
    return macro("sf_offset_text", zoned, exp.Literal.string(part.separator))


def read_by_format(value: exp.Expr, text: str, target: exp.DType, *, trying: bool) -> exp.Expr:
    """Translate ``TO_DATE(x, 'DD.MM.YYYY')``, ``TRY_TO_TIMESTAMP_TZ(x, 'format')`` and similar functions.

    Raises:
        UnsupportedError: the format is incomplete, or has an unsupported element.
    """
    read = input_format(text)
    _check(read, target)
    given = macro("sf_micros", value) if read.has_long_fraction else value
    patterns = read.patterns
    if read.has_offset and target not in (T.TIMESTAMPTZ, T.TIMESTAMPLTZ):
        # A type without a time zone keeps the local time in the text; the offset is ignored.
        given = macro("sf_without_offset", given.copy())
        patterns = tuple(pattern.removesuffix("%z").rstrip() for pattern in patterns)
    listed = [exp.Literal.string(pattern) for pattern in patterns]
    pattern = listed[0] if len(listed) == 1 else builtin("list_value", *listed)
    stamp = builtin("try_strptime" if trying else "strptime", given, pattern)
    if read.has_short_year:
        stamp = macro("sf_century", stamp)
    if read.is_time and target != T.TIME:  # https://docs.snowflake.com/en/sql-reference/date-time-examples
        first = stored_cast(exp.Literal.string("1970-01-01"), "DATE")
        stamp = exp.paren(exp.Add(this=first, expression=stored_cast(stamp, "TIME")))
    if target == T.TIMESTAMPTZ:
        return (
            macro("sf_parsed_tz", stamp, value.copy()) if read.has_offset else macro("sf_local_to_tz", stamp)
        )
    if target == T.TIMESTAMPLTZ and read.has_offset:
        return stored_cast(stamp, "TIMESTAMPTZ")
    stored = {T.DATE: "DATE", T.TIME: "TIME", T.TIMESTAMPLTZ: "TIMESTAMPTZ"}.get(target, "TIMESTAMP")
    return stored_cast(stamp, stored)


def _check(read: InputFormat, target: exp.DType) -> None:
    """Refuse an incomplete format: Snowflake's defaults for missing parts differ from strptime's."""
    if target == T.TIME:
        if not read.has_time:
            raise UnsupportedError("a format of a TIME without an hour")
    elif not read.has_date and not read.is_time:
        raise UnsupportedError(
            "a date format without a year and a month", "Read it as a TIME, or add the date"
        )
    if not read.has_offset:
        return
    if target != T.TIMESTAMPLTZ and not read.ends_with_offset:
        raise UnsupportedError("a time zone that is not the last element of a format")
