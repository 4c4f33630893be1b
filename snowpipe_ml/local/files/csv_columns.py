"""The columns of a table as DuckDB's CSV reader reads them, with the formats that a file format gives."""

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
    """Conversions of fields to values.

    The reader knows one format of dates and one of timestamps. Times with a format are read as timestamps; where the
    columns have timestamps too, they are read as text, and a pass of its own finds those that do not have the format.

    Attributes:
        columns: the name of each column and the DuckDB type that the reader gives it.
        arguments: further arguments of the reader.
        values: the name of a column and the expression of its value, where that is not the column itself.
        formatted: the names of columns that are read with a format, not as AUTO reads them.
        apart: the names of columns of times that are read as text.
    """

    columns: list[tuple[str, str]]
    arguments: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    formatted: set[str] = field(default_factory=set)
    apart: list[str] = field(default_factory=list)


def reading_of(fmt: CsvFormat, columns: Sequence[Column]) -> Reading:
    """Expressions that read the columns of a table from files of a format.

    Raises:
        UnsupportedError: a format with an offset from UTC, for a column that has to keep more than the instant.
    """
    found = Reading([])
    with_timestamps = any(column.duckdb in _TIMESTAMPS for column in columns)
    formats = {"dateformat": fmt.date_format}
    for column in columns:
        kind, value = column.duckdb, quoted(column.name)
        if kind == "DATE" and fmt.date_format is not None:
            found.values[column.name] = _corrected(_local(fmt.date_format, column), value, "DATE")
        elif kind in _TIMESTAMPS and fmt.timestamp_format is not None:
            formats["timestampformat"] = fmt.timestamp_format
            found.values[column.name] = _timestamp(fmt.timestamp_format, column)
            kind = "TIMESTAMP"
        elif kind == "TIME" and fmt.time_format is not None:
            _local(fmt.time_format, column)
            if with_timestamps:
                found.apart.append(column.name)
                kind, value = "VARCHAR", f"strptime({value}, {literal(fmt.time_format.reader_pattern)})"
            else:
                formats["timestampformat"] = fmt.time_format
                kind = "TIMESTAMP"
            # The cast of a mere column would be moved into the reader, which then reads no timestamps.
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
        read = _corrected(fmt, value, "TIMESTAMP")
        zone = "'UTC'" if fmt.has_offset else "current_setting('TimeZone')"
        return f"timezone({zone}, {read})"
    read = _corrected(_local(fmt, column), value, "TIMESTAMP")
    return read if column.duckdb == "TIMESTAMP" else f"memory.main.sf_local_to_tz({read})"


def _corrected(fmt: InputFormat, value: str, kind: str) -> str:
    """A value that DuckDB has read: a year of two digits is 1970 to 2069, and DuckDB's 1969 to 2068."""
    return f"CAST(memory.main.sf_century({value}) AS {kind})" if fmt.has_short_year else value


def _local(fmt: InputFormat, column: Column) -> InputFormat:
    if fmt.has_offset:
        raise errors.UnsupportedError(
            f"the format {fmt.text!r}, which has an offset from UTC, in COPY INTO for the column {column.name}",
            "It is supported for TIMESTAMP_LTZ",
        )
    return fmt
