"""Times and timestamps that keep fewer digits of a second than microseconds.

https://docs.snowflake.com/en/sql-reference/data-types-datetime
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time
from typing import Any

import pytest

Query = Callable[[str], list[tuple[Any, ...]]]
CUT = datetime(2024, 1, 1, 10, 11, 12, 120000)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'2024-01-01 10:11:12.129'::TIMESTAMP_NTZ(2)", CUT),
        ("TRY_CAST('2024-01-01 10:11:12.129' AS TIMESTAMP_NTZ(2))", CUT),
        ("PARSE_JSON('\"2024-01-01 10:11:12.129\"')::TIMESTAMP_NTZ(2)", CUT),
        ("'2024-01-01 10:11:12.129 +0100'::TIMESTAMP_TZ(2)::TIMESTAMP_NTZ", CUT),
        ("'2024-01-01 10:11:12.129'::TIMESTAMP_LTZ(2)::TIMESTAMP_NTZ", CUT),
        ("'1969-12-31 23:59:59.99'::TIMESTAMP(1)", datetime(1969, 12, 31, 23, 59, 59, 900000)),
        # Nanoseconds are refused only where the type keeps them.
        ("'2024-01-01 10:11:12.120000789'::TIMESTAMP_NTZ(6)", CUT),
        ("'10:11:12.987'::TIME(0)", time(10, 11, 12)),
        ("NULL::TIMESTAMP_TZ(1)", None),
    ],
)
def test_a_cast_cuts_to_the_scale(query: Query, expression: str, value: object) -> None:
    assert query(f"SELECT {expression}") == [(value,)]


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO t VALUES ('2024-01-01 10:11:12.129', '10:11:12.987')",
        "INSERT INTO t (b, a) SELECT '10:11:12.987', '2024-01-01 10:11:12.129'::TIMESTAMP",
        "INSERT INTO t SELECT * FROM exact",
        "INSERT INTO t SELECT * FROM exact UNION SELECT * FROM exact",
        "INSERT OVERWRITE INTO t SELECT * FROM exact",
        "MERGE INTO t USING exact s ON FALSE WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.a, s.b)",
        "CREATE OR REPLACE TABLE t (a TIMESTAMP_NTZ(2), b TIME(0)) AS SELECT * FROM exact",
    ],
)
def test_a_column_keeps_the_digits_of_its_scale(query: Query, change: str) -> None:
    query("CREATE TABLE t (a TIMESTAMP_NTZ(2), b TIME(0))")
    query("CREATE TABLE exact AS SELECT '2024-01-01 10:11:12.129'::TIMESTAMP AS a, '10:11:12.9'::TIME AS b")
    query(change)
    assert query("SELECT * FROM t") == [(CUT, time(10, 11, 12))]


def test_an_update_a_default_and_bound_values_are_cut(session: Any, query: Query) -> None:
    query("CREATE TABLE t (n INT, a TIMESTAMP_NTZ(2) DEFAULT '2024-01-01 10:11:12.129'::TIMESTAMP_NTZ)")
    query("INSERT INTO t (n) VALUES (1)")
    query("INSERT INTO t VALUES (2, NULL)")
    query("UPDATE t SET a = '2024-01-01 10:11:12.129'::TIMESTAMP WHERE n = 2")
    cursor = session.connection.cursor()
    cursor.executemany("INSERT INTO t VALUES (?, ?)", [(3, datetime(2024, 1, 1, 10, 11, 12, 129000))])
    assert query("SELECT n, a FROM t ORDER BY n") == [(1, CUT), (2, CUT), (3, CUT)]


def test_loaded_values_are_cut(session: Any, query: Query, tmp_path: Any) -> None:
    file = tmp_path / "times.csv"
    file.write_text("2024-01-01 10:11:12.129,10:11:12.9\n")
    query("CREATE TABLE t (a TIMESTAMP_NTZ(2), b TIME(0))")
    query("CREATE STAGE s")
    session.file.put(f"file://{file}", "@s", auto_compress=False)
    query("COPY INTO t FROM @s")
    query("COPY INTO t FROM (SELECT $1, $2 FROM @s) FORCE = TRUE")
    assert query("SELECT * FROM t") == [(CUT, time(10, 11, 12))] * 2


def test_a_table_of_a_query_has_the_scales_of_the_query(query: Query) -> None:
    query("CREATE TABLE t (a TIMESTAMP_TZ(3), b TIME)")
    query("CREATE TABLE u AS SELECT a, b, CURRENT_DATE::TIMESTAMP_NTZ(0) AS c FROM t")
    assert [row[:2] for row in query("DESCRIBE TABLE u")] == [
        ("A", "TIMESTAMP_TZ(3)"),
        ("B", "TIME(9)"),
        ("C", "TIMESTAMP_NTZ(0)"),
    ]


def test_an_insert_with_another_number_of_values(query: Query) -> None:
    query("CREATE TABLE t (a TIMESTAMP_NTZ(2), b TIME(0))")
    with pytest.raises(Exception, match=r"002020 (?s:.)*expecting 2 but got 1"):
        query("INSERT INTO t SELECT CURRENT_TIMESTAMP")
