"""Read the columns of a table with DuckDB's CSV reader, in the date and time formats of a file format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import literal, quoted
from snowpipe_ml.local.core.time_formats import InputFormat
from snowpipe_ml.local.core.types import TIMESTAMP_TZ, Column
from snowpipe_ml.local.files.csv import CsvFormat

_LTZ = "TIMESTAMP WITH TIME ZONE"
_TIMESTAMPS = ("TIMESTAMP", _LTZ, TIMESTAMP_TZ)


@dataclass
class Reading:
    """The conversions of fields to values.

    The reader supports one date format and one timestamp format. TIME columns with a format are read as
    timestamps. If the table has timestamp columns too, they are read as text instead, and a separate pass
    rejects the values that do not match the format.

    Attributes:
        columns: the name of each column and the DuckDB type with which the reader reads it.
        arguments: additional arguments of the reader.
        values: the expression of a column's value, by column name, where it is not the column itself.
        formatted: the names of the columns that are read with a format other than AUTO.
        apart: the names of the TIME columns that are read as text.
    """

    columns: list[tuple[str, str]]
    arguments: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    formatted: set[str] = field(default_factory=set)
    apart: list[str] = field(default_factory=list)


def reading_of(fmt: CsvFormat, columns: Sequence[Column]) -> Reading:
    """Return how to read the columns of a table from files of a format.

    Raises:
        UnsupportedError: a format has a UTC offset, and the type of the column is not TIMESTAMP_LTZ.
    """
    found = Reading([])
    with_timestamps = any(column.duckdb in _TIMESTAMPS for column in columns)
    formats = {"dateformat": fmt.date_format}
    for column in columns:
        kind, value = column.duckdb, quoted(column.name)
        if kind == "DATE" and fmt.date_format is not None:
            found.values[column.name] = _correct_century(
                _without_offset(fmt.date_format, column), value, "DATE"
            )
        elif kind in _TIMESTAMPS and fmt.timestamp_format is not None:
            formats["timestampformat"] = fmt.timestamp_format
            found.values[column.name] = _timestamp(fmt.timestamp_format, column)
            kind = "TIMESTAMP"
        elif kind == "TIME" and fmt.time_format is not None:
            _without_offset(fmt.time_format, column)
            if with_timestamps:
                found.apart.append(column.name)
                kind, value = "VARCHAR", f"strptime({value}, {literal(fmt.time_format.reader_pattern)})"
            else:
                formats["timestampformat"] = fmt.time_format
                kind = "TIMESTAMP"
            # DuckDB would push the cast of a plain column into the reader, which then reads no timestamps.
            found.values[column.name] = f"CAST(date_trunc('microsecond', {value}) AS TIME)"
        found.columns.append((column.name, kind))
    found.formatted = set(found.values)
    found.arguments = [
        f"{name} = {literal(each.reader_pattern)}" for name, each in formats.items() if each is not None
    ]
    return found


def _timestamp(fmt: InputFormat, column: Column) -> str:
    value = quoted(column.name)
    if column.duckdb == _LTZ:
        read = _correct_century(fmt, value, "TIMESTAMP")
        zone = "'UTC'" if fmt.has_offset else "current_setting('TimeZone')"
        return f"timezone({zone}, {read})"
    read = _correct_century(_without_offset(fmt, column), value, "TIMESTAMP")
    return read if column.duckdb == "TIMESTAMP" else f"_MACROS.main.sf_local_to_tz({read})"


def _correct_century(fmt: InputFormat, value: str, kind: str) -> str:
    """Correct two-digit years that DuckDB has read: 1970 to 2069 on Snowflake, 1969 to 2068 in DuckDB."""
    return f"CAST(_MACROS.main.sf_century({value}) AS {kind})" if fmt.has_short_year else value


def _without_offset(fmt: InputFormat, column: Column) -> InputFormat:
    if fmt.has_offset:
        raise errors.UnsupportedError(
            f"the format {fmt.text!r}, which has a UTC offset, in COPY INTO for the column {column.name}",
            "Formats with a UTC offset are supported for TIMESTAMP_LTZ",
        )
    return fmt
