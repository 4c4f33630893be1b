"""Shapes, the values of GEOGRAPHY and GEOMETRY: how they are stored, read and printed.

They are stored in EWKB. The package shapely reads and writes it.

https://docs.snowflake.com/en/sql-reference/data-types-geospatial
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

from snowpipe_ml.local.core.calls import CalledError, unsupported
from snowpipe_ml.local.core.errors import UnsupportedError

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Stored: TypeAlias = dict[str, bytes]
"""A shape as DuckDB holds it: its type and its EWKB."""

FORMATS = ("GEOJSON", "WKT", "WKB", "EWKT", "EWKB")
"""The values of GEOGRAPHY_OUTPUT_FORMAT and GEOMETRY_OUTPUT_FORMAT."""
WGS84 = 4326
_HEXADECIMAL = re.compile(r"0[01](?:[0-9A-F]{2})+\Z", re.I)
_NUMBER = re.compile(r"-?\d+\.\d{12,}(?:e[-+]\d+)?")
_COORDINATE = re.compile(r"^( +)(-?[\d.]+(?:e[-+]?\d+)?)(?=,?$)", re.M)  # a number alone on its line
_EXTENDED = re.compile(r"\s*SRID\s*=\s*(\d+)\s*;\s*", re.I)


@dataclass(frozen=True, slots=True)
class Shape:
    """A value of GEOGRAPHY, whose edges are arcs of great circles, or of GEOMETRY.

    Attributes:
        kind: ``geography`` or ``geometry``.
        planar: its vertices; of a GEOGRAPHY, as longitudes and latitudes.
    """

    kind: str
    planar: BaseGeometry

    @property
    def spherical(self) -> bool:
        """Whether it is a GEOGRAPHY."""
        return self.kind == "geography"

    @property
    def srid(self) -> int:
        """The number of its spatial reference system; 0 if it has none."""
        found: int = library().get_srid(self.planar)
        return found

    def stored(self) -> Stored:
        """Return the shape as DuckDB holds it."""
        made: bytes = library().to_wkb(self.planar, byte_order=1, include_srid=True)
        return {self.kind: made}

    def like(self, planar: BaseGeometry) -> Shape:
        """Make a shape of the same type and spatial reference system."""
        return Shape(self.kind, library().set_srid(planar, self.srid))


def library() -> ModuleType:
    """Import shapely.

    Raises:
        UnsupportedError: it is not installed.
    """
    try:
        import shapely
    except ImportError as missing:
        raise UnsupportedError(
            "geospatial values without the package shapely", "Install snowpipe-ml[geo]"
        ) from missing
    module: ModuleType = shapely
    return module


def load(stored: Stored) -> Shape:
    """Read a stored shape."""
    ((kind, content),) = stored.items()
    return Shape(kind, library().from_wkb(content))


def shown(stored: Stored | None, output: str) -> str | bytearray | None:
    """Return a stored shape in an output format."""
    return None if stored is None else written(load(stored), output)


def written(given: Shape, output: str) -> str | bytearray:
    """Write a shape in an output format.

    In GeoJSON the coordinates of a GEOMETRY have an exponent and 15 decimals, those of a GEOGRAPHY as many as
    they need.
    """
    shape = given.planar
    match output:
        case "WKT":
            return text(shape)
        case "EWKT":
            return f"SRID={library().get_srid(shape)};{text(shape)}"
        case "WKB":
            return bytearray(library().to_wkb(shape, byte_order=1))
        case "EWKB":
            return bytearray(library().to_wkb(shape, byte_order=1, include_srid=True))
    number = _short if given.spherical else "{:.15e}".format
    made = json.dumps(geojson(shape), indent=2, sort_keys=True)
    return _COORDINATE.sub(lambda found: f"{found.group(1)}{number(float(found.group(2)))}", made)


def _short(number: float) -> str:
    return repr(number).removesuffix(".0")


def text(shape: BaseGeometry) -> str:
    """Write a shape as WKT, as Snowflake does: ``POINTZ(1 2 3)``."""
    made: str = library().to_wkt(shape, rounding_precision=-1, trim=True, output_dimension=3)
    joined = re.sub(r" (Z?) ?\(", r"\1(", made).replace(", ", ",")
    return _NUMBER.sub(lambda number: f"{float(number.group()):.15g}", joined)


def geojson(shape: BaseGeometry) -> dict[str, object]:
    """Return the members of a shape in GeoJSON."""
    made: dict[str, object] = json.loads(library().to_geojson(shape))
    return made


def failed(what: str) -> CalledError:
    """Make the error of a shape that cannot be made."""
    return CalledError(-1, "P0000", what)


def parse(given: str | bytes, kind: str, srid: int | None, allow_invalid: bool) -> Shape:
    """Read a shape from WKT, WKB, their extended forms or GeoJSON.

    Args:
        given: the text or the bytes.
        kind: ``geography`` or ``geometry``.
        srid: the spatial reference system of a GEOMETRY; by default what the input says.
        allow_invalid: whether the edges of a polygon may cross.

    Raises:
        CalledError: it cannot be read, or is not valid.
    """
    found = _read(given, kind)
    shapely = library()
    if kind == "geography":
        if shapely.get_srid(found) not in (0, WGS84):
            raise failed(f"a GEOGRAPHY has the SRID {WGS84}, not {shapely.get_srid(found)}")
        for longitude, latitude in shapely.get_coordinates(found):
            if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
                raise failed(f"{longitude} {latitude} are no longitude and latitude")
        found = shapely.set_srid(found, WGS84)
    elif srid is not None:
        found = shapely.set_srid(found, srid)
    if not allow_invalid and not shapely.is_valid(found):
        raise failed(f"the shape is not valid: {shapely.is_valid_reason(found)}; allow_invalid takes it")
    return Shape(kind, found)


def _read(given: str | bytes, kind: str) -> BaseGeometry:
    shapely = library()
    try:
        if isinstance(given, bytes) or _HEXADECIMAL.match(given.strip()):
            binary: BaseGeometry = shapely.from_wkb(given if isinstance(given, bytes) else given.strip())
            return binary
        if given.lstrip().startswith("{"):
            if str(json.loads(given).get("type", "")).startswith("Feature"):
                raise unsupported(f"a Feature of GeoJSON as a {kind.upper()}")
            members: BaseGeometry = shapely.from_geojson(given)
            return members
        prefix = _EXTENDED.match(given)
        made: BaseGeometry = shapely.from_wkt(given[prefix.end() :] if prefix else given)
        return shapely.set_srid(made, int(prefix.group(1))) if prefix else made
    except (shapely.errors.GEOSException, ValueError, TypeError) as wrong:
        shown_ = given if isinstance(given, str) else given.hex()
        raise failed(f"this is no {kind.upper()} in WKT, WKB or GeoJSON: {shown_[:100]!r}") from wrong
