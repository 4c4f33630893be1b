"""Relations and overlays of shapes, validity, simplification and buffers.

https://docs.snowflake.com/en/sql-reference/functions-geospatial
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from snowpipe_ml.local.core import sphere
from snowpipe_ml.local.core.geospatial import _alike, shape_function
from snowpipe_ml.local.core.shapes import Shape, failed, library

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

_RELATIONS = {
    "st_contains": "contains",
    "st_coveredby": "covered_by",
    "st_covers": "covers",
    "st_disjoint": "disjoint",
    "st_intersects": "intersects",
    "st_within": "within",
}


def _relation(name: str, method: str) -> None:
    @shape_function(name, "truth")
    def related(left: Shape, right: Shape) -> bool:
        """Return whether a relation holds between two shapes."""
        _alike(left, right)
        for shape in (left, right):
            if shape.planar.geom_type == "GeometryCollection":
                raise failed(f"{name.upper()} does not take a GeometryCollection")
        if left.spherical:
            holds: Callable[[Any, Any], bool] = lambda one, other: getattr(one, method)(other)  # noqa: E731
            return sphere.Projection(left.planar, right.planar).related(holds)
        return bool(getattr(library(), method)(left.planar, right.planar))


for _name, _method in _RELATIONS.items():
    _relation(_name, _method)


def _merged(found: BaseGeometry) -> BaseGeometry:
    """Join lines that meet, and drop the vertices that lie on the edge between their neighbors."""
    if found.geom_type in ("LineString", "MultiLineString"):
        return library().line_merge(found)
    if found.geom_type == "GeometryCollection":
        shapely = library()
        parts = list(sphere.parts(found))
        lines = [part for part in parts if part.geom_type == "LineString"]
        others = [part for part in parts if part.geom_type != "LineString"]
        joined = list(sphere.parts(shapely.line_merge(shapely.multilinestrings(lines)))) if lines else []
        ordered = sorted([*others, *joined], key=lambda part: int(shapely.get_dimensions(part)))
        return shapely.geometrycollections(ordered)
    return found


def _overlay(name: str, method: str) -> None:
    @shape_function(name, "same")
    def overlaid(left: Shape, right: Shape) -> Shape | None:
        """Combine two shapes; None if nothing is left."""
        return _combined([left, right], method)


def _combined(shapes: list[Shape], method: str) -> Shape | None:
    first, *others = shapes
    for other in others:
        _alike(first, other)
    projection = sphere.Projection(*(shape.planar for shape in shapes)) if first.spherical else None
    plane = [projection.project(shape.planar) if projection else shape.planar for shape in shapes]
    found = plane[0]
    for other_plane in plane[1:]:
        found = getattr(library(), method)(found, other_plane)
    found = _merged(found)
    if found.is_empty:
        return None
    return first.like(projection.restore(found) if projection else found)


for _name, _method in (
    ("st_difference", "difference"),
    ("st_intersection", "intersection"),
    ("st_symdifference", "symmetric_difference"),
    ("st_union", "union"),
):
    _overlay(_name, _method)


@shape_function("st_union_agg", "same")
def union_of_all(shapes: list[Shape]) -> Shape | None:
    """Unite the shapes of a group."""
    return _combined(shapes, "union") if shapes else None


@shape_function("st_intersection_agg", "same")
def intersection_of_all(shapes: list[Shape]) -> Shape | None:
    """Return what the shapes of a group have in common."""
    return _combined(shapes, "intersection") if shapes else None


@shape_function("st_isvalid", "truth")
def is_valid(shape: Shape) -> bool:
    """Return whether a shape is valid: no edges of a polygon cross."""
    plane = sphere.Projection(shape.planar).project(shape.planar) if shape.spherical else shape.planar
    return bool(library().is_valid(plane))


@shape_function("st_buffer", "geometry")
def buffer(shape: Shape, distance: float) -> Shape:
    """Return the points within a distance of a GEOMETRY: a MultiPolygon of 8 segments per quarter circle."""
    made = library().buffer(shape.planar, distance, quad_segs=8)
    return shape.like(made if made.geom_type == "MultiPolygon" else library().multipolygons([made]))


@shape_function("st_simplify", "same")
def simplify(shape: Shape, tolerance: float) -> Shape:
    """Drop vertices within a tolerance: in meters for a GEOGRAPHY."""
    if not shape.spherical:
        return shape.like(library().simplify(shape.planar, tolerance, preserve_topology=False))
    if shape.planar.geom_type in ("Point", "MultiPoint"):
        return shape
    if shape.planar.geom_type != "LineString":
        raise failed(f"the embedded warehouse does not support ST_SIMPLIFY of a {shape.planar.geom_type}")
    degrees = library().get_coordinates(shape.planar)
    kept = sphere.simplified(sphere.vectors(degrees), tolerance)
    return shape.like(library().linestrings(degrees[kept]))
