"""Values are stored as Snowflake converts them, and refused where it has no implicit conversion."""

from __future__ import annotations

from typing import Any

import pytest
from snowflake.snowpark.exceptions import SnowparkSQLException

_TABLE = (
    "CREATE TABLE u (a ARRAY, o OBJECT, v VARIANT, s VARCHAR, n INT, d DATE, b BOOLEAN, f FLOAT, "
    "ts TIMESTAMP_NTZ, bn BINARY, tm TIME)"
)


def test_values_without_an_implicit_conversion_are_refused(query: Any) -> None:
    query(_TABLE)
    for statement, expected, got, column in (
        ("INSERT INTO u (a) SELECT 'x'", "ARRAY", "VARCHAR(1)", "A"),
        ("INSERT INTO u (a) VALUES ('[1]')", "ARRAY", "VARCHAR(3)", "A"),
        ("INSERT INTO u (o) SELECT 'x' UNION ALL SELECT 'y'", "OBJECT", "VARCHAR(16777216)", "O"),
        ("INSERT INTO u (v) SELECT 'x'", "VARIANT", "VARCHAR(1)", "V"),
        ("INSERT INTO u (v) SELECT CURRENT_DATE", "VARIANT", "DATE", "V"),
        ("INSERT INTO u (a) SELECT 1", "ARRAY", "NUMBER(1,0)", "A"),
        ("INSERT INTO u (s) SELECT [1]", "VARCHAR(16777216)", "ARRAY", "S"),
        ("INSERT INTO u (s) SELECT bn FROM u", "VARCHAR(16777216)", "BINARY(8388608)", "S"),
        ("INSERT INTO u (n) SELECT TRUE", "NUMBER(38,0)", "BOOLEAN", "N"),
        ("INSERT INTO u (n) VALUES (1 = 1)", "NUMBER(38,0)", "BOOLEAN", "N"),
        ("INSERT INTO u (d) VALUES (5)", "DATE", "NUMBER(1,0)", "D"),
        ("INSERT INTO u (b) SELECT * FROM (SELECT CURRENT_DATE AS x)", "BOOLEAN", "DATE", "B"),
        ("UPDATE u SET n = b", "NUMBER(38,0)", "BOOLEAN", "N"),
        (
            "MERGE INTO u USING (SELECT 'x' AS x) q ON TRUE WHEN MATCHED THEN UPDATE SET v = q.x",
            "VARIANT",
            "VARCHAR(16777216)",
            "V",
        ),
        (
            "MERGE INTO u USING (SELECT 1 AS x) q ON FALSE WHEN NOT MATCHED THEN INSERT (d) VALUES (q.x)",
            "DATE",
            "NUMBER(38,0)",
            "D",
        ),
    ):
        with pytest.raises(SnowparkSQLException) as raised:
            query(statement)
        assert (
            "Expression type does not match column data type, expecting "
            f"{expected} but got {got} for column {column}"
        ) in str(raised.value), statement


def test_the_columns_of_a_new_table_are_converted_implicitly(query: Any) -> None:
    for statement, message in (
        (
            "CREATE TABLE k (n NUMBER) AS SELECT 1 = 1",
            r"incompatible types: \[BOOLEAN\] and \[NUMBER\(38,0\)\]",
        ),
        ("CREATE TABLE k (a ARRAY) AS SELECT 'x'", r"and \[ARRAY\]"),
        ("CREATE TABLE k (d DATE) AS SELECT 5", r"and \[DATE\]"),
    ):
        with pytest.raises(SnowparkSQLException, match=message):
            query(statement)
    query("CREATE TABLE k (a ARRAY, v VARIANT, b BOOLEAN, s VARCHAR) AS SELECT [1], 5, 7, 8")
    assert query("SELECT TYPEOF(v), b, s FROM k") == [("INTEGER", True, "8")]


def test_values_of_variants_and_stars_are_converted_to_the_type_of_the_column(query: Any) -> None:
    query(_TABLE)
    query(
        "INSERT INTO u (s, n, d, a) SELECT TO_VARIANT('x'), TO_VARIANT('5'), TO_VARIANT('2024-01-31'), TO_VARIANT(1)"
    )
    assert query("SELECT s, n, d::VARCHAR, a[0] FROM u") == [("x", 5, "2024-01-31", "1")]
    query("CREATE TABLE floats (f FLOAT)")
    query("INSERT INTO floats VALUES (2.5), (3.5)")
    query("CREATE TABLE whole (n INT)")
    query("INSERT INTO whole SELECT f FROM floats")
    query("INSERT INTO whole SELECT * FROM floats")
    query("INSERT INTO whole SELECT * FROM floats UNION ALL SELECT * FROM floats")
    assert query("SELECT DISTINCT n FROM whole ORDER BY n") == [(3,), (4,)]
    query("INSERT INTO u (ts) SELECT 60")
    assert query("SELECT ts::VARCHAR FROM u WHERE ts IS NOT NULL") == [("1970-01-01 00:01:00.000",)]


def test_a_query_gives_a_table_or_view_its_arrays_and_objects(query: Any) -> None:
    query("CREATE TABLE t AS SELECT [1] AS a, {'k': 1} AS o, TO_VARIANT(3) AS v")
    query("CREATE VIEW w (x, y) AS SELECT o, a FROM t")
    query("CREATE TABLE grouped AS SELECT y, COUNT(*) AS c FROM w GROUP BY y")
    query("CREATE TABLE united AS SELECT a AS first, a AS second FROM t UNION ALL SELECT a, v FROM t")

    def types(kind: str, name: str) -> list[tuple[str, str]]:
        return [row[:2] for row in query(f"DESCRIBE {kind} {name}")]

    assert types("TABLE", "t") == [("A", "ARRAY"), ("O", "OBJECT"), ("V", "VARIANT")]
    assert types("VIEW", "w") == [("X", "OBJECT"), ("Y", "ARRAY")]
    assert types("TABLE", "grouped") == [("Y", "ARRAY"), ("C", "NUMBER(38,0)")]
    assert types("TABLE", "united") == [("FIRST", "ARRAY"), ("SECOND", "VARIANT")]
