"""Time Travel beyond the documented statements: its bounds, other sessions, transactions and reopened warehouses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError

import snowpipe_ml.local as local
from snowpipe_ml.local.catalog import versions
from snowpipe_ml.local.core import dropped_databases

Ask = Callable[[str], list[tuple[Any, ...]]]


def _ask(connection: Any) -> Ask:
    def ask(text: str) -> list[tuple[Any, ...]]:
        cursor = connection.cursor()
        cursor.execute(text)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    return ask


class _Asking:
    """Runs statements on a connection, and has its session."""

    def __init__(self, connection: Any) -> None:
        self.session = connection.session
        self._ask = _ask(connection)

    def __call__(self, text: str) -> list[tuple[Any, ...]]:
        return self._ask(text)


@pytest.fixture
def ask() -> Iterator[_Asking]:
    connection = local.connect()
    found = _Asking(connection)
    found("CREATE DATABASE d DATA_RETENTION_TIME_IN_DAYS = 1")
    yield found
    connection.close()


def test_copies_are_bounded_and_their_space_is_known(ask: _Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    ask("CREATE TABLE t AS SELECT SEQ4() AS a, 0 AS b FROM TABLE(GENERATOR(ROWCOUNT => 100))")
    for step in range(60):
        ask(f"UPDATE t SET b = {step}")
        kept = versions.space(ask.session, "D")
        assert len(kept) == 1
        assert kept[0][2] <= versions.MOST
    print(f"{kept[0][2]} copies, {kept[0][3]} rows, {kept[0][4]} values of at most {versions.TOGETHER}")
    ask("SET id = LAST_QUERY_ID()")
    assert ask("SELECT MAX(b) FROM t BEFORE(STATEMENT => $id)") == [(58,)]
    tables = ask.session.duck.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE starts_with(table_name, 'VERSION_')"
    ).fetchall()
    assert tables == [(kept[0][2],)]
    monkeypatch.setattr(versions, "TOGETHER", 500)
    ask("UPDATE t SET b = 100")
    assert sum(values for *_, values in versions.space(ask.session, "D")) <= 500
    monkeypatch.setattr(versions, "LARGEST", 100)
    ask("UPDATE t SET b = 101")
    with pytest.raises(ProgrammingError, match="000707"):
        ask("SELECT * FROM t BEFORE(STATEMENT => LAST_QUERY_ID())")
    ask("DROP TABLE t")
    with pytest.raises(ProgrammingError, match="did not exist or was purged"):
        ask("UNDROP TABLE t")


def test_nothing_is_copied_without_a_retention(ask: _Asking) -> None:
    ask("ALTER DATABASE d UNSET DATA_RETENTION_TIME_IN_DAYS")
    ask("CREATE TABLE t AS SELECT 1 AS a")
    ask("UPDATE t SET a = 2")
    ask("CREATE OR REPLACE TABLE t AS SELECT 3 AS a")
    ask("DROP TABLE t")
    assert versions.space(ask.session, "D") == []
    with pytest.raises(ProgrammingError, match="once a statement sets DATA_RETENTION_TIME_IN_DAYS"):
        ask("UNDROP TABLE t")


def test_retention_of_0_drops_the_copies(ask: _Asking) -> None:
    ask("CREATE TABLE t AS SELECT 1 AS a")
    ask("UPDATE t SET a = 2")
    assert len(versions.space(ask.session, "D")) == 1
    ask("ALTER TABLE t SET DATA_RETENTION_TIME_IN_DAYS = 0")
    assert versions.space(ask.session, "D") == []


def test_a_new_table_has_no_versions_of_a_dropped_one(ask: _Asking) -> None:
    ask("CREATE TABLE t AS SELECT 1 AS a")
    ask("SET made = LAST_QUERY_ID()")
    ask("UPDATE t SET a = 2")
    ask("DROP TABLE t")
    ask("CREATE TABLE t AS SELECT 'other' AS b")
    with pytest.raises(ProgrammingError, match="000707"):
        ask("SELECT * FROM t AT(STATEMENT => $made)")


def test_another_session_sees_the_time_of_the_commit(ask: _Asking) -> None:
    other = _ask(ask.session.client.another("D", "PUBLIC"))
    ask("CREATE TABLE t (a INT)")
    ask("BEGIN")
    ask("INSERT INTO t VALUES (1)")
    other("INSERT INTO t VALUES (2)")
    other("SET ts = (SELECT CURRENT_TIMESTAMP())")
    ask("COMMIT")
    assert sorted(other("SELECT a FROM t")) == [(1,), (2,)]
    assert other("SELECT a FROM t AT(TIMESTAMP => $ts)") == [(2,)]


def test_a_rolled_back_transaction_leaves_no_version(ask: _Asking) -> None:
    ask("CREATE TABLE t AS SELECT 1 AS a")
    ask("BEGIN")
    ask("UPDATE t SET a = 2")
    ask("INSERT INTO t VALUES (3)")
    ask("ROLLBACK")
    assert versions.space(ask.session, "D") == []
    assert ask("SELECT a FROM t AT(OFFSET => 0)") == [(1,)]


def test_a_statement_of_a_transaction_that_fails_is_not_a_version(ask: _Asking) -> None:
    ask("CREATE TABLE t AS SELECT 1 AS a")
    ask("BEGIN")
    ask("UPDATE t SET a = 2")
    with pytest.raises(ProgrammingError):
        ask("UPDATE t SET a = 1 / 0")
    ask("COMMIT")
    assert len(versions.space(ask.session, "D")) == 1
    assert versions.space(ask.session, "D")[0][2] == 1


def test_versions_outlive_the_process(tmp_path: Path) -> None:
    first = local.connect(tmp_path / "w")
    ask = _ask(first)
    ask("CREATE DATABASE d DATA_RETENTION_TIME_IN_DAYS = 1")
    ask("CREATE TABLE t AS SELECT 1 AS a")
    ask("INSERT INTO t VALUES (2)")
    (ts,) = ask("SELECT TO_CHAR(CURRENT_TIMESTAMP(), 'YYYY-MM-DD HH24:MI:SS.FF6 TZHTZM')")[0]
    ask("DELETE FROM t WHERE a = 1")
    ask("INSERT INTO t VALUES (3)")
    first.close()
    again = local.connect(tmp_path / "w", database="D", schema="PUBLIC")
    ask = _ask(again)
    assert sorted(ask(f"SELECT a FROM t AT(TIMESTAMP => '{ts}'::TIMESTAMP_TZ)")) == [(1,), (2,)]
    ask("DROP TABLE t")
    ask("UNDROP TABLE t")
    assert sorted(ask("SELECT a FROM t")) == [(2,), (3,)]
    again.close()


def test_privileges_return_with_a_table(ask: _Asking) -> None:
    ask("CREATE TABLE t (a INT)")
    ask("CREATE ROLE reader")
    ask("GRANT SELECT ON TABLE t TO ROLE reader")
    before = ask("SHOW GRANTS ON TABLE t")
    ask("DROP TABLE t")
    ask("UNDROP TABLE t")
    assert ask("SHOW GRANTS ON TABLE t") == before


def test_a_stream_reads_its_changes_beside_versions(ask: _Asking) -> None:
    ask("CREATE TABLE t AS SELECT 1 AS a")
    ask("CREATE STREAM s ON TABLE t")
    ask("UPDATE t SET a = 2")
    assert sorted(ask("SELECT a, METADATA$ACTION FROM s")) == [(1, "DELETE"), (2, "INSERT")]
    assert ask("SELECT a FROM t BEFORE(STATEMENT => LAST_QUERY_ID(-2))") == [(1,)]


def test_earlier_rows_can_be_written_back(ask: _Asking) -> None:
    ask("CREATE TABLE t AS SELECT 1 AS a UNION ALL SELECT 2")
    ask("DELETE FROM t WHERE a = 1")
    ask("SET gone = LAST_QUERY_ID()")
    ask("INSERT INTO t SELECT * FROM t BEFORE(STATEMENT => $gone) WHERE a = 1")
    ask("CREATE TABLE u AS SELECT * FROM t BEFORE(STATEMENT => $gone)")
    ask("DELETE FROM t WHERE a IN (SELECT a FROM t AT(STATEMENT => $gone))")
    assert ask("SELECT a FROM t") == [(1,)]
    assert sorted(ask("SELECT a FROM u")) == [(1,), (2,)]


def test_dropped_databases_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropped_databases, "MOST", 2)
    connection = local.connect(tmp_path / "w")
    ask = _ask(connection)
    for name in ("a", "b", "c"):
        ask(f"CREATE DATABASE {name} DATA_RETENTION_TIME_IN_DAYS = 1")
        ask(f"CREATE STAGE {name}.public.s")
    for name in ("a", "b", "c"):
        ask(f"DROP DATABASE {name}")
    assert len(list((tmp_path / "w" / "dropped").glob("*.duckdb"))) == 2
    with pytest.raises(ProgrammingError, match="was purged"):
        ask("UNDROP DATABASE a")
    ask("UNDROP DATABASE b")
    assert len(ask("SHOW STAGES IN DATABASE b")) == 1
    connection.close()
