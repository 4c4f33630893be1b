"""The server, used with Snowflake's own clients: the connector and Snowpark, through connections.toml."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import snowflake.connector
from snowflake.connector.errors import DatabaseError, ProgrammingError
from snowflake.snowpark import Session
from snowflake.snowpark.functions import col, udf

from snowpipe_ml.engine.events import RunStarted, Status, StepFinished
from snowpipe_ml.engine.records.state import State
from snowpipe_ml.sql import QualifiedName
from tests import forked
from tests.conftest import write_spec

SPEC = "steps:\n  one: {type: transform, query: SELECT 1 AS X, writes: ONE}\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Run ``snowpipe-ml serve`` in a separate process; return the entry that it prints, as a dict."""
    import tomllib

    folder = tmp_path_factory.mktemp("served")
    spec = write_spec(folder, SPEC)
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "snowpipe_ml", "serve", str(spec)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    text = ""
    while not text.endswith('schema = "PUBLIC"\n'):
        read = process.stdout.readline()
        assert read, process.communicate()[1]
        text += read
    # The connector reads the file once per process, so its content is passed on directly.
    yield {"folder": folder, "spec": spec, "text": text, **tomllib.loads(text)["embedded"]}
    process.terminate()
    process.communicate(timeout=120)


def entry(served: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        key: value for key, value in {**served, **changed}.items() if key not in ("folder", "spec", "text")
    }


@pytest.fixture
def cursor(served: dict[str, Any]) -> Iterator[Any]:
    with snowflake.connector.connect(**entry(served)) as connection:
        yield connection.cursor()


@pytest.mark.parametrize("style", ["pyformat", "qmark"])
@pytest.mark.parametrize("count", [1, 3])
def test_records_are_read_as_they_were_written(served: dict[str, Any], style: str, count: int) -> None:
    """Values are bound by the connector, or written into the statement by it."""
    schema = QualifiedName.parse(f"DEMO.{style}_{count}")
    with snowflake.connector.connect(**entry(served, paramstyle=style)) as connection:
        state = State(connection, schema)
        state.prepare()
        texts = ["100% of 'it' \\ said", "two\nlines: 🚲"]
        steps = ("s0", "s1", "s2")[:count]
        started = RunStarted("r1", "demo", "local", datetime(2026, 1, 2, tzinfo=UTC), steps, False, {})
        for place, step in enumerate(steps):
            rows = 3 if place else None
            event = StepFinished(step, Status.SUCCESS, rows, 0.25, texts[place % 2], ())
            state.step_finished(started, event, {"place": place})
        state.flush()
        found = state.events("demo", "local")
        assert [row["MESSAGE"] for row in found] == [texts[place % 2] for place in range(count)]
        assert [row["ROW_COUNT"] for row in found] == [None, 3, 3][:count]
        assert {row["SECONDS"] for row in found} == {0.25}
        assert abs(found[0]["AT"] - datetime.now(UTC).replace(tzinfo=None)) < timedelta(hours=1)


def test_connections_toml(served: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "connections.toml").write_text(served["text"])
    (tmp_path / "connections.toml").chmod(0o600)
    code = (
        "import snowflake.connector as c\n"
        "from snowflake.snowpark import Session\n"
        "print(c.connect(connection_name='embedded').cursor().execute('SELECT CURRENT_DATABASE()').fetchone()[0])\n"
        "s = Session.builder.config('connection_name', 'embedded').create()\n"
        "print(s.sql('SELECT 1 + 1').collect()[0][0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "SNOWFLAKE_HOME": str(tmp_path)},
    )
    assert done.stdout.split() == ["DEMO", "2"]


def test_types_travel(cursor: Any) -> None:
    import datetime as dt
    from decimal import Decimal

    row = cursor.execute(
        "SELECT 1, 'x', 1.5::FLOAT, 2.25::NUMBER(10,2), '2024-01-02'::DATE, '2024-01-02 03:04:05.123'::TIMESTAMP_NTZ, "
        "PARSE_JSON('{\"b\": 1, \"a\": [1]}'), TRUE, NULL, '12:13:14'::TIME, TO_BINARY('6869'), '1969-07-20 20:17:40.5'::TIMESTAMP_NTZ"
    ).fetchone()
    assert row == (
        1,
        "x",
        1.5,
        Decimal("2.25"),
        dt.date(2024, 1, 2),
        dt.datetime(2024, 1, 2, 3, 4, 5, 123000),
        '{\n  "a": [\n    1\n  ],\n  "b": 1\n}',
        True,
        None,
        dt.time(12, 13, 14),
        b"hi",
        dt.datetime(1969, 7, 20, 20, 17, 40, 500000),
    )


def test_vectors_travel(cursor: Any) -> None:
    row = cursor.execute(
        "SELECT [1, 2.5]::VECTOR(FLOAT, 2), [1, 2]::VECTOR(INT, 2), NULL::VECTOR(INT, 3)"
    ).fetchone()
    assert row == ([1.0, 2.5], [1, 2], None)
    described = cursor._description_internal
    assert [(column.type_code, column.vector_dimension) for column in described] == [
        (16, 2),
        (16, 2),
        (16, 3),
    ]


def test_statements_binds_and_errors(cursor: Any) -> None:
    cursor.execute("CREATE OR REPLACE TABLE t (a INT, b VARCHAR)")
    assert cursor.execute("INSERT INTO t VALUES (%s, %s)", (1, "o'x")).rowcount == 1
    cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(2, "y"), (3, "z")])
    assert cursor.rowcount == 2
    assert cursor.execute("SELECT * FROM t ORDER BY a").fetch_pandas_all()["B"].tolist() == ["o'x", "y", "z"]
    assert [column.name for column in cursor.describe("SELECT a AS x, b FROM t")] == ["X", "B"]
    with pytest.raises(ProgrammingError, match="Object 'NOPE' does not exist") as raised:
        cursor.execute("SELECT * FROM nope")
    assert (raised.value.errno, raised.value.sqlstate) == (2003, "42S02")
    with pytest.raises(ProgrammingError, match="the embedded warehouse does not support"):
        cursor.execute("CREATE TABLE x (a FILE)")


def test_files_go_to_a_stage_and_back(cursor: Any, tmp_path: Path) -> None:
    (tmp_path / "up.csv").write_text("1,a\n2,b\n")
    cursor.execute("CREATE OR REPLACE TABLE u (a INT, b VARCHAR)")
    cursor.execute("CREATE OR REPLACE STAGE s")
    assert cursor.execute(f"PUT file://{tmp_path}/up.csv @s/f").fetchone()[6] == "UPLOADED"
    assert cursor.execute("COPY INTO u FROM @s/f FILE_FORMAT = (TYPE = CSV)").fetchone()[:4] == (
        "s/f/up.csv.gz",
        "LOADED",
        2,
        2,
    )
    (tmp_path / "down").mkdir()
    cursor.execute(f"GET @s/f file://{tmp_path}/down")
    assert (tmp_path / "down" / "up.csv.gz").read_bytes()[:2] == b"\x1f\x8b"


def test_statements_without_waiting(cursor: Any) -> None:
    query_id = cursor.execute_async("SELECT 42")["queryId"]
    cursor.get_results_from_sfqid(query_id)
    assert cursor.fetchall() == [(42,)]


def test_snowpark_with_a_python_function(served: dict[str, Any]) -> None:
    session = Session.builder.configs(entry(served)).create()

    @udf(session=session, packages=[])
    def plus(x: int) -> int:
        return x + 1

    frame = session.create_dataframe([[1], [2]], schema=["A"])
    assert [row[0] for row in frame.select(plus(col("A"))).collect()] == [2, 3]
    assert frame.to_pandas()["A"].tolist() == [1, 2]
    session.close()


def test_a_wrong_token_is_refused(served: dict[str, Any]) -> None:
    with pytest.raises(DatabaseError, match="Incorrect username or password"):
        snowflake.connector.connect(**entry(served, password="guess"))


def test_a_run_goes_through_the_server(served: dict[str, Any], cursor: Any) -> None:
    done = forked.command("run", served["spec"])
    assert done.returncode == 0, done.stderr
    assert cursor.execute("SELECT X FROM ONE").fetchall() == [(1,)]


def test_a_session_cancels_its_own_statement_from_another_thread(served: dict[str, Any]) -> None:
    raised: list[Any] = []
    with snowflake.connector.connect(**entry(served)) as connection:

        def run() -> None:
            try:
                connection.cursor().execute("SELECT SYSTEM$WAIT(50)")
                raised.append(None)
            except ProgrammingError as error:
                raised.append(error.errno)

        thread = threading.Thread(target=run)
        thread.start()
        while not raised:  # the statement may not have started yet
            connection.cursor().execute(f"SELECT SYSTEM$CANCEL_ALL_QUERIES({connection.session_id})")
        thread.join()
    assert raised == [604]


def post(served: dict[str, Any], path: str, body: object, token: str | None = None) -> Any:
    """Send a request of the protocol, as a client that is no connector of Python."""
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f'Snowflake Token="{token}"'
    request = urllib.request.Request(
        f"http://{served['host']}:{served['port']}{path}", json.dumps(body).encode(), headers
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


def test_the_driver_for_node_reads_json(served: dict[str, Any]) -> None:
    login = {"CLIENT_APP_ID": "JavaScript", "LOGIN_NAME": "local", "PASSWORD": served["password"]}
    token = post(served, "/session/v1/login-request", {"data": login})["token"]
    query = """SELECT 1, 1.50, 2.5::FLOAT, 'x', TRUE, FALSE, '1970-01-03'::DATE, '00:00:01.5'::TIME, NULL,
        '1970-01-01 00:00:01.25'::TIMESTAMP_NTZ, '1969-12-31 23:59:58.5'::TIMESTAMP_NTZ,
        '1970-01-01 02:00:01 +02:00'::TIMESTAMP_TZ, TO_BINARY('0AFF'), [1, 'a']"""
    data = post(served, "/queries/v1/query-request", {"sqlText": query}, token)
    assert data["queryResultFormat"] == "json"
    (row,) = data["rowset"]
    assert row[:-1] == [
        *("1", "1.50", "2.5", "x", "1", "0", "2", "1.500000000", None, "1.250000000", "-1.500000000"),
        *("1.000000000 1560", "0AFF"),
    ]
    assert json.loads(row[-1]) == [1, "a"]
    assert {"name": "BINARY_OUTPUT_FORMAT", "value": "HEX"} in data["parameters"]
    described = {"sqlText": "SELECT 1 AS N", "describeOnly": True}
    assert post(served, "/queries/v1/query-request", described, token)["rowset"] == []


def test_a_transient_table_is_an_object_of_the_kind_table(cursor: Any) -> None:
    cursor.execute("CREATE TRANSIENT TABLE FLEETING (A INT)")
    kinds = {row[1]: row[4] for row in cursor.execute("SHOW OBJECTS LIKE 'FLEETING'")}
    assert kinds == {"FLEETING": "TABLE"}
    assert {row[4] for row in cursor.execute("SHOW TABLES LIKE 'FLEETING'")} == {"TRANSIENT"}
