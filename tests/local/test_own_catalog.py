"""The warehouse keeps its own tables in the schema _SNOWPIPE, which no user statement may name."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError
from snowflake.snowpark.exceptions import SnowparkSQLException

import snowpipe_ml
from snowpipe_ml import Pipeline
from tests.conftest import write_spec


@pytest.fixture
def stocked(session: Any, query: Any) -> Any:
    """A session on a database with a stage, a table, and a file that is loaded into it."""
    query("CREATE STAGE s")
    query("CREATE TABLE t (a INT)")
    session.file.put_stream(io.BytesIO(b"1\n2\n"), "@s/a.csv", auto_compress=False)
    query("COPY INTO t FROM @s")
    return session


WRITES = (
    "DELETE FROM LOCAL._SNOWPIPE.LOADS",
    "DELETE FROM _SNOWPIPE.LOADS",
    'DELETE FROM "LOCAL"."_SNOWPIPE"."LOADS"',
    'delete from local."_snowpipe".loads',
    "DELETE FROM IDENTIFIER('_SNOWPIPE.LOADS')",
    "DELETE FROM t USING _SNOWPIPE.LOADS l WHERE t.a = l.row_count",
    "UPDATE _SNOWPIPE.LOADS SET row_count = 7",
    "INSERT INTO _SNOWPIPE.TRANSIENT VALUES ('PUBLIC', 'T')",
    "INSERT OVERWRITE INTO _SNOWPIPE.TRANSIENT VALUES ('PUBLIC', 'T')",
    "MERGE INTO _SNOWPIPE.LOADS l USING (SELECT 2 AS n) s ON l.row_count = s.n WHEN MATCHED THEN DELETE",
    "TRUNCATE TABLE _SNOWPIPE.LOADS",
    "DROP TABLE _SNOWPIPE.STREAMS",
    "DROP TABLE IF EXISTS LOCAL._SNOWPIPE.TASKS",
    "DROP SCHEMA _SNOWPIPE",
    "DROP SCHEMA IF EXISTS LOCAL._SNOWPIPE CASCADE",
    "ALTER TABLE _SNOWPIPE.LOADS ADD COLUMN more INT",
    "ALTER TABLE _SNOWPIPE.LOADS RENAME COLUMN status TO other",
    "COMMENT ON TABLE _SNOWPIPE.LOADS IS 'x'",
    "CREATE TABLE _SNOWPIPE.MINE (a INT)",
    "CREATE OR REPLACE TABLE _SNOWPIPE.TASKS (a INT)",
    'CREATE TABLE "_snowpipe".MINE AS SELECT 1 AS a',
    "CREATE VIEW _SNOWPIPE.MINE AS SELECT 1 AS a",
    "CREATE STAGE _SNOWPIPE.MINE",
    "CREATE SEQUENCE _SNOWPIPE.MINE",
    "CREATE FILE FORMAT _SNOWPIPE.MINE TYPE = CSV",
    "CREATE TAG _SNOWPIPE.MINE",
    "CREATE TASK _SNOWPIPE.MINE AS SELECT 1",
    "CREATE STREAM mine ON TABLE _SNOWPIPE.LOADS",
)
READS = (
    "SELECT * FROM LOCAL._SNOWPIPE.STAGES",
    "SELECT * FROM _snowpipe.stages",
    'SELECT * FROM "_Snowpipe"."stages"',
    "SELECT * FROM IDENTIFIER('LOCAL._SNOWPIPE.STAGES')",
    "SELECT * FROM t, _SNOWPIPE.STAGES",
    "WITH x AS (SELECT * FROM _SNOWPIPE.STAGES) SELECT * FROM x",
    "SELECT (SELECT COUNT(*) FROM _SNOWPIPE.STAGES) AS n",
    "SELECT a FROM t WHERE a IN (SELECT row_count FROM _SNOWPIPE.LOADS)",
    "SELECT a FROM t UNION ALL SELECT row_count FROM _SNOWPIPE.LOADS",
    "INSERT INTO t SELECT row_count FROM _SNOWPIPE.LOADS",
    "CREATE TABLE mine AS SELECT * FROM _SNOWPIPE.STAGES",
    "CREATE VIEW mine AS SELECT * FROM _SNOWPIPE.STAGES",
    "CREATE TABLE mine CLONE _SNOWPIPE.STAGES",
    "CREATE TABLE mine LIKE _SNOWPIPE.STAGES",
    "CREATE SCHEMA mine CLONE _SNOWPIPE",
    "DESCRIBE TABLE _SNOWPIPE.STAGES",
    "SHOW COLUMNS IN TABLE _SNOWPIPE.STAGES",
    "SELECT GET_DDL('TABLE', '_SNOWPIPE.STAGES')",
    "COPY INTO @s/out FROM _SNOWPIPE.STAGES",
    "COPY INTO @s/out FROM (SELECT * FROM _SNOWPIPE.STAGES)",
    "SELECT SYSTEM$LAST_CHANGE_COMMIT_TIME('_SNOWPIPE.STAGES')",
    "EXPLAIN USING TEXT SELECT * FROM _SNOWPIPE.STAGES",
)
OF_THE_ACCOUNT = (
    "SELECT * FROM _ACCOUNT._SNOWPIPE.WAREHOUSES",
    'SELECT * FROM "_account"."_snowpipe"."warehouses"',
    "CREATE TABLE mine CLONE _ACCOUNT._SNOWPIPE.ROLES",
    "COMMENT ON TABLE _ACCOUNT._SNOWPIPE.ROLES IS 'x'",
    "DESCRIBE TABLE _ACCOUNT._SNOWPIPE.ROLES",
    "SHOW COLUMNS IN TABLE _ACCOUNT._SNOWPIPE.ROLES",
)
OF_DUCKDB = (
    "SELECT * FROM duckdb_tables()",
    "SELECT * FROM duckdb_databases()",
    "SELECT * FROM SYSTEM.MAIN.DUCKDB_TABLES",
    "SELECT * FROM SYSTEM.MAIN.SQLITE_MASTER",
    "SELECT * FROM pragma_table_info('_SNOWPIPE.STAGES')",
    "SELECT * FROM pragma_show('_SNOWPIPE.STAGES')",
    "SELECT * FROM query_table('LOCAL._SNOWPIPE.STAGES')",
    "SELECT * FROM query('SELECT * FROM LOCAL._SNOWPIPE.STAGES')",
    'USE SCHEMA "main"',
    "CREATE TABLE MAIN.MINE (a INT)",
    'CREATE TABLE "main".MINE (a INT)',
)


@pytest.mark.parametrize("text", [*WRITES, *READS, *OF_THE_ACCOUNT, *OF_DUCKDB])
def test_no_statement_reaches_the_catalog(stocked: Any, query: Any, text: str) -> None:
    with pytest.raises(SnowparkSQLException):
        query(text)
    # The catalog is unchanged: the stage exists, and its file is loaded.
    assert query("LIST @s")[0][0] == "s/a.csv"
    assert query("COPY INTO t FROM @s") == [("Copy executed with 0 files processed.",)]
    assert query("SELECT COUNT(*) FROM t") == [(2,)]


@pytest.mark.parametrize(
    "text", ["USE SCHEMA _SNOWPIPE", "USE SCHEMA LOCAL._SNOWPIPE", "USE LOCAL._SNOWPIPE"]
)
def test_no_session_works_in_the_catalog(stocked: Any, query: Any, text: str) -> None:
    with pytest.raises(SnowparkSQLException):
        query(text)
    assert query("SELECT CURRENT_SCHEMA()") == [("PUBLIC",)]
    with pytest.raises(SnowparkSQLException, match="LOADS"):
        query("DELETE FROM LOADS")


def test_no_session_begins_in_the_catalog() -> None:
    with pytest.raises(ProgrammingError):
        snowpipe_ml.local_session(schema="_SNOWPIPE").close()


def test_a_name_from_outside_does_not_reach_the_catalog(stocked: Any, query: Any) -> None:
    query("SET place = '_SNOWPIPE.STAGES'")
    with pytest.raises(SnowparkSQLException):
        query("SELECT * FROM IDENTIFIER($place)")
    with pytest.raises(SnowparkSQLException):
        stocked.sql("SELECT * FROM IDENTIFIER(?)", params=["_SNOWPIPE.STAGES"]).collect()
    with pytest.raises(SnowparkSQLException):
        stocked.table(["LOCAL", "_SNOWPIPE", "STAGES"]).collect()


def test_a_step_does_not_reach_the_catalog(tmp_path: Path) -> None:
    text = "steps:\n  peek: {type: transform, query: SELECT COUNT(*) AS N FROM _SNOWPIPE.STAGES, writes: peeked}\n"
    result = Pipeline.from_yaml(write_spec(tmp_path, text)).run()
    assert not result.ok


def test_the_account_is_no_database_to_clone(query: Any) -> None:
    with pytest.raises(SnowparkSQLException):
        query("CREATE DATABASE mine CLONE _ACCOUNT")
    # The failed statement leaves nothing behind.
    assert [row[1] for row in query("SHOW DATABASES")] == ["LOCAL"]


def test_identifier_does_not_reach_the_temporary_table_of_another_session(tmp_path: Path) -> None:
    first = snowpipe_ml.local_session(path=tmp_path, database="DEMO")
    second = snowpipe_ml.local_session(path=tmp_path, database="DEMO")
    try:
        first.sql("CREATE TEMPORARY TABLE mine (a INT)").collect()
        with pytest.raises(SnowparkSQLException, match="MINE"):
            second.sql("SELECT * FROM mine").collect()
        with pytest.raises(SnowparkSQLException, match="MINE"):
            second.sql("SELECT * FROM IDENTIFIER('mine')").collect()
    finally:
        first.close()
        second.close()


def test_a_change_through_identifier_is_a_change(query: Any) -> None:
    query("CREATE TABLE t (a INT)")
    before = query("SELECT SYSTEM$LAST_CHANGE_COMMIT_TIME('t')")
    query("INSERT INTO IDENTIFIER('t') VALUES (1)")
    assert query("SELECT SYSTEM$LAST_CHANGE_COMMIT_TIME('t')") != before
