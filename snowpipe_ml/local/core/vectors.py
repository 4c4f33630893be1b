"""Functions of VECTORs that DuckDB does not have: of whole columns, by numpy.

https://docs.snowflake.com/en/sql-reference/functions-vector
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from snowpipe_ml.local.core.calls import column_function

Matrix: TypeAlias = "npt.NDArray[Any]"


def _matrix(column: pa.ChunkedArray | pa.Array) -> Matrix:
    """Return the vectors as rows; those that are NULL are zero."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    size = array.type.list_size
    # The values of a NULL in a list of fixed size are there, and may be NULL themselves.
    values = array.values.slice(array.offset * size, len(array) * size)
    matrix: Matrix = values.fill_null(0).to_numpy(zero_copy_only=False).reshape(len(array), size)
    return matrix


def _known(*columns: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.bool_]:
    known: npt.NDArray[np.bool_] = np.logical_and.reduce([np.asarray(c.is_valid()) for c in columns])
    return known


@column_function("vector_l1_distance", returns="float")
def l1_distance(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.Array:
    """Add the absolute differences of the elements."""
    found = np.abs(_matrix(left) - _matrix(right)).sum(axis=1).astype(np.float64)
    return pa.array(found, mask=~_known(left, right))


@column_function("vector_normalize", returns="floats")
def normalize(column: pa.ChunkedArray) -> pa.Array:
    """Divide the vectors by their lengths."""
    matrix = _matrix(column).astype(np.float64)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return _vectors(matrix / np.where(lengths == 0, 1, lengths), _known(column))


def _vectors(matrix: Matrix, known: npt.NDArray[np.bool_]) -> pa.Array:
    rows = [row if given else None for row, given in zip(matrix, known, strict=True)]
    return pa.array(rows, pa.list_(pa.float64()))


_ELEMENTWISE: dict[str, Callable[..., Matrix]] = {
    "vector_avg": np.mean,
    "vector_max": np.max,
    "vector_min": np.min,
    "vector_sum": np.sum,
}


def _aggregate(name: str, groups: pa.ChunkedArray) -> pa.Array:
    made = []
    for group in groups:
        vectors = None if group.values is None else group.values.drop_null()
        known = vectors is not None and len(vectors) > 0
        made.append(_ELEMENTWISE[name](_matrix(vectors).astype(np.float64), axis=0) if known else None)
    return pa.array(made, pa.list_(pa.float64()))


for _name in _ELEMENTWISE:
    column_function(_name, returns="floats")(partial(_aggregate, _name))
