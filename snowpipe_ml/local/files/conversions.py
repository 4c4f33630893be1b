"""The conversion of a field of a delimited file to the type of its column, as an expression of DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import literal
from snowpipe_ml.local.core.time_formats import InputFormat
from snowpipe_ml.local.core.types import TIMESTAMP_TZ, Column, cut_fractions
from snowpipe_ml.local.files.copy import Copy
from snowpipe_ml.local.files.csv import CsvFormat

_LTZ = "TIMESTAMP WITH TIME ZONE"
NUMBER = r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*"
# The names of floating-point numbers.
_NAMED = r" *(?i:nan|-?inf) *"
# Texts that only DuckDB takes for points in time: infinity, epoch, years before Christ, names of time zones.
_SPECIAL = "(?i)inf|epoch|BC|UTC|[a-z]/"
_TRUE = "('true', 't', 'yes', 'y', 'on', '1')"
_FALSE = "('false', 'f', 'no', 'n', 'off', '0')"


@dataclass(frozen=True)
class Conversion:
    """The conversion of a field's text to a value.

    Attributes:
        value: the expression of the value; NULL for a text that cannot be converted.
        code: the number of the error for such a text; 0 if every text can be converted.
        kind: what the error calls the text.
        range: a condition, with ``{}`` for the text, of texts that have the form of a value out of range.
        required: whether the column is NOT NULL.
        length: the length of the column if longer texts are an error.
    """

    value: str
    code: int = 0
    kind: str = ""
    range: str = ""
    required: bool = False
    length: int | None = None


def conversion(fmt: CsvFormat, copy: Copy, column: Column, text: str) -> Conversion:
    """Return the conversion of a text to the type of a column.

    Raises:
        UnsupportedError: the type of the column is not known.
    """
    found = _conversion(fmt, copy, column, text)
    return replace(found, value=cut_fractions(found.value, column.duckdb, column.scale))


def _conversion(fmt: CsvFormat, copy: Copy, column: Column, text: str) -> Conversion:
    required = not column.nullable
    kind = column.duckdb
    if kind == "VARCHAR":
        limit = column.length
        if limit is not None and copy.truncates:
            return Conversion(f"left({text}, {limit})", required=required)
        return Conversion(text, required=required, length=limit)
    if kind in ("BIGINT", "DOUBLE") or kind.startswith("DECIMAL"):
        is_number = f"regexp_full_match({{}}, {literal(NUMBER)})"
        value = f"CASE WHEN {is_number.format(text)} THEN TRY_CAST({text} AS {kind}) END"
        if kind == "DOUBLE":
            pattern = literal(f"{NUMBER}|{_NAMED}")
            value = f"CASE WHEN regexp_full_match({text}, {pattern}) THEN TRY_CAST({text} AS DOUBLE) END"
        return Conversion(value, 100038, "Numeric value", range=is_number, required=required)
    if kind == "BOOLEAN":
        word = f"lower(trim({text}))"
        value = (
            f"CASE WHEN {text} = 'true' THEN true WHEN {text} = 'false' THEN false "
            f"WHEN {word} IN {_TRUE} THEN true WHEN {word} IN {_FALSE} THEN false END"
        )
        return Conversion(value, 100037, "Boolean value", required=required)
    if kind.startswith(("DATE", "TIME")) or kind == TIMESTAMP_TZ:
        plain, text = text, f"CASE WHEN NOT regexp_matches({text}, {literal(_SPECIAL)}) THEN {text} END"
    if kind == "DATE":
        value = _common(plain, f"_MACROS.main.sf_try_date({text})", "DATE")
        if fmt.date_format is not None:
            value = f"CAST({_parsed(fmt.date_format, text)} AS DATE)"
        return Conversion(value, 100040, "Date", required=required)
    if kind == "TIME":
        value = f"_MACROS.main.sf_try_time({text})"
        if fmt.time_format is not None:
            value = f"CAST({_parsed(fmt.time_format, text)} AS TIME)"
        return Conversion(value, 100035, "Timestamp", required=required)
    if kind in ("TIMESTAMP", _LTZ, TIMESTAMP_TZ):
        return Conversion(_timestamp(fmt, column, plain, text), 100035, "Timestamp", required=required)
    if kind == "BLOB":
        value = {
            "HEX": f"try(unhex({text}))",
            "BASE64": f"try(from_base64({text}))",
            "UTF8": f"encode({text})",
        }[fmt.binary_format]
        return Conversion(value, 100115, "", required=required)
    if kind == "JSON":
        return Conversion(
            f"CASE WHEN json_valid({text}) THEN {text}::JSON END", 100069, "", required=required
        )
    raise errors.UnsupportedError(f"COPY INTO a column of type {column.snowflake}")


def failures(each: Conversion, text: str, value: str) -> Iterator[tuple[str, int, str, str | None]]:
    """Yield each reason for which a value cannot be loaded, in their order.

    Returns:
        A condition; the number of the error; its message up to the text; and the rest of the message, or None if
        it does not quote the text.
    """
    if each.code:
        # The value first: it is already there, and most records have one.
        unread = f"{value} IS NULL AND {text} IS NOT NULL"
        if each.range:
            yield (
                f"{unread} AND {each.range.format(text)}",
                100039,
                "Numeric value '",
                "' is out of range",
            )
        message: tuple[str, str] = (f"{each.kind} '", "' is not recognized")
        if each.code == 100069:
            message = ("Error parsing JSON: ", "")
        elif each.code == 100115:
            message = ("The following string is not a legal hex-encoded value: '", "'")
        yield unread, each.code, *message
    if each.required:
        yield f"{value} IS NULL", 100072, "NULL result in a non-nullable column", None
    if each.length is not None:
        prefix = f"User character length limit ({each.length}) exceeded by string '"
        yield f"length({value}) > {each.length}", 100074, prefix, "'"


def _common(text: str, otherwise: str, kind: str) -> str:
    """The expression of a point in time: the most common form is converted many times faster than the others."""
    return f"CASE WHEN _MACROS.main.sf_is_iso({text}) THEN TRY_CAST({text} AS TIMESTAMP)::{kind} ELSE {otherwise} END"


def _parsed(fmt: InputFormat, text: str) -> str:
    parsed = f"try_strptime({text}, {literal(fmt.reader_pattern)})"
    return f"_MACROS.main.sf_century({parsed})" if fmt.has_short_year else parsed


def _timestamp(fmt: CsvFormat, column: Column, plain: str, text: str) -> str:
    given, kind = fmt.timestamp_format, column.duckdb
    if given is None:
        local = f"_MACROS.main.sf_try_timestamp({text})"
        offset = f"regexp_matches(trim({text}), '[ T].*([+-]\\d{{2}}(:?\\d{{2}})?|Z)$')"
        without = f"_MACROS.main.sf_try_timestamp(_MACROS.main.sf_without_offset({text}))"
        if kind == "TIMESTAMP":
            return _common(plain, f"CASE WHEN {offset} THEN {without} ELSE {local} END", "TIMESTAMP")
        if kind == _LTZ:
            here = f"timezone(current_setting('TimeZone'), {local})"
            return f"CASE WHEN {offset} THEN TRY_CAST(trim({text}) AS TIMESTAMPTZ) ELSE {here} END"
        return f"try(_MACROS.main.sf_text_to_tz({text}))"
    if given.has_offset and kind != _LTZ:
        raise errors.UnsupportedError(
            f"the format {given.text!r}, which has a UTC offset, in COPY INTO for the column {column.name}",
            "Formats with a UTC offset are supported for TIMESTAMP_LTZ",
        )
    parsed = _parsed(given, text)
    if kind == "TIMESTAMP":
        return f"CAST({parsed} AS TIMESTAMP)"
    if kind == _LTZ:
        zone = "'UTC'" if given.has_offset else "current_setting('TimeZone')"
        return f"timezone({zone}, CAST({parsed} AS TIMESTAMP))"
    return f"_MACROS.main.sf_local_to_tz(CAST({parsed} AS TIMESTAMP))"
