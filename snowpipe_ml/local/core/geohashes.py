"""Geohashes: https://docs.snowflake.com/en/sql-reference/functions/st_geohash."""

from __future__ import annotations

import itertools
from typing import Any

from snowpipe_ml.local.core.calls import row_function
from snowpipe_ml.local.core.geospatial import _bounds, shape_function
from snowpipe_ml.local.core.shapes import WGS84, Shape, failed, library

_DIGITS = "0123456789bcdefghjkmnpqrstuvwxyz"


def _encoded(longitude: float, latitude: float, size: int) -> str:
    ranges = [[-180.0, 180.0], [-90.0, 90.0]]
    values = (longitude, latitude)
    made = []
    for place in range(size):
        digit = 0
        for bit in range(5):
            axis = (5 * place + bit) % 2
            low, high = ranges[axis]
            middle = (low + high) / 2
            upper = values[axis] >= middle
            ranges[axis] = [middle, high] if upper else [low, middle]
            digit = 2 * digit + upper
        made.append(_DIGITS[digit])
    return "".join(made)


def _decoded(geohash: str, size: int) -> tuple[float, float, float, float]:
    """Return the least and greatest longitude, and the least and greatest latitude."""
    ranges = [[-180.0, 180.0], [-90.0, 90.0]]
    for place, letter in enumerate(geohash[:size].lower()):
        digit = _DIGITS.find(letter)
        if digit < 0:
            raise failed(f"'{geohash}' is no geohash")
        for bit in range(5):
            axis = (5 * place + bit) % 2
            low, high = ranges[axis]
            middle = (low + high) / 2
            ranges[axis] = [middle, high] if digit >> (4 - bit) & 1 else [low, middle]
    return ranges[0][0], ranges[0][1], ranges[1][0], ranges[1][1]


def _checked(size: int) -> int:
    if not 1 <= size <= 20:
        raise failed(f"the precision {size} of a geohash is not from 1 to 20")
    return size


@shape_function("st_geohash", "text")
def geohash(shape: Shape, size: int) -> str:
    """Return the geohash of a point, or what those of the corners of the bounds have in common."""
    if shape.srid != WGS84:
        raise failed(f"ST_GEOHASH takes a GEOMETRY with the SRID {WGS84}, not {shape.srid}")
    west, east, south, north = _bounds(shape) if shape.planar.geom_type != "Point" else _place(shape)
    pairs = zip(_encoded(west, south, _checked(size)), _encoded(east, north, size), strict=True)
    return "".join(one for one, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _place(shape: Shape) -> tuple[float, float, float, float]:
    longitude, latitude = library().get_coordinates(shape.planar)[0].tolist()
    return longitude, longitude, latitude, latitude


def _of_geohash(kind: str, center: bool) -> Any:
    def make(text: str, size: int) -> Any:
        west, east, south, north = _decoded(text, _checked(size))
        if center:
            planar = library().points((west + east) / 2, (south + north) / 2)
        else:
            corners = [(west, south), (west, north), (east, north), (east, south), (west, south)]
            planar = library().polygons(corners)
        return Shape(kind, library().set_srid(planar, WGS84)).stored()

    return make


for _name, _kind, _center in (
    ("st_geogfromgeohash", "geography", False),
    ("st_geogpointfromgeohash", "geography", True),
    ("st_geomfromgeohash", "geometry", False),
    ("st_geompointfromgeohash", "geometry", True),
):
    row_function(_name, returns=_kind)(_of_geohash(_kind, _center))
