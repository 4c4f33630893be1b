"""Pipelines under Airflow's own scheduler, with LocalExecutor and the triggerer."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.request import urlopen

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
    """All processes of Airflow, on a separate database."""

    def __init__(self, spec: Path, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._home = home
        self._database = home / "airflow.db"
        self._log = home.with_suffix(".log")
        self._environment = {
            **environment_of(spec, home),
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__WORKERS": "1",
            # So that tasks whose processes were killed with the scheduler are found soon after it was started again.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            # A scheduler that is ready before the API server must not use up the retries of tasks.
            "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "100",
            "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "3",
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        }
        self._health = f"http://127.0.0.1:{port}/api/v2/monitor/health"
        self.start()

    def start(self) -> None:
        """Start all processes, or start them again."""
        with self._log.open("a") as file:
            self._process = subprocess.Popen(
                [python_of("airflow"), "-W", "ignore", "-m", "airflow", "standalone"],
                env=self._environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def is_up(self) -> bool:
        """Return whether the API server answers."""
        try:
            with urlopen(self._health, timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """Kill all processes, also those of tasks, as a machine that loses its power does."""
        while found := _of_session(self._process.pid):
            for process in found:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._process.wait()

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
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(30)
        self.kill()


def _of_session(session: int) -> list[int]:
    """List the processes of a session that run."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            state, _, _, its = status.read_text().rpartition(") ")[2].split()[:4]
            if int(its) == session and state != "Z":
                found.append(int(status.parent.name))
    return found


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A spec with a step that waits for a long time."""
    return write_spec(tmp_path / "slow", SLOW)


@pytest.fixture
def airflow(spec: Path, slow: Path, tmp_path: Path) -> Iterator[Airflow]:
    """Airflow with a DAG of the example and one of the slow spec."""
    processes = Airflow(spec, tmp_path / "airflow")
    try:
        processes.wait(processes.is_up)
        (spec.parent / "dags.py").write_text(DAGS.format(orders=spec, slow=slow))
        yield processes
    finally:
        processes.stop()


def wait_for_slow(airflow: Airflow, pipeline: Pipeline) -> int:
    """Wait until the step that waits runs, and return its process."""
    found: list[int] = []

    def runs() -> bool:
        state, _, process = airflow.states("killed").get("slow", (None, 0, None))
        if state != "running" or not process:
            return False
        found.append(process)
        events = "SELECT COUNT(*) FROM SNOWPIPE_ML.EVENTS WHERE EVENT = 'step_started' AND STEP = 'slow'"
        return bool(ask(pipeline, events)[0][0])

    airflow.wait(runs)
    return found[-1]


def check_both(airflow: Airflow, pipeline: Pipeline, spec: Path, by_command: Found) -> None:
    """Wait for the end of both DAG runs, and check what they have left."""
    for dag in ("killed", "watch"):
        airflow.wait(lambda dag=dag: airflow.states(dag).get("", (None,))[0] in ("success", "failed"))
    killed, watched = airflow.states("killed"), airflow.states("watch")
    assert killed[""][0] == "success", killed
    assert killed["slow"][1] == 2
    assert ask(pipeline, "SELECT COUNT(*), MIN(STATUS) FROM SNOWPIPE_ML.RUNS") == [(1, "success")]
    assert ask(pipeline, "SELECT X FROM THREE") == [(1,)]
    assert {name: state for name, (state, _, _) in watched.items() if state != "success"} == {
        "audit": "skipped"
    }
    assert found(spec).tables == by_command.tables


def test_a_watched_run_and_a_killed_task(airflow: Airflow, spec: Path, slow: Path, by_command: Found) -> None:
    pipeline = Pipeline.from_yaml(slow)
    holder = pipeline.session()  # the statement of a killed task runs on here, as it does in an account
    process = wait_for_slow(airflow, pipeline)
    write_spec(slow.parent, SLOW.replace("600", "0"))
    os.kill(process, signal.SIGKILL)
    check_both(airflow, pipeline, spec, by_command)
    assert found(spec).records == by_command.records
    running = "SELECT COUNT(*) FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY()) WHERE EXECUTION_STATUS = 'RUNNING' AND QUERY_TEXT ILIKE '%WAIT(600)%' AND QUERY_TEXT NOT ILIKE '%QUERY_HISTORY%'"
    assert ask(pipeline, running) == [(0,)]
    holder.close()


def test_the_scheduler_is_killed_and_started_again(
    airflow: Airflow, spec: Path, slow: Path, by_command: Found
) -> None:
    pipeline = Pipeline.from_yaml(slow)
    holder = pipeline.session()
    wait_for_slow(airflow, pipeline)
    airflow.kill()
    write_spec(slow.parent, SLOW.replace("600", "0"))
    airflow.start()
    check_both(airflow, pipeline, spec, by_command)
    holder.close()
