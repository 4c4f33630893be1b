"""Single statements with their expected results, as Snowflake documents them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from snowflake.snowpark.exceptions import SnowparkSQLException

DAY = dt.date(2024, 2, 29)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 / 3", Decimal("0.333333")),
        ("2 / 3", Decimal("0.666667")),
        ("1::FLOAT / 3", 1 / 3),
        ("2.5::FLOAT::INT", 3),
        ("'2.5'::INT", 3),
        ("'1.4' = 1", False),
        ("7 % 3", 1),
        ("1e3::FLOAT::VARCHAR", "1000"),
        ("DATEADD(day, 1, '2024-02-28'::DATE)", DAY),
        ("DATE_TRUNC('month', '2024-02-29'::DATE)", dt.date(2024, 2, 1)),
        ("LAST_DAY('2024-02-03'::DATE)", DAY),
        ("TO_CHAR('2024-02-29'::DATE, 'YYYYMM')", "202402"),
        ("TO_DATE('20240229', 'YYYYMMDD')", DAY),
        ("DATEDIFF(day, '2024-02-28'::DATE, '2024-03-01'::DATE)", 2),
        ("TRY_TO_TIMESTAMP_NTZ('2018-12-01 00:03:53.3860')", dt.datetime(2018, 12, 1, 0, 3, 53, 386000)),
        ("TRY_TO_TIMESTAMP_NTZ('3/1/19 6:47 AM')", None),
        ("TRY_TO_TIMESTAMP_NTZ('3/1/19 6:47 AM', 'MM/DD/YY HH12:MI AM')", dt.datetime(2019, 3, 1, 6, 47)),
        ("TRY_TO_TIMESTAMP_NTZ('3/1/2019 18:07', 'MM/DD/YYYY HH24:MI')", dt.datetime(2019, 3, 1, 18, 7)),
        ("TRY_TO_TIMESTAMP_NTZ('nonsense')", None),
        ("REGEXP_LIKE('abc', 'a')", False),
        ("REGEXP_SUBSTR('JC-201509-x.csv', '[0-9]{6}')", "201509"),
        ("SPLIT_PART('a/b/c', '/', -1)", "c"),
        ("IFF(NULL, 1, 2)", 2),
        ("NVL(NULL, 'x')", "x"),
        ("DIV0(1, 0)", Decimal("0.000000")),
        ("PARSE_JSON('{\"a\": [1, 2]}'):a[1]::INT", 2),
        ("CURRENT_DATABASE()", "LOCAL"),
        ("TO_VARIANT('2024-01-02 03:04:05.678'::TIMESTAMP_NTZ)::TIME", dt.time(3, 4, 5, 678000)),
        ("TO_VARIANT('2024-01-02 03:04:05 +0200'::TIMESTAMP_TZ)::TIME", dt.time(3, 4, 5)),
    ],
)
def test_expression(query: Any, expression: str, value: Any) -> None:
    assert query(f"SELECT {expression}") == [(value,)]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT $1 + $2 FROM VALUES (1, 2), (3, 4)", [(3,), (7,)]),
        ("SELECT a FROM (SELECT 1 AS a UNION ALL SELECT NULL) ORDER BY a", [(1,), (None,)]),
        ("SELECT a FROM (SELECT 1 AS a UNION ALL SELECT NULL) ORDER BY a DESC", [(None,), (1,)]),
        ("WITH t AS (SELECT 1 AS x), u AS (SELECT x + 1 AS x FROM t) SELECT * FROM u", [(2,)]),
        (
            "SELECT x FROM (SELECT 1 AS x UNION ALL SELECT 2) QUALIFY ROW_NUMBER() OVER (ORDER BY x DESC) = 1",
            [(2,)],
        ),
        ("SELECT 1 AS a, a + 1 AS b", [(1, 2)]),
        (
            "SELECT ROW_NUMBER() OVER (ORDER BY SEQ4()) AS n FROM TABLE(GENERATOR(ROWCOUNT => 3))",
            [(1,), (2,), (3,)],
        ),
        (
            "SELECT f.value::INT FROM (SELECT PARSE_JSON('[4, 5]') AS j) t, LATERAL FLATTEN(INPUT => t.j) f ORDER BY 1",
            [(4,), (5,)],
        ),
        (
            "SELECT * FROM ((SELECT 1 AS x, 'a' AS k) l JOIN (SELECT 'a' AS k, 2 AS y) r USING (k))",
            [("a", 1, 2)],
        ),
        (
            "SELECT * FROM ((SELECT 1 AS t, 'a' AS k) l ASOF JOIN (SELECT 'a' AS k, 0 AS u) r "
            "MATCH_CONDITION (l.t >= r.u) USING (k))",
            [("a", 1, 0)],
        ),
        (
            "SELECT t.id, f.seq, f.value::INT FROM (SELECT $1 AS id, PARSE_JSON($2) AS j FROM VALUES (7, '[4, 5]'), "
            "(8, '[6]')) t, LATERAL FLATTEN(t.j) f ORDER BY 3",
            [(7, 1, 4), (7, 1, 5), (8, 2, 6)],
        ),
        (
            "SELECT id, COUNT(DISTINCT seq) FROM (SELECT t.*, f.* FROM (SELECT $1 AS id FROM VALUES (7), (7)) t, "
            "LATERAL SPLIT_TO_TABLE('a,b', ',') f) GROUP BY id",
            [(7, 2)],
        ),
        ("SELECT value FROM TABLE(SPLIT_TO_TABLE('abc', ''))", [("abc",)]),
        (
            "SELECT VAR_POP(x), STDDEV_POP(x), KURTOSIS(x) FROM VALUES (1), (1), (2), (2), (3), (3) v(x)",
            [(Decimal("0.666667"), 0.8164967850518458, Decimal("-1.875"))],
        ),
        ("SELECT AVG(x), SUM(x) FROM (SELECT 1 AS x UNION ALL SELECT 2)", [(Decimal("1.500000"), 3)]),
    ],
)
def test_query(query: Any, text: str, rows: list[Any]) -> None:
    assert query(text) == rows


def test_whole_numbers_stay_whole(session: Any) -> None:
    frame = session.sql("SELECT SUM(x) AS s, COUNT(*) AS n FROM (SELECT 1 AS x UNION ALL SELECT 2)")
    assert frame.collect()[0].as_dict() == {"S": 3, "N": 2}
    assert [str(field.datatype) for field in frame.schema.fields] == ["LongType()", "LongType()"]
    assert str(frame.to_pandas()["S"].dtype) == "int64"


def test_unnamed_columns_have_snowflakes_names(session: Any) -> None:
    row = session.sql("select count(*), 1 from values (1)").collect()[0]
    assert list(row.as_dict()) == ["COUNT(*)", "1"]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("SELECT * FROM nope", 2003, "Object 'NOPE' does not exist or not authorized"),
        ("SELECT nope FROM VALUES (1)", 904, "invalid identifier 'NOPE'"),
        ("SELECT 'abc'::INT", 100038, "Numeric value 'abc' is not recognized"),
        ("SELECT FROM WHERE", 1003, "syntax error line 1 at position"),
        ("SELECT NOFUNCTION(1)", 2139, "Unknown function"),
        ("USE DATABASE nope", 2003, "Database 'NOPE' does not exist"),
        ("USE WAREHOUSE nope", 2043, "Object does not exist"),
        ("CREATE TABLE t (a INT, a INT)", 2025, "duplicate column name 'A'"),
        ("CREATE TABLE t AS SELECT 1 AS a, 2 AS a", 2025, "duplicate column name 'A'"),
        (
            "CREATE VIEW v AS SELECT * FROM (SELECT 1 AS a) x JOIN (SELECT 1 AS a) y ON x.a = y.a",
            2025,
            "duplicate column name 'A'",
        ),
        ("SELECT 1; SELECT 2", 8, "Actual statement count 2"),
    ],
)
def test_errors_are_snowflakes(session: Any, text: str, code: int, message: str) -> None:
    with pytest.raises(SnowparkSQLException) as caught:
        session.sql(text).collect()
    assert caught.value.sql_error_code == code
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT COLLATION('a')",
        "SELECT 1 AS x WHERE RANDOM(7) > 0",
        "CREATE TABLE t (a FILE)",
        "CREATE FUNCTION f() RETURNS INT LANGUAGE JAVA AS '1'",
        "CREATE TABLE t (a INT, b INT AS (a + 1))",
        "CREATE STAGE s URL = 's3://bucket'",
        "LIST @~",
        "SELECT * FROM INFORMATION_SCHEMA.APPLICABLE_ROLES",
        "SHOW INTEGRATIONS",
        "CREATE DATABASE d FROM SHARE a.b",
        "BEGIN AWAIT ALL; END",
        "SELECT TO_CHAR(x, 'YYYY') FROM (SELECT PARSE_JSON('1') AS x)",
    ],
)
def test_what_is_not_supported_is_refused_by_name(session: Any, text: str) -> None:
    session.sql("CREATE TABLE t0 (a INT)").collect()
    with pytest.raises(
        SnowparkSQLException, match="the embedded warehouse does not support .*; Snowflake does"
    ):
        session.sql(text).collect()


def test_describing_does_not_run(session: Any, query: Any) -> None:
    query("CREATE TABLE t (a INT)")
    frame = session.sql("SELECT a, 1 / 0 AS b FROM t UNION ALL SELECT 1, 1 / 0")
    assert [field.name for field in frame.schema.fields] == ["A", "B"]
    with pytest.raises(SnowparkSQLException):
        frame.collect()


def test_bound_values(session: Any) -> None:
    rows = session.sql("SELECT ?, ?", params=["it's", 3]).collect()
    assert tuple(rows[0]) == ("it's", 3)


def test_a_join_keeps_both_columns_of_a_name(session: Any) -> None:
    cursor = session.connection.cursor().execute(
        "SELECT * FROM (SELECT 1 AS a) x JOIN (SELECT 2 AS a) y ON TRUE"
    )
    assert cursor.fetchall() == [(1, 2)]
    assert [column.name for column in cursor.description] == ["A", "A"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("V['a'][0]['b']", "1"),
        ("V:a[0].b", "1"),
        ("V['a'][I]", "5"),
        ("V[NAME]", '"x"'),
        ("V['a'][0]['c d']['e'][I]::INT + 1", 21),
        ("V['nope']['x']", None),
        ("PARSE_JSON('[[1,2],[3,4]]')[1][0]", "3"),
        ("ARRAY_CONSTRUCT(1, 2)[0]", "1"),
        ("V['a'][-1]", None),
        ("PARSE_JSON('{q: 1}'):q", "1"),
        ("V['k']::STRING", "x"),
    ],
)
def test_elements_of_a_variant(
    query: Callable[[str], list[tuple[Any, ...]]], expression: str, value: object
) -> None:
    document = '{"a": [{"b": 1, "c d": {"e": [10, 20]}}, 5], "k": "x"}'
    assert query(f"SELECT {expression} FROM (SELECT PARSE_JSON('{document}') V, 1 I, 'k'::VARCHAR NAME)") == [
        (value,)
    ]


def test_a_result_column_without_a_name_has_its_text(session: Any) -> None:
    frame = session.sql("select count( *), 'James', max(a)+1, max(\"A\") :: string from (select 1 a)")
    assert frame.columns == ['"COUNT( *)"', "\"'JAMES'\"", '"MAX(A)+1"', '"MAX(""A"") :: STRING"']


def test_what_duckdb_cannot_run_is_refused_by_name(query: Callable[[str], list[tuple[Any, ...]]]) -> None:
    with pytest.raises(Exception, match="does not support a part of this statement: DuckDB says"):
        query("SELECT ROW_NUMBER() OVER (PARTITION BY RANDOM() ORDER BY A) FROM (SELECT 1 AS A)")


def test_explain_gives_the_plan_of_this_warehouse(query: Callable[[str], list[tuple[Any, ...]]]) -> None:
    ((plan,),) = query("EXPLAIN USING TEXT SELECT COUNT(*) FROM (SELECT 1 AS A)")
    assert "─" in plan
    with pytest.raises(Exception, match="EXPLAIN as a table or JSON"):
        query("EXPLAIN SELECT 1")


def test_a_schema_left_out_is_public(query: Callable[[str], list[tuple[Any, ...]]]) -> None:
    query("CREATE DATABASE OTHER")
    query("CREATE TABLE OTHER..T AS SELECT 1 AS A")
    assert query("SELECT A FROM OTHER..T") == [(1,)]


def test_a_sort_key_may_repeat_a_grouped_expression(query: Callable[[str], list[tuple[Any, ...]]]) -> None:
    query("CREATE TABLE names (name VARCHAR, n INT)")
    query("INSERT INTO names VALUES ('beta', 1), ('alpha', 2), ('alps', 3)")
    assert query(
        "SELECT SUBSTR(name, 1, 2), SUM(n) FROM names GROUP BY SUBSTR(name, 1, 2) ORDER BY SUBSTR(name, 1, 2)"
    ) == [("al", 5), ("be", 1)]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        # https://docs.snowflake.com/en/sql-reference/constructs/asof-join
        (
            "SELECT * FROM t a ASOF JOIN t b MATCH_CONDITION (a.i >= b.i AND a.i > 0)",
            "MATCH_CONDITION clause is invalid: Only comparison operators",
        ),
        ("SELECT i, COUNT(*) FROM t GROUP BY ROLLUP()", r"unexpected '\)'"),
        ("SELECT COUNT(*) FROM t GROUP BY CUBE()", r"unexpected '\)'"),
        ("SELECT (i AS b + 1) FROM t", "position 10 unexpected 'AS'"),
        ("EXPLAIN USING TEXT SELECT * FROM INFORMATION_SCHEMA.TABLES", "EXPLAIN does not support"),
        (
            "SELECT APPROX_PERCENTILE_ESTIMATE(APPROX_PERCENTILE_ACCUMULATE(i), -1.0) FROM t",
            r"Invalid value \[-1.0\] for function 'APPROX_PERCENTILE_ESTIMATE'",
        ),
    ],
)
def test_what_a_query_may_not_have(session: Any, sql: str, message: str) -> None:
    session.sql("CREATE TABLE t AS SELECT 1 AS i").collect()
    with pytest.raises(Exception, match=message):
        session.connection.cursor().execute(sql)


def test_a_pivot_may_list_null(query: Callable[..., Any]) -> None:
    query("CREATE TABLE t AS SELECT * FROM VALUES (1, 'x', 2), (1, NULL, 3) v(k, c, n)")
    assert query("SELECT k, \"'x'\" FROM t PIVOT (SUM(n) FOR c IN ('x', NULL))") == [(1, 2)]


def test_the_default_of_null_if_is_not_the_value_that_json_has(query: Callable[..., Any]) -> None:
    # https://docs.snowflake.com/en/sql-reference/sql/desc-file-format
    query("CREATE FILE FORMAT f TYPE = JSON")
    assert ("NULL_IF", "List", "[]", r"[\\N]") in query("DESCRIBE FILE FORMAT f")


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY RANDOM()) AS r FROM t", None),
        ("SELECT x.*, RANK() OVER (ORDER BY UNIFORM(1, 9, RANDOM()), i) AS r FROM t x", None),
        ("SELECT i FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY k ORDER BY RANDOM()) = 1", 2),
    ],
)
def test_a_window_has_a_random_order(query: Callable[..., Any], sql: str, rows: int | None) -> None:
    query("CREATE TABLE t AS SELECT * FROM VALUES (1, 'a'), (2, 'a'), (3, 'b') v(i, k)")
    found = query(sql)
    assert len(found) == (rows or 3)
    if rows is None:
        assert [len(row) for row in found] == [3, 3, 3]
        assert sorted(row[:2] for row in found) == [(1, "a"), (2, "a"), (3, "b")]


def test_a_random_order_with_a_seed_is_the_same_again(query: Callable[..., Any]) -> None:
    query("CREATE TABLE t AS SELECT SEQ4() AS i FROM TABLE(GENERATOR(ROWCOUNT => 50))")
    sql = "SELECT i, ROW_NUMBER() OVER (ORDER BY RANDOM(7)) FROM t ORDER BY i"
    assert query(sql) == query(sql)
    assert sorted(row[1] for row in query(sql)) == list(range(1, 51))


def test_a_random_order_of_a_window_over_groups_is_refused(query: Callable[..., Any]) -> None:
    query("CREATE TABLE t AS SELECT 1 AS i")
    with pytest.raises(SnowparkSQLException, match="a random order of a window in a query that joins"):
        query("SELECT i, ROW_NUMBER() OVER (ORDER BY RANDOM()) FROM t GROUP BY i")


def test_flatten_shows_the_number_of_the_row_it_reads(query: Callable[..., Any]) -> None:
    query(
        "CREATE TABLE t AS SELECT i, PARSE_JSON(a) AS a FROM VALUES (1, '[5, 6]'), (2, '[]'), (3, '[7]') v(i, a)"
    )
    of = "FROM t, LATERAL FLATTEN(INPUT => a) f"
    assert query(f"SELECT t.i, f.* EXCLUDE (path, this) {of} ORDER BY t.i, f.index")[0] == (
        1,
        1,
        None,
        0,
        "5",
    )
    assert query(f"SELECT SEQ, COUNT(*) {of} GROUP BY SEQ ORDER BY SEQ") == [(1, 2), (3, 1)]
    assert [row[2:6] for row in query(f"SELECT * {of}")] == [
        (1, None, "[0]", 0),
        (1, None, "[1]", 1),
        (3, None, "[0]", 0),
    ]
    left = "SELECT f.seq FROM t LEFT JOIN TABLE(FLATTEN(t.a)) f ORDER BY t.i, f.index"
    assert query(left) == [(1,), (1,), (None,), (3,)]
    outer = "SELECT f.seq, f.value FROM t, LATERAL FLATTEN(INPUT => a, OUTER => TRUE) f ORDER BY t.i, f.index"
    assert query(outer) == [(1, "5"), (1, "6"), (2, None), (3, "7")]


def test_flatten_is_executed_without_a_join(query: Callable[..., Any]) -> None:
    query("CREATE TABLE t AS SELECT 1 AS i, PARSE_JSON('[1, 2]') AS a")
    for shown in ("*", "i, value", "f.*, t.*", "seq, value"):
        ((plan,),) = query(f"EXPLAIN USING TEXT SELECT {shown} FROM t, LATERAL FLATTEN(INPUT => a) f")
        assert "Join" not in plan


@pytest.mark.parametrize("shown", ["value", "f.value", "*"])
def test_the_elements_of_constants_keep_their_order(query: Callable[..., Any], shown: str) -> None:
    source = "(SELECT PARSE_JSON(a) AS a FROM VALUES ('[1, 2]'), ('[3, 4]') v(a)) t"
    found = query(f"SELECT {shown} FROM {source}, LATERAL FLATTEN(INPUT => a) f")
    assert [row[-2 if shown == "*" else 0] for row in found] == ["1", "2", "3", "4"]
    parts = query("SELECT s.value FROM (VALUES ('a,b'), ('c,d')) v(x), LATERAL SPLIT_TO_TABLE(x, ',') s")
    assert parts == [("a",), ("b",), ("c",), ("d",)]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (
            "SELECT id, LEVEL FROM t START WITH id = 1 CONNECT BY id = PRIOR id * 10 ORDER BY 1",
            [(1, 1), (10, 2)],
        ),
        (
            "SELECT * FROM t x START WITH x.id = 10 CONNECT BY PRIOR x.id = x.above ORDER BY 1",
            [(10, 1), (11, 10)],
        ),
        ("SELECT COUNT(*) FROM t CONNECT BY above = PRIOR id", [(6,)]),
        ("SELECT LEVEL FROM (SELECT 1) CONNECT BY LEVEL <= 3", [(1,), (2,), (3,)]),
        (
            "WITH q AS (SELECT * FROM t) SELECT MAX(LEVEL) FROM q WHERE id <> 11 START WITH above IS NULL "
            "CONNECT BY above = PRIOR id",
            [(2,)],
        ),
    ],
)
def test_connect_by(query: Any, text: str, rows: list[tuple[Any, ...]]) -> None:
    query("CREATE TABLE t AS SELECT column1 AS id, column2 AS above FROM VALUES (1, NULL), (10, 1), (11, 10)")
    assert query(text) == rows


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("SELECT a FROM t, u CONNECT BY PRIOR a = b", "does not support CONNECT BY over several relations"),
        ("SELECT x.nope FROM t x", "invalid identifier 'X.NOPE'"),
        ("SELECT a FROM t QUALIFY a > 1", "found QUALIFY clause but no window function"),
        ("SELECT a FROM t WHERE a IN (SELECT a, b FROM t)", "expected 1, got 2"),
    ],
)
def test_wrong_queries_have_snowflakes_errors(query: Any, text: str, error: str) -> None:
    query("CREATE TABLE t (a INT, b INT)")
    query("CREATE TABLE u (c INT)")
    with pytest.raises(SnowparkSQLException, match=error):
        query(text)


def test_the_correlation_of_values_with_a_nan_is_nan(query: Any) -> None:
    values = "VALUES (1.0::FLOAT, 1), ('NaN'::FLOAT, 2), (3.0::FLOAT, 4)"
    assert query(f"SELECT CORR(column1, column2)::VARCHAR FROM {values}") == [("NaN",)]
    assert query("SELECT CORR(column1, column2) FROM VALUES (1, 1), (1, 2)") == [(None,)]
