"""MATCH_RECOGNIZE beyond the documented examples, which are in tests/documented/cases/match_recognize.yaml.

https://docs.snowflake.com/en/sql-reference/constructs/match_recognize
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from snowflake.snowpark.exceptions import SnowparkSQLException


@pytest.fixture
def ask(query: Any) -> Any:
    query("CREATE TABLE prices (g TEXT, d INT, p INT)")
    rows = [("a", 1, 5), ("a", 2, 3), ("a", 3, 4), ("a", 4, 6), ("b", 1, 9), ("b", 2, 8)]
    query(f"INSERT INTO prices VALUES {', '.join(map(str, rows))}")
    return query


def test_measures_of_one_row_per_match(ask: Any) -> None:
    measures = (
        "FIRST(p + 1) AS f, LAST(up.p) AS l, up.p AS u, AVG(p) AS a, SUM(up.p * 2) AS s, MAX(p) - MIN(p) AS r"
    )
    found = ask(
        f"SELECT * FROM prices MATCH_RECOGNIZE(PARTITION BY g ORDER BY d MEASURES {measures}, PREV(p) AS v, "
        "COUNT(DISTINCT g) AS n PATTERN(x up+) DEFINE up AS p > LAG(p))"
    )
    assert found == [("a", 4, 6, 6, Decimal("4.333"), 20, 3, 4, 1)]


def test_skip_to_a_symbol_is_skip_to_its_last_row(ask: Any) -> None:
    found = ask(
        "SELECT n, f FROM prices MATCH_RECOGNIZE(PARTITION BY g ORDER BY d MEASURES COUNT(*) AS n, FIRST(d) AS f "
        "AFTER MATCH SKIP TO y PATTERN(x y+?) DEFINE y AS g = 'a')"
    )
    assert sorted(found) == [(2, 1), (2, 2), (2, 3)]


def test_empty_matches(ask: Any) -> None:
    text = (
        "SELECT * FROM prices MATCH_RECOGNIZE(PARTITION BY g ORDER BY d MEASURES MATCH_NUMBER() AS m, COUNT(*) AS n, "
        "LAST(p) AS l, CLASSIFIER() AS c {rows} PATTERN(low*) DEFINE low AS p < 5) ORDER BY g, m"
    )
    assert ask(text.format(rows="")) == [
        *(("a", 1, 0, None, None), ("a", 2, 2, 4, "LOW"), ("a", 3, 0, None, None)),
        *(("b", 1, 0, None, None), ("b", 2, 0, None, None)),
    ]
    every = ask(text.format(rows="ALL ROWS PER MATCH"))
    assert [row[1:4] for row in every] == [(1, 5, 1), (2, 3, 2), (3, 4, 2), (4, 6, 3), (1, 9, 1), (2, 8, 2)]


def test_in_every_kind_of_query(ask: Any) -> None:
    clause = "MATCH_RECOGNIZE(ORDER BY d MEASURES COUNT(*) AS n PATTERN(^ a+ $))"
    assert ask(f"WITH c AS (SELECT d FROM prices WHERE g = 'b') SELECT n FROM c {clause}") == [(2,)]
    assert ask(f"SELECT m.n + 1 FROM prices {clause} AS m JOIN (SELECT 6 AS k) ON k = m.n") == [(7,)]
    assert ask(f"SELECT * FROM (SELECT 1 AS d UNION ALL SELECT 2) {clause}") == [(2,)]
    ask(f"CREATE TABLE made AS SELECT n FROM prices {clause}")
    ask(f"INSERT INTO made SELECT n * 2 FROM prices {clause}")
    assert sorted(ask("SELECT n FROM made")) == [(6,), (12,)]


def test_the_rows_of_a_stream_are_consumed(ask: Any) -> None:
    ask("CREATE TABLE made (n INT)")
    ask("CREATE STREAM s ON TABLE prices")
    ask("INSERT INTO prices VALUES ('c', 1, 1)")
    insert = "INSERT INTO made SELECT n FROM s MATCH_RECOGNIZE(ORDER BY d MEASURES COUNT(*) AS n PATTERN(a+))"
    ask(insert)
    ask(insert)
    assert ask("SELECT n FROM made") == [(1,)]


def test_a_query_is_read_again_when_its_rows_have_changed(ask: Any) -> None:
    text = "SELECT n FROM prices MATCH_RECOGNIZE(ORDER BY d MEASURES COUNT(*) AS n PATTERN(a+))"
    assert ask(text) == [(6,)]
    ask("INSERT INTO prices VALUES ('c', 1, 1)")
    assert ask(text) == [(7,)]


def test_described_as_it_runs(session: Any) -> None:
    session.sql("CREATE TABLE t (d DATE, n NUMBER(9, 2), v VARIANT, s TEXT)").collect()
    session.sql("INSERT INTO t SELECT '2020-01-01', 1.5, 2, 'x'").collect()
    frame = session.sql(
        "SELECT * FROM t MATCH_RECOGNIZE(ORDER BY d MEASURES LAST(v) AS l, SUM(n) AS u ALL ROWS PER MATCH PATTERN(a))"
    )
    assert [field.name for field in frame.schema.fields] == ["D", "N", "V", "S", "L", "U"]
    assert [row.as_dict()["L"] for row in frame.collect()] == ["2"]


@pytest.mark.parametrize(
    ("clause", "message"),
    [
        ("MEASURES LAST(a.p) AS l ALL ROWS PER MATCH PATTERN(a)", "a column of the symbol A needs FINAL"),
        ("MEASURES SUM(a.p + b.p) AS l PATTERN(a b)", "have to be those of one symbol"),
        ("MEASURES LAST(q) AS l PATTERN(a)", "invalid identifier 'Q'"),
        ("MEASURES LAST(p) AS l PATTERN(a) DEFINE a AS q > 1", "invalid identifier 'Q'"),
        ("MEASURES LAST(p) AS l PATTERN(a) DEFINE a AS PREV(p) > 1", "PREV is not available in DEFINE"),
        ("MEASURES LAST(p) AS l AFTER MATCH SKIP TO c PATTERN(a)", "the PATTERN does not have the symbol"),
        ("MEASURES p AS l ALL ROWS PER MATCH WITH UNMATCHED ROWS PATTERN({- a -})", "excludes rows"),
    ],
)
def test_refused_as_snowflake_does(ask: Any, clause: str, message: str) -> None:
    with pytest.raises(SnowparkSQLException, match=message) as raised:
        ask(f"SELECT * FROM prices MATCH_RECOGNIZE(ORDER BY d {clause})")
    assert "does not support" not in str(raised.value)


@pytest.mark.parametrize(
    ("relation", "refused"),
    [
        ("prices MATCH_RECOGNIZE(MEASURES LISTAGG(g) AS l PATTERN(a))", "LISTAGG in MEASURES"),
        ("prices MATCH_RECOGNIZE(MEASURES ARRAY_AGG(g) AS l PATTERN(a))", "ARRAY_AGG in MEASURES"),
        ("prices MATCH_RECOGNIZE(MEASURES LAG(p, 1, 0) AS l PATTERN(a))", "LAG in MEASURES with a default"),
        (
            "prices MATCH_RECOGNIZE(MEASURES p AS l PATTERN(a) DEFINE a AS SUM(p) > 1)",
            "SUM in DEFINE without OVER",
        ),
        (
            "prices MATCH_RECOGNIZE(MEASURES p AS l PATTERN(a) DEFINE a AS (SELECT 1) = p)",
            "a subquery in DEFINE",
        ),
        ("prices JOIN prices q ON TRUE MATCH_RECOGNIZE(MEASURES 1 AS l PATTERN(a))", "of a joined relation"),
        ("prices, prices MATCH_RECOGNIZE(MEASURES 1 AS l PATTERN(a))", "of a joined relation"),
    ],
)
def test_refused_by_name(ask: Any, relation: str, refused: str) -> None:
    with pytest.raises(SnowparkSQLException, match=f"does not support.*{refused}"):
        ask(f"SELECT * FROM {relation}")


def test_refused_in_a_view(ask: Any) -> None:
    with pytest.raises(SnowparkSQLException, match="does not support MATCH_RECOGNIZE in a view"):
        ask("CREATE VIEW v AS SELECT * FROM prices MATCH_RECOGNIZE(MEASURES COUNT(*) AS n PATTERN(a+))")
