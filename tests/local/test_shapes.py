"""GEOGRAPHY and GEOMETRY: formats, errors, and computations on the sphere."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snowflake.snowpark.exceptions import SnowparkSQLException

from snowpipe_ml.local.core import geospatial, sphere
from snowpipe_ml.local.core.shapes import parse

Query = Callable[..., list[tuple[Any, ...]]]
PLACES = st.tuples(st.floats(-179, 179), st.floats(-89, 89))


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        ("WKT", "POINT(1 2)"),
        ("EWKT", "SRID=4326;POINT(1 2)"),
        ("WKB", "0101000000000000000000F03F0000000000000040"),
        ("EWKB", "0101000020E6100000000000000000F03F0000000000000040"),
        ("GeoJSON", '{\n  "coordinates": [\n    1,\n    2\n  ],\n  "type": "Point"\n}'),
    ],
)
def test_the_session_chooses_the_output_format(query: Query, output: str, wanted: str) -> None:
    query(f"ALTER SESSION SET GEOGRAPHY_OUTPUT_FORMAT = '{output}'")
    ((found,),) = query("SELECT TO_GEOGRAPHY('POINT(1 2)')")
    query("ALTER SESSION UNSET GEOGRAPHY_OUTPUT_FORMAT")
    assert (found.hex().upper() if isinstance(found, bytearray) else found) == wanted


def test_coordinates_in_geojson_have_the_digits_of_their_type(query: Query) -> None:
    ((geography, geometry),) = query(
        "SELECT TO_GEOGRAPHY('POINT(30 -1.25)'), TO_GEOMETRY('POINT(120 -1.25)')"
    )
    assert geography == '{\n  "coordinates": [\n    30,\n    -1.25\n  ],\n  "type": "Point"\n}'
    assert geometry == (
        '{\n  "coordinates": [\n    1.200000000000000e+02,\n    -1.250000000000000e+00\n  ],\n  "type": "Point"\n}'
    )


def test_an_unknown_output_format_is_refused(query: Query) -> None:
    with pytest.raises(SnowparkSQLException, match="GEOGRAPHY_OUTPUT_FORMAT"):
        query("ALTER SESSION SET GEOGRAPHY_OUTPUT_FORMAT = 'KML'")


def test_shapes_are_kept_in_tables_and_views(query: Query) -> None:
    query("CREATE TABLE t (g GEOGRAPHY, m GEOMETRY)")
    query("INSERT INTO t VALUES ('POINT(1 2)', 'SRID=3857;POINT(3 4)'), (NULL, NULL)")
    query("CREATE VIEW v AS SELECT ST_ASEWKT(g) AS g, ST_ASEWKT(m) AS m FROM t")
    assert query("SELECT * FROM v WHERE g IS NOT NULL") == [("SRID=4326;POINT(1 2)", "SRID=3857;POINT(3 4)")]
    assert [row[1] for row in query("DESCRIBE TABLE t")] == ["GEOGRAPHY", "GEOMETRY"]
    assert "G GEOGRAPHY" in query("SELECT GET_DDL('TABLE', 't')")[0][0]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT TO_GEOGRAPHY('nothing')", "no GEOGRAPHY in WKT, WKB or GeoJSON"),
        ("SELECT TO_GEOGRAPHY('POINT(200 1)')", "no longitude and latitude"),
        ("SELECT TO_GEOGRAPHY('SRID=3857;POINT(1 1)')", "SRID 4326"),
        ("SELECT TO_GEOMETRY('POLYGON((0 0,2 2,2 0,0 2,0 0))')", "not valid: Self-intersection"),
        ("SELECT ST_X(TO_GEOGRAPHY('LINESTRING(0 0, 1 1)'))", "takes a Point, not a LineString"),
        ("SELECT ST_DISTANCE(TO_GEOGRAPHY('POINT(0 0)'), TO_GEOMETRY('POINT(0 0)'))", "argument types"),
        ("SELECT ST_DISTANCE(TO_GEOMETRY('POINT(0 0)', 1), TO_GEOMETRY('POINT(0 0)', 2))", "different SRIDs"),
        ("SELECT ST_TRANSFORM(TO_GEOMETRY('POINT(0 0)'), 3857)", "the function ST_TRANSFORM"),
        ("SELECT TO_GEOGRAPHY('POINT(0 0)')::VARCHAR", "Call ST_ASWKT"),
    ],
)
def test_mistakes_are_named(query: Query, sql: str, message: str) -> None:
    with pytest.raises(SnowparkSQLException, match=message):
        query(sql)


def test_the_extra_is_named_where_shapely_is_missing(query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shapely", None)
    with pytest.raises(SnowparkSQLException, match=r"snowpipe-ml\[geo\]"):
        query("SELECT TO_GEOGRAPHY('POINT(0 0)')")


def test_distances_of_a_column_with_points_lines_and_nulls(query: Query) -> None:
    rows = query(
        "SELECT ST_DISTANCE(TO_GEOGRAPHY(column1), ST_POINT(0, 0)), "
        "ST_DWITHIN(TO_GEOGRAPHY(column1), ST_POINT(0, 0), 200000) "
        "FROM VALUES ('POINT(1 0)'), ('LINESTRING(0 -1, 0 1)'), (NULL), ('LINESTRING(2 -1, 2 1)')"
    )
    assert [row[1] for row in rows] == [True, True, None, False]
    assert [row[0] for row in rows] == [
        pytest.approx(111195.1011775),
        0,
        None,
        pytest.approx(2 * 111195.1011775),
    ]


def _point(place: tuple[float, float]) -> Any:
    return parse(f"POINT({place[0]!r} {place[1]!r})", "geography", None, False)


@settings(max_examples=60, deadline=None)
@given(PLACES, PLACES, PLACES)
def test_distances_are_a_metric(a: Any, b: Any, c: Any) -> None:
    first, second, third = _point(a), _point(b), _point(c)
    between = geospatial.distance_of(first, second)
    assert between == pytest.approx(geospatial.distance_of(second, first), abs=1e-6)
    assert 0 <= between <= math.pi * sphere.RADIUS + 1e-6
    assert between <= geospatial.distance_of(first, third) + geospatial.distance_of(third, second) + 1e-6


@settings(max_examples=40, deadline=None)
@given(st.floats(-170, 170), st.floats(-80, 80), st.floats(0.01, 5))
def test_the_area_of_a_box_is_near_that_of_its_zone(longitude: float, latitude: float, size: float) -> None:
    corners = [(0, 0), (size, 0), (size, size), (0, size), (0, 0)]
    ring = ", ".join(f"{longitude + x!r} {latitude + y!r}" for x, y in corners)
    found = geospatial.area(parse(f"POLYGON(({ring}))", "geography", None, False))
    south, north = math.radians(latitude), math.radians(latitude + size)
    zone = math.radians(size) * (math.sin(north) - math.sin(south)) * sphere.RADIUS**2
    assert found == pytest.approx(zone, rel=0.05)


@settings(max_examples=40, deadline=None)
@given(PLACES, st.lists(st.tuples(st.floats(-20, 20), st.floats(-20, 20)), min_size=1, max_size=6))
def test_a_projection_and_its_inverse_give_the_shape(place: Any, offsets: Any) -> None:
    longitude, latitude = place[0] * 0.8, place[1] * 0.6
    points = ", ".join(f"({longitude + x!r} {latitude + y!r})" for x, y in offsets)
    shape = parse(f"MULTIPOINT({points})", "geography", None, False).planar
    projection = sphere.Projection(shape)
    restored = projection.restore(projection.project(shape))
    assert restored.equals_exact(shape, tolerance=1e-9)
