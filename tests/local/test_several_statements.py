"""Several statements in one text: `num_statements` of the connector, on the embedded warehouse and served."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import snowflake.connector
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import ProgrammingError

from snowpipe_ml.local.server.http import WarehouseServer
from snowpipe_ml.local.syntax.script import split

TEXT = "CREATE TABLE t (a INT); INSERT INTO t VALUES (?), (?); SELECT a FROM t WHERE a > ? ORDER BY a"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnowflakeConnection]:
    """A connection of the real connector to a served warehouse."""
    server = WarehouseServer(tmp_path_factory.mktemp("served"), 0, "token", "D")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    login = {"account": "local", "user": "local", "password": "token", "protocol": "http"}
    with snowflake.connector.connect(
        **login, host="127.0.0.1", port=server.port, paramstyle="qmark"
    ) as connection:
        yield connection
    server.close()
    thread.join()


@pytest.fixture(params=["embedded", "served"])
def cursor(request: pytest.FixtureRequest) -> Any:
    """A cursor in an empty schema."""
    if request.param == "embedded":
        return request.getfixturevalue("session").connection.cursor()
    cursor = request.getfixturevalue("served").cursor()
    cursor.execute("CREATE OR REPLACE SCHEMA D.EMPTY")
    return cursor


def test_each_statement_has_its_values_and_its_result(cursor: Any) -> None:
    cursor.execute(TEXT, (1, 2, 1), num_statements=3)
    assert cursor.fetchall() == [("Table T successfully created.",)]
    assert len(cursor.multi_statement_savedIds) == 3
    assert cursor.nextset() is cursor
    assert cursor.fetchall() == [(2,)]
    assert cursor.nextset() is cursor
    assert cursor.fetchall() == [(2,)]
    assert cursor.nextset() is None


@pytest.mark.parametrize(
    ("text", "wanted", "message"),
    [
        ("SELECT 1; SELECT 2", 1, "Actual statement count 2 did not match the desired statement count 1."),
        ("SHOW TABLES; SELECT 2", 1, "Actual statement count 2 did not match the desired statement count 1."),
        ("SELECT 1", 2, "Actual statement count 1 did not match the desired statement count 2."),
        ("SELECT 1; SELECT nowhere", 0, "invalid identifier 'NOWHERE'"),
        ("-- nothing", 0, "Empty SQL statement"),
    ],
)
def test_another_number_of_statements_is_refused(cursor: Any, text: str, wanted: int, message: str) -> None:
    with pytest.raises(ProgrammingError, match=message):
        cursor.execute(text, num_statements=wanted)


def test_the_statements_before_an_error_have_run(cursor: Any) -> None:
    with pytest.raises(ProgrammingError):
        cursor.execute("CREATE TABLE t (a INT); SELECT nowhere; DROP TABLE t", num_statements=0)
    assert cursor.execute("SELECT COUNT(*) FROM t").fetchall() == [(0,)]


def test_a_job_of_several_statements(session: Any) -> None:
    """Snowpark joins the statements of a plan for a job that it does not wait for."""
    session.sql("CREATE STAGE files").collect()
    session.create_dataframe([[1, "a"], [2, "b"]], schema=["n", "t"]).write.csv("@files/x.csv", single=True)
    frame = session.read.option("infer_schema", True).csv("@files/x.csv")
    job = frame.collect_nowait()
    assert sorted(job.result()) == sorted(frame.collect())
    assert job.status() == "SUCCESS"


def test_a_block_with_a_procedure_is_one_statement() -> None:
    block = """DECLARE
      area PROCEDURE (w INT) RETURNS INT AS DECLARE h INT DEFAULT 2; BEGIN RETURN w * h; END;
      twice PROCEDURE (w INT) RETURNS INT AS BEGIN RETURN w * 2; END;
      found INT;
    BEGIN
      CALL area(3) INTO :found;
      RETURN found;
    END"""
    assert list(split(f"{block}; SELECT 1")) == [block, "SELECT 1"]
