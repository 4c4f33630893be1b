"""A repeated query uses its translation again, but never one that is out of date."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError

from snowpipe_ml.local import connect
from snowpipe_ml.local.statements import queries


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were parsed as queries."""
    texts: list[str] = []
    parse = queries.parse

    def recorded(text: str) -> Any:
        texts.append(text)
        return parse(text)

    monkeypatch.setattr(queries, "parse", recorded)
    return texts


@pytest.fixture
def run() -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    connection = connect(database="D")
    yield lambda text: connection.cursor().execute(text).fetchall()
    connection.close()


def test_a_repeated_query_is_parsed_once(run: Any, parsed: list[str]) -> None:
    run("CREATE TABLE t (a INT)")
    for n in range(3):
        run(f"INSERT INTO t VALUES ({n})")
        assert run("SELECT count(*), TO_CHAR(max(a)) FROM t") == [(n + 1, str(n))]
    assert sum(text.startswith("SELECT") for text in parsed) == 1


@pytest.mark.parametrize(
    ("query", "change", "before", "after"),
    [
        ("SELECT a / 2 FROM t", "CREATE OR REPLACE TABLE t AS SELECT 3::FLOAT AS a", "0.500000", "1.5"),
        ("SELECT * FROM t", "ALTER TABLE t ADD COLUMN b INT", "1", "1, None"),
        ("SELECT * FROM t", "USE SCHEMA other", "1", "2"),
        ("SELECT * FROM t", "CREATE TEMPORARY TABLE other.t2 AS SELECT 1 AS a", "1", "1"),
        ("SELECT f(a) FROM t", "CREATE OR REPLACE FUNCTION f(a INT) RETURNS INT AS 'a + 2'", "2", "3"),
        ("SELECT $x FROM t", "SET x = 9", "8", "9"),
        ("SELECT CURRENT_SCHEMA()", "USE SCHEMA other", "PUBLIC", "OTHER"),
        ("SELECT CURRENT_ROLE()", "USE ROLE reader", "SYSADMIN", "READER"),
        ("SELECT * FROM v", "CREATE OR REPLACE VIEW v AS SELECT 5 AS a", "1", "5"),
        (
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'PUBLIC'",
            "CREATE TABLE n (a INT)",
            "2",
            "3",
        ),
        (
            "SELECT '2024-01-01 00:00:00 +0000'::TIMESTAMP_LTZ::DATE",
            "ALTER SESSION SET TIMEZONE = 'UTC'",
            "2023-12-31",
            "2024-01-01",
        ),
    ],
)
def test_no_translation_is_out_of_date(run: Any, query: str, change: str, before: str, after: str) -> None:
    for statement in (
        "CREATE SCHEMA other",
        "CREATE ROLE reader",
        "CREATE TABLE other.t AS SELECT 2 AS a",
        "USE SCHEMA public",
        "CREATE TABLE t AS SELECT 1 AS a",
        "CREATE VIEW v AS SELECT a FROM t",
        "CREATE FUNCTION f(a INT) RETURNS INT AS 'a + 1'",
        "SET x = 8",
    ):
        run(statement)

    def shown() -> str:
        return re.sub(r"Decimal\('(.*)'\)", r"\1", ", ".join(str(value) for value in run(query)[0]))

    assert [shown(), shown()] == [before, before]
    run(change)
    assert shown() == after


def test_the_columns_of_a_pivot_are_those_of_its_rows(run: Any) -> None:
    run("CREATE TABLE t AS SELECT 1 AS n, 'a' AS kind")
    any_value = "SELECT * FROM t PIVOT (SUM(n) FOR kind IN (ANY ORDER BY kind))"
    queried = "SELECT * FROM t PIVOT (SUM(n) FOR kind IN (SELECT kind FROM t ORDER BY kind))"
    assert [run(any_value), run(queried)] == [[(1,)], [(1,)]]
    run("INSERT INTO t VALUES (2, 'b')")
    assert [run(any_value), run(queried)] == [[(1, 2)], [(1, 2)]]


def test_a_description_is_kept_until_an_object_changes(tmp_path: Any, parsed: list[str]) -> None:
    connection = connect(tmp_path, database="D")
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (a TIME(0))")

    def described() -> list[tuple[str, int | None]]:
        return [(column.name, column.scale) for column in cursor.describe("SELECT * FROM t")]

    before = described()
    cursor.execute("ALTER SESSION SET QUERY_TAG = 'x'")
    cursor.execute("INSERT INTO t VALUES ('01:02:03')")
    assert described() == before
    assert sum(text.startswith("SELECT") for text in parsed) == 1
    cursor.execute("ALTER TABLE t ADD COLUMN b TIME(3)")
    assert described() == [*before, ("B", 3)]
    connection.close()


@pytest.mark.parametrize(
    "call",
    [
        "RANDOM()",
        "UUID_STRING()",
        "RANDSTR(20, RANDOM())",
        "UNIFORM(1, 1000000000, RANDOM())",
        "s.NEXTVAL",
        "CURRENT_TIMESTAMP()",
        "SYSDATE()",
    ],
)
def test_a_volatile_function_is_evaluated_each_time(run: Any, call: str) -> None:
    run("CREATE SEQUENCE s")
    assert run(f"SELECT {call}") != run(f"SELECT {call}")


def test_a_rollback_takes_a_translation_back(run: Any) -> None:
    run("CREATE TABLE t AS SELECT 1 AS a")
    other = "SELECT * FROM t"
    assert run(other) == [(1,)]
    run("BEGIN")
    run("INSERT INTO t VALUES (2)")
    assert run(other) == [(1,), (2,)]
    run("ROLLBACK")
    assert run(other) == [(1,)]


def test_another_session_changes_a_table(tmp_path: Any) -> None:
    first, second = connect(tmp_path, database="D"), connect(tmp_path, database="D")
    one, two = first.cursor(), second.cursor()
    one.execute("CREATE TABLE t AS SELECT 1 AS a")
    assert one.execute("SELECT a / 2 FROM t").fetchall() == two.execute("SELECT a / 2 FROM t").fetchall()
    two.execute("CREATE OR REPLACE TABLE t AS SELECT 3::FLOAT AS a")
    assert one.execute("SELECT a / 2 FROM t").fetchall() == [(1.5,)]
    first.close()
    second.close()


def test_what_is_known_about_a_table_follows_the_statements_of_other_sessions(tmp_path: Any) -> None:
    first, second = connect(tmp_path, database="D"), connect(tmp_path, database="D")
    one, two = first.cursor(), second.cursor()

    def shown(statement: str) -> Any:
        return one.execute(statement).fetchall()

    two.execute("CREATE TABLE t (a TIME(0))")
    for scale, seconds in ((0, "03"), (3, "03.456")):
        two.execute(f"CREATE OR REPLACE TABLE t (a TIME({scale}))")
        one.execute("INSERT INTO t VALUES ('01:02:03.456789')")
        assert shown("SELECT * FROM t") == [(dt.time.fromisoformat(f"01:02:{seconds}"),)]
        assert shown("DESCRIBE TABLE t")[0][:2] == ("A", f"TIME({scale})")
    two.execute("COMMENT ON COLUMN t.a IS 'when'")
    assert "when" in shown("DESCRIBE TABLE t")[0]
    assert "already exists" in shown("CREATE TABLE IF NOT EXISTS t (b INT)")[0][0]
    with pytest.raises(ProgrammingError, match="differ only in case"):
        one.execute('CREATE TABLE "t" (b INT)')
    two.execute("DROP TABLE t")
    assert shown("SHOW TABLES") == []
    one.execute('CREATE VIEW "t" AS SELECT 1 AS b')
    with pytest.raises(ProgrammingError, match="differ only in case"):
        two.execute("CREATE TABLE t (b INT)")
    first.close()
    second.close()


def test_a_transaction_keeps_nothing_that_it_takes_back(run: Any) -> None:
    run("CREATE TABLE t (a TIME(0))")
    run("BEGIN")
    run("INSERT INTO t VALUES ('01:02:03.456')")
    run("CREATE OR REPLACE TABLE t (a TIME(3))")  # commits
    run("INSERT INTO t VALUES ('01:02:03.456')")
    run("ROLLBACK")
    run("INSERT INTO t VALUES ('01:02:03.456')")
    assert run("SELECT * FROM t") == [(dt.time(1, 2, 3, 456000),)] * 2
