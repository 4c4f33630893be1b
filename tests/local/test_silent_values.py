"""Values that were once silently wrong or refused."""

from __future__ import annotations

import json
from datetime import datetime, time
from decimal import Decimal
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError
from snowflake.snowpark.exceptions import SnowparkSQLException


def answer(query: Any, text: str) -> Any:
    """The rows of a query; None if it is refused by name, which is not a wrong value."""
    try:
        return query(text)
    except SnowparkSQLException as refused:
        if "does not support" not in str(refused):
            raise
        return None


@pytest.mark.parametrize(
    ("constant", "value"),
    [
        ("{'a': 1}", {"a": 1}),
        ("{'a': {'b': [1, {'c': 2}]}, 'D': 3}", {"a": {"b": [1, {"c": 2}]}, "D": 3}),
        ("{'a': 1, 'A': 2}", {"a": 1, "A": 2}),
        ("{'the key': 1, 'key': 2}", {"the key": 1, "key": 2}),
        ("OBJECT_CONSTRUCT('a', {'b': 1})", {"a": {"b": 1}}),
        ("ARRAY_CONSTRUCT({'k': 1})", [{"k": 1}]),
        ("{'a': 1}::VARIANT", {"a": 1}),
    ],
)
def test_the_keys_of_an_object_constant_keep_their_case(query: Any, constant: str, value: Any) -> None:
    assert json.loads(query(f"SELECT {constant}")[0][0]) == value


def test_a_key_of_an_object_constant_is_no_name(query: Any) -> None:
    query("CREATE TABLE t AS SELECT 1 AS a")
    # Another column with the key's name in another case changes nothing.
    assert json.loads(query("SELECT {'a': a, 'A': a + 1} AS x FROM t")[0][0]) == {"a": 1, "A": 2}
    assert query("SELECT {'a': 5}:a::INT, {'a': {'b': 6}}:a.b::INT, {'a': 7}['a']::INT") == [(5, 6, 7)]
    query("CREATE TABLE u (x OBJECT)")
    query("INSERT INTO u SELECT {'a': a} FROM t")
    assert query("SELECT x:a::INT FROM u") == [(1,)]


def test_the_keys_of_an_object_constant_are_read(query: Any) -> None:
    assert json.loads(query("SELECT OBJECT_KEYS({'a': 1})")[0][0]) == ["a"]


@pytest.fixture
def nested(query: Any) -> None:
    query('CREATE TABLE j AS SELECT PARSE_JSON(\'{"xs": ["a", 1, true, {"k": "v"}], "o": {"p": "q"}}\') AS v')


TEXTS = [("a",), ("1",), ("true",), ('{"k":"v"}',)]


@pytest.mark.parametrize(
    "expression",
    [
        "f.value::string",
        "f.value::VARCHAR",
        "f.value::VARCHAR(20)",
        "CAST(f.value AS VARCHAR)",
        "TO_VARCHAR(f.value)",
        "TO_CHAR(f.value)",
        "COALESCE(f.value::string, 'n')",
    ],
)
def test_a_value_of_flatten_as_text_has_no_quotes(query: Any, nested: None, expression: str) -> None:
    assert query(f"SELECT {expression} FROM j, LATERAL FLATTEN(INPUT => v:xs) f ORDER BY f.index") == TEXTS
    assert query(f"SELECT {expression} FROM j, TABLE(FLATTEN(v:xs)) f ORDER BY f.index") == TEXTS


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT value::string FROM TABLE(FLATTEN(INPUT => PARSE_JSON('[\"a\"]')))", [("a",)]),
        ("SELECT f.key, f.value::string FROM j, LATERAL FLATTEN(INPUT => v:o) f", [("p", "q")]),
        ("SELECT LENGTH(f.value::string) FROM j, LATERAL FLATTEN(INPUT => v:o) f", [(1,)]),
        ("SELECT COUNT(*) FROM j, LATERAL FLATTEN(INPUT => v:xs) f WHERE f.value::string = 'a'", [(1,)]),
        ("SELECT LISTAGG(f.value::string, ',') FROM j, LATERAL FLATTEN(INPUT => v:o) f", [("q",)]),
        (
            "SELECT f.value::string FROM j, LATERAL FLATTEN(INPUT => v, RECURSIVE => TRUE) f WHERE f.path = 'o.p'",
            [("q",)],
        ),
        (
            "SELECT g.value::string FROM j, LATERAL FLATTEN(INPUT => v:xs) f, LATERAL FLATTEN(INPUT => f.value) g",
            [("v",)],
        ),
        (
            "WITH c AS (SELECT f.value AS x FROM j, LATERAL FLATTEN(INPUT => v:o) f) SELECT x::string FROM c",
            [("q",)],
        ),
        ("SELECT x::string FROM (SELECT v:o.p AS x FROM j)", [("q",)]),
        ("SELECT x::string FROM (SELECT v:xs[0] AS x FROM j)", [("a",)]),
        ("SELECT x::string FROM (SELECT TO_VARIANT('q') AS x)", [("q",)]),
    ],
)
def test_text_of_a_variant_has_no_quotes_wherever_it_comes_from(
    query: Any, nested: None, text: str, rows: list[tuple[Any, ...]]
) -> None:
    assert query(text) == rows


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("UPPER(x)", "A"),
        ("x || 'z'", "az"),
        ("CONCAT(x, 'z')", "az"),
        ("LENGTH(x)", 1),
        ("x LIKE 'a%'", True),
        ("SUBSTR(x, 1, 1)", "a"),
        ("LEFT(x, 1)", "a"),
        ("LPAD(x, 3, '-')", "--a"),
        ("STARTSWITH(x, 'a')", True),
        ("REPLACE(x, 'a', 'b')", "b"),
        ("LISTAGG(x, ',')", "a"),
        ("x = 'a'", True),
        ("x IN ('a', 'b')", True),
    ],
)
@pytest.mark.parametrize(
    "source", ["PARSE_JSON('\"a\"') AS x", "f.value AS x FROM TABLE(FLATTEN(INPUT => ['a'])) f"]
)
def test_a_variant_in_the_place_of_text_is_text_or_refused(
    query: Any, source: str, expression: str, value: Any
) -> None:
    assert answer(query, f"SELECT {expression} FROM (SELECT {source})") in ([(value,)], None)


@pytest.mark.parametrize(("expression", "value"), [("MAX(x)", "10"), ("COUNT_IF(x > 9)", 1)])
def test_numbers_in_a_variant_are_in_order_or_refused(query: Any, expression: str, value: Any) -> None:
    query("CREATE TABLE n AS SELECT PARSE_JSON(column1) AS x FROM VALUES ('9'), ('10')")
    assert answer(query, f"SELECT {expression} FROM n") in ([(value,)], None)
    assert answer(query, "SELECT x FROM n ORDER BY x") in ([("9",), ("10",)], None)


# https://docs.snowflake.com/en/sql-reference/functions-conversion#date-and-time-formats-in-conversion-functions

FORMATS = [
    ("YYYY-MM-DD", "2024-01-05"),
    ("YYYYMMDD", "20240105"),
    ("DD.MM.YYYY", "05.01.2024"),
    ("DD-MON-YY", "05-Jan-24"),
    ("MMMM DD, YYYY", "January 05, 2024"),
    ("DY, DD MON YYYY", "Fri, 05 Jan 2024"),
    ("UUUU", "2024"),
    ("HH24:MI:SS", "15:04:06"),
    ("HH12:MI AM", "03:04 PM"),
    ("HH12:MI PM", "03:04 PM"),
    ("YYYY-MM-DD HH24:MI:SS.FF3", "2024-01-05 15:04:06.123"),
    ("SS.FF1", "06.1"),
    ("SS.FF2", "06.12"),
    ("SS.FF4", "06.1234"),
    ("SS.FF6", "06.123456"),
    ("SS.FF9", "06.123456000"),
    ("SS.FF", "06.123456000"),
]


@pytest.mark.parametrize("case", [str.upper, str.lower, str.title], ids=["upper", "lower", "title"])
@pytest.mark.parametrize(("template", "text"), FORMATS)
def test_a_format_reads_the_same_in_any_case(query: Any, template: str, text: str, case: Any) -> None:
    stamp = "'2024-01-05 15:04:06.123456'::TIMESTAMP_NTZ"
    assert query(f"SELECT TO_CHAR({stamp}, '{case(template)}')") == [(text,)]


@pytest.mark.parametrize("function", ["TO_CHAR", "TO_VARCHAR"])
def test_a_date_has_two_digits_of_the_day(query: Any, function: str) -> None:
    assert query(f"SELECT {function}('2024-01-05'::DATE, 'yyyy-mm-dd')") == [("2024-01-05",)]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('YYYY"T"MM', "2024T01"),
        ('yyyy"t"mm', "2024t01"),
        ('"day" DD', "day 05"),
        ('"MM"-YYYY', "MM-2024"),
        ("YYYY%D", "2024%5"),
        ("%Y", "%24"),
    ],
)
def test_what_is_no_element_of_a_format_is_as_it_is_written(query: Any, template: str, text: str) -> None:
    assert query(f"SELECT TO_CHAR('2024-01-05'::DATE, '{template}')") == [(text,)]


def test_the_offset_of_a_time_is_written_in_full(query: Any) -> None:
    query("ALTER SESSION SET TIMEZONE = 'America/St_Johns'")
    stamp = "'2024-01-05 15:04:06'::TIMESTAMP_LTZ"
    found = query(f"SELECT TO_CHAR({stamp}, 'TZH:TZM'), TO_CHAR({stamp}, 'tzhtzm'), TO_CHAR({stamp}, 'TZH')")
    assert found == [("-03:30", "-0330", "-03")]


def test_a_time_without_a_zone_is_written_as_utc(query: Any) -> None:
    # https://docs.snowflake.com/en/sql-reference/data-types-datetime
    stamp = "'2024-01-05 15:04:06'::TIMESTAMP_NTZ"
    assert answer(query, f"SELECT TO_CHAR({stamp}, 'HH24:MI TZHTZM')") in ([("15:04 Z",)], None)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("TO_DATE('05.01.2024', 'Dd.Mm.Yyyy')", "2024-01-05"),
        ("TO_DATE('05-jan-24', 'Dd-Mon-Yy')", "2024-01-05"),
        ("TO_TIMESTAMP('2024-01-05 15:04', 'Yyyy-Mm-Dd Hh24:Mi')", "2024-01-05 15:04:00.000"),
        ("TO_TIMESTAMP('2024-01-05T15:04', 'yyyy-mm-dd\"T\"hh24:mi')", "2024-01-05 15:04:00.000"),
        (
            "TO_TIMESTAMP_TZ('2024-01-05 15:04 +0200', 'YYYY-MM-DD HH24:MI TZHTZM')",
            "2024-01-05 15:04:00.000 +0200",
        ),
        ("TO_DATE('2024-01-05', 'AUTO')", "2024-01-05"),
    ],
)
def test_a_format_is_read_in_any_case(query: Any, expression: str, text: str) -> None:
    assert query(f"SELECT ({expression})::VARCHAR") == [(text,)]


ROWS = "TABLE(GENERATOR(ROWCOUNT => 1000))"


@pytest.mark.parametrize(
    ("expression", "at_least"),
    [
        ("RANDSTR(10, RANDOM())", 990),
        ("UPPER(RANDSTR(10, RANDOM()))", 990),
        ("RANDSTR(UNIFORM(5, 9, RANDOM()), RANDOM())", 990),
        ("ZIPF(1, 10, RANDOM())", 5),
        ("{'r': RANDOM()}::VARCHAR", 990),
        ("OBJECT_CONSTRUCT('r', RANDOM())::VARCHAR", 990),
        ("OBJECT_CONSTRUCT('r', UUID_STRING())::VARCHAR", 990),
        ("OBJECT_CONSTRUCT_KEEP_NULL('r', RANDOM())::VARCHAR", 990),
    ],
)
def test_each_row_has_a_random_value_of_its_own(query: Any, expression: str, at_least: int) -> None:
    query(f"CREATE TABLE t AS SELECT SEQ4() AS n FROM {ROWS}")
    for source in (ROWS, "t"):
        found = answer(query, f"SELECT COUNT(DISTINCT x) FROM (SELECT {expression} AS x FROM {source})")
        assert found is None or found[0][0] >= at_least


def test_the_seed_decides_a_random_text(query: Any) -> None:
    # A constant seed gives the same text for all rows, and few seeds give few texts.
    assert query(f"SELECT COUNT(DISTINCT x) FROM (SELECT RANDSTR(10, 7) AS x FROM {ROWS})") == [(1,)]
    few = query(
        f"SELECT COUNT(DISTINCT x) FROM (SELECT RANDSTR(10, UNIFORM(1, 5, RANDOM())) AS x FROM {ROWS})"
    )
    assert few == [(5,)]
    assert query("SELECT LENGTH(RANDSTR(12, RANDOM())), LENGTH(RANDSTR(0, RANDOM()))") == [(12, 0)]


def test_the_last_digits_of_a_random_number_are_random(query: Any) -> None:
    rests = query(
        f"SELECT x, COUNT(*) FROM (SELECT MOD(ABS(RANDOM()), 4) AS x FROM {ROWS}) GROUP BY x ORDER BY x"
    )
    assert [rest for rest, _ in rests] == [0, 1, 2, 3]
    assert all(150 < count < 350 for _, count in rests)


def test_a_short_sequence_begins_again(query: Any) -> None:
    # The example of https://docs.snowflake.com/en/sql-reference/functions/seq1
    numbers = "SELECT SEQ2(0) AS a, SEQ1(1) AS b FROM TABLE(GENERATOR(ROWCOUNT => 132))"
    found = answer(query, f"SELECT * FROM ({numbers}) ORDER BY a LIMIT 3 OFFSET 126")
    assert found in ([(126, 126), (127, 127), (128, -128)], None)


@pytest.fixture
def two(query: Any) -> None:
    query("CREATE TABLE t (k INT, c INT, d VARCHAR) AS SELECT * FROM VALUES (1, 10, 'a'), (2, 20, 'b')")
    query("CREATE TABLE s (k INT, c INT, d VARCHAR) AS SELECT * FROM VALUES (1, 11, 'x'), (3, 33, 'z')")


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE t SET t.c = s.c FROM s WHERE t.k = s.k",
        "UPDATE t SET T.C = s.c FROM s WHERE t.k = s.k",
        "UPDATE t AS u SET u.c = v.c FROM s AS v WHERE u.k = v.k",
        'UPDATE t SET "T"."C" = s.c FROM s WHERE t.k = s.k',
        "UPDATE public.t SET t.c = t.c + 1 WHERE t.k = 1",
        "UPDATE local.public.t SET local.public.t.c = 11 WHERE k = 1",
        "MERGE INTO t USING s ON t.k = s.k WHEN MATCHED THEN UPDATE SET t.c = s.c",
        "MERGE INTO t AS u USING s AS v ON u.k = v.k WHEN MATCHED THEN UPDATE SET u.c = v.c",
        "MERGE INTO t u USING (SELECT 1 AS k, 1 AS c) v ON u.k = v.k WHEN MATCHED AND v.c = 1 THEN UPDATE SET u.c = u.c + v.c",
    ],
)
def test_a_column_that_is_set_may_have_the_name_of_its_table(query: Any, two: None, text: str) -> None:
    query(text)
    assert query("SELECT k, c, d FROM t ORDER BY k") == [(1, 11, "a"), (2, 20, "b")]


def test_columns_of_a_merge_may_have_the_names_of_their_tables(query: Any, two: None) -> None:
    query(
        "MERGE INTO t u USING s v ON u.k = v.k WHEN MATCHED THEN UPDATE SET u.c = v.c, u.d = v.d "
        "WHEN NOT MATCHED THEN INSERT (u.k, u.c) VALUES (v.k, v.c)"
    )
    assert query("SELECT k, c, d FROM t ORDER BY k") == [(1, 11, "x"), (2, 20, "b"), (3, 33, None)]


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE t SET s.c = 1 FROM s WHERE t.k = s.k",
        "UPDATE t SET nope.c = 1",
        "MERGE INTO t USING s ON t.k = s.k WHEN MATCHED THEN UPDATE SET s.c = 1",
    ],
)
def test_only_columns_of_the_changed_table_are_set(query: Any, two: None, text: str) -> None:
    with pytest.raises(SnowparkSQLException, match="(?i)invalid identifier"):
        query(text)
    assert query("SELECT k, c, d FROM t ORDER BY k") == [(1, 10, "a"), (2, 20, "b")]


@pytest.mark.parametrize(
    ("relation", "values"),
    [
        ("t, LATERAL FLATTEN(t.v) f, LATERAL FLATTEN(f.value) g", [(0, 0), (0, 1), (1, 0)]),
        ("(SELECT * FROM t) s, TABLE(FLATTEN(s.v)) f, TABLE(FLATTEN(f.value)) g", [(0, 0), (0, 1), (1, 0)]),
        ("t, LATERAL FLATTEN(t.v) f, LATERAL FLATTEN(t.v) g", [(0, 0), (0, 1), (1, 0), (1, 1)]),
        (
            "(SELECT PARSE_JSON('[[7, 8], [9]]') AS v) s, LATERAL FLATTEN(s.v) f, LATERAL FLATTEN(s.v) g",
            [(0, 0), (0, 1), (1, 0), (1, 1)],
        ),
        (
            "(SELECT v, index AS first FROM (SELECT * FROM (SELECT PARSE_JSON($1) AS v FROM VALUES ('[[7, 8], [9]]')), "
            "LATERAL FLATTEN(v))) f, LATERAL FLATTEN(f.v) g",
            [(0, 0), (0, 1), (1, 0), (1, 1)],
        ),
    ],
)
def test_elements_of_several_flattens_keep_their_order(
    query: Any, relation: str, values: list[tuple[int, int]]
) -> None:
    query("CREATE TABLE t AS SELECT PARSE_JSON('[[7, 8], [9]]') AS v")
    first = "f.first" if "first" in relation else "f.index"
    assert query(f"SELECT {first}, g.index FROM {relation}") == values
    # Also with the column SEQ, which tells apart the rows that a call reads.
    rows = query(f"SELECT {first}, g.index, g.seq FROM {relation}")
    assert [row[:2] for row in rows] == values
    assert len({row[2] for row in rows}) == 2 if len(values) > 3 or "f.value" in relation else 1


def test_an_atomic_value_is_its_own_element_of_a_recursive_outer_flatten(query: Any) -> None:
    options = "RECURSIVE => TRUE, OUTER => TRUE"
    assert query(f"SELECT value, this FROM TABLE(FLATTEN(PARSE_JSON('1'), {options}))") == [("1", "1")]
    assert query(f"SELECT value, this FROM TABLE(FLATTEN(PARSE_JSON('[]'), {options}))") == [(None, "[]")]


@pytest.mark.parametrize(
    ("default", "value"),
    [
        ("TIMESTAMP DEFAULT '2024-01-02 03:04:05'::TIMESTAMP_NTZ", "2024-01-02 03:04:05.000"),
        ("TIMESTAMP DEFAULT TO_TIMESTAMP('2024-01-02')", "2024-01-02 00:00:00.000"),
        ("DATE DEFAULT TO_DATE('2024.01.02', 'YYYY.MM.DD')", "2024-01-02"),
        ("VARIANT DEFAULT PARSE_JSON('[1]')[0]", "1"),
        ("VARCHAR DEFAULT UPPER('x') || 'y'", "Xy"),
        ("INT DEFAULT 1 + 2", "3"),
        ("INT DEFAULT NULLIF(1, 1)", None),
    ],
)
def test_a_default_may_be_an_expression_of_constants(query: Any, default: str, value: str | None) -> None:
    query(f"CREATE TABLE t (n INT, c {default})")
    query("INSERT INTO t (n) VALUES (1)")
    assert query("SELECT c::VARCHAR FROM t") == [(value,)]


def test_intervals_are_refused_by_name(query: Any) -> None:
    for text in ("INTERVAL '1' YEAR", "INTERVAL '1-2' YEAR TO MONTH", "NULL::INTERVAL DAY TO SECOND"):
        with pytest.raises(SnowparkSQLException, match="does not support .*INTERVAL"):
            query(f"SELECT {text}")


def test_the_second_argument_of_a_symmetric_aggregate_is_converted_first(query: Any) -> None:
    with pytest.raises(SnowparkSQLException, match="Numeric value 'b' is not recognized"):
        query("SELECT CORR(x, y) FROM VALUES ('a', 'b') AS t(x, y)")
    assert query("SELECT COVAR_POP(x, y) FROM VALUES (1, 2), (3, 6) AS t(x, y)") == [(2.0,)]


def test_times_in_variants_keep_all_digits(query: Any) -> None:
    query(
        "CREATE TABLE v AS SELECT TO_VARIANT('20:57:01.123456'::TIME) AS t, "
        "TO_VARIANT('2024-01-01 20:57:01.123456'::TIMESTAMP_NTZ) AS n, "
        "TO_VARIANT('2024-01-01 20:57:01.123456 +0200'::TIMESTAMP_TZ) AS z"
    )
    clock = time(20, 57, 1, 123456)
    moment = datetime(2024, 1, 1, 20, 57, 1, 123456)
    assert query(
        "SELECT AS_TIME(t), t::TIME, AS_TIMESTAMP_NTZ(n), n::TIMESTAMP, z::TIMESTAMP_NTZ FROM v"
    ) == [(clock, clock, moment, moment, moment)]
    # What is shown has the digits of the output format.
    assert query("SELECT t, n::VARCHAR, OBJECT_CONSTRUCT('z', z)::VARCHAR, TO_JSON(n) FROM v") == [
        (
            '"20:57:01"',
            "2024-01-01 20:57:01.123",
            '{"z":"2024-01-01 20:57:01.123 +0200"}',
            '"2024-01-01 20:57:01.123"',
        )
    ]
    assert query("SELECT n = '2024-01-01 20:57:01.123457'::TIMESTAMP_NTZ::VARIANT FROM v") == [(False,)]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("TO_TIME('01:02:03', 'HH24:MI:SS.FF4')", time(1, 2, 3)),
        ("TO_TIMESTAMP('05/jan/2024 01:02:03', 'DD/MON/YYYY HH24:MI:SS.FF')", datetime(2024, 1, 5, 1, 2, 3)),
        ("AS_INTEGER(TO_VARIANT(1.9))", 2),
        ("AS_INTEGER(TO_VARIANT(1.5::FLOAT))", None),
        ("SOUNDEX('apple')", "a140"),
        ("GREATEST('1.5', 2, 1)", 2.0),
        ("DATE_PART(tzh, '2024-01-01'::TIMESTAMP_NTZ)", 0),
        ("CHECK_JSON('{\"a\": null')", "incomplete object value, pos 11"),
    ],
)
def test_functions_as_snowparks_own_tests_expect_them(query: Any, expression: str, value: object) -> None:
    assert query(f"SELECT {expression}") == [(value,)]


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("IS_DATE('2024-01-01')", "Invalid argument types for function 'IS_DATE': .VARCHAR"),
        ("AS_INTEGER(1)", "Invalid argument types for function 'AS_INTEGER'"),
        ("TO_DOUBLE(TRUE)", "Invalid argument types for function 'TO_DOUBLE': .BOOLEAN"),
        ("CONVERT_TIMEZONE('UTC', 'Asia/Tokyo', CURRENT_TIMESTAMP)", "function 'CONVERT_TIMEZONE'"),
        ("COALESCE(1)", "not enough arguments for function"),
        ("NTILE(0) OVER (ORDER BY 1)", "NTILE argument must be at least 1"),
        ("GROUPING(1)", "GROUPING function without a GROUP BY"),
        ("1 FROM (SELECT 1 AS a) WHERE GROUPING(a) = 0", "GROUPING function without a GROUP BY"),
        (
            "a FROM (SELECT 1 AS a) WHERE GROUPING(a) = 0 GROUP BY a",
            "Invalid aggregate function in where clause",
        ),
        ("SNOWFLAKE.CORTEX.SUMMARIZE('x')", "does not support the function SNOWFLAKE.CORTEX.SUMMARIZE"),
    ],
)
def test_wrong_arguments_have_snowflakes_errors(query: Any, expression: str, error: str) -> None:
    with pytest.raises(SnowparkSQLException, match=error):
        query(f"SELECT {expression}")


def test_columns_of_any_relation_have_positions(query: Any) -> None:
    query("CREATE TABLE t AS SELECT 1 AS a, PARSE_JSON('\"x\"') AS v")
    assert query('SELECT $2::VARCHAR, "$1" + 1 FROM (SELECT l.*, 5 FROM t l)') == [("x", 2)]
    assert query("WITH q AS (SELECT * FROM t) SELECT $1 FROM q") == [(1,)]
    assert query("SELECT $3 FROM t l, t r") == [(1,)]
    with pytest.raises(SnowparkSQLException, match=r"invalid identifier '\$3'"):
        query("SELECT $3 FROM (SELECT * FROM t)")
    with pytest.raises(SnowparkSQLException, match=r"does not support the column \$1"):
        query("SELECT $1 + 1 FROM t l, LATERAL FLATTEN(l.v) f")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a FROM (SELECT 1 AS a, 2 AS a)",
        "SELECT q.a + 1 FROM (SELECT 1 AS a, 2 AS a) q",
        "WITH q AS (SELECT 1 AS a, 2 AS a) SELECT a FROM q",
    ],
)
def test_a_column_that_a_subquery_has_twice_is_ambiguous(query: Any, text: str) -> None:
    with pytest.raises(SnowparkSQLException, match="ambiguous column name 'A'"):
        query(text)


def test_a_column_that_a_subquery_has_twice_can_be_left_alone(query: Any) -> None:
    assert query("SELECT b AS a FROM (SELECT 1 AS a, 2 AS a, 3 AS b) ORDER BY a") == [(3,)]
    assert query("SELECT * FROM (SELECT * FROM (SELECT 1 AS a, 2 AS a))") == [(1, 2)]


@pytest.mark.parametrize("kind", ["VIEW", "TABLE"])
def test_a_view_or_table_has_no_column_twice(query: Any, kind: str) -> None:
    with pytest.raises(SnowparkSQLException, match="duplicate column name 'A'"):
        query(f"CREATE {kind} x AS SELECT * FROM (SELECT 1 AS a, 2 AS a)")


def test_an_update_counts_rows_that_are_joined_to_several(query: Any) -> None:
    query("CREATE TABLE t AS SELECT column1 AS id, 0 AS n FROM VALUES (1), (2), (3)")
    query("CREATE TABLE s AS SELECT column1 AS id, column2 AS m FROM VALUES (1, 5), (1, 6), (2, 7)")
    assert query("UPDATE t SET n = s.m FROM s WHERE t.id = s.id") == [(2, 1)]
    assert query("UPDATE t x SET n = y.m FROM (SELECT * FROM s) y WHERE x.id = y.id AND y.m > 5") == [(2, 0)]
    assert query("UPDATE t SET n = 0") == [(3, 0)]


def test_parameters_of_one_statement(session: Any) -> None:
    cursor = session.connection.cursor()
    text = "SELECT TO_VARCHAR('2024-01-02'::DATE), WEEK('2024-01-01'::DATE)"
    cursor.execute(text, _statement_params={"DATE_OUTPUT_FORMAT": "YYYY", "WEEK_OF_YEAR_POLICY": "1"})
    assert cursor.fetchall() == [("2024", 1)]
    cursor.execute(text, _statement_params={"SF_PARTNER": "x"})
    assert cursor.fetchall()[0][0] == "2024-01-02"
    cursor.execute(
        "SELECT TO_VARCHAR('02-01-2024'::DATE)", _statement_params={"DATE_INPUT_FORMAT": "DD-MM-YYYY"}
    )
    assert cursor.fetchall() == [("2024-01-02",)]
    with pytest.raises(ProgrammingError, match="does not support the value TZH"):
        cursor.execute(text, _statement_params={"DATE_INPUT_FORMAT": "TZH"})
    cursor.execute("SHOW PARAMETERS LIKE 'DATE_%PUT_FORMAT'")
    assert [row[3] for row in cursor.fetchall()] == ["", ""]


def test_a_float_beyond_64_bits_is_cast_to_a_number(query: Any) -> None:
    assert query("SELECT 1.5e20::NUMBER(38, 0)") == [(150000000000000000000,)]


def test_scales_of_averages_in_windows(query: Any) -> None:
    query("CREATE TABLE t AS SELECT column1 AS k FROM VALUES (1), (2), (2)")
    rows = query(
        "SELECT AVG(k) OVER (ORDER BY k), AVG(k) OVER (), "
        "AVG(k) OVER (ORDER BY k ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM t ORDER BY 1"
    )
    # A running average has six digits; other windows have three, cut off.
    assert rows[-1] == (Decimal("1.666667"), Decimal("1.666"), Decimal("1.666"))


def test_aggregates_without_an_order_take_a_frame_of_the_whole_partition(query: Any) -> None:
    query("CREATE TABLE t AS SELECT column1 AS k FROM VALUES (1), (2), (4)")
    frame = "ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
    assert query(f"SELECT DISTINCT CORR(k, k) OVER ({frame}) FROM t") == [(1.0,)]
    with pytest.raises(SnowparkSQLException, match="Sliding window frame unsupported for function CORR"):
        query("SELECT CORR(k, k) OVER (ORDER BY k) FROM t")


def test_bound_values(session: Any, query: Any) -> None:
    cursor = session.connection.cursor()
    described = cursor.describe("SELECT ? AS a, column1::INT AS b FROM VALUES (?)")
    assert [column.name for column in described] == ["A", "B"]
    with pytest.raises(ProgrammingError, match="Bind variable . not set"):
        cursor.execute("SELECT ?")
    with pytest.raises(ProgrammingError, match="Bind variables not allowed in view"):
        cursor.execute("CREATE VIEW v AS SELECT ? AS a", (1,))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('SELECT "aB" FROM t', "invalid identifier '\"aB\"'"),
        ("SELECT x.b FROM t x", "invalid identifier 'X.B'"),
        ("USE SECONDARY ROLES", "unexpected '<EOF>'"),
    ],
)
def test_errors_name_what_is_wrong_as_snowflake_does(query: Any, text: str, error: str) -> None:
    query("CREATE TABLE t (a NUMBER(0, 0))")
    with pytest.raises(SnowparkSQLException, match=error):
        query(text)
