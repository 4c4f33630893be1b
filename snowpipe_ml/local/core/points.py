"""The functions of points that tables call most, computed for whole columns.

https://docs.snowflake.com/en/sql-reference/functions-geospatial
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from snowpipe_ml.local.core import sphere
from snowpipe_ml.local.core.calls import RESULTS, Column, column_function
from snowpipe_ml.local.core.geospatial import distance_of
from snowpipe_ml.local.core.shapes import WGS84, failed, library, load


def _numbers(column: Column) -> Any:
    return np.array([np.nan if value is None else value for value in column.to_pylist()], np.float64)


def _maker(kind: str) -> Callable[[Column, Column], pa.Array]:
    def make(first: Column, second: Column) -> pa.Array:
        x, y = _numbers(first), _numbers(second)
        known = np.array(first.is_valid()) & np.array(second.is_valid())
        if kind == "geography":
            wrong = known & ~((np.abs(x) <= 180) & (np.abs(y) <= 90))
            if wrong.any():
                place = int(np.argmax(wrong))
                raise failed(f"{x[place]} {y[place]} are no longitude and latitude")
        shapely = library()
        shapes = shapely.set_srid(shapely.points(x, y), WGS84 if kind == "geography" else 0)
        stored = shapely.to_wkb(shapes, byte_order=1, include_srid=True)
        rows = [{kind: content} if given else None for content, given in zip(stored, known, strict=True)]
        return pa.array(rows, RESULTS[kind][1])

    return make


column_function("st_point", returns="geography")(_maker("geography"))
column_function("st_geompoint", returns="geometry")(_maker("geometry"))


def _contents(column: Column) -> Any:
    """Return the shapes of a column; None for NULL."""
    rows = column.to_pylist()
    stored = [None if row is None else next(iter(row.values())) for row in rows]
    return library().from_wkb(np.array(stored, object))


@column_function("st_distance", returns="float")
def distance(left: Column, right: Column) -> pa.Array:
    """Return the shortest distances; those of points on the sphere all at once."""
    shapely = library()
    first, second = _contents(left), _contents(right)
    known = ~(shapely.is_missing(first) | shapely.is_missing(second))
    points = known & (shapely.get_type_id(first) == 0) & (shapely.get_type_id(second) == 0)
    points &= np.array([row is not None and "geography" in row for row in left.to_pylist()], bool)
    points &= ~(shapely.is_empty(first) | shapely.is_empty(second))
    found = np.full(len(first), np.nan)
    if points.any():
        places = (sphere.vectors(shapely.get_coordinates(shapes[points])) for shapes in (first, second))
        found[points] = sphere.angles(*places) * sphere.RADIUS
    others = np.flatnonzero(known & ~points)
    if len(others):
        rows = left.to_pylist(), right.to_pylist()
        for place in others:
            found[place] = distance_of(load(rows[0][place]), load(rows[1][place]))
    return pa.array(found, mask=~known)


@column_function("st_dwithin", returns="truth")
def within_distance(left: Column, right: Column, meters: Column) -> pa.Array:
    """Return whether the shortest distances are at most numbers of meters."""
    apart = distance(left, right)
    return pa.array(
        [
            None if value is None or most is None else value <= most
            for value, most in zip(apart.to_pylist(), meters.to_pylist(), strict=True)
        ],
        pa.bool_(),
    )
