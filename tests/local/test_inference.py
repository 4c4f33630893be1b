"""Column metadata in descriptions: NOT NULL and the length of VARCHAR."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snowflake.snowpark.types import LongType, StringType

import snowpipe_ml


@pytest.fixture
def table(session: Any) -> Any:
    session.sql("CREATE TABLE T (A VARCHAR(10), B INT NOT NULL, C INT)").collect()
    session.sql("INSERT INTO T VALUES ('x', 1, NULL)").collect()
    return session


@pytest.mark.parametrize(
    ("query", "nullable"),
    [
        ("SELECT A, B, C FROM T", [True, False, True]),
        ("SELECT * FROM T", [True, False, True]),
        (
            "SELECT B + 1, B + C, 1, NULL, COUNT(*), SUM(B) FROM T GROUP BY ALL",
            [False, True, False, True, False, True],
        ),
        ("WITH q AS (SELECT B AS X FROM T) SELECT X FROM q", [False]),
        ("SELECT L.B, R.B FROM T L LEFT JOIN T R ON L.B = R.B", [False, True]),
        ("SELECT L.B, R.B FROM T L RIGHT JOIN T R ON L.B = R.B", [True, False]),
        ("SELECT L.B, R.B FROM T L FULL JOIN T R ON L.B = R.B", [True, True]),
        ("SELECT B FROM T UNION ALL SELECT C FROM T", [True]),
        ("SELECT B FROM T UNION ALL SELECT 2", [False]),
        ("SELECT C FROM T INTERSECT SELECT B FROM T", [True]),
        ("SELECT B FROM T INTERSECT SELECT C FROM T", [False]),
        ("SELECT B FROM T EXCEPT SELECT C FROM T", [False]),
        ("SELECT $1, $2 FROM VALUES (1, NULL), (2, 3)", [False, True]),
        ("SELECT COALESCE(C, 0), COALESCE(C, NULL), IFF(B > 1, 1, NULL) FROM T", [False, True, True]),
        ("SELECT CASE WHEN C > 1 THEN 1 ELSE 0 END, CASE WHEN C > 1 THEN 1 END FROM T", [False, True]),
        ("SELECT B, COUNT(*) FROM T GROUP BY ROLLUP(B)", [True, True]),
        ("SELECT ROW_NUMBER() OVER (ORDER BY B), LAG(B) OVER (ORDER BY B) FROM T", [False, True]),
        ("SELECT TRY_CAST('x' AS INT), CAST('1' AS INT), B::VARCHAR FROM T", [True, False, False]),
        ("SELECT C IS NULL, C = 1, B = 1, NOT B > 1, TRUE, B IN (1) AND FALSE FROM T", [True] * 6),
        (
            "SELECT B / 2, B % 2, C / 2, TIME('10:00:00') AS X, RANDSTR(5, RANDOM()) AS Y FROM T",
            [False] * 2 + [True] + [False] * 2,
        ),
    ],
)
def test_null_is_said_where_it_can_be(table: Any, query: str, nullable: list[bool]) -> None:
    assert [field.nullable for field in table.sql(query).schema.fields] == nullable


def test_lengths(table: Any) -> None:
    fields = table.sql("SELECT A, 'abc' AS X, A::VARCHAR(5) AS Y, A || 'x' AS Z FROM T").schema.fields
    assert [field.datatype for field in fields] == [
        StringType(10),
        StringType(3),
        StringType(5),
        StringType(),
    ]


def test_dml_says_that_it_counts(table: Any) -> None:
    (field,) = table.sql("INSERT INTO T VALUES ('y', 2, 3)").schema.fields
    assert (field.name, field.datatype, field.nullable) == ('"number of rows inserted"', LongType(), False)


def test_a_saved_table_keeps_what_its_query_promises(
    table: Any, query: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    table.sql("SELECT B, C FROM T").write.save_as_table("U")
    assert [(row[0], row[3]) for row in query("DESCRIBE TABLE U")] == [("B", "N"), ("C", "Y")]
    assert [row[1] for row in query("DESCRIBE TABLE T")] == ["VARCHAR(10)", "NUMBER(38,0)", "NUMBER(38,0)"]
    assert query(
        "SELECT CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION FROM INFORMATION_SCHEMA.COLUMNS "
        "WHERE TABLE_NAME = 'T' ORDER BY ORDINAL_POSITION"
    ) == [(10, None), (None, 38), (None, 38)]


_VALUES = st.one_of(st.none(), st.integers(0, 3))


@given(
    rows=st.lists(st.tuples(_VALUES, _VALUES), min_size=1, max_size=4),
    expression=st.sampled_from(
        [
            "A",
            "B",
            "A + B",
            "A * 2 - B",
            "COALESCE(A, B)",
            "COALESCE(A, B, 0)",
            "CASE WHEN A > B THEN A ELSE B END",
            "A = B",
            "A IS NULL",
            "NOT (A > B)",
            "A IN (1, B)",
            "ABS(A)",
            "COUNT(B) OVER (ORDER BY A)",
            "NULLIF(A, B)",
            "IFF(A IS NULL, 0, A)",
            "A::VARCHAR",
            "GREATEST(A, B)",
            "A BETWEEN 0 AND B",
        ]
    ),
)
def test_what_is_said_not_to_be_null_is_not(
    rows: list[tuple[int | None, int | None]], expression: str
) -> None:
    literal = ", ".join(
        "(" + ", ".join("NULL::INT" if v is None else str(v) for v in row) + ")" for row in rows
    )
    frame = SESSION.sql(f"SELECT {expression} AS X FROM (SELECT $1 AS A, $2 AS B FROM VALUES {literal})")
    if not frame.schema.fields[0].nullable:
        assert all(row[0] is not None for row in frame.collect())


SESSION = snowpipe_ml.local_session()
