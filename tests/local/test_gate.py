"""Nothing of DuckDB's own can be reached by SQL: neither its functions nor its settings nor the host's files."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest
from snowflake.connector.errors import ProgrammingError

import snowpipe_ml.local as local
from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.statements.base import STATEMENTS
from snowpipe_ml.local.statements.documented import snowflake_statements
from snowpipe_ml.local.translate.guard import snowflake_functions
from snowpipe_ml.local.translate.registry import TABLE_FUNCTIONS, is_served

SECRET = "planted-secret"
_REFUSED, _SYNTAX, _UNKNOWN_FUNCTION, _MISSING, _FEW, _MANY = 2, 1003, 2139, 2003, 938, 939


def _duckdb(query: str) -> list[str]:
    with duckdb.connect() as connection:
        return sorted({str(name) for (name,) in connection.execute(query).fetchall()})


def _functions(kinds: str) -> list[str]:
    names = _duckdb(f"SELECT function_name FROM duckdb_functions() WHERE function_type IN ({kinds})")
    return [name for name in names if name.replace("_", "a").isalnum()]


SCALARS = _functions("'scalar', 'aggregate', 'macro'")
RELATIONS = _functions("'table', 'table_macro', 'pragma'")
# Snowflake has a parameter TIMEZONE too.
SETTINGS = [name for name in _duckdb("SELECT name FROM duckdb_settings()") if name.upper() != "TIMEZONE"]


@pytest.fixture(scope="module")
def cursor() -> Any:
    connection = local.connect()
    made = connection.cursor()
    made.execute("CREATE DATABASE gate")
    made.execute("CREATE TABLE gate.public.t (a INT, s VARCHAR)")
    made.execute("USE SCHEMA gate.public")
    yield made
    connection.close()


def _refusal(cursor: Any, statement: str) -> ProgrammingError:
    with pytest.raises(ProgrammingError) as raised:
        cursor.execute(statement)
    return raised.value


def test_the_installed_duckdb_lists_its_functions() -> None:
    assert len(SCALARS) > 500
    assert {"read_csv", "read_text", "duckdb_settings", "pragma_version"} <= {*RELATIONS}


@pytest.mark.parametrize("written", ["{}()", "{}(1)", "{}('a', 1)", '"{}"(1)'])
def test_duckdb_functions_cannot_be_called(cursor: Any, written: str) -> None:
    reached = []
    for name in [*SCALARS, *RELATIONS]:
        if is_served(name.upper()):
            continue
        error = _refusal(cursor, f"SELECT {written.format(name)}")
        known = name.upper() in snowflake_functions()
        named = isinstance(error, UnsupportedError) and known and "DuckDB" not in str(error)
        if not named and error.errno not in (_SYNTAX, _UNKNOWN_FUNCTION, _FEW, _MANY):
            reached.append((name, str(error)))
    assert reached == []


@pytest.mark.parametrize("relation", ["{}(1)", "TABLE({}(1))", "LATERAL {}(1)", "TABLE({}('a', 1)) AS x"])
def test_duckdb_table_functions_cannot_be_called(cursor: Any, relation: str) -> None:
    reached = []
    for name in RELATIONS:
        if name.upper() in TABLE_FUNCTIONS:
            continue
        error = _refusal(cursor, f"SELECT * FROM {relation.format(name)}")
        if error.errno not in (_REFUSED, _SYNTAX, _UNKNOWN_FUNCTION, _MISSING) or "DuckDB" in str(error):
            reached.append((name, str(error)))
    assert reached == []


def test_duckdb_procedures_cannot_be_called(cursor: Any) -> None:
    for name in RELATIONS:
        for statement in (f"CALL {name}()", f"PRAGMA {name}", f"PRAGMA {name}('a')"):
            assert "DuckDB" not in str(_refusal(cursor, statement)), statement


def test_duckdb_settings_stay_closed(cursor: Any) -> None:
    duck = cursor.connection.session.duck
    before = duck.execute("SELECT name, value FROM duckdb_settings() ORDER BY name").fetchall()
    for name in SETTINGS:
        cursor.execute(f"SET {name} = 1")  # a variable of the session may have any name
        cursor.execute(f"UNSET {name}")
        with suppress(ProgrammingError):  # some of Snowflake's parameters begin like settings of DuckDB
            cursor.execute(f"ALTER SESSION SET {name} = 1")
        for statement in (
            f"SET GLOBAL {name} = 1",
            f"SET LOCAL {name} = 1",
            f"SET SESSION {name} = 1",
            f"RESET {name}",
            f"PRAGMA {name} = 1",
            f"SELECT current_setting('{name}')",
        ):
            error = _refusal(cursor, statement)
            assert error.errno != -1, statement
            assert "DuckDB" not in str(error), statement
    assert duck.execute("SELECT name, value FROM duckdb_settings() ORDER BY name").fetchall() == before


READERS = [
    *(
        "read_csv",
        "read_csv_auto",
        "read_text",
        "read_blob",
        "read_json",
        "read_json_auto",
        "read_json_objects",
    ),
    *("read_json_objects_auto", "read_ndjson", "read_ndjson_auto", "read_ndjson_objects", "read_parquet"),
    *("parquet_scan", "parquet_metadata", "parquet_schema", "parquet_file_metadata", "parquet_kv_metadata"),
    *(
        "parquet_bloom_probe",
        "parquet_full_metadata",
        "sniff_csv",
        "glob",
        "read_duckdb",
        "read_xlsx",
        "st_read",
    ),
    *("arrow_scan", "pandas_scan", "python_map_function", "sqlite_scan", "postgres_scan", "read_avro"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("planted")
    for name in ("a.csv", "a.tsv", "a.txt", "a.json", "a.jsonl", "a.sql"):
        (folder / name).write_text(f'{{"a": "{SECRET}"}}\n')
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT '{SECRET}' AS a) TO '{folder}/a.parquet'")
        connection.execute(f"ATTACH '{folder}/a.duckdb' AS other")
        connection.execute(f"CREATE TABLE other.t AS SELECT '{SECRET}' AS a")
    return sorted(folder.iterdir())


def test_files_cannot_be_read(cursor: Any, files: list[Path]) -> None:
    for file in files:
        statements = [
            *(f"SELECT * FROM {reader}('{file}')" for reader in READERS),
            *(f"SELECT * FROM TABLE({reader}('{file}'))" for reader in READERS),
            *(f"SELECT {reader}('{file}')" for reader in READERS),
            f"SELECT * FROM '{file}'",
            f'SELECT * FROM "{file}"',
            f'SELECT * FROM "{file}" AS x',
            f"SELECT * FROM IDENTIFIER('\"{file}\"')",
            f"SELECT * FROM TABLE('\"{file}\"')",
            f"SELECT * FROM TABLE('{file}')",
            f"SELECT * FROM (VALUES (1)) JOIN '{file}' ON TRUE",
            f"SELECT 1 WHERE EXISTS (SELECT * FROM '{file}')",
            f"INSERT INTO t (s) SELECT * FROM '{file}'",
            f"CREATE TABLE copied AS SELECT * FROM '{file}'",
            f"CREATE VIEW copied AS SELECT * FROM '{file}'",
            f"MERGE INTO t USING '{file}' x ON TRUE WHEN MATCHED THEN DELETE",
            f"COPY t FROM '{file}'",
            f"COPY INTO t FROM '{file}'",
            f"ATTACH '{file}' AS other",
            f"IMPORT DATABASE '{file.parent}'",
            f"LOAD '{file}'",
            f"INSTALL '{file}'",
            f".read {file}",
        ]
        for statement in statements:
            assert SECRET not in str(_refusal(cursor, statement)), statement


@pytest.mark.parametrize(
    "statement",
    [
        "FROM t",
        "FROM t SELECT a",
        "SELECT a INTO b FROM t",
        "INSERT INTO t VALUES (1, 'a') RETURNING a",
        "UPDATE t SET a = 1 RETURNING a",
        "DELETE FROM t RETURNING a",
        "INSERT OR REPLACE INTO t VALUES (1, 'a')",
        "INSERT INTO t VALUES (1, 'a') ON CONFLICT DO NOTHING",
        "INSERT INTO t BY NAME SELECT 1 AS a",
        "SELECT DISTINCT ON (a) a, s FROM t",
        "SELECT * FROM t SEMI JOIN t u ON t.a = u.a",
        "SELECT * FROM t ANTI JOIN t u ON t.a = u.a",
        "SELECT COUNT(*) FILTER (WHERE a > 1) FROM t",
        "SELECT * FROM t USING SAMPLE 10",
        "SELECT a FROM t LIMIT 10%",
        "SELECT a FROM t LIMIT 10 PERCENT",
        "SELECT a FROM t LIMIT 1, 2",
        "SELECT a FROM t LIMIT 1 BY a",
        "SELECT a FROM t LIMIT 1 WITH TIES",
        "SELECT 2 ** 3",
        "SELECT 2 ^ 3",
        "SELECT 2 & 3",
        "SELECT 2 | 3",
        "SELECT 2 << 3",
        "SELECT 2 >> 3",
        "SELECT ~3",
        "SELECT @a FROM t",
        "SELECT 1 !=~ 2",
        "SELECT 1 <=> 2",
        "SELECT 'a' ~ 'b'",
        "SELECT 'a' !~ 'b'",
        "SELECT 'a' ~* 'b'",
        "SELECT 'a' ^@ 'b'",
        "SELECT s GLOB 'a*' FROM t",
        "SELECT s SIMILAR TO 'a*' FROM t",
        "SELECT 5 DIV 2",
        "SELECT 5 MOD 2",
        "SELECT TRUE XOR FALSE",
        "SELECT [x + 1 FOR x IN [1, 2]]",
        "SELECT ARRAY[1, 2]",
        "SELECT MAP {'a': 1}",
        "SELECT {a: 1}",
        "SELECT ROW(1, 2)",
        "SELECT (1, 2)",
        "SELECT 1 IN [1, 2]",
        "SELECT 1 IN a FROM t",
        "SELECT a -> 'b' FROM t",
        "SELECT a ->> 'b' FROM t",
        "SELECT s #>> 'b' FROM t",
        "SELECT 1::STRUCT(a INT)",
        "SELECT 1::STRUCT",
        "SELECT b'1'",
        "SELECT 0x1F",
        "SELECT * LIKE 'a%' FROM t",
        "SELECT * FROM UNNEST([1, 2])",
        "SELECT * FROM (PIVOT t ON a USING SUM(a))",
        "SELECT * FROM (UNPIVOT t ON a INTO NAME n VALUE v)",
        "SELECT * FROM t CROSS APPLY t",
        "SELECT * FROM t LATERAL VIEW EXPLODE(a) x",
        "SELECT SUM(a) OVER w FROM t WINDOW w AS (ORDER BY a)",
        "SELECT SUM(a) OVER (ORDER BY a GROUPS 1 PRECEDING) FROM t",
        "SELECT SUM(a) OVER (ORDER BY a ROWS 1 PRECEDING EXCLUDE CURRENT ROW) FROM t",
        "SELECT a FROM t CLUSTER BY a",
        "SELECT a FROM t SORT BY a",
        "SUMMARIZE t",
        "PIVOT t ON a USING SUM(a)",
        "UNPIVOT t ON a INTO NAME n VALUE v",
        "PRAGMA version",
        "ATTACH 'x.db'",
        "DETACH x",
        "INSTALL httpfs",
        "LOAD httpfs",
        "TABLE t",
        "COPY t TO 'x.csv'",
        "EXPORT DATABASE 'x'",
        "IMPORT DATABASE 'x'",
        "VACUUM",
        "ANALYZE t",
        "CHECKPOINT",
        "PREPARE x AS SELECT 1",
        "DEALLOCATE x",
        "RESET threads",
        "SET VARIABLE x = 1",
    ],
)
def test_syntax_of_others_is_a_syntax_error(cursor: Any, statement: str) -> None:
    error = _refusal(cursor, statement)
    assert error.errno == _SYNTAX, error
    assert "DuckDB" not in str(error)


def test_documented_statements_that_are_not_served_are_refused_by_name(cursor: Any) -> None:
    known = {tuple(beginning.split()) for beginning in STATEMENTS}
    wrong = []
    for words in snowflake_statements():
        if words in known or words[:1] == ("SHOW",):
            continue
        error = _refusal(cursor, f"{' '.join(words)} nope AS (v VARCHAR) RETURNS VARCHAR -> v")
        if not isinstance(error, UnsupportedError) or " ".join(words) not in str(error):
            wrong.append((words, str(error)))
    assert wrong == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE OR REPLACE EXTERNAL TABLE t LOCATION = @s FILE_FORMAT = (TYPE = CSV)",
        "DESC PIPE p",
        "SHOW DATABASES IN FAILOVER GROUP g",
        "SHOW PIPES",
    ],
)
def test_other_statements_of_snowflake_are_refused_by_name(cursor: Any, statement: str) -> None:
    assert isinstance(_refusal(cursor, statement), UnsupportedError)
