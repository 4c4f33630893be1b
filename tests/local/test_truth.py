"""Statements for which DuckDB would silently give other results than Snowflake."""

from __future__ import annotations

import datetime as dt
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import IntegrityError
from snowflake.snowpark.exceptions import SnowparkSQLException


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'2024-01-15 10:20:30'::TIMESTAMP_NTZ::VARCHAR", "2024-01-15 10:20:30.000"),
        ("'x' || 1e9::FLOAT", "x1000000000"),
        ("TO_VARCHAR(1.2618595071429148::FLOAT)", "1.261859507"),
        ("'123'::VARIANT::VARCHAR", "123"),
        ("PARSE_JSON('\"q\"')::VARCHAR", "q"),
        ("100000 * 100000", 10_000_000_000),
        ("INITCAP('hello world')", "Hello World"),
        ("CURRENT_DATE() = CURRENT_TIMESTAMP()::DATE", True),
        ("TO_CHAR(DATEADD(day, 1, '2024-02-28'::DATE), 'YYYY-MM')", "2024-02"),
    ],
)
def test_expression(query: Any, expression: str, value: Any) -> None:
    assert query(f"SELECT {expression}") == [(value,)]


def test_windowed_average_of_whole_numbers(query: Any) -> None:
    query("CREATE TABLE t AS SELECT 1 AS n UNION ALL SELECT 1 UNION ALL SELECT 2")
    assert query("SELECT DISTINCT AVG(n) OVER () FROM t") == [(Decimal("1.333"),)]


def test_objects_and_arrays(query: Any) -> None:
    assert json.loads(query("SELECT OBJECT_CONSTRUCT('a', 1, 'b', NULL)")[0][0]) == {"a": 1}
    assert query("SELECT ARRAY_CONSTRUCT(1, 'a', NULL)") == [('[\n  1,\n  "a",\n  undefined\n]',)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT 1 / 0", 100051),
        ("SELECT n FROM t GROUP BY k", 1104),
        ("SELECT n FROM t JOIN t AS u ON TRUE", 2028),
        ("INSERT INTO t (nope) VALUES (1)", 904),
        ("INSERT INTO t (k) VALUES ('too long')", 100078),
        (
            "MERGE INTO t USING (SELECT 1 AS n UNION ALL SELECT 1) s ON t.n = s.n WHEN MATCHED THEN UPDATE SET k = 'x'",
            100090,
        ),
    ],
)
def test_errors_do_not_speak_of_duckdb(session: Any, query: Any, text: str, code: int) -> None:
    query("CREATE TABLE t (n INT, k VARCHAR(3))")
    query("INSERT INTO t VALUES (1, 'a')")
    with pytest.raises(SnowparkSQLException) as caught:
        session.sql(text).collect()
    assert caught.value.sql_error_code == code
    assert "Binder" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        'CREATE TABLE x ("a" INT, A INT)',
        'CREATE TABLE x AS SELECT 1 AS "a", 2 AS A',
        'CREATE TABLE "perm" (a INT)',
    ],
)
def test_what_duckdb_cannot_tell_apart_is_refused(query: Any, text: str) -> None:
    query("CREATE TABLE perm AS SELECT 7 AS a")
    with pytest.raises(SnowparkSQLException, match="does not support"):
        query(text)
    assert query("SELECT * FROM perm") == [(7,)]


def test_a_permanent_table_outlives_a_temporary_of_its_name(tmp_path: Any) -> None:
    import snowpipe_ml

    first = snowpipe_ml.local_session(tmp_path)
    for text in ("CREATE TEMPORARY TABLE x (a INT)", "DROP TABLE x", "CREATE TABLE x AS SELECT 1 AS a"):
        first.sql(text).collect()
    first.close()
    second = snowpipe_ml.local_session(tmp_path)
    assert second.table("x").count() == 1
    second.close()


def test_a_transaction_goes_on_after_a_failed_statement(query: Any) -> None:
    query("CREATE TABLE t (n INT)")
    query("BEGIN")
    query("INSERT INTO t VALUES (4)")
    with pytest.raises(SnowparkSQLException, match="Numeric value 'abc'"):
        query("INSERT INTO t SELECT 'abc'::INT FROM t")
    query("INSERT INTO t VALUES (5)")
    query("COMMIT")
    assert query("SELECT n FROM t ORDER BY n") == [(4,), (5,)]


def test_clone_keeps_constraints_and_defaults(query: Any) -> None:
    query("CREATE TABLE t (id INT NOT NULL, name VARCHAR(2) DEFAULT 'x')")
    query("INSERT INTO t (id) VALUES (1)")
    query("CREATE TABLE c CLONE t")
    query("INSERT INTO c (id) VALUES (2)")
    assert query("SELECT * FROM c ORDER BY id") == [(1, "x"), (2, "x")]
    with pytest.raises(IntegrityError, match="non-nullable"):
        query("INSERT INTO c (id) SELECT NULL")
    with pytest.raises(SnowparkSQLException, match="too long"):
        query("INSERT INTO c VALUES (3, 'abc')")


def test_a_row_that_snowflake_would_load_is_not_rejected(session: Any, query: Any) -> None:
    query("CREATE STAGE s")
    query("CREATE TABLE t (d DATE)")
    session.file.put_stream(io.BytesIO(b"2024-01-15\n01/15/2024\n"), "@s/x.csv", auto_compress=False)
    query("COPY INTO t FROM @s FILE_FORMAT = (TYPE = CSV) ON_ERROR = CONTINUE")
    assert query("SELECT COUNT(*), MIN(d) = MAX(d) FROM t") == [(2, True)]


def test_functions_by_their_whole_name_and_an_unquoted_put(session: Any, query: Any, tmp_path: Any) -> None:
    from snowflake.snowpark.types import LongType

    function = session.udf.register(
        lambda a, b: a + b, input_types=[LongType(), LongType()], return_type=LongType()
    )
    frame = session.create_dataframe([[1, 2]], schema=["a", "b"])
    assert frame.select(function("a", "b")).collect()[0][0] == 3
    path = tmp_path / "x.csv"
    path.write_text("1\n")
    query("CREATE STAGE s")
    assert query(f"PUT file://{path} @s AUTO_COMPRESS = FALSE")[0][6] == "UPLOADED"
    assert query("SELECT $1, $2 FROM @s") == [("1", None)]


def test_bind_variables_that_are_missing(session: Any) -> None:
    with pytest.raises(SnowparkSQLException, match=r"Bind variable \? not set"):
        session.sql("SELECT ?, ?", params=[dt.date(2020, 1, 1)]).collect()


def test_result_columns_that_differ_by_case_alone(session: Any) -> None:
    frame = session.sql('SELECT "a" + 10 AS "b", A AS B FROM (SELECT 1 AS "a", 2 AS A)')
    assert frame.columns == ['"b"', "B"]
    assert [tuple(row) for row in frame.collect()] == [(11, 2)]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1.50 / 7", "0.21428571"),
        ("10::NUMBER(10,2) / 3", "3.33333333"),
        ("-1 / 3.0", "-0.333333"),
        ("2 / 0.03", "66.666667"),
        ("0.000000000003 / 2", "0.000000000002"),
        ("7.5::NUMBER(38,13) / 2", "3.7500000000000"),
    ],
)
def test_numbers_with_a_scale_divide_exactly(query: Any, expression: str, value: str) -> None:
    assert f"{query(f'SELECT {expression}')[0][0]:f}" == value


def test_directory_tables(query: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1\n")
    query("CREATE STAGE s DIRECTORY = (ENABLE = TRUE)")
    query(f"PUT file://{tmp_path}/a.csv @s/deep AUTO_COMPRESS = FALSE")
    query("ALTER STAGE s REFRESH")
    assert query("SELECT RELATIVE_PATH, SIZE FROM DIRECTORY(@s)") == [("deep/a.csv", 2)]
    query("CREATE STAGE bare")
    with pytest.raises(SnowparkSQLException, match="has no directory table"):
        query("SELECT * FROM DIRECTORY(@bare)")


def test_the_one_row_of_an_aggregate_is_ordered_by_anything(query: Any) -> None:
    query("CREATE TABLE t AS SELECT column1 AS a FROM VALUES (1), (2)")
    assert query("SELECT COUNT(*) AS n, MAX(a) FROM t ORDER BY a DESC, n") == [(2, 2)]
    with pytest.raises(SnowparkSQLException, match="invalid identifier 'NOWHERE'"):
        query("SELECT COUNT(*) FROM t ORDER BY nowhere")
    with pytest.raises(SnowparkSQLException, match="neither an aggregate nor in the group by"):
        query("SELECT a, COUNT(*) FROM t ORDER BY a")


def test_a_null_in_a_required_column_is_an_integrity_error(query: Any) -> None:
    """The connector raises it for this error only, and Snowpark passes it on."""
    query("CREATE TABLE t (a INT NOT NULL)")
    with pytest.raises(IntegrityError, match="NULL result in a non-nullable column A"):
        query("INSERT INTO t VALUES (NULL)")
