"""Cancellation of statements, of the worker processes of their functions, and of whole runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from snowflake.connector.errors import OperationalError, ProgrammingError

import snowpipe_ml
from snowpipe_ml import Pipeline
from snowpipe_ml.engine.events import StepRetried
from snowpipe_ml.local import connect
from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.local.core.cancellation import Cancellation
from snowpipe_ml.local.core.duck import Duck
from tests import forked
from tests.conftest import write_spec
from tests.gate import LONG, SOON, Gate, eventually, opened_after


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    yield from opened_after(tmp_path, monkeypatch)


def is_there(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


SCALAR = "def h(x):\n    wait_at_gate()\n    return x\n"
TABLE = "class h:\n    def process(self, x):\n        wait_at_gate()\n        yield (x,)\n"
VECTORIZED = (
    "from _snowflake import vectorized\nimport pandas\nclass h:\n    @vectorized(input=pandas.DataFrame)\n"
    "    def end_partition(self, frame):\n        wait_at_gate()\n        return frame\n"
)
PROCEDURE = "def h(session):\n    wait_at_gate()\n    return 1\n"
TWO = "SELECT SEQ4() AS X FROM TABLE(GENERATOR(ROWCOUNT => 40))"
STATEMENTS = {
    "scalar": ("FUNCTION f(x INT) RETURNS INT", SCALAR, "", f"SELECT SUM(f(X)) FROM ({TWO})"),
    "table": (
        "FUNCTION f(x INT) RETURNS TABLE (Y INT)",
        TABLE,
        "",
        f"SELECT Y FROM ({TWO}) T, TABLE(f(T.X) OVER (PARTITION BY T.X))",
    ),
    "vectorized": (
        "FUNCTION f(x INT) RETURNS TABLE (Y INT)",
        VECTORIZED,
        "'pandas'",
        f"SELECT Y FROM ({TWO}) T, TABLE(f(T.X) OVER (PARTITION BY T.X))",
    ),
    "procedure": ("PROCEDURE f() RETURNS INT", PROCEDURE, "'snowflake-snowpark-python'", "CALL f()"),
}


@pytest.mark.parametrize("kind", STATEMENTS)
def test_a_statement_is_cancelled_while_its_function_computes(tmp_path: Path, gate: Gate, kind: str) -> None:
    head, body, packages, statement = STATEMENTS[kind]
    raised: list[BaseException] = []
    with connect(tmp_path / "warehouse", "D") as running, connect(tmp_path / "warehouse", "D") as other:
        running.cursor().execute(
            f"CREATE {head} LANGUAGE PYTHON RUNTIME_VERSION = '3.11' PACKAGES = ({packages}) HANDLER = 'h' "
            f"AS $$\n{gate.code}{body}\n$$"
        )

        def run() -> None:
            try:
                running.cursor().execute(statement)
            except BaseException as error:
                raised.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            workers = gate.reached()
            other.cursor().execute(f"SELECT SYSTEM$CANCEL_ALL_QUERIES({running.session_id})")
            thread.join(SOON)
            ended = not thread.is_alive()
            if ended:
                eventually(lambda: not any(map(is_there, workers)))
        finally:
            gate.opened.touch()
            thread.join()
        assert ended, "the statement went on"
        assert isinstance(raised[0], ProgrammingError)
        assert (raised[0].errno, raised[0].sqlstate) == (604, "57014")
        # Both the session and the function can be used again: the gate is open now.
        assert running.cursor().execute("SELECT 1").fetchall() == [(1,)]
        assert running.cursor().execute(statement).fetchall()


def test_what_another_session_runs_with_the_same_function_goes_on(tmp_path: Path, gate: Gate) -> None:
    found: dict[str, Any] = {}
    with connect(tmp_path / "warehouse", "D") as one, connect(tmp_path / "warehouse", "D") as two:
        one.cursor().execute(
            "CREATE FUNCTION f(x INT) RETURNS INT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'h' "
            f"AS $$\n{gate.code}{SCALAR}\n$$"
        )

        def run(name: str, connection: Any) -> None:
            try:
                found[name] = connection.cursor().execute("SELECT f(7)").fetchall()
            except BaseException as error:
                found[name] = error

        threads = [threading.Thread(target=run, args=pair) for pair in (("one", one), ("two", two))]
        for number, thread in enumerate(threads, 1):
            thread.start()
            # With a single worker, the second call waits for it.
            eventually(lambda n=number: len(gate.reached()) >= min(n, os.cpu_count() or 1), LONG)
        with connect(tmp_path / "warehouse", "D") as other:
            other.cursor().execute(f"SELECT SYSTEM$CANCEL_ALL_QUERIES({one.session_id})")
        threads[0].join(SOON)
        ended = not threads[0].is_alive()
        gate.opened.touch()
        for thread in threads:
            thread.join()
    assert ended, "the statement went on"
    assert isinstance(found["one"], ProgrammingError)
    assert found["two"] == [(7,)]


@pytest.mark.slow
def test_a_wait_is_cancelled(tmp_path: Path) -> None:
    """The wait runs in a separate process, which is killed if it takes too long."""
    code = (
        "import sys, threading\nfrom snowpipe_ml.local import connect\n"
        "one, two = (connect(sys.argv[1], 'D') for _ in range(2))\n"
        "begun = threading.Event()\none.listeners.append(lambda text: begun.set())\n"
        "def cancel():\n    begun.wait()\n"
        "    while thread.is_alive() and '1 q' not in "
        "two.cursor().execute(f'SELECT SYSTEM$CANCEL_ALL_QUERIES({one.session_id})').fetchone()[0]:\n        pass\n"
        "def run():\n    try:\n        one.cursor().execute('SELECT SYSTEM$WAIT(600)')\n"
        "    except Exception as error:\n        print(error.errno)\n"
        "thread = threading.Thread(target=run)\nthread.start()\ncancel()\nthread.join()\n"
    )
    done = _within(SOON, [sys.executable, "-W", "ignore", "-c", code, str(tmp_path)])
    assert done == "604"


def _within(seconds: float, command: list[str]) -> str:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False
        ).stdout.strip()
    except subprocess.TimeoutExpired:
        return "it went on"


def test_a_time_limit_is_that_of_the_statement(tmp_path: Path) -> None:
    """The limit is not per batch of partitions that a worker receives."""
    each = 4 * (os.cpu_count() or 1)  # four batches per worker, of 0.4 s each
    with connect(tmp_path / "warehouse", "D") as connection:
        cursor = connection.cursor()
        cursor.execute(
            "CREATE FUNCTION f(x INT) RETURNS TABLE (Y INT) LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'h' AS "
            "$$\nimport time\nclass h:\n    def process(self, x):\n        time.sleep(0.4)\n        yield (x,)\n$$"
        )
        cursor.execute("ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = 1")
        rows = f"SELECT SEQ4() AS X FROM TABLE(GENERATOR(ROWCOUNT => {each}))"
        for statement in (
            f"SELECT Y FROM ({rows}) T, TABLE(f(T.X) OVER (PARTITION BY T.X))",
            "SELECT SYSTEM$WAIT(3)",
        ):
            with pytest.raises(ProgrammingError) as raised:
                cursor.execute(statement)
            assert raised.value.errno == 630


def test_what_does_not_hear_a_cancellation_is_told_again() -> None:
    """DuckDB loses an interrupt that arrives just before its query starts."""
    cancellation, told, often = Cancellation(), [], threading.Event()

    def stop() -> None:
        told.append(True)
        if len(told) == 3:
            often.set()

    with cancellation.stopping(stop, again=True):
        cancellation.cancel()
        assert often.wait(SOON)


def test_a_cancellation_between_two_duckdb_statements_stops_the_next() -> None:
    cancellation = Cancellation()
    duck = Duck(duckdb.connect(), lambda: cancellation)
    duck.execute("BEGIN TRANSACTION")
    cancellation.cancel()
    with pytest.raises(ProgrammingError, match="canceled"):
        duck.execute("SELECT 1")
    with pytest.raises(ProgrammingError, match="canceled"):
        duck.query("SELECT 1")
    duck.execute("ROLLBACK")  # the statement that ends a transaction is not cancelled
    duck.close()


def test_a_statement_that_is_committed_is_not_reported_as_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled = []
    with connect(tmp_path / "warehouse", "D") as connection:
        assert isinstance(connection, Connection)
        execute = Duck.execute

        def cancelling(duck: Duck, text: str, *args: Any) -> Any:
            found = execute(duck, text, *args)
            if text == "COMMIT":
                cancelled.append(connection.session.interrupt())
            return found

        monkeypatch.setattr(Duck, "execute", cancelling)
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE t COMMENT = 'it' AS SELECT 1 AS X")
        cursor.execute("INSERT OVERWRITE INTO t SELECT 2")
        monkeypatch.undo()
        assert len(cancelled) >= 2
        assert all(cancelled)
        assert cursor.execute("SELECT X FROM t").fetchall() == [(2,)]


def test_ctrl_c_ends_the_workers_of_a_table_function(tmp_path: Path, gate: Gate) -> None:
    head, body, _, statement = STATEMENTS["table"]
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    workers: list[int] = []

    def press() -> None:
        workers.extend(gate.reached())
        os.kill(os.getpid(), signal.SIGINT)

    try:
        with connect(tmp_path / "warehouse", "D") as connection:
            connection.cursor().execute(
                f"CREATE {head} LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'h' AS $$\n{gate.code}{body}\n$$"
            )
            thread = threading.Thread(target=press)
            thread.start()
            with pytest.raises(KeyboardInterrupt):
                connection.cursor().execute(statement)
            thread.join()
            eventually(lambda: not any(map(is_there, gate.reached())))
            gate.opened.touch()
            assert len(connection.cursor().execute(statement).fetchall()) == 40
    finally:
        signal.signal(signal.SIGINT, handler)


def test_other_functions_do_not_end_the_worker_of_one_that_runs(tmp_path: Path, gate: Gate) -> None:
    """Only a limited number of functions keep their workers."""
    found: list[Any] = []
    with connect(tmp_path / "warehouse", "D") as one, connect(tmp_path / "warehouse", "D") as two:
        for number in range(6):
            code = f"{gate.code}{SCALAR}" if number == 0 else "def h(x):\n    return x\n"
            one.cursor().execute(
                f"CREATE FUNCTION f{number}(x INT) RETURNS INT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'h' "
                f"AS $$\n{code}$$"
            )

        def run() -> None:
            try:
                found.extend(one.cursor().execute("SELECT f0(7)").fetchall())
            except BaseException as error:
                found.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            (worker,) = gate.reached()
            for number in range(1, 6):
                assert two.cursor().execute(f"SELECT f{number}(1)").fetchall() == [(1,)]
        finally:
            gate.opened.touch()
            thread.join()
        assert found == [(7,)]
        eventually(lambda: not is_there(worker))  # its pool was evicted meanwhile, so it ends


DAYS = """\
stages: {s: {}}
packages: {p: [numpy, pandas]}
steps:
  events:
    type: transform
    query: >-
      SELECT 'k' || MOD(SEQ4(), 4) AS K, DATEADD(day, FLOOR(SEQ4() / 4), '2023-01-01'::DATE) AS AT, SEQ4() AS N
      FROM TABLE(GENERATOR(ROWCOUNT => 240))
    writes: events
  features: {type: features, from: events, partition_by: K, timestamp: AT, value: N, target: TOTAL, lags: [1], min_history: 30, writes: features}
  future: {type: future_features, features: features, horizon: 3, writes: future}
  deploy: {type: deploy_forecaster, function: f, features: features, model: {type: python, class: "own:Slow"}, stage: s, packages: p}
  train: {type: train_forecasters, function: f, features: features, future: future, series_per_partition: 1, writes: forecasts}
  after: {type: transform, query: "SELECT COUNT(*) AS N FROM {{ ref('forecasts') }}", writes: after}
"""
SLOW = """\
import numpy as np
from snowpipe_ml.models.base import RowForecaster

class Slow(RowForecaster):
    def fit(self, panel):
        wait_at_gate()

    def predict_rows(self, panel, xs):
        return [np.ones(len(x)) for x in xs]

    def state(self):
        return {}

    def restore(self, state):
        pass
"""


@contextmanager
def running(path: Path) -> Iterator[forked.Process]:
    """Start ``snowpipe-ml run`` in a process that receives Ctrl-C, however the tests were started."""
    process = forked.start_command("run", path, merged=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def training(folder: Path, gate: Gate) -> Path:
    path = write_spec(folder, DAYS)
    (folder / "own.py").write_text(gate.code + SLOW)
    return path


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)], ids=["ctrl-c", "sigterm"]
)
def test_training_ends_at_once_and_the_step_is_not_done(
    tmp_path: Path, gate: Gate, number: signal.Signals
) -> None:
    path = training(tmp_path, gate)
    with running(path) as process:
        workers = gate.reached()
        process.send_signal(number)
        try:
            output, _ = process.communicate(timeout=SOON)
        except subprocess.TimeoutExpired:
            pytest.fail("the run went on")
    assert process.returncode in (130, 128 + number), output
    assert "interrupted" in output
    assert "✓ train" not in output
    assert "Traceback" not in output
    eventually(lambda: not any(map(is_there, workers)))
    gate.opened.touch()
    result = Pipeline.from_yaml(path).run(resume=True)
    assert result.ok
    assert result.steps["train"].status.value == "success"


@pytest.mark.parametrize("blow", ["kill", pytest.param("second", marks=pytest.mark.slow)])
def test_no_worker_outlives_its_run(tmp_path: Path, gate: Gate, blow: str) -> None:
    with running(training(tmp_path, gate)) as process:
        workers = gate.reached()
        assert all(map(is_there, workers))
        if blow == "kill":
            process.kill()
        while process.poll() is None:  # repeat Ctrl-C, because the second one ends the run
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        process.wait()
        eventually(lambda: not any(map(is_there, workers)))


def test_sigterm_is_heard_while_a_statement_runs(tmp_path: Path) -> None:
    text = (
        "steps:\n"
        '  slow: {type: transform, query: "SELECT COUNT(*) AS N FROM TABLE(GENERATOR(ROWCOUNT => 2000000)) A, '
        "TABLE(GENERATOR(ROWCOUNT => 2000000)) B WHERE MD5(A.SEQ || '-' || B.SEQ) = 'x'\", writes: slow}\n"
        "  after: {type: transform, query: \"SELECT * FROM {{ ref('slow') }}\", writes: after}\n"
    ).replace(
        "TABLE(GENERATOR(ROWCOUNT => 2000000))",
        "(SELECT SEQ4() AS SEQ FROM TABLE(GENERATOR(ROWCOUNT => 300000)))",
    )
    path = write_spec(tmp_path, text)
    with running(path) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("run ")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=SOON)
    assert process.returncode in (130, 143), output
    assert "interrupted" in output
    write_spec(tmp_path, text.replace("300000", "3"))
    assert Pipeline.from_yaml(path).run(resume=True).ok


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_a_step_that_waits_to_be_tried_again_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    plain = Connection.perform

    def perform(self: Connection, command: str, *arguments: Any) -> Any:
        if "AS WANTED" in command and "EVENTS" not in command:
            tried.append(command)
            raise OperationalError(msg="Failed to connect", errno=250001)
        return plain(self, command, *arguments)

    def interrupt(event: Any) -> None:
        if isinstance(event, StepRetried):
            signal.raise_signal(signal.SIGINT)

    pipeline = Pipeline.from_yaml(
        write_spec(tmp_path, "steps: {one: {type: transform, query: SELECT 1 AS WANTED, writes: one}}\n")
    )
    monkeypatch.setattr(Connection, "perform", perform)
    result = pipeline.run(listeners=[interrupt])
    assert result.interrupted
    assert len(tried) == 1


@pytest.mark.usefixtures("hears_ctrl_c")
def test_a_run_on_a_session_of_the_caller_is_cancelled(tmp_path: Path, gate: Gate) -> None:
    session = snowpipe_ml.local_session(tmp_path / "warehouse", database="DEMO")
    session.sql(
        "CREATE FUNCTION f(x INT) RETURNS INT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'h' "
        f"AS $$\n{gate.code}{SCALAR}\n$$"
    ).collect()
    went_on = threading.Event()

    def watch() -> None:
        gate.reached()
        signal.raise_signal(signal.SIGINT)
        if not ended.wait(SOON):
            went_on.set()
            gate.opened.touch()

    ended = threading.Event()
    watching = threading.Thread(target=watch)
    watching.start()
    pipeline = Pipeline.from_yaml(
        write_spec(tmp_path, "steps: {one: {type: transform, query: SELECT f(1) AS X, writes: one}}\n")
    )
    try:
        result = pipeline.run(session=session)
    finally:
        ended.set()
        watching.join()
        gate.opened.touch()
        session.close()
    assert not went_on.is_set(), "the statement went on"
    assert result.interrupted
    assert not result.ok
