"""Pipelines under Airflow's own scheduler, with LocalExecutor and the triggerer."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from tests.conftest import ask, write_spec
from tests.integrations.environments import python_of
from tests.integrations.orders import Found, found
from tests.integrations.test_airflow import environment_of

pytestmark = pytest.mark.integrations

# A DAG that is scheduled once starts as soon as Airflow has read it. Its logical date is the start date.
DAGS = """\
from datetime import UTC, datetime, timedelta
from snowpipe_ml.integrations.airflow import PipelineDag

once = {{"schedule": "@once", "start_date": datetime(2022, 4, 30, tzinfo=UTC), "retry_delay": timedelta(seconds=1)}}
watch = PipelineDag("{orders}", dag_id="watch", mode="watch", **once)
killed = PipelineDag("{slow}", dag_id="killed", mode="tasks", **once)
"""
SLOW = """\
vars: {wait: 600}
steps:
  first: {type: transform, query: "SELECT 1 AS X", writes: one}
  slow: {type: transform, query: "SELECT X, SYSTEM$WAIT({{ vars.wait | literal }}) AS W FROM {{ ref('one') }}", writes: two}
  last: {type: transform, query: "SELECT X FROM {{ ref('two') }}", writes: three}
"""
MINUTES = 15


class Airflow:
    """All processes of Airflow, on a database of their own."""

    def __init__(self, spec: Path, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._database = home / "airflow.db"
        self._log = home.with_suffix(".log")
        self._file = self._log.open("w")
        self._process = subprocess.Popen(
            [python_of("airflow"), "-W", "ignore", "-m", "airflow", "standalone"],
            env={
                **environment_of(spec, home),
                "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
                "AIRFLOW__CORE__PARALLELISM": "4",
                "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
                "AIRFLOW__API__PORT": str(port),
                "AIRFLOW__API__WORKERS": "1",
            },
            stdout=self._file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def states(self, dag: str) -> dict[str, tuple[str | None, int, int | None]]:
        """The state, the number of tries and the process of each task, and the state of the run as ``""``."""
        if not self._database.exists():
            return {}
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=60)) as database:
            try:
                tasks = database.execute(
                    "SELECT task_id, state, try_number, pid FROM task_instance WHERE dag_id = ?", [dag]
                ).fetchall()
                runs = database.execute("SELECT state FROM dag_run WHERE dag_id = ?", [dag]).fetchall()
            except sqlite3.OperationalError:  # the tables are being created
                return {}
        states = {name: (state, tries, pid) for name, state, tries, pid in tasks}
        for (state,) in runs:
            states[""] = (state, 0, None)
        return states

    def wait(self, until: Callable[[], bool]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + MINUTES * 60
        while not until():
            assert self._process.poll() is None, self._log.read_text()[-5000:]
            assert time.monotonic() < deadline, self._log.read_text()[-5000:]
            time.sleep(1)

    def stop(self) -> None:
        """End all processes."""
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._file.close()


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A spec with a step that waits for a long time."""
    return write_spec(tmp_path / "slow", SLOW)


@pytest.fixture
def airflow(spec: Path, slow: Path, tmp_path: Path) -> Iterator[Airflow]:
    """Airflow with a DAG of the example and one of the slow spec."""
    (spec.parent / "dags.py").write_text(DAGS.format(orders=spec, slow=slow))
    processes = Airflow(spec, tmp_path / "airflow")
    yield processes
    processes.stop()


def test_a_watched_run_and_a_killed_task(airflow: Airflow, spec: Path, slow: Path, by_command: Found) -> None:
    pipeline = Pipeline.from_yaml(slow)
    holder = pipeline.session()  # the statement of a killed task runs on here, as it does in an account

    def slow_runs() -> bool:
        state = airflow.states("killed").get("slow", (None, 0, None))
        if state[0] != "running" or not state[2]:
            return False
        events = "SELECT COUNT(*) FROM SNOWPIPE_ML.EVENTS WHERE EVENT = 'step_started' AND STEP = 'slow'"
        return bool(ask(pipeline, events)[0][0])

    airflow.wait(slow_runs)
    process = airflow.states("killed")["slow"][2]
    assert process is not None
    write_spec(slow.parent, SLOW.replace("600", "0"))
    os.kill(process, signal.SIGKILL)
    for dag in ("killed", "watch"):
        airflow.wait(lambda dag=dag: airflow.states(dag).get("", (None,))[0] in ("success", "failed"))
    killed, watched = airflow.states("killed"), airflow.states("watch")
    assert killed[""][0] == "success", killed
    assert killed["slow"][1] == 2
    assert ask(pipeline, "SELECT COUNT(*), MIN(STATUS) FROM SNOWPIPE_ML.RUNS") == [(1, "success")]
    assert ask(pipeline, "SELECT X FROM THREE") == [(1,)]
    holder.close()
    assert {name: state for name, (state, _, _) in watched.items() if state != "success"} == {
        "audit": "skipped"
    }
    assert found(spec) == by_command
