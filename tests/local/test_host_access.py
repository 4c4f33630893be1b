"""SQL can access only the warehouse, not the machine's files, DuckDB's settings or process variables."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
from snowflake.snowpark.exceptions import SnowparkSQLException

from snowpipe_ml import Pipeline
from snowpipe_ml.local import connect
from tests.conftest import write_spec

SECRET = "words-of-the-host"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of each kind."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "x.txt").write_text(SECRET)
    (folder / "x.csv").write_text(f"a\n{SECRET}\n")
    (folder / "x.json").write_text(json.dumps({"a": SECRET}))
    duckdb.sql(f"COPY (SELECT '{SECRET}' AS a) TO '{folder}/x.parquet'")
    with duckdb.connect(str(folder / "x.duckdb")) as other:
        other.execute(f"CREATE TABLE t AS SELECT '{SECRET}' AS a")
    return folder


@pytest.fixture
def host(planted: Path, tmp_path: Path) -> Path:
    """A folder of the machine with copies of these files."""
    shutil.copytree(planted, tmp_path, dirs_exist_ok=True)
    return tmp_path


FUNCTIONS = [
    "read_text('{}/x.txt')",
    "READ_TEXT('{}/x.txt')",
    "read_blob('{}/x.txt')",
    "read_csv('{}/x.csv')",
    "read_csv_auto('{}/x.csv')",
    "read_json('{}/x.json')",
    "read_json_auto('{}/x.json')",
    "read_json_objects('{}/x.json')",
    "read_ndjson('{}/x.json')",
    "read_parquet('{}/x.parquet')",
    "parquet_scan('{}/x.parquet')",
    "parquet_metadata('{}/x.parquet')",
    "parquet_schema('{}/x.parquet')",
    "parquet_file_metadata('{}/x.parquet')",
    "parquet_kv_metadata('{}/x.parquet')",
    "parquet_bloom_probe('{}/x.parquet', 'a', 'b')",
    "sniff_csv('{}/x.csv')",
    "read_duckdb('{}/x.duckdb')",
    "query('SELECT * FROM read_text(''{}/x.txt'')')",
    "query_table('{}/x.csv')",
    "json_execute_serialized_sql(json_serialize_sql('SELECT * FROM read_text(''{}/x.txt'')'))",
]


@pytest.mark.parametrize("call", FUNCTIONS, ids=[call.partition("(")[0] for call in FUNCTIONS])
def test_no_function_reads_a_file(query: Any, host: Path, call: str) -> None:
    with pytest.raises(SnowparkSQLException) as caught:
        query(f"SELECT * FROM {call.format(host)}")
    assert call.partition("(")[0].lower() in str(caught.value).lower()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM '{}/x.csv'",
        "SELECT * FROM '{}/x.parquet'",
        "SELECT * FROM '{}/x.json' AS f",
        "SELECT * FROM IDENTIFIER('\"{}/x.csv\"')",
        "SELECT * FROM IDENTIFIER('\"{}/x.parquet\"')",
        "CREATE TABLE u AS SELECT * FROM '{}/x.csv'",
        "INSERT INTO t SELECT * FROM '{}/x.csv'",
        "SELECT (SELECT content FROM read_text('{}/x.txt')) AS a",
        "SELECT * FROM LATERAL read_text('{}/x.txt')",
        "SELECT * FROM t, LATERAL read_text('{}/x.txt')",
        "SELECT * FROM t JOIN read_text('{}/x.txt') AS r ON TRUE",
        "WITH c AS (SELECT * FROM read_text('{}/x.txt')) SELECT * FROM c",
        "SELECT a FROM t UNION ALL SELECT content FROM read_text('{}/x.txt')",
        "SELECT a FROM t WHERE a IN (SELECT content FROM read_text('{}/x.txt'))",
        "CREATE VIEW w AS SELECT * FROM read_text('{}/x.txt')",
        "CREATE TABLE u AS SELECT * FROM read_text('{}/x.txt')",
        "INSERT INTO t SELECT content FROM read_text('{}/x.txt')",
        "INSERT OVERWRITE INTO t SELECT content FROM read_text('{}/x.txt')",
        "UPDATE t SET a = r.content FROM read_text('{}/x.txt') AS r",
        "DELETE FROM t USING read_text('{}/x.txt') AS r WHERE t.a <> r.content",
        "MERGE INTO t USING read_text('{}/x.txt') AS r ON t.a = r.content WHEN NOT MATCHED THEN INSERT VALUES (r.content)",
        "COPY INTO @s/out FROM (SELECT * FROM read_text('{}/x.txt'))",
        "EXPLAIN USING TEXT SELECT * FROM read_text('{}/x.txt')",
    ],
)
def test_no_statement_reads_a_file(query: Any, host: Path, text: str) -> None:
    query("CREATE TABLE t AS SELECT 'mine' AS a")
    query("CREATE STAGE s")
    with pytest.raises(SnowparkSQLException) as caught:
        query(text.format(host))
    assert SECRET not in str(caught.value)
    assert query("SELECT * FROM t") == [("mine",)]
    assert query("LIST @s") == []


def test_no_bound_value_is_read_as_a_file(session: Any, host: Path) -> None:
    for text in ("SELECT * FROM read_text(?)", "SELECT * FROM IDENTIFIER(?)"):
        with pytest.raises(SnowparkSQLException) as caught:
            session.sql(text, params=[str(host / "x.txt")]).collect()
        assert SECRET not in str(caught.value)


def test_no_step_reads_a_file(host: Path) -> None:
    step = f"{{type: transform, query: \"SELECT content FROM read_text('{host}/x.txt')\", writes: t}}"
    result = Pipeline.from_yaml(write_spec(host / "pipeline", f"steps:\n  peek: {step}\n")).run()
    assert not result.ok
    assert "read_text" in result.steps["peek"].message.lower()
    assert SECRET not in result.steps["peek"].message


@pytest.mark.parametrize(
    "call",
    [
        "duckdb_settings()",
        "duckdb_secrets()",
        "duckdb_extensions()",
        "duckdb_functions()",
        "duckdb_logs()",
        "duckdb_memory()",
        "duckdb_temporary_files()",
        "duckdb_variables()",
        "which_secret('s3://b', 's3')",
        "pragma_version()",
        "pragma_platform()",
        "pragma_database_size()",
        "pragma_user_agent()",
        "checkpoint()",
        "force_checkpoint()",
        "enable_logging('QueryLog')",
        "disable_logging()",
        "truncate_duckdb_logs()",
        "enable_profiling()",
        "disable_profiling()",
        "sql_auto_complete('SEL')",
        "icu_calendar_names()",
        "pg_timezone_names()",
        "test_all_types()",
        "test_vector_types(1)",
        "range(3)",
        "repeat(1, 3)",
        "json_each('[1]')",
        "json_tree('[1]')",
        "histogram('t', a)",
        "summary((SELECT 1))",
    ],
)
def test_a_table_function_that_snowflake_has_not_is_refused_by_name(query: Any, call: str) -> None:
    query("CREATE TABLE t AS SELECT 1 AS a")
    for text in (f"SELECT * FROM {call}", f"SELECT * FROM t, LATERAL {call}"):
        with pytest.raises(SnowparkSQLException, match=f"(?i){call.partition('(')[0].rpartition('.')[2]}"):
            query(text)


@pytest.mark.parametrize("call", ["generate_series(1, 3)", "unnest([1, 2])"])
def test_rows_of_a_function_come_from_table(query: Any, call: str) -> None:
    for text in (f"SELECT * FROM {call}", f"SELECT * FROM (SELECT 1 AS a) AS t, LATERAL {call}"):
        with pytest.raises(SnowparkSQLException, match=r"(?i)unknown|does not support|syntax error"):
            query(text)


def test_no_statement_writes_a_file_of_the_host(query: Any, tmp_path: Path) -> None:
    target = tmp_path / "logs"
    with pytest.raises(SnowparkSQLException):
        query(f"SELECT * FROM enable_logging('QueryLog', storage => 'file', storage_path => '{target}')")
    with pytest.raises(SnowparkSQLException):
        query(f"SELECT * FROM enable_logging(storage = 'file', storage_path = '{target}')")
    assert query("SELECT 1") == [(1,)]
    assert not target.exists()


@pytest.mark.parametrize(
    "expression",
    [
        "current_setting('secret_directory')",
        "write_log('x')",
        "pg_sleep(0)",
        "txid_current()",
        "current_query()",
        "json_serialize_sql('SELECT 1')",
        "nextval('x')",
        "currval('x')",
        "pg_typeof(1)",
        "gen_random_uuid()",
    ],
)
def test_a_function_that_only_duckdb_has_is_unknown(query: Any, expression: str) -> None:
    with pytest.raises(
        SnowparkSQLException,
        match=f"(?i)(unknown (user-defined )?function|does not support).*{expression.split('(')[0]}",
    ):
        query(f"SELECT {expression} AS x")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("SELECT _MACROS.main.sf_random()", "'_MACROS' does not exist or not authorized"),
        (
            "SELECT * FROM _MACROS.main.sf_split_to_table('a,b', ',', 1)",
            "Unknown table function SF_SPLIT_TO_TABLE",
        ),
        ("SELECT * FROM TABLE(_MACROS.main.sf_split_to_table('a,b', ',', 1))", "'_MACROS' does not exist"),
    ],
)
def test_no_macro_of_the_translation_is_reached(query: Any, call: str, told: str) -> None:
    with pytest.raises(SnowparkSQLException, match=told):
        query(call)


@pytest.mark.parametrize("name", ["text", "self", "duckdb", "pa"])
def test_no_name_reaches_a_variable_of_the_process(query: Any, name: str) -> None:
    with pytest.raises(SnowparkSQLException, match="does not exist") as caught:
        query(f"SELECT * FROM IDENTIFIER('{name}')")
    assert ".py" not in str(caught.value)


@pytest.mark.parametrize("name", ["csv", "parquet", "json", "duckdb"])
def test_a_table_that_is_missing_is_no_file(
    session: Any, query: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """To DuckDB, the whole name looks like the name of a file."""
    monkeypatch.chdir(tmp_path)
    whole = f"LOCAL.PUBLIC.{name.upper()}"
    (tmp_path / whole).write_text(f"a\n{SECRET}\n")
    with pytest.raises(
        SnowparkSQLException, match=f"'{whole}' does not exist|'{name.upper()}' does not exist"
    ):
        query(f"SELECT * FROM {name}")
    with pytest.raises(SnowparkSQLException, match="does not exist"):
        query(f'SELECT * FROM "x.{name}"')


EXPRESSIONS = [
    "version()",
    "current_setting('temp_directory')",
    "length(current_setting('temp_directory'))",
    "(SELECT count(*) FROM LOCAL._SNOWPIPE.FUNCTIONS)",
    "EXISTS (SELECT 1 FROM LOCAL._SNOWPIPE.FUNCTIONS)",
    "(SELECT content FROM read_text('{}/x.txt'))",
    "SELECT content FROM read_text('{}/x.txt')",
    "read_blob('{}/x.txt')",
    "1 IN (FROM '{}/x.csv')",
    "x FROM LOCAL._SNOWPIPE.FUNCTIONS",
    "_MACROS.main.sf_random()",
]


@pytest.mark.parametrize("stored", [False, True], ids=["at its creation", "at its call"])
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_no_function_of_the_user_reaches_the_host(
    query: Any, host: Path, monkeypatch: pytest.MonkeyPatch, expression: str, stored: bool
) -> None:
    """This also holds for a function that the warehouse stored when it was still allowed."""
    text = expression.format(host)
    python = "LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'h' AS 'def h(x): return x'"
    creations = [
        "CREATE FUNCTION f(x VARCHAR DEFAULT 'a') RETURNS VARCHAR AS $$" + text + "$$",
        f"CREATE FUNCTION f(x VARCHAR DEFAULT {text}) RETURNS VARCHAR AS 'x'",
        f"CREATE FUNCTION f(x VARCHAR DEFAULT {text}) RETURNS VARCHAR {python}",
    ]
    if stored:
        for check in ("check_expressions", "check_query_of"):
            monkeypatch.setattr(f"snowpipe_ml.local.statements.functions.{check}", lambda *_: None)
    for creation in creations:
        if stored:
            query(creation)
        with pytest.raises(
            SnowparkSQLException,
            match=r"(?i)unknown (user-defined |table )?function|does not (support|exist)|syntax error|not an expr",
        ):
            query("SELECT f()" if stored else creation)
        if stored:
            query("DROP FUNCTION f(VARCHAR)")


def test_functions_of_the_user_go_on_working(query: Any) -> None:
    query("CREATE FUNCTION g(x INT, y INT DEFAULT 1 + (2 * 3)) RETURNS INT AS 'COALESCE(x, 0) + y; '")
    query(
        "CREATE FUNCTION f(comment VARCHAR DEFAULT UPPER('a')) RETURNS VARCHAR AS $$comment || LOCAL.PUBLIC.g(1)$$"
    )
    query("CREATE FUNCTION days(d DATE DEFAULT CURRENT_DATE) RETURNS INT AS 'DATEDIFF(day, d, CURRENT_DATE)'")
    assert query("SELECT g(1), g(1, 1), f(), f('b'), days()") == [(8, 2, "A8", "b8", 0)]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM read_text('{}/x.txt')",
        "SELECT * FROM '{}/x.csv'",
        "SELECT * FROM glob('{}/*')",
        "COPY (SELECT 1) TO '{}/new.csv'",
        "ATTACH '{}/x.duckdb' AS other",
        "EXPORT DATABASE '{}/exported'",
        "SET allowed_directories = ['{}']",
        "SET temp_directory = '{}'",
        "SET lock_configuration = false",
        "SET threads = 1",
    ],
)
def test_duckdb_is_shut_in(host: Path, text: str) -> None:
    """A second check refuses what a rewrite lets through by mistake."""
    connection: Any = connect(host / "warehouse", "DEMO")
    try:
        with pytest.raises(duckdb.Error):
            connection.session.duck.execute(text.format(host))
    finally:
        connection.close()
    assert not (host / "new.csv").exists()


def test_temporary_files_are_in_the_warehouse(tmp_path: Path) -> None:
    connection: Any = connect(tmp_path / "warehouse", "DEMO")
    try:
        ((place,),) = connection.session.duck.execute("SELECT current_setting('temp_directory')").fetchall()
    finally:
        connection.close()
    assert Path(place).resolve().is_relative_to((tmp_path / "warehouse").resolve())


def test_a_warehouse_that_is_shut_in_works_as_before(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket" / "x.csv").write_text("7\n")
    (tmp_path / "y.csv").write_text("8\n")
    connection: Any = connect(tmp_path / "link" / "warehouse", "DEMO")
    cursor = connection.cursor()
    try:
        for text in (
            "CREATE DATABASE other",
            "USE DATABASE demo",
            "CREATE STAGE s",
            "CREATE TABLE t (a INT)",
            f"PUT file://{tmp_path}/y.csv @s",
            "COPY INTO t FROM @s",
            f"CREATE STAGE b URL = 'file://{tmp_path}/bucket'",
            "COPY INTO t FROM @b",
            "COPY INTO @s/out FROM t FILE_FORMAT = (TYPE = PARQUET)",
            "ALTER SESSION SET TIMEZONE = 'UTC'",
            "DROP DATABASE other",
        ):
            cursor.execute(text)
        assert cursor.execute("SELECT a FROM t ORDER BY a").fetchall() == [(7,), (8,)]
    finally:
        connection.close()
