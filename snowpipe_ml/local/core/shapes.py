"""Shapes, the values of GEOGRAPHY and GEOMETRY: how they are printed.

They are stored in EWKB. The package shapely reads and writes it.

https://docs.snowflake.com/en/sql-reference/data-types-geospatial
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from snowpipe_ml.local.core.errors import UnsupportedError

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

FORMATS = ("GEOJSON", "WKT", "WKB", "EWKT", "EWKB")
"""The values of GEOGRAPHY_OUTPUT_FORMAT and GEOMETRY_OUTPUT_FORMAT."""


def shown(value: dict[str, bytes] | None, output: str) -> str | bytearray | None:
    """Return a stored shape in an output format."""
    if value is None:
        return None
    (stored,) = value.values()
    return written(loaded(stored), output)


def loaded(stored: bytes) -> BaseGeometry:
    """Read a stored shape.

    Raises:
        UnsupportedError: the package shapely is not installed.
    """
    try:
        import shapely
    except ImportError as missing:
        raise UnsupportedError(
            "geospatial values without the package shapely", "Install snowpipe-ml[geo]"
        ) from missing
    found: BaseGeometry = shapely.from_wkb(stored)
    return found


def written(shape: BaseGeometry, output: str) -> str | bytearray:
    """Write a shape in an output format."""
    import shapely

    match output:
        case "WKT":
            return text(shape)
        case "EWKT":
            return f"SRID={shapely.get_srid(shape)};{text(shape)}"
        case "WKB":
            return bytearray(shapely.to_wkb(shape, byte_order=1))
        case "EWKB":
            return bytearray(shapely.to_wkb(shape, byte_order=1, include_srid=True))
    return json.dumps(json.loads(shapely.to_geojson(shape)), indent=2, sort_keys=True)


def text(shape: BaseGeometry) -> str:
    """Write a shape as WKT without spaces that no reader needs: ``POINT(1 2)``."""
    import shapely

    made: str = shapely.to_wkt(shape, rounding_precision=-1, trim=True)
    return made.replace(" (", "(").replace(", ", ",")
