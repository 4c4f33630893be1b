"""The functions of H3 cells, by the package h3.

A cell is an integer, or a text with its hexadecimal digits.

https://docs.snowflake.com/en/sql-reference/data-types-geospatial#label-data-types-geospatial-h3
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, TypeAlias

from snowpipe_ml.local.core import sphere
from snowpipe_ml.local.core.calls import CalledError, row_function
from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.geospatial import shape_function
from snowpipe_ml.local.core.shapes import WGS84, Shape, failed, library

Cell: TypeAlias = "int | str"

_MOST_CELLS = 800_000  # an ARRAY has at most 16 MB


def h3() -> ModuleType:
    """Import h3.

    Raises:
        UnsupportedError: it is not installed.
    """
    try:
        import h3.api.basic_int as module
    except ImportError as missing:
        raise UnsupportedError("H3 cells without the package h3", "Install snowpipe-ml[geo]") from missing
    found: ModuleType = module
    return found


def _resolution(value: int) -> int:
    if not 0 <= value <= 15:
        raise CalledError(
            100410,
            "P0000",
            f"Invalid H3 resolution value: {value}. Resolution must be between 0 (coarsest) and 15 (finest).",
        )
    return value


def _number(cell: Cell) -> int:
    """Return the integer of a cell.

    Raises:
        CalledError: it is not a cell.
    """
    try:
        number = int(cell, 16) if isinstance(cell, str) else int(cell)
    except ValueError:
        number = 0
    if not h3().is_valid_cell(number):
        raise failed(f"'{cell}' is no H3 cell")
    return number


def _hexadecimal(number: int) -> str:
    return f"{number:x}"


def _like(cell: Cell, number: int) -> Cell:
    """Return a cell in the form of another one."""
    return f"{number:X}" if isinstance(cell, str) else number


def _listed(cell: Cell, numbers: Iterable[int]) -> str:
    """Return an ARRAY of cells in the form of another one."""
    return json.dumps(
        [_hexadecimal(n) if isinstance(cell, str) else n for n in numbers], separators=(",", ":")
    )


def _computed(compute: Callable[[], Any]) -> Any:
    """Compute with cells.

    Raises:
        CalledError: h3 cannot; its error says why.
    """
    h3()
    from h3 import H3BaseException

    try:
        return compute()
    except H3BaseException as wrong:
        raise failed(f"the H3 cells allow no result: {type(wrong).__name__}") from wrong


# Each function of scalar cells has a name for integers and one for texts, because the types of the results differ.


@row_function("h3_latlng_to_cell", returns="number")
def of_coordinates(latitude: float, longitude: float, resolution: int) -> int:
    """Return the cell at a place."""
    longitude = (longitude + 180) % 360 - 180
    return int(h3().latlng_to_cell(latitude, longitude, _resolution(resolution)))


@row_function("h3_latlng_to_cell_string", returns="text")
def of_coordinates_as_text(latitude: float, longitude: float, resolution: int) -> str:
    """Return the cell at a place, as text."""
    return f"{of_coordinates(latitude, longitude, resolution):X}"


@shape_function("h3_point_to_cell", "number")
def of_point(shape: Shape, resolution: int) -> int:
    """Return the cell at a point."""
    if shape.planar.geom_type != "Point":
        raise failed(f"H3_POINT_TO_CELL takes a Point, not a {shape.planar.geom_type}")
    return of_coordinates(shape.planar.y, shape.planar.x, resolution)  # type: ignore[no-any-return]


@shape_function("h3_point_to_cell_string", "text")
def of_point_as_text(shape: Shape, resolution: int) -> str:
    """Return the cell at a point, as text."""
    return f"{of_point(shape, resolution):X}"


@row_function("h3_int_to_string", returns="text")
def to_text(cell: int) -> str:
    """Write a cell in hexadecimal digits."""
    return f"{cell:X}"


@row_function("h3_string_to_int", returns="number")
def to_number(cell: str) -> int:
    """Read a cell from hexadecimal digits."""
    return _number(cell)


@row_function("h3_is_valid_cell", returns="truth")
def is_valid(cell: Cell) -> bool:
    """Return whether a value is a cell."""
    try:
        _number(cell)
    except CalledError:
        return False
    return True


@row_function("h3_is_pentagon", returns="truth")
def is_pentagon(cell: Cell) -> bool:
    """Return whether a cell is a pentagon."""
    return bool(h3().is_pentagon(_number(cell)))


@row_function("h3_get_resolution", returns="number")
def resolution_of(cell: Cell) -> int:
    """Return the resolution of a cell."""
    return int(h3().get_resolution(_number(cell)))


@row_function("h3_cell_to_parent", returns="number")
def parent(cell: int, resolution: int) -> int:
    """Return the cell of a coarser resolution that contains a cell."""
    return int(_computed(lambda: h3().cell_to_parent(_number(cell), _resolution(resolution))))


@row_function("h3_cell_to_parent:text", returns="text")
def parent_as_text(cell: str, resolution: int) -> str:
    """Return the cell of a coarser resolution that contains a cell, as text."""
    return f"{parent(_number(cell), resolution):X}"


@row_function("h3_cell_to_children", returns="text")
def children(cell: Cell, resolution: int) -> str:
    """List the cells of a finer resolution that a cell contains."""
    found = _computed(lambda: h3().cell_to_children(_number(cell), _resolution(resolution)))
    return _listed(cell, found)


@row_function("h3_grid_disk", returns="text")
def disk(cell: Cell, steps: int) -> str:
    """List the cells within a number of steps."""
    if steps < 0:
        raise failed(f"the distance {steps} of H3_GRID_DISK is negative")
    return _listed(cell, _computed(lambda: h3().grid_disk(_number(cell), steps)))


@row_function("h3_grid_distance", returns="number")
def grid_distance(left: Cell, right: Cell) -> int:
    """Return the number of steps between two cells."""
    return int(_computed(lambda: h3().grid_distance(_number(left), _number(right))))


@row_function("h3_grid_path", returns="text")
def path(left: Cell, right: Cell) -> str:
    """List the cells on the way from a cell to another."""
    return _listed(left, _computed(lambda: h3().grid_path_cells(_number(left), _number(right))))


def _cells(array: str) -> list[Cell]:
    found: list[Cell] = json.loads(array)
    return found


@row_function("h3_compact_cells", returns="text")
def compact(array: str) -> str:
    """Replace cells by coarser ones where all of their children are there; the other cells come first."""
    cells = _cells(array)
    found: list[int] = _computed(lambda: h3().compact_cells([_number(cell) for cell in cells]))
    ordered = sorted(found, key=lambda cell: -h3().get_resolution(cell))
    return _listed(cells[0] if cells else 0, ordered)


@row_function("h3_uncompact_cells", returns="text")
def uncompact(array: str, resolution: int) -> str:
    """Replace cells by those of a finer resolution."""
    cells = _cells(array)
    numbers = [_number(cell) for cell in cells]
    found = _computed(lambda: h3().uncompact_cells(numbers, _resolution(resolution)))
    return _listed(cells[0] if cells else 0, found)


@row_function("h3_cell_to_point", returns="geography")
def center(cell: Cell) -> Any:
    """Return the center of a cell."""
    latitude, longitude = h3().cell_to_latlng(_number(cell))
    return Shape("geography", library().set_srid(library().points(longitude, latitude), WGS84)).stored()


@row_function("h3_cell_to_boundary", returns="geography")
def boundary(cell: Cell) -> Any:
    """Return the polygon of a cell."""
    return Shape("geography", library().set_srid(_polygon(_number(cell)), WGS84)).stored()


def _polygon(cell: int) -> Any:
    corners = [(longitude, latitude) for latitude, longitude in h3().cell_to_boundary(cell)]
    return library().polygons([*corners, corners[0]])


def _check_size(shape: Shape, resolution: int) -> None:
    expected = sphere.area(shape.planar) / h3().average_hexagon_area(resolution, unit="m^2")
    if expected > _MOST_CELLS:
        raise failed(f"the {expected:.0f} H3 cells of the shape are too many for an ARRAY")


def _inside(shape: Shape, resolution: int) -> list[int]:
    _check_size(shape, _resolution(resolution))
    found: list[int] = []
    for part in sphere.parts(shape.planar):
        if part.geom_type != "Polygon":
            raise failed(f"H3_POLYGON_TO_CELLS takes a Polygon, not a {part.geom_type}")
        rings = [
            [(latitude, longitude) for longitude, latitude in library().get_coordinates(ring)]
            for ring in (part.exterior, *part.interiors)
        ]
        found += h3().h3shape_to_cells(h3().LatLngPoly(*rings), resolution)
    return found


def _covering(shape: Shape, resolution: int) -> list[int]:
    """Return the cells that a shape touches: from those of its vertices, over their neighbors."""
    _check_size(shape, _resolution(resolution))
    found: dict[int, None] = {}
    for part in sphere.parts(shape.planar):
        projection = sphere.Projection(part)
        plane = projection.project(part)
        library().prepare(plane)
        waiting = [of_coordinates(y, x, resolution) for x, y in library().get_coordinates(part)]
        seen = set(waiting)
        while waiting:
            cell = waiting.pop()
            if not plane.intersects(projection.project(_polygon(cell))):
                continue
            found[cell] = None
            for neighbor in h3().grid_disk(cell, 1):
                if neighbor not in seen:
                    seen.add(neighbor)
                    waiting.append(neighbor)
    return list(found)


def _arrays(name: str, compute: Callable[[Shape, int], list[int]]) -> None:
    for suffix, form in (("", 0), ("_strings", "")):

        def listed(shape: Shape, resolution: int, form: Cell = form) -> str:
            return _listed(form, compute(shape, resolution))

        shape_function(f"h3_{name}{suffix}", "text")(listed)
        shape_function(f"h3_try_{name}{suffix}", "text")(_trying(listed))


def _trying(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*given: Any) -> Any:
        try:
            return function(*given)
        except CalledError:
            return None

    return call


_arrays("polygon_to_cells", _inside)
_arrays("coverage", _covering)
row_function("h3_try_grid_distance", returns="number")(_trying(grid_distance))
row_function("h3_try_grid_path", returns="text")(_trying(path))
