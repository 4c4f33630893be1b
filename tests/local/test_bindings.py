"""Bound values have the types that Snowflake's connector binds, one by one and for many rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError

import snowpipe_ml.local as local

_EAST = dt.timezone(dt.timedelta(hours=2))
_MOMENT = dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=_EAST)


@pytest.fixture(scope="module")
def cursor() -> Iterator[Any]:
    with local.connect(database="D", schema="S") as connection:
        yield connection.cursor()


@pytest.mark.parametrize(
    ("kind", "given", "stored"),
    [
        ("DATE", ["2024-01-02", "03/04/2024", "17-DEC-1980"], ["2024-01-02", "2024-03-04", "1980-12-17"]),
        ("DATE", ["31536000", None], ["1971-01-01", None]),
        ("TIMESTAMP_NTZ", ["03/04/2024 01:02:03"], ["2024-03-04 01:02:03.000"]),
        ("TIMESTAMP_NTZ", [_MOMENT], ["2024-01-02 01:04:05.000"]),
        ("TIMESTAMP_TZ", [("TIMESTAMP_TZ", _MOMENT)], ["2024-01-02 03:04:05.000 +0200"]),
        ("TIMESTAMP_TZ", ["2024-01-02 03:04:05 +0200"], ["2024-01-02 03:04:05.000 +0200"]),
        ("TIME", ["01:02 PM", "3:04"], ["13:02:00", "03:04:00"]),
        ("TIME", [dt.timedelta(hours=1, seconds=2)], ["01:00:02"]),
        ("BOOLEAN", ["yes", "off", "1"], ["true", "false", "true"]),
        ("BINARY", ["0A0b", "ff"], ["0A0B", "FF"]),
        ("BINARY", [b"\x01"], ["01"]),
        ("NUMBER(5, 2)", ["1.005", "1e2"], ["1.01", "100.00"]),
        ("NUMBER(38, 0)", [2.5, 0.5], ["3", "1"]),
        ("NUMBER(38, 0)", [Decimal("1e18"), 1], ["1000000000000000000", "1"]),
        ("VARCHAR", [12, "x", True], ["12", "x", "true"]),
        ("FLOAT", ["inf", "1.5"], ["inf", "1.5"]),
    ],
)
def test_many_rows_are_stored_as_single_ones(
    cursor: Any, kind: str, given: list[object], stored: list[str | None]
) -> None:
    cursor.execute(f"CREATE OR REPLACE TABLE t (c {kind})")
    cursor.executemany("INSERT INTO t VALUES (?)", [[value] for value in given])
    assert [row[0] for row in cursor.execute("SELECT c::VARCHAR FROM t").fetchall()] == stored
    cursor.execute("DELETE FROM t")
    for value in given:
        cursor.execute("INSERT INTO t (c) VALUES (?)", [value])
    assert [row[0] for row in cursor.execute("SELECT c::VARCHAR FROM t").fetchall()] == stored


def test_texts_are_no_variants_in_one_row_or_many(cursor: Any) -> None:
    cursor.execute("CREATE OR REPLACE TABLE t (c VARIANT)")
    for insert, given in ((cursor.execute, ["abc"]), (cursor.executemany, [["abc"], ["d"]])):
        with pytest.raises(ProgrammingError, match="expecting VARIANT but got VARCHAR"):
            insert("INSERT INTO t VALUES (?)", given)
    cursor.execute("INSERT INTO t SELECT TO_VARIANT(?)", ["abc"])
    assert cursor.execute("SELECT TO_JSON(c) FROM t").fetchall() == [('"abc"',)]


def test_the_values_of_many_rows_can_be_in_expressions(cursor: Any) -> None:
    cursor.execute("CREATE OR REPLACE TABLE t (a INT, v VARIANT)")
    cursor.executemany("INSERT INTO t (a, v) SELECT ? + 1, PARSE_JSON(?)", [(1, "[2]"), (3, '{"b": 4}')])
    cursor.executemany("INSERT INTO t (v, a) VALUES (NULL, ? * 2)", [(5,), (6,)])
    assert cursor.execute("SELECT a, TO_JSON(v) FROM t ORDER BY a").fetchall() == [
        (2, "[2]"),
        (4, '{"b":4}'),
        (10, None),
        (12, None),
    ]


def test_other_statements_run_row_by_row(cursor: Any) -> None:
    cursor.execute("CREATE OR REPLACE TABLE t (a INT, b INT)")
    cursor.execute("INSERT INTO t VALUES (1, 0), (2, 0), (2, 0)")
    cursor.executemany("UPDATE t SET b = ? WHERE a = ?", [(5, 1), (6, 2)])
    assert cursor.rowcount == 3
    assert cursor.execute("SELECT b FROM t ORDER BY b").fetchall() == [(5,), (6,), (6,)]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, "NUMBER(38,0)"),
        (Decimal("1.50"), "NUMBER(3,2)"),
        (1.5, "FLOAT"),
        ("x", "VARCHAR"),
        (True, "BOOLEAN"),
        (_MOMENT, "TIMESTAMP_NTZ"),
        (("TIMESTAMP_LTZ", _MOMENT), "TIMESTAMP_LTZ"),
        (dt.date(2024, 1, 2), "DATE"),
        (b"\x01", "BINARY"),
    ],
)
def test_a_bound_value_has_the_type_of_the_connector(cursor: Any, value: object, kind: str) -> None:
    cursor.execute("CREATE OR REPLACE TABLE made AS SELECT ? AS c", [value])
    declared = cursor.execute("DESCRIBE TABLE made").fetchall()[0][1]
    assert declared.partition("(")[0] == kind.partition("(")[0]
    if "NUMBER" in kind and isinstance(value, Decimal):
        assert declared == kind


def test_a_value_that_the_connector_cannot_bind(cursor: Any) -> None:
    with pytest.raises(ProgrammingError, match=r"Python data type \[dict\] cannot be automatically mapped"):
        cursor.execute("SELECT ?", [{"a": 1}])


@pytest.mark.parametrize(
    ("expression", "text", "kind"),
    [
        ("'2024-01-02'::DATE", "2024-01-02", "date"),
        ("1.50", "1.50", "fixed"),
        ("1.5::FLOAT", "1.5", "real"),
        ("'2024-01-02 03:04:05'::TIMESTAMP_NTZ", "2024-01-02 03:04:05", "timestamp_ntz"),
        ("TRUE", "true", "boolean"),
        ("'x'", "x", "text"),
    ],
)
def test_a_variable_has_the_type_of_its_value(cursor: Any, expression: str, text: str, kind: str) -> None:
    cursor.execute(f"SET v = {expression}")
    assert cursor.execute("SHOW VARIABLES LIKE 'v'").fetchall()[0][4:6] == (text, kind)
    assert cursor.execute(f"SELECT $v = {expression}").fetchall() == [(True,)]


def test_numbers_are_rounded_away_from_zero_where_they_are_stored(cursor: Any) -> None:
    cursor.execute("CREATE OR REPLACE TABLE t (a INT)")
    cursor.execute("INSERT INTO t SELECT column1::FLOAT FROM VALUES (2.5), (-2.5)")
    cursor.execute("UPDATE t SET a = a + 0.5::FLOAT WHERE a > 0")
    cursor.execute(
        "MERGE INTO t USING (SELECT 4.5::FLOAT AS f) s ON t.a = s.f WHEN NOT MATCHED THEN INSERT VALUES (s.f)"
    )
    assert cursor.execute("SELECT a FROM t ORDER BY a").fetchall() == [(-3,), (4,), (5,)]
    cursor.execute("CREATE OR REPLACE TABLE t (a INT, d DATE) AS SELECT 2.5::FLOAT, '17-DEC-1980'")
    assert cursor.execute("SELECT a, d::VARCHAR FROM t").fetchall() == [(3, "1980-12-17")]


def test_the_name_of_a_procedure_is_bound(session: Any) -> None:
    session.sql(
        "CREATE PROCEDURE joined(a VARCHAR, b VARCHAR) RETURNS VARCHAR LANGUAGE SQL AS $$ BEGIN RETURN a || b; END $$"
    ).collect()
    call = session.sql("CALL IDENTIFIER(?)(?, ?)", params=["joined", "x", "y"])
    assert [tuple(row) for row in call.collect()] == [("xy",)]
    assert [tuple(row) for row in call.select("JOINED").collect()] == [("xy",)]


def test_the_statement_of_execute_immediate_takes_the_values(session: Any) -> None:
    assert session.sql("EXECUTE IMMEDIATE $$ SELECT ? AS x $$", params=[1]).collect()[0][0] == 1
    assert session.sql("EXECUTE IMMEDIATE ?", params=["SELECT 3"]).collect()[0][0] == 3


def test_a_quoted_position_beside_bound_values(session: Any) -> None:
    frame = session.sql("SELECT * FROM VALUES (?, ?), (?, ?)", params=[1, "a", 2, "b"])
    assert [row[0] for row in frame.select("$1").collect()] == [1, 2]
    assert [row[1] for row in frame.select("$1", "$2").sort("$1", ascending=False).collect()] == ["b", "a"]
