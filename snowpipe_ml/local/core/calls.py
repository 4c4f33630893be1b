"""Functions in Python that the translation of a statement calls by name.

DuckDB has one function per type of result, ``sf_call_float('name', ...)`` for example; the name of the function in
Python is its first argument. So a function costs nothing until a statement calls it, a view can call it in any
process, and an open transaction sees it.

A function is written for one row, or for whole columns::

    @row_function("st_x", returns="float")
    def x(point: Point) -> float: ...

    @column_function("vector_l1_distance", returns="float")
    def distance(left: pa.Array, right: pa.Array) -> pa.Array: ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa

from snowpipe_ml.local.core.duck import Duck

Column: TypeAlias = "pa.ChunkedArray | pa.Array"

RESULTS: dict[str, tuple[str, pa.DataType]] = {
    "bytes": ("BLOB", pa.binary()),
    "float": ("DOUBLE", pa.float64()),
    "floats": ("DOUBLE[]", pa.list_(pa.float64())),
    "geography": ("STRUCT(geography BLOB)", pa.struct([("geography", pa.binary())])),
    "geometry": ("STRUCT(geometry BLOB)", pa.struct([("geometry", pa.binary())])),
    "number": ("BIGINT", pa.int64()),
    "text": ("VARCHAR", pa.string()),
    "truth": ("BOOLEAN", pa.bool_()),
}
"""The types of results: in DuckDB and in Arrow."""


@dataclass(frozen=True, slots=True)
class Called:
    """A function in Python.

    Attributes:
        returns: the type of its result, a key of ``RESULTS``.
        call: takes the columns of the arguments, and returns the column of the results.
    """

    returns: str
    call: Callable[..., pa.Array]


CALLED: dict[str, Called] = {}


def column_function(name: str, *, returns: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function of columns under a name that is given to :func:`register`'s functions."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        assert name not in CALLED, name
        CALLED[name] = Called(returns, function)
        return function

    return decorate


def row_function(
    name: str, *, returns: str, nulls: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function of one row.

    Args:
        name: its name.
        returns: the type of its result, a key of ``RESULTS``.
        nulls: whether it is called with NULLs, as None; otherwise a NULL among the arguments is its result.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*columns: Column) -> pa.Array:
            rows = zip(*(column.to_pylist() for column in columns), strict=True)
            values = [function(*row) if nulls or None not in row else None for row in rows]
            return pa.array(values, RESULTS[returns][1])

        column_function(name, returns=returns)(call)
        return function

    return decorate


class CalledError(Exception):
    """An error for the user; ``core/errors.py`` recognizes its text in that of DuckDB.

    Args:
        number: Snowflake's number.
        sqlstate: its SQLSTATE.
        message: what is wrong, in one line.
    """

    def __init__(self, number: int, sqlstate: str, message: str) -> None:
        super().__init__(f"sf_error {number} {sqlstate}: {message}")


def unsupported(what: str) -> CalledError:
    """Make the refusal of something that Snowflake supports."""
    return CalledError(2, "0A000", f"the embedded warehouse does not support {what}; Snowflake does")


def register(duck: Duck) -> None:
    """Register ``sf_call_<type of the result>`` for all connections of an instance."""
    for returns, (kind, _) in RESULTS.items():
        duck.create_function(f"sf_call_{returns}", _call, None, duckdb.sqltype(kind), pure=True)


def _call(names: Column, *columns: Column) -> pa.Array:
    """Call the function that the first argument names."""
    return CALLED[names[0].as_py()].call(*columns or (pa.nulls(len(names)),))
