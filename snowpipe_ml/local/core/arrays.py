"""Arrow arrays of Python values, made without ``pyarrow.array``.

``pyarrow.array`` first imports pandas, if it is installed, to tell its objects from others. That takes longer
than most statements, and the values of metadata, of row counts and of texts are never pandas objects.
"""

from __future__ import annotations

import datetime as dt
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def texts(values: Sequence[str | None]) -> pa.Array:
    """Make an array of texts."""
    builder = pa.lib.StringBuilder()
    builder.append_values(values)
    return builder.finish()


def integers(values: Sequence[int | None]) -> pa.Array:
    """Make an array of 64-bit integers.

    Raises:
        OverflowError: a number has more than 64 bits.
    """
    return _fixed(pa.int64(), "q", values)


def floats(values: Sequence[float | None]) -> pa.Array:
    """Make an array of double-precision numbers."""
    return _fixed(pa.float64(), "d", values)


def booleans(values: Sequence[bool | None]) -> pa.Array:
    """Make an array of truth values."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [_valid(values), _bits(values)])


def instants(values: Sequence[dt.datetime | None]) -> pa.Array:
    """Make an array of instants in microseconds; a value without a time zone is in UTC."""
    numbers = [None if value is None else _since_epoch(value) for value in values]
    return _fixed(pa.timestamp("us", tz="UTC"), "q", numbers)


OF_TYPE: dict[str, Callable[[Sequence[Any]], pa.Array]] = {
    "VARCHAR": texts,
    "JSON": texts,
    "BIGINT": integers,
    "DOUBLE": floats,
    "BOOLEAN": booleans,
    "TIMESTAMP WITH TIME ZONE": instants,
}
"""The function that makes an array of a DuckDB type."""


def _since_epoch(value: dt.datetime) -> int:
    return ((value if value.tzinfo else value.replace(tzinfo=dt.UTC)) - _EPOCH) // _MICROSECOND


def _fixed(kind: pa.DataType, code: str, values: Sequence[float | None]) -> pa.Array:
    numbers = array(code, [0 if value is None else value for value in values])
    return pa.Array.from_buffers(kind, len(values), [_valid(values), pa.py_buffer(numbers)])


def _valid(values: Sequence[object]) -> pa.Buffer | None:
    """The bits of the values that are not None; None if all are set."""
    return _bits([value is not None for value in values]) if None in values else None


def _bits(flags: Sequence[object]) -> pa.Buffer:
    """Pack booleans into bits, the first one into the lowest bit."""
    packed = bytearray((len(flags) + 7) // 8)
    for place, flag in enumerate(flags):
        packed[place >> 3] |= bool(flag) << (place & 7)
    return pa.py_buffer(bytes(packed))
