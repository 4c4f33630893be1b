"""The steps of a run in several processes on one embedded warehouse: at once, killed, and retried."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.events import Status
from tests import forked
from tests.conftest import ask, write_spec

CODE = """\
import json, sys
from snowpipe_ml import Pipeline
path, action, handle, *names = sys.argv[1:]
pipeline = Pipeline.from_yaml(path)
if action == "begin":
    print(json.dumps(pipeline.begin_run(run_key=handle).to_json()), flush=True)
elif action == "step":
    for name in names:
        told = [lambda event: print(type(event).__name__, flush=True)]
        print(json.dumps(pipeline.run_step(json.loads(handle), name, None, told).to_dict()), flush=True)
elif action == "cancel":
    print(pipeline.cancel(json.loads(handle)).status, flush=True)
else:
    print(pipeline.finish_run(json.loads(handle)).status, flush=True)
"""


def start(path: Path, action: str, handle: Any, *names: str) -> forked.Process:
    text = handle if isinstance(handle, str) else json.dumps(handle)
    return forked.Process(CODE, path, action, text, *names, new_session=True)


def done(process: forked.Process) -> Any:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    lines = [line for line in out.splitlines() if not line.startswith("Step")]
    return [json.loads(line) if line.startswith("{") else line for line in lines]


def begin(path: Path, key: str) -> Any:
    return done(start(path, "begin", key))[0]


WIDE = """\
steps:
  a: {type: transform, query: "SELECT SEQ4() AS X FROM TABLE(GENERATOR(ROWCOUNT => 100))", writes: ta}
  left: {type: transform, query: "SELECT X + 1 AS X FROM {{ ref('ta') }}", writes: tleft}
  right: {type: transform, query: "SELECT X + 2 AS X FROM {{ ref('ta') }}", writes: tright}
  both: {type: transform, query: "SELECT L.X FROM {{ ref('tleft') }} L JOIN {{ ref('tright') }} R ON L.X = R.X", writes: tboth}
"""


def test_each_step_in_a_process_of_its_own(tmp_path: Path) -> None:
    path = write_spec(tmp_path, WIDE)
    begins = [start(path, "begin", "same") for _ in range(2)]
    first, second = (done(process)[0] for process in begins)
    assert first == second
    outcomes = done(start(path, "step", first, "a"))
    for process in [start(path, "step", first, name) for name in ("left", "right")]:
        outcomes += done(process)
    outcomes += done(start(path, "step", first, "both"))
    assert [(o["name"], o["status"], o["rows"]) for o in outcomes] == [
        ("a", "success", 100),
        ("left", "success", 100),
        ("right", "success", 100),
        ("both", "success", 99),
    ]
    assert done(start(path, "finish", first)) == ["success"]
    pipeline = Pipeline.from_yaml(path)
    assert ask(pipeline, "SELECT DISTINCT RUN_ID FROM SNOWPIPE_ML.STEP_RUNS") == [(first["run_id"],)]
    assert ask(pipeline, "SELECT COUNT(*) FROM TBOTH") == [(99,)]


@pytest.mark.parametrize(
    "times", [pytest.param(2, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.stress)]
)
def test_two_steps_at_once_again_and_again(tmp_path: Path, times: int) -> None:
    path = write_spec(tmp_path, WIDE)
    pipeline = Pipeline.from_yaml(path)
    for number in range(times):
        handle = pipeline.begin_run(run_key=f"run {number}", full_refresh=True)
        assert pipeline.run_step(handle, "a").status is Status.SUCCESS
        processes = [start(path, "step", handle.to_json(), name) for name in ("left", "right")]
        assert [done(process)[0]["status"] for process in processes] == ["success"] * 2
        assert pipeline.run_step(handle, "both").status is Status.SUCCESS
        assert pipeline.finish_run(handle).ok
    assert ask(pipeline, "SELECT COUNT(*) FROM SNOWPIPE_ML.RUNS WHERE STATUS = 'success'") == [(times,)]


SLOW = """\
steps:
  a: {type: transform, query: "SELECT 1 AS X", writes: ta}
  slow: {type: transform, query: "SELECT X, SYSTEM$WAIT({{ vars.wait | literal }}) AS W FROM {{ ref('ta') }}", writes: tslow}
  after: {type: transform, query: "SELECT X FROM {{ ref('tslow') }}", writes: tafter}
vars: {wait: 300}
"""


def running(pipeline: Pipeline, handle: Any) -> bool:
    """Return whether the slow step has recorded its start."""
    query = (
        f"SELECT COUNT(*) FROM SNOWPIPE_ML.EVENTS WHERE RUN_ID = '{handle['run_id']}' AND EVENT = 'step_started' "
        "AND STEP = 'slow'"
    )
    return bool(ask(pipeline, query)[0][0])


def started(path: Path, handle: Any, pipeline: Pipeline | None = None) -> forked.Process:
    """Start the slow step in a process, and wait until it runs, and until that is recorded on an open warehouse."""
    process = start(path, "step", handle, "slow")
    assert process.stdout is not None
    assert process.stdout.readline() == "StepStarted\n"
    while pipeline is not None and not running(pipeline, handle):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    return process


@pytest.mark.slow
def test_a_killed_step_is_retried(tmp_path: Path) -> None:
    path = write_spec(tmp_path, SLOW)
    handle = begin(path, "k")
    done(start(path, "step", handle, "a"))
    process = started(path, handle)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    write_spec(tmp_path, SLOW.replace("wait: 300", "wait: 0"))
    assert begin(path, "k") == handle
    (outcome,) = done(start(path, "step", handle, "slow"))
    assert (outcome["status"], outcome["rows"]) == ("success", 1)
    assert done(start(path, "step", handle, "after"))[0]["status"] == "success"
    assert done(start(path, "finish", handle)) == ["success"]


@pytest.mark.slow
def test_a_step_whose_process_is_killed_leaves_nothing_running(tmp_path: Path) -> None:
    """The warehouse is held by another process, as an account is: the statement outlives its client."""
    path = write_spec(tmp_path, SLOW)
    pipeline = Pipeline.from_yaml(path)
    holder = pipeline.session()
    handle = begin(path, "k")
    done(start(path, "step", handle, "a"))
    process = started(path, handle, pipeline)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    write_spec(tmp_path, SLOW.replace("wait: 300", "wait: 0"))
    assert done(start(path, "step", handle, "slow", "after"))[1]["status"] == "success"
    assert done(start(path, "finish", handle)) == ["success"]
    holder.close()


@pytest.mark.slow
def test_sigterm_cancels_a_step_and_its_retry_finishes(tmp_path: Path) -> None:
    path = write_spec(tmp_path, SLOW)
    pipeline = Pipeline.from_yaml(path)
    holder = pipeline.session()
    handle = begin(path, "k")
    done(start(path, "step", handle, "a"))
    process = started(path, handle, pipeline)
    os.kill(process.pid, signal.SIGTERM)
    (outcome,) = done(process)
    assert outcome["status"] == "failed"
    write_spec(tmp_path, SLOW.replace("wait: 300", "wait: 0"))
    assert done(start(path, "step", handle, "slow"))[0]["status"] == "success"
    holder.close()


@pytest.mark.slow
def test_a_run_is_canceled_from_another_process(tmp_path: Path) -> None:
    path = write_spec(tmp_path, SLOW)
    pipeline = Pipeline.from_yaml(path)
    holder = pipeline.session()
    handle = begin(path, "k")
    done(start(path, "step", handle, "a"))
    process = started(path, handle, pipeline)
    assert done(start(path, "cancel", handle)) == ["canceled"]
    (outcome,) = done(process)
    assert outcome["status"] == "failed"
    statuses = dict(ask(pipeline, "SELECT STEP, STATUS FROM SNOWPIPE_ML.STEP_RUNS"))
    assert statuses == {"a": "success", "slow": "failed", "after": "skipped"}
    assert ask(pipeline, "SELECT RUN_ID FROM SNOWPIPE_ML.LOCKS") == [(None,)]
    write_spec(tmp_path, SLOW.replace("wait: 300", "wait: 0"))
    assert pipeline.run().ok
    holder.close()
