"""Conversions of dates and times from and to text with a format."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.time_formats import (
    Fraction,
    InputFormat,
    Offset,
    OutputPart,
    Pattern,
    input_format,
    is_auto,
)
from snowpipe_ml.local.core.time_formats import output_format as parts_of
from snowpipe_ml.local.translate.casts import as_text, builtin, macro, stored_cast, text_of
from snowpipe_ml.local.translate.types import TIMESTAMPS, VARIANTS, T, kind


def current_date(node: exp.Expr, session: Session) -> exp.Expr:
    """Replace ``CURRENT_DATE``, which DuckDB could resolve to a result column of that name."""
    return builtin("today")


def to_char(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``TO_CHAR(x)``, with a format only if the type is known to be a date or time."""
    written = node.args.get("format")
    if written is None or (written.is_string and is_auto(written.name)):
        shown = as_text(node.this)
        return text_of(node.this) if shown is node.this else shown
    found = kind(node.this)
    if found not in TIMESTAMPS | {T.DATE, T.TIME}:
        raise UnsupportedError(
            "TO_CHAR with a format for an expression of unknown type", "Cast it, as in x::DATE"
        )
    pieces = [_written(part, node.this, found) for part in parts_of(_constant(written))]
    if not pieces:
        return exp.Literal.string("")
    text = pieces[0]
    for piece in pieces[1:]:
        text = exp.DPipe(this=text, expression=piece)
    text = exp.Paren(this=text) if len(pieces) > 1 else text
    text.type = exp.DataType(this=T.VARCHAR)
    return text


def _written(part: OutputPart, value: exp.Expr, found: exp.DType | None) -> exp.Expr:
    match part:
        case Pattern():
            return builtin("strftime", _wall_clock(value, found), exp.Literal.string(part.text))
        case Fraction():
            digits = builtin("strftime", _wall_clock(value, found), exp.Literal.string("%f"))
            return builtin("left", digits, exp.Literal.number(part.digits))
        case Offset():
            return _offset(part, value, found)


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


def read_by_format(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``TO_DATE(x, 'DD.MM.YYYY')``, ``TRY_TO_TIMESTAMP_TZ(x, 'format')`` and similar functions."""
    if node.args.get("format") is None:
        return node
    target = T.DATE if isinstance(node, exp.TsOrDsToDate) else T.TIME
    if isinstance(node, exp.StrToTime):
        target = node.args["target_type"].this
    read = input_format(_constant(node.args["format"]))
    _check(read, target)
    value = text_of(node.this) if kind(node.this) in VARIANTS else node.this.copy()
    text = macro("sf_micros", value) if read.has_long_fraction else value
    pattern = read.pattern
    if read.has_offset and target not in (T.TIMESTAMPTZ, T.TIMESTAMPLTZ):
        # A type without a time zone keeps the local time in the text; the offset is ignored.
        text, pattern = macro("sf_without_offset", text.copy()), pattern.removesuffix("%z").rstrip()
    stamp = builtin(
        "try_strptime" if node.args.get("safe") else "strptime", text, exp.Literal.string(pattern)
    )
    if read.has_short_year:
        stamp = macro("sf_century", stamp)
    if target == T.TIMESTAMPTZ:
        made = (
            macro("sf_parsed_tz", stamp, value.copy()) if read.has_offset else macro("sf_local_to_tz", stamp)
        )
    else:
        stored = {T.DATE: "DATE", T.TIME: "TIME", T.TIMESTAMPLTZ: "TIMESTAMPTZ"}.get(target, "TIMESTAMP")
        made = stored_cast(stamp, stored)
    made.type = exp.DataType(this=target)
    return made


def _check(read: InputFormat, target: exp.DType) -> None:
    """Refuse an incomplete format: Snowflake's defaults for missing parts differ from strptime's."""
    if target == T.TIME:
        if not read.has_time:
            raise UnsupportedError("a format of a TIME without an hour")
    elif not read.has_date:
        raise UnsupportedError(
            "a date format without a year and a month", "Read it as a TIME, or add the date"
        )
    if not read.has_offset:
        return
    if target != T.TIMESTAMPLTZ and not read.ends_with_offset:
        raise UnsupportedError("a time zone that is not the last element of a format")


def _constant(written: exp.Expr) -> str:
    if not written.is_string:
        raise UnsupportedError("a date format that is not a constant text")
    text: str = written.name
    return text
