"""Computations with GEOGRAPHY: its edges are arcs of great circles on a sphere.

Relations and overlays of shapes that lie within a hemisphere are computed in the gnomonic projection, in which
great circles are straight lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from snowpipe_ml.local.core.calls import unsupported
from snowpipe_ml.local.core.shapes import WGS84, library

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Vectors: TypeAlias = "npt.NDArray[np.float64]"

RADIUS = 6_371_010.0
"""The radius of the earth in meters, which the lengths that Snowflake's documentation prints have."""
_LEAST_COSINE = 0.02  # a projected point is at most 88.8 degrees from the center


def vectors(coordinates: Any) -> Vectors:
    """Convert longitudes and latitudes in degrees to unit vectors, one a row."""
    angles = np.radians(np.asarray(coordinates, np.float64).reshape(-1, 2))
    longitude, latitude = angles[:, 0], angles[:, 1]
    return np.column_stack(
        (np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude))
    )


def coordinates(points: Vectors) -> Vectors:
    """Convert vectors to longitudes and latitudes in degrees."""
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    found: Vectors = np.degrees(np.column_stack((np.arctan2(y, x), np.arctan2(z, np.hypot(x, y)))))
    return found


def angles(left: Vectors, right: Vectors) -> Vectors:
    """Return the angles between the vectors of rows, in radians."""
    cross = np.linalg.norm(np.cross(left, right), axis=-1)
    return np.asarray(np.arctan2(cross, np.sum(left * right, axis=-1)))


def parts(shape: BaseGeometry) -> Iterator[BaseGeometry]:
    """Yield the points, lines and polygons of a shape."""
    for part in library().get_parts(shape):
        if hasattr(part, "geoms"):
            yield from parts(part)
        elif not part.is_empty:
            yield part


def chains(shape: BaseGeometry) -> Iterator[Vectors]:
    """Yield the vertices of each point, line and ring as vectors."""
    for part in parts(shape):
        for ring in (part.exterior, *part.interiors) if part.geom_type == "Polygon" else (part,):
            yield vectors(library().get_coordinates(ring))


def length_of(chain: Vectors) -> float:
    """Return the length of a line, in meters."""
    return float(np.sum(angles(chain[:-1], chain[1:]))) * RADIUS


def length(shape: BaseGeometry, of: str) -> float:
    """Return the length of the lines, or of the rings of polygons, in meters."""
    return math.fsum(
        length_of(chain) for part in parts(shape) if part.geom_type == of for chain in chains(part)
    )


def excess(ring: Vectors) -> float:
    """Return the area to the left of a ring on the unit sphere, with a sign."""
    first, second, third = ring[:1], ring[1:-2], ring[2:-1]
    volume = np.sum(first * np.cross(second - first, third - first), axis=1)  # exact also for small rings
    below = (
        1 + np.sum(first * second, axis=1) + np.sum(second * third, axis=1) + np.sum(third * first, axis=1)
    )
    return float(np.sum(2 * np.arctan2(volume, below)))


def area(shape: BaseGeometry) -> float:
    """Return the area of the polygons, in square meters; each covers at most half of the sphere."""
    total = 0.0
    for part in parts(shape):
        if part.geom_type == "Polygon":
            outer, *holes = (abs(excess(chain)) for chain in chains(part))
            total += min(outer, 4 * math.pi - outer) - sum(holes)
    return total * RADIUS**2


def centroid(shape: BaseGeometry) -> Vectors | None:
    """Return the center of the parts of the highest dimension, as a vector that is not normalized."""
    dimension = int(library().get_dimensions(shape))
    found = np.zeros(3)
    for part in parts(shape):
        if int(library().get_dimensions(part)) != dimension:
            continue
        for chain in chains(part):
            if dimension == 0:
                found += chain[0]
                continue
            turns = angles(chain[:-1], chain[1:])[:, None]
            if dimension == 1:
                middle = chain[:-1] + chain[1:]
                norms = np.linalg.norm(middle, axis=1, keepdims=True)
                found += np.sum(2 * np.sin(turns / 2) * middle / norms, axis=0)
            else:  # half the sum of the edges' normals, by their angles
                normals = np.cross(chain[:-1], chain[1:])
                norms = np.linalg.norm(normals, axis=1, keepdims=True)
                found += np.sum(turns * normals / np.where(norms == 0, 1, norms), axis=0) / 2
    if dimension == 2 and excess(next(chains(_largest(shape)))) < 0:
        found = -found
    return found if np.linalg.norm(found) > 1e-15 else None


def _largest(shape: BaseGeometry) -> BaseGeometry:
    return max((p for p in parts(shape) if p.geom_type == "Polygon"), key=area)


def azimuth(origin: Vectors, target: Vectors) -> float | None:
    """Return the direction from a point to another, clockwise from north in radians; None for one place."""
    if np.allclose(origin, target, rtol=0, atol=1e-15):
        return None
    north = np.array([0.0, 0.0, 1.0])
    east = np.cross(north, origin)
    toward = target - origin
    found = math.atan2(float(toward @ east), float(toward @ np.cross(origin, east)))
    return found % (2 * math.pi)


def arc_distances(points: Vectors, starts: Vectors, ends: Vectors) -> Vectors:
    """Return the angles between each point and each arc, as a matrix."""
    normals = np.cross(starts, ends)
    norms = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals / np.where(norms == 0, 1, norms)
    beside = (points @ np.cross(normals, starts).T >= 0) & (points @ np.cross(ends, normals).T >= 0)
    beside &= norms[:, 0] > 0
    near = np.minimum(
        angles(points[:, None, :], starts[None, :, :]), angles(points[:, None, :], ends[None, :, :])
    )
    return np.where(beside, np.abs(np.arcsin(np.clip(points @ normals.T, -1, 1))), near)


def distance(left: BaseGeometry, right: BaseGeometry) -> float:
    """Return the shortest distance between two shapes, in meters."""
    simple = left.geom_type == right.geom_type == "Point"
    if not simple and Projection(left, right).related(lambda a, b: a.intersects(b)):
        return 0.0
    least = math.inf
    for one in chains(left):
        for other in chains(right):
            for points, chain in ((one, other), (other, one)):
                ends = chain[1:] if len(chain) > 1 else chain
                starts = chain[:-1] if len(chain) > 1 else chain
                least = min(least, float(arc_distances(points, starts, ends).min()))
    return least * RADIUS


def hausdorff(left: BaseGeometry, right: BaseGeometry) -> float:
    """Return the greatest distance of a vertex of one shape from the nearest of the other, in degrees."""
    one, other = (np.concatenate(list(chains(shape))) for shape in (left, right))
    between = angles(one[:, None, :], other[None, :, :])
    return math.degrees(max(float(between.min(axis=1).max()), float(between.min(axis=0).max())))


class Projection:
    """The gnomonic projection around the middle of shapes, in which great circles are straight lines.

    Raises:
        CalledError: the shapes reach beyond a hemisphere.
    """

    def __init__(self, *shapes: BaseGeometry) -> None:
        self._shapes = shapes
        self._given: dict[tuple[float, float], tuple[float, float]] = {}
        points = np.concatenate([vectors(library().get_coordinates(shape)) for shape in shapes])
        center = points.sum(axis=0)
        norm = float(np.linalg.norm(center))
        self._center = center / norm if norm > 1e-9 else points[0]
        if float((points @ self._center).min()) < _LEAST_COSINE:
            raise unsupported("relations of GEOGRAPHY values that reach beyond a hemisphere")
        helper = np.eye(3)[int(np.argmin(np.abs(self._center)))]
        first = np.cross(helper, self._center)
        self._axes = first / np.linalg.norm(first), np.cross(self._center, first / np.linalg.norm(first))

    def project(self, shape: BaseGeometry) -> BaseGeometry:
        """Return a shape in the plane."""

        def to_plane(given: Any) -> Any:
            points = vectors(given)
            heights = points @ self._center
            plane = np.column_stack([points @ axis / heights for axis in self._axes])
            self._given.update(zip(map(tuple, plane.tolist()), map(tuple, given.tolist()), strict=True))
            return plane

        return library().transform(shape, to_plane)

    def restore(self, plane: BaseGeometry) -> BaseGeometry:
        """Return a shape on the sphere; vertices that were given are restored exactly."""

        def to_sphere(given: Any) -> Any:
            first, second = self._axes
            points = self._center + given[:, :1] * first + given[:, 1:2] * second
            found = coordinates(points)
            for row, place in enumerate(map(tuple, given.tolist())):
                if place in self._given:
                    found[row] = self._given[place]
            return found

        return library().set_srid(library().transform(plane, to_sphere), WGS84)

    def related(self, relation: Callable[[BaseGeometry, BaseGeometry], bool]) -> bool:
        """Return whether a relation holds between the two shapes."""
        return bool(relation(*map(self.project, self._shapes)))


def bounds(shape: BaseGeometry) -> tuple[float, float, float, float]:
    """Return the least and greatest longitude, and the least and greatest latitude, of a shape with its arcs."""
    given = library().get_coordinates(shape)
    west, south = given.min(axis=0)
    east, north = given.max(axis=0)
    if np.any(np.abs(given[:, 0]) == 180):
        west, east = -180.0, 180.0
    for part in parts(shape):
        for ring in (part.exterior, *part.interiors) if part.geom_type == "Polygon" else (part,):
            degrees = library().get_coordinates(ring)
            chain = vectors(degrees)
            for start, end, a, b in zip(chain[:-1], chain[1:], degrees[:-1], degrees[1:], strict=True):
                if abs(a[0] - b[0]) > 180:
                    west, east = -180.0, 180.0
                for latitude in _extremes(start, end):
                    south, north = min(south, latitude), max(north, latitude)
        if part.geom_type == "Polygon" and (west, east) == (-180.0, 180.0):
            raise unsupported("the bounds of a polygon across the antimeridian")
    return float(west), float(east), float(south), float(north)


def _extremes(start: Vectors, end: Vectors) -> Iterator[float]:
    """Yield the greatest and least latitude within an arc, if they are not at its ends."""
    normal = np.cross(start, end)
    norm = float(np.linalg.norm(normal))
    if norm < 1e-15:
        return
    normal /= norm
    top = np.cross(normal, np.cross(np.array([0.0, 0.0, 1.0]), normal))
    for point in (top, -top):
        if np.cross(normal, start) @ point > 0 and np.cross(end, normal) @ point > 0:
            yield float(coordinates(point[None, :])[0, 1])


def simplified(chain: Vectors, tolerance: float) -> list[int]:
    """Return the places of the vertices of a line that a simplification within a tolerance in meters keeps."""
    kept = {0, len(chain) - 1}
    waiting = [(0, len(chain) - 1)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        apart = arc_distances(chain[first + 1 : last], chain[first : first + 1], chain[last : last + 1])[:, 0]
        farthest = int(np.argmax(apart))
        if float(apart[farthest]) * RADIUS > tolerance:
            middle = first + 1 + farthest
            kept.add(middle)
            waiting += [(first, middle), (middle, last)]
    return sorted(kept)
