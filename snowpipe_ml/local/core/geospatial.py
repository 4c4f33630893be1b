"""The functions of GEOGRAPHY and GEOMETRY.

A function has a name for each type of its result: ``st_union:geography`` and ``st_union:geometry``.

https://docs.snowflake.com/en/sql-reference/functions-geospatial
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from snowpipe_ml.local.core import sphere
from snowpipe_ml.local.core.calls import CalledError, row_function
from snowpipe_ml.local.core.shapes import WGS84, Shape, failed, geojson, library, load, parse, text

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Function: TypeAlias = Callable[..., Any]


def shape_function(name: str, returns: str) -> Callable[[Function], Function]:
    """Register a function of shapes; the result ``same`` is of the type of the first one.

    A group of shapes reaches the function as a list without NULLs.
    """

    def decorate(function: Function) -> Function:
        def call(*given: Any) -> Any:
            found = function(*map(_loaded, given))
            return found.stored() if isinstance(found, Shape) else found

        for kind in ("geography", "geometry") if returns == "same" else (returns,):
            row_function(f"{name}:{kind}" if returns == "same" else name, returns=kind)(call)
        return function

    return decorate


def _loaded(given: Any) -> Any:
    if isinstance(given, list):
        return [load(value) for value in given if value is not None]
    return load(given) if isinstance(given, dict) else given


def _alike(left: Shape, right: Shape) -> None:
    if left.srid != right.srid:
        raise failed(f"the shapes have different SRIDs: {left.srid} and {right.srid}")


# Conversion.


@row_function("parse:geography", returns="geography")
def parse_geography(given: str | bytes, allow_invalid: bool) -> Any:
    """Read a GEOGRAPHY."""
    return parse(given, "geography", None, allow_invalid).stored()


@row_function("parse:geometry", returns="geometry")
def parse_geometry(given: str | bytes, srid: int, allow_invalid: bool) -> Any:
    """Read a GEOMETRY; a negative SRID is that of the input."""
    return parse(given, "geometry", srid if srid >= 0 else None, allow_invalid).stored()


@row_function("try_parse:geography", returns="geography")
def try_parse_geography(given: str | bytes, allow_invalid: bool) -> Any:
    """Read a GEOGRAPHY; None if that fails."""
    try:
        return parse_geography(given, allow_invalid)
    except CalledError:
        return None


@row_function("try_parse:geometry", returns="geometry")
def try_parse_geometry(given: str | bytes, srid: int, allow_invalid: bool) -> Any:
    """Read a GEOMETRY; None if that fails."""
    try:
        return parse_geometry(given, srid, allow_invalid)
    except CalledError:
        return None


@shape_function("convert:geography", "geography")
def to_geography(shape: Shape) -> Shape:
    """Convert a GEOMETRY, whose SRID is 4326, to a GEOGRAPHY."""
    if not shape.spherical and shape.srid != WGS84:
        raise failed(f"a GEOMETRY with the SRID {shape.srid} is no GEOGRAPHY; that of one is {WGS84}")
    return Shape("geography", library().set_srid(shape.planar, WGS84))


@shape_function("convert:geometry", "geometry")
def to_geometry(shape: Shape, srid: int) -> Shape:
    """Convert a GEOGRAPHY to a GEOMETRY, which keeps its SRID."""
    kept = srid if srid >= 0 and not shape.spherical else shape.srid
    return Shape("geometry", library().set_srid(shape.planar, kept))


@shape_function("st_aswkt", "text")
def as_wkt(shape: Shape) -> str:
    """Write WKT."""
    return text(shape.planar)


@shape_function("st_asewkt", "text")
def as_ewkt(shape: Shape) -> str:
    """Write WKT with the SRID."""
    return f"SRID={shape.srid};{text(shape.planar)}"


@shape_function("st_aswkb", "bytes")
def as_wkb(shape: Shape) -> bytes:
    """Write WKB."""
    return library().to_wkb(shape.planar, byte_order=1)  # type: ignore[no-any-return]


@shape_function("st_asewkb", "bytes")
def as_ewkb(shape: Shape) -> bytes:
    """Write WKB with the SRID, also if it is 0."""
    if shape.srid:
        return library().to_wkb(shape.planar, byte_order=1, include_srid=True)  # type: ignore[no-any-return]
    plain: bytes = library().to_wkb(shape.planar, byte_order=1)
    return (
        plain[:1]
        + (int.from_bytes(plain[1:5], "little") | 0x20000000).to_bytes(4, "little")
        + bytes(4)
        + plain[5:]
    )


@shape_function("st_asgeojson", "text")
def as_geojson(shape: Shape) -> str:
    """Write GeoJSON, as a stored OBJECT; whole numbers are integers."""
    return json.dumps(_integral(geojson(shape.planar)), sort_keys=True, separators=(",", ":"))


def _integral(value: Any) -> Any:
    match value:
        case dict():
            return {key: _integral(inner) for key, inner in value.items()}
        case list():
            return [_integral(inner) for inner in value]
        case float() if value.is_integer():
            return int(value)
    return value


# Construction.


@shape_function("st_makeline", "same")
def make_line(left: Shape, right: Shape) -> Shape:
    """Connect the points of two shapes."""
    _alike(left, right)
    for shape in (left, right):
        if shape.planar.geom_type not in ("Point", "MultiPoint", "LineString"):
            raise failed(f"ST_MAKELINE takes points and lines, not a {shape.planar.geom_type}")
    joined = [*library().get_coordinates(left.planar), *library().get_coordinates(right.planar)]
    return left.like(library().linestrings(joined))


def _ring(shape: Shape) -> BaseGeometry:
    if shape.planar.geom_type != "LineString" or not library().is_closed(shape.planar):
        raise failed("a polygon is made of a LineString whose last point is the first one")
    return library().polygons(library().get_coordinates(shape.planar))


@shape_function("st_makepolygon", "same")
def make_polygon(shape: Shape) -> Shape:
    """Make a polygon without holes from a closed line."""
    return shape.like(_ring(shape))


@shape_function("st_makepolygonoriented", "geography")
def make_oriented_polygon(shape: Shape) -> Shape:
    """Make a polygon from a closed line with the inside on its left."""
    made = _ring(shape)
    if sphere.excess(next(sphere.chains(made))) < 0:
        raise CalledError(
            2,
            "0A000",
            "the embedded warehouse does not support a polygon that covers more than half of the globe; "
            "Snowflake does",
        )
    return shape.like(made)


@shape_function("st_setsrid", "geometry")
def set_srid(shape: Shape, srid: int) -> Shape:
    """Change the SRID, and not the coordinates."""
    return Shape("geometry", library().set_srid(shape.planar, srid))


_SINGLE = {"Point": "multipoints", "LineString": "multilinestrings", "Polygon": "multipolygons"}


def _collected(shapes: list[Shape]) -> Shape:
    kinds = {shape.planar.geom_type for shape in shapes}
    make = _SINGLE.get(next(iter(kinds)), "") if len(kinds) == 1 else ""
    planar = [shape.planar for shape in shapes]
    return shapes[0].like(getattr(library(), make or "geometrycollections")(planar))


@shape_function("st_collect", "same")
def collect(left: Shape, right: Shape) -> Shape:
    """Put two shapes into one."""
    return _collected([left, right])


@shape_function("st_collect_agg", "same")
def collect_all(shapes: list[Shape]) -> Shape | None:
    """Put the shapes of a group into one."""
    return _collected(shapes) if shapes else None


# Parts.


def _line(shape: Shape, name: str) -> Any:
    if shape.planar.geom_type != "LineString":
        raise failed(f"{name} takes a LineString, not a {shape.planar.geom_type}")
    return shape.planar


@shape_function("st_pointn", "same")
def point_at(shape: Shape, place: int) -> Shape:
    """Return a point of a line, counted from 1, or from the end by negative numbers."""
    line = _line(shape, "ST_POINTN")
    count = int(library().get_num_points(line))
    if not 1 <= abs(place) <= count:
        raise failed(f"the line has {count} points, and none at {place}")
    return shape.like(library().get_point(line, place - 1 if place > 0 else place))


@shape_function("st_startpoint", "same")
def start(shape: Shape) -> Shape:
    """Return the first point of a line."""
    return shape.like(library().get_point(_line(shape, "ST_STARTPOINT"), 0))


@shape_function("st_endpoint", "same")
def end(shape: Shape) -> Shape:
    """Return the last point of a line."""
    return shape.like(library().get_point(_line(shape, "ST_ENDPOINT"), -1))


@shape_function("st_npoints", "number")
def count_points(shape: Shape) -> int:
    """Count the points of a shape."""
    return len(library().get_coordinates(shape.planar))


@shape_function("st_dimension", "number")
def dimension(shape: Shape) -> int:
    """Return the dimension: 0 of points, 1 of lines, 2 of polygons."""
    return int(library().get_dimensions(shape.planar))


@shape_function("st_srid", "number")
def srid(shape: Shape) -> int:
    """Return the SRID."""
    return shape.srid


def _coordinate(shape: Shape, name: str) -> Any:
    if shape.planar.geom_type != "Point":
        raise failed(f"{name} takes a Point, not a {shape.planar.geom_type}")
    return shape.planar


@shape_function("st_x", "float")
def x(shape: Shape) -> float:
    """Return the longitude of a point."""
    return float(_coordinate(shape, "ST_X").x)


@shape_function("st_y", "float")
def y(shape: Shape) -> float:
    """Return the latitude of a point."""
    return float(_coordinate(shape, "ST_Y").y)


def _bounds(shape: Shape) -> tuple[float, float, float, float]:
    if shape.spherical:
        return sphere.bounds(shape.planar)
    west, south, east, north = library().bounds(shape.planar).tolist()
    return west, east, south, north


for _place, _name in enumerate(("st_xmin", "st_xmax", "st_ymin", "st_ymax")):
    shape_function(_name, "float")(lambda shape, place=_place: _bounds(shape)[place])


@shape_function("st_envelope", "same")
def envelope(shape: Shape) -> Shape:
    """Return the rectangle around a shape; a point or a line on a meridian is its own."""
    if not shape.spherical:
        return shape.like(library().envelope(shape.planar))
    west, east, south, north = _bounds(shape)
    if west == east:
        return shape
    corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return shape.like(library().polygons(corners))


# Measures.


@shape_function("st_area", "float")
def area(shape: Shape) -> float:
    """Return the area of the polygons."""
    return sphere.area(shape.planar) if shape.spherical else float(library().area(shape.planar))


def _total(shape: Shape, of: str) -> float:
    if shape.spherical:
        return sphere.length(shape.planar, of)
    return math.fsum(p.length for p in sphere.parts(shape.planar) if p.geom_type == of)


@shape_function("st_length", "float")
def length(shape: Shape) -> float:
    """Return the length of the lines."""
    return _total(shape, "LineString")


@shape_function("st_perimeter", "float")
def perimeter(shape: Shape) -> float:
    """Return the length of the rings of the polygons."""
    return _total(shape, "Polygon")


def distance_of(left: Shape, right: Shape) -> float:
    """Return the shortest distance of two shapes."""
    _alike(left, right)
    if left.spherical:
        return sphere.distance(left.planar, right.planar)
    return float(library().distance(left.planar, right.planar))


@shape_function("st_azimuth", "float")
def azimuth(origin: Shape, target: Shape) -> float | None:
    """Return the direction from a point to another, clockwise from north."""
    _alike(origin, target)
    places = [_coordinate(shape, "ST_AZIMUTH") for shape in (origin, target)]
    if origin.spherical:
        first, second = (sphere.vectors(library().get_coordinates(place))[0] for place in places)
        return sphere.azimuth(first, second)
    across, up = places[1].x - places[0].x, places[1].y - places[0].y
    return math.atan2(across, up) % (2 * math.pi) if across or up else None


@shape_function("st_hausdorffdistance", "float")
def hausdorff(left: Shape, right: Shape) -> float:
    """Return the discrete Hausdorff distance, in degrees."""
    return sphere.hausdorff(left.planar, right.planar)


@shape_function("st_centroid", "same")
def centroid(shape: Shape) -> Shape | None:
    """Return the center of the parts of the highest dimension."""
    if not shape.spherical:
        return shape.like(library().centroid(shape.planar))
    found = sphere.centroid(shape.planar)
    return None if found is None else shape.like(library().points(sphere.coordinates(found[None, :])[0]))
