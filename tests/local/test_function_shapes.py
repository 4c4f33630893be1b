"""Shapes as arguments and results of Python functions, where they are dicts of GeoJSON.

https://docs.snowflake.com/en/developer-guide/udf-stored-procedure-data-type-mapping
"""

from __future__ import annotations

from typing import Any

import pytest

UDF = """
CREATE FUNCTION {name}({argument}) RETURNS {returns} LANGUAGE PYTHON RUNTIME_VERSION = 3.11 HANDLER = 'run' AS $$
def run(g):
    {body}
$$
"""


@pytest.mark.parametrize("kind", ["GEOGRAPHY", "GEOMETRY"])
def test_a_handler_receives_and_returns_geojson(query: Any, kind: str) -> None:
    query(UDF.format(name="shown", argument=f"g {kind}", returns="VARCHAR", body="return repr(g)"))
    body = 'return {"type": "Point", "coordinates": g["coordinates"][::-1]}'
    query(UDF.format(name="turned", argument=f"g {kind}", returns=kind, body=body))
    query(f"CREATE TABLE t AS SELECT TO_{kind}(g) AS g FROM VALUES ('POINT(30 10.5)') v(g)")
    assert query("SELECT shown(g), ST_ASWKT(turned(g)) FROM t") == [
        ("{'coordinates': [30, 10.5], 'type': 'Point'}", "POINT(10.5 30)")
    ]
    assert query("SELECT shown('POINT(1 2)')") == [("{'coordinates': [1, 2], 'type': 'Point'}",)]


def test_a_result_that_is_no_shape_is_an_error(query: Any) -> None:
    query(UDF.format(name="broken", argument="g INT", returns="GEOGRAPHY", body='return {"type": "x"}'))
    with pytest.raises(Exception, match="no GEOGRAPHY"):
        query("SELECT broken(1)")


def test_a_procedure_takes_and_returns_a_shape(query: Any) -> None:
    query("""
        CREATE PROCEDURE moved(g GEOGRAPHY) RETURNS GEOGRAPHY LANGUAGE PYTHON RUNTIME_VERSION = 3.11
        PACKAGES = ('snowflake-snowpark-python') HANDLER = 'run' AS $$
def run(session, g):
    return {**g, "coordinates": [g["coordinates"][0] + 1, g["coordinates"][1]]}
$$""")
    ((found,),) = query("CALL moved(TO_GEOGRAPHY('POINT(1 2)'))")
    assert found == '{\n  "coordinates": [\n    2,\n    2\n  ],\n  "type": "Point"\n}'


def test_a_binary_constant_is_read_as_hexadecimal_by_a_procedure(query: Any) -> None:
    query("""
        CREATE PROCEDURE shown(b BINARY) RETURNS VARCHAR LANGUAGE PYTHON RUNTIME_VERSION = 3.11
        PACKAGES = ('snowflake-snowpark-python') HANDLER = 'run' AS $$
def run(session, b):
    return repr(bytes(b))
$$""")
    assert query("CALL shown('313233'::BINARY)") == [("b'123'",)]
