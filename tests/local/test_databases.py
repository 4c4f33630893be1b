"""Databases that are created, dropped and opened concurrently, or while their disk is full."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest
from snowflake.connector.errors import Error
from snowflake.snowpark.exceptions import SnowparkSQLException

import snowpipe_ml
from snowpipe_ml.local.core.storage import open_storage


@pytest.fixture
def session(tmp_path: Path) -> Any:
    with snowpipe_ml.local_session(tmp_path / "warehouse", database="D") as session:
        yield session


def names(session: Any) -> set[str]:
    return {row["name"] for row in session.sql("SHOW DATABASES").collect()}


def test_sessions_that_create_a_database_at_once_have_one(tmp_path: Path, session: Any) -> None:
    sessions = [snowpipe_ml.local_session(tmp_path / "warehouse", database="D") for _ in range(4)]
    for number in range(5):
        barrier = threading.Barrier(len(sessions))
        failed: list[Exception] = []

        def create(one: Any, name: str = f"N{number}", barrier: Any = barrier, failed: Any = failed) -> None:
            barrier.wait()
            try:
                one.sql(f"CREATE DATABASE IF NOT EXISTS {name}").collect()
            except Exception as raised:
                failed.append(raised)

        threads = [threading.Thread(target=create, args=(one,)) for one in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed
        session.sql(f"CREATE TABLE N{number}.PUBLIC.T AS SELECT 1 AS X").collect()
    assert {f"N{number}" for number in range(5)} < names(session)
    for one in sessions:
        one.close()


def test_a_database_whose_name_differs_by_case_alone_is_refused_and_harms_none(session: Any) -> None:
    session.sql("CREATE TABLE D.PUBLIC.T AS SELECT 1 AS X").collect()
    with pytest.raises((Error, SnowparkSQLException), match="differ by case alone"):
        session.sql('CREATE DATABASE "d"').collect()
    assert session.sql("SELECT X FROM D.PUBLIC.T").collect()[0][0] == 1


@pytest.mark.parametrize("name", ['x""; DROP SCHEMA D._SNOWPIPE CASCADE; --', ".hidden", "a/b", "a\nb"])
def test_a_database_has_the_name_of_a_file(session: Any, name: str) -> None:
    with pytest.raises((Error, SnowparkSQLException), match="a database named"):
        session.sql(f'CREATE DATABASE "{name}"').collect()
    session.sql("CREATE STAGE S").collect()
    assert names(session) == {"D"}


def test_a_dropped_database_does_not_come_back(session: Any) -> None:
    session.sql("CREATE DATABASE X").collect()
    session.connection.storage.checkpoints._invalid.add("X")  # the state after a failed checkpoint
    session.sql("DROP DATABASE X").collect()
    session.sql("SELECT 1").collect()
    assert names(session) == {"D"}


def test_a_checkpoint_that_fails_is_no_error_of_the_statement_before_it(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = session.connection.storage.checkpoints
    plain = checkpoints._duck

    class NoRoom:
        def execute(self, text: str, *arguments: Any) -> Any:
            if text.startswith("CHECKPOINT"):
                raise duckdb.IOException("No space left on device")
            return plain.execute(text, *arguments)

    other = snowpipe_ml.local_session(session.connection.storage.path, database="D")
    session.sql("CREATE TABLE T (X INT)").collect()
    other.sql("BEGIN").collect()
    other.sql("SELECT * FROM T").collect()
    monkeypatch.setattr("snowpipe_ml.local.core.checkpoints._LOG_SIZE", 1)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "_duck", NoRoom())
        session.sql("INSERT INTO T SELECT 1").collect()
    other.sql("COMMIT").collect()
    other.close()
    assert session.sql("SELECT COUNT(*) FROM T").collect()[0][0] == 1


def test_a_warehouse_that_could_not_be_opened_can_be_once_it_is_repaired(tmp_path: Path) -> None:
    path = tmp_path / "warehouse"
    snowpipe_ml.local_session(path, database="D").close()
    file = path / "databases" / "D.duckdb"
    before = file.read_bytes()
    file.write_bytes(b"no database")
    for _ in range(2):
        with pytest.raises(Exception, match="not a valid DuckDB database"):
            open_storage(path)
    file.write_bytes(before)
    snowpipe_ml.local_session(path, database="D").close()


def test_nothing_is_made_where_a_schema_is_refused(session: Any) -> None:
    for text in (
        "CREATE SCHEMA _ACCOUNT.FOO",
        'CREATE SCHEMA "memory".FOO',
        "CREATE SCHEMA C CLONE _SNOWPIPE",
    ):
        with pytest.raises((Error, SnowparkSQLException)):
            session.sql(text).collect()
    found = session.connection.session.duck.execute("SELECT schema_name FROM duckdb_schemas()").fetchall()
    assert not {"FOO", "C"} & {name for (name,) in found}


def test_all_sessions_see_new_and_dropped_databases_at_once(tmp_path: Path, session: Any) -> None:
    other = snowpipe_ml.local_session(tmp_path / "warehouse", database="D")
    for _ in range(2):
        assert names(other) == {"D"}
        session.sql("CREATE DATABASE b").collect()
        other.sql("USE DATABASE b").collect()
        assert names(other) == {"B", "D"}
        other.sql("USE DATABASE d").collect()
        session.sql("DROP DATABASE b").collect()
        with pytest.raises(SnowparkSQLException, match="'B' does not exist"):
            other.sql("USE DATABASE b").collect()
    other.close()
