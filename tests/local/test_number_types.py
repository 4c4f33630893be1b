"""The types of expressions are known in every place: the scale of a quotient follows from its dividend.

https://docs.snowflake.com/en/sql-reference/operators-arithmetic
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from snowflake.snowpark.exceptions import SnowparkSQLException

from snowpipe_ml.local import connect

_FIXED, _REAL = 0, 1

_EXPRESSIONS = (
    *("n", "m", "f", "i", "1.50", ".05", "1e3", "-n", "(n)", "n * m", "n - m", "n / i", "i / n", "n % i"),
    *("ABS(n)", "ROUND(n, 1)", "TRUNC(n)", "FLOOR(n)", "MOD(n, i)", "SIGN(n)", "SQRT(n)"),
    *("GREATEST(n, m)", "GREATEST(n, f)", "LEAST(n, 2.555)", "COALESCE(n, 0)", "COALESCE(n, f)", "NVL(m, n)"),
    *(
        "NULLIF(n, 1)",
        "NULLIF(1.50, n)",
        "ZEROIFNULL(n)",
        "IFF(b, n, 1.555)",
        "IFF(b, f, n)",
        "IFF(b, NULL, n)",
    ),
    *("NVL2(n, n, m)", "NVL2(n, n, 1.555)", "DECODE(i, 1, n, 2.555)", "DECODE(i, 1, n, 2, m)", "DIV0(n, 3)"),
    *("CASE WHEN b THEN n END", "CASE WHEN b THEN n ELSE m END", "CASE WHEN b THEN n ELSE f END"),
    *("CASE WHEN b THEN 1 ELSE 2.5 END", "CASE i WHEN 1 THEN NULL ELSE n END", "s::NUMBER(10, 1)"),
    *("TO_NUMBER(s, 10, 2)", "TRY_TO_DECIMAL(s, 10, 2)", "TRY_CAST(s AS NUMBER(5, 1))", "n::INT", "b::INT"),
    *(
        "(SELECT MAX(n) FROM t)",
        "LENGTH(s)",
        "DATEDIFF('day', d, d)",
        "YEAR(d)",
        "HASH(i)",
        "v::NUMBER(9, 3)",
    ),
    *("SUM(n) OVER ()", "AVG(n) OVER ()", "AVG(i) OVER ()", "LAG(n) OVER (ORDER BY i)", "MEDIAN(n) OVER ()"),
    *("ROW_NUMBER() OVER (ORDER BY i)", "RATIO_TO_REPORT(n) OVER ()", "CUME_DIST() OVER (ORDER BY i)"),
    *("PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY n) OVER ()", "CORR(n, i) OVER ()"),
    *("LAST_VALUE(n IGNORE NULLS) OVER (ORDER BY i)", "NTH_VALUE(n, 1) OVER (ORDER BY i)"),
)
_AGGREGATES = (
    *("MAX(n)", "SUM(n)", "SUM(i)", "SUM(s)", "SUM(v)", "AVG(n)", "AVG(i)", "AVG(f)", "MEDIAN(n)", "MODE(n)"),
    *("VARIANCE(n)", "STDDEV(n)", "COUNT(DISTINCT n)", "SUM(DISTINCT n)", "SUM(n * m)", "SUM(n) / COUNT(*)"),
    *(
        "SUM(CASE WHEN b THEN n ELSE 0 END)",
        "SUM(IFF(b, n, NULL))",
        "SUM(NVL(n, 0))",
        "SUM(DECODE(i, 1, n, 0))",
    ),
    *("SUM(SUM(n)) OVER ()", "SUM(n) * 100 / SUM(SUM(n)) OVER ()", "CORR(n, i)", "COVAR_POP(n, i)"),
    *("PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY n)", "MAX_BY(n, i)", "APPROX_PERCENTILE(n, 0.5)"),
)
_PLACES = {
    "subquery": "SELECT x / 7 FROM ({0})",
    "chain of CTEs": "WITH a AS ({0}), b AS (SELECT x FROM a) SELECT x / 7 FROM b",
    "union": "SELECT x / 7 FROM ({0} UNION ALL SELECT NULL)",
    "column names": "SELECT y / 7 FROM ({0}) AS q(y)",
    "CASE of a subquery": "SELECT CASE WHEN x IS NULL THEN NULL ELSE x END / 7 FROM ({0})",
}


@pytest.fixture(scope="module")
def scales() -> Iterator[Any]:
    """Return the (type code, scale) of a statement's first column."""
    connection = connect(None, "D")
    cursor = connection.cursor()
    cursor.execute(
        "CREATE TABLE t (i INT, n NUMBER(7, 2), m NUMBER(12, 4), f FLOAT, d DATE, s VARCHAR(4), v VARIANT, b BOOLEAN)"
    )
    cursor.execute("INSERT INTO t SELECT 1, 2.5, 3.1234, 3.5, '2024-01-02', '3', 1.5, TRUE")

    @functools.cache  # each expression is asked for in every place
    def ask(text: str) -> tuple[int, int | None]:
        column = cursor.execute(text).description[0]
        return column.type_code, column.scale

    yield ask
    connection.close()


@pytest.mark.parametrize("place", _PLACES.values(), ids=_PLACES)
def test_quotient_of_every_expression(scales: Any, place: str) -> None:
    for expression in (*_EXPRESSIONS, *_AGGREGATES):
        inner = f"SELECT {expression} AS x FROM t"
        kind, scale = scales(inner)
        expected = (_FIXED, max(scale, min(scale + 6, 12))) if kind == _FIXED else (_REAL, None)
        assert scales(place.format(inner)) == expected, expression


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT x / 3 FROM (SELECT n x FROM t UNION ALL SELECT m FROM t)", (_FIXED, 10)),
        ("SELECT x / 3 FROM (SELECT n x FROM t UNION SELECT i FROM t UNION SELECT m FROM t)", (_FIXED, 10)),
        ("SELECT x / 3 FROM (SELECT n x FROM t INTERSECT SELECT 2.555)", (_FIXED, 9)),
        ("SELECT x / 3 FROM (SELECT n x FROM t UNION ALL SELECT f FROM t)", (_REAL, None)),
        ("SELECT x / 3 FROM (SELECT SUM(i) x FROM t UNION ALL SELECT 2.5 / 2)", (_FIXED, 12)),
        ("SELECT x / 3 FROM (SELECT s x FROM t UNION ALL SELECT n FROM t)", (_FIXED, 11)),
        ("SELECT x / 3 FROM (SELECT 1 x UNION ALL SELECT 2.555 UNION ALL SELECT 3.1)", (_FIXED, 9)),
        ("SELECT column1 / 3 FROM VALUES (1), (2.5), (NULL)", (_FIXED, 7)),
        ("SELECT a / b FROM (VALUES (1.5, 2), (2, 3.55)) v(a, b)", (_FIXED, 7)),
        ("SELECT x / 3 FROM t, LATERAL (SELECT t.n * 2 x) l", (_FIXED, 8)),
        ("SELECT x / 3 FROM t, LATERAL (SELECT MAX(m) x FROM t u WHERE u.i = t.i) l", (_FIXED, 10)),
        ("SELECT SEQ4() / 3 FROM TABLE(GENERATOR(ROWCOUNT => 1))", (_FIXED, 6)),
        (
            "WITH RECURSIVE r(a, k) AS (SELECT 1.5, 1 UNION ALL SELECT a + 1, k + 1 FROM r WHERE k < 3) "
            "SELECT a / 3 FROM r",
            (_FIXED, 7),
        ),
        ("SELECT \"'3'\" / 3 FROM (SELECT i, s, n FROM t) PIVOT (MAX(n) FOR s IN ('3')) p", (_FIXED, 8)),
        ("SELECT n / 3 AS q, q / 3 FROM t QUALIFY ROW_NUMBER() OVER (ORDER BY q) = 1", (_FIXED, 8)),
    ],
)
def test_quotient_of_relations(scales: Any, query: str, expected: tuple[int, int | None]) -> None:
    assert scales(query) == expected


def test_constant_in_a_subquery_is_no_float(query: Any) -> None:
    assert query("SELECT x / 3 FROM (SELECT 1.50 AS x)") == [(Decimal("0.50000000"),)]
    assert query("SELECT SUM(x) / 3 FROM VALUES (1.5), (2), (2.555) AS v(x)") == [(Decimal("2.018333333"),)]


@pytest.mark.parametrize(
    ("quotient", "expected"),
    [
        # Beyond 2^52 floating-point division would be wrong; ties are rounded away from zero.
        ("4503599627.37::NUMBER(38, 2) / 3", "1501199875.79000000"),
        ("-99999999999999999999.99::NUMBER(38, 2) / 7::NUMBER(38, 0)", "-14285714285714285714.28428571"),
        ("1.00::NUMBER(38, 2) / 1024.00::NUMBER(38, 2) / 2097152", "0.000000000466"),
        ("0.5 / 100000000", "0.0000000"),
        ("5.0 / 100000000", "0.0000001"),
        ("-5.0 / 100000000", "-0.0000001"),
        ("99999999999999999999999999.5 / 0.5", "199999999999999999999999999.0000000"),
        ("12345678901234567890123456789012 / 1.0", "12345678901234567890123456789012.000000"),
        ("-7.77::NUMBER(38, 2) / 2.5", "-3.10800000"),
        ("7.77::NUMBER(9, 2) / 0.01", "777.00000000"),
        ("0.000001 / 2000000.0", "0.000000000001"),
        ("(10.00 / 3) / (2.00 / 7)", "11.666666480000"),
    ],
)
def test_exact_quotient(query: Any, quotient: str, expected: str) -> None:
    assert query(f"SELECT {quotient}") == [(Decimal(expected),)]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.integers(-(10**17), 10**17), st.integers(1, 10**13) | st.sampled_from((2, 4, 8, 5, 1024))
        ),
        min_size=1,
        max_size=40,
    )
)
def test_quotients_are_rounded_half_away_from_zero(query: Any, pairs: list[tuple[int, int]]) -> None:
    rows = ", ".join(f"({a}::NUMBER(38, 0) * 0.01, {b}::NUMBER(38, 0) * 0.001)" for a, b in pairs)
    with localcontext() as exact:
        exact.prec = 80
        expected = [
            (Decimal(a).scaleb(-2) / Decimal(b).scaleb(-3)).quantize(Decimal("1e-8"), ROUND_HALF_UP)
            for a, b in pairs
        ]
    found = query(f"SELECT a / b FROM (VALUES {rows}) AS v(a, b)")
    assert sorted(value for (value,) in found) == sorted(expected)


@pytest.mark.parametrize("left", [2, 4, 9])
def test_quotients_of_quotients_are_exact(query: Any, left: int) -> None:
    """The inner one is rounded to its own scale first."""
    values = [(9_876_543_219, 37, -3000), (-1, 300, 7), (5, 1000, 2000), (123_456_789_012_345, 11, 13)]
    scale = [max(left, min(left + 6, 12))]
    scale.append(max(scale[0], min(scale[0] + 6, 12)))
    rows = ", ".join(f"({a}::NUMBER(38, 0), {b}::NUMBER(38, 0), {c}::NUMBER(38, 0))" for a, b, c in values)
    with localcontext() as exact:
        exact.prec = 80
        expected = []
        for a, b, c in values:
            inner = (Decimal(a).scaleb(-left) / b).quantize(Decimal(1).scaleb(-scale[0]), ROUND_HALF_UP)
            expected.append((inner / c).quantize(Decimal(1).scaleb(-scale[1]), ROUND_HALF_UP))
    unit = Decimal(1).scaleb(-left)
    found = query(f"SELECT (a * {unit:f}) / b / c FROM (VALUES {rows}) AS v(a, b, c)")
    assert sorted(value for (value,) in found) == sorted(expected)


def test_quotient_of_null(query: Any) -> None:
    assert query("SELECT NULL / 2.5, 2.5 / NULL, 2.5 / NULL::NUMBER(5, 2)") == [(None, None, None)]


def test_window_frame_in_small_letters(query: Any) -> None:
    query("CREATE TABLE k AS SELECT 1 AS a UNION ALL SELECT 2")
    frame = "rows between unbounded preceding and current row"
    assert query(f"select sum(a) over (order by a {frame}) from k order by 1") == [(1,), (3,)]


def test_distinct_of_a_column_in_parentheses(query: Any) -> None:
    query("CREATE TABLE k AS SELECT 2 AS a UNION ALL SELECT 1")
    assert query("SELECT DISTINCT(a) FROM k ORDER BY a") == [(1,), (2,)]


@pytest.mark.parametrize(
    "number",
    [
        "1 * FLOOR(a / 2 + 2)",
        "1 + MOD(CEIL(a / 2 + 1), 12)",
        "COALESCE(FLOOR(a / 2 + 2), 1)",
        "ABS(FLOOR(a / 2 + 2))",
        "GREATEST(ROUND(a / 2 + 2), 1)",
        "NULLIF(FLOOR(a / 2 + 2), 9)",
        "IFF(a = 0, FLOOR(a / 2 + 2), 1)",
        "3 - ROUND(1.4)",
        "TRUNC(2.7)",
    ],
)
@pytest.mark.parametrize(
    ("call", "result"),
    [
        ("SUBSTR('abcdef', {n})", "bcdef"),
        ("REPEAT('x', {n})", "xx"),
        ("LEFT('abc', {n})", "ab"),
        ("SPLIT_PART('a,b,c', ',', {n})", "b"),
        ("BITAND({n}, 3)", 2),
        ("DATEADD(minute, {n}, '2020-01-01'::TIMESTAMP)::VARCHAR", "2020-01-01 00:02:00.000"),
        ("TO_CHAR({n})", "2"),
    ],
)
def test_a_rounded_number_is_a_whole_number(query: Any, number: str, call: str, result: object) -> None:
    assert query(f"SELECT {call.format(n=number)} FROM (SELECT 0 AS a)") == [(result,)]


@pytest.fixture
def mixed(query: Any) -> None:
    query("CREATE TABLE m (a VARCHAR, b INT, c NUMBER(10, 2), f FLOAT)")
    query("INSERT INTO m VALUES ('1.5', 2, 2.25, 0.5)")


# https://docs.snowflake.com/en/sql-reference/functions/coalesce: a text among numbers becomes a NUMBER(18, 5), a constant
# the number that it is.
@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("COALESCE(a, b)", Decimal("1.50000")),
        ("NVL(b, a)", Decimal("2.00000")),
        ("COALESCE(a, c)", Decimal("1.50000")),
        ("COALESCE(a, f)", 1.5),
        ("COALESCE('17', 1)", 17),
        ("COALESCE('1.5', 1)", Decimal("1.5")),
        ("IFF(TRUE, a, b)", Decimal("1.50000")),
        ("IFF(b = 3, b, '4.5')", Decimal("4.5")),
        ("CASE WHEN b = 2 THEN a ELSE 0 END", Decimal("1.50000")),
        ("CASE a WHEN 2 THEN 'two' WHEN 1.5 THEN 'and a half' END", "and a half"),
        ("NVL2(b, a, b)", Decimal("1.50000")),
        ("DECODE(b, 2, a, b)", Decimal("1.50000")),
        ("DECODE(a, 2, 'two', 'other')", "other"),
        ("ZEROIFNULL(a)", Decimal("1.50000")),
        ("NULLIF(a, b)", "1.5"),
        ("NULLIF('2.0', b)", None),
        ("GREATEST(a, b)", Decimal("2.00000")),
        ("LEAST(a, b, c)", Decimal("1.50000")),
        ("GREATEST(a, f)", 1.5),
        ("a IN (1, 2)", False),
        ("a IN (2.5, 1.5)", True),
        ("a IN (SELECT b FROM m)", False),
        ("a NOT BETWEEN b AND 3", True),
        ("a BETWEEN 1 AND b", True),
        ("a = b OR a > 1.6", False),
    ],
)
def test_a_text_among_numbers_keeps_its_fraction(
    query: Any, mixed: None, expression: str, value: object
) -> None:
    assert query(f"SELECT {expression} FROM m") == [(value,)]


def test_a_text_among_numbers_of_values_and_subqueries(query: Any) -> None:
    assert query("SELECT GREATEST(a, b) FROM (SELECT $1 AS a, $2 AS b FROM VALUES ('2.5', 2))") == [
        (Decimal("2.50000"),)
    ]
    with pytest.raises(SnowparkSQLException, match="Numeric value 'x' is not recognized"):
        query("SELECT COALESCE(a, b) FROM VALUES ('x', 2) AS t (a, b)")
