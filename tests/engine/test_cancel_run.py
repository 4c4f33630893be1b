"""Cancellation of a run that another process makes: the command ``cancel``, and ``Pipeline.cancel_run``."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from snowpipe_ml import Pipeline
from snowpipe_ml.cli.main import main
from snowpipe_ml.engine.events import Status
from snowpipe_ml.engine.export.deployment import deploy
from snowpipe_ml.engine.export.graph import draw
from snowpipe_ml.engine.run import whole
from snowpipe_ml.errors import LockedError
from tests import forked
from tests.conftest import ask, write_spec

SPEC = """\
vars: {wait: 300}
schedule: {cron: '0 6 2 * *', retries: 1}
steps:
  a: {type: transform, query: "SELECT 1 AS X", writes: ta}
  slow: {type: transform, query: "SELECT X, SYSTEM$WAIT({{ vars.wait | literal }}) AS W FROM {{ ref('ta') }}", writes: tslow}
  after: {type: transform, query: "SELECT X FROM {{ ref('tslow') }}", writes: tafter}
  late: {type: transform, query: "SELECT X + 1 AS X FROM {{ ref('ta') }}", writes: tlate}
"""
QUICK = SPEC.replace("wait: 300", "wait: 0")
WAITS = (
    "SELECT COUNT(*) FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY()) WHERE EXECUTION_STATUS = 'RUNNING' "
    "AND QUERY_TEXT ILIKE '%WAIT(300)%' AND QUERY_TEXT NOT ILIKE '%QUERY_HISTORY%'"
)
RUNS = "SELECT STATUS FROM SNOWPIPE_ML.RUNS"
HOLDER = "SELECT RUN_ID FROM SNOWPIPE_ML.LOCKS"


def cancel(spec: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["cancel", str(spec), *arguments], catch_exceptions=False)


def until_it_waits(pipeline: Pipeline) -> None:
    deadline = time.monotonic() + 120
    while not ask(pipeline, WAITS)[0][0]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_nothing_runs(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, QUICK)
    assert cancel(spec).output == "nothing to cancel: no run is unfinished\n"
    run = Pipeline.from_yaml(spec).run()
    assert cancel(spec).output == "nothing to cancel: no run is unfinished\n"
    assert cancel(spec, run.run.id).output == f"nothing to cancel: the run {run.run.id} has ended\n"
    unknown = cancel(spec, run.run.id[:-1])
    assert unknown.exit_code == 2
    assert unknown.output == (
        f"error: no run '{run.run.id[:-1]}' of demo on local; did you mean '{run.run.id}'?\n"
    )


@pytest.mark.slow
def test_a_run_of_another_process(tmp_path: Path) -> None:
    """One step at a time, so that a step that needs none of the canceled ones has not started."""
    spec = write_spec(tmp_path, SPEC)
    pipeline = Pipeline.from_yaml(spec)
    holder = pipeline.session()
    process = forked.Process(
        "import sys\nfrom snowpipe_ml.cli.main import main\nmain(sys.argv[1:])",
        *("run", spec, "--threads", "1"),
        merged=True,
    )
    until_it_waits(pipeline)
    done = cancel(spec)
    name = done.output.split()[3].rstrip(":")
    assert done.output == (
        f"canceled the run {name}: 1 of 4 steps had ended\n"
        f"resume it with: snowpipe-ml run {spec} --resume {name}\n"
    )
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 1
    words = " ".join(output.split())
    assert "- late skipped: the run was canceled, or another run has taken its lock over" in words
    assert ask(pipeline, WAITS) == [(0,)]
    assert ask(pipeline, RUNS) == [("canceled",)]
    assert ask(pipeline, HOLDER) == [(None,)]
    assert "canceled" in CliRunner().invoke(main, ["runs", str(spec)]).output
    assert cancel(spec).output == "nothing to cancel: no run is unfinished\n"
    write_spec(tmp_path, QUICK)
    resumed = pipeline.run(resume=name)
    assert {n: step.status.value for n, step in resumed.steps.items()} == {
        "a": "reused",
        "slow": "success",
        "after": "success",
        "late": "success",
    }
    assert ask(pipeline, RUNS) == [("success",)]
    holder.close()


def test_a_run_that_has_lost_its_lock_removes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidied: list[Status] = []
    monkeypatch.setattr(whole, "tidy", lambda at, result: tidied.append(result.status))
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
    holder = pipeline.session()
    running = threading.Thread(target=pipeline.run)
    running.start()
    until_it_waits(pipeline)
    pipeline.cancel_run()
    running.join(120)
    assert not running.is_alive()
    assert tidied == []
    assert Pipeline.from_yaml(write_spec(tmp_path, QUICK)).run().ok
    assert tidied == [Status.SUCCESS]
    holder.close()


def test_a_run_that_was_begun_and_is_left(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, QUICK))
    handle = pipeline.begin_run(select=["a", "late"], run_key="theirs")
    pipeline.run_step(handle, "a")
    with pytest.raises(LockedError):
        pipeline.run()
    result = pipeline.cancel_run()
    assert result is not None
    assert (result.run.id, result.status, result.interrupted) == (handle.run_id, Status.CANCELED, True)
    assert {n: (s.status.value, s.message) for n, s in result.steps.items()} == {
        "a": ("success", ""),
        "late": ("skipped", "canceled"),
    }
    assert pipeline.cancel_run() is None
    assert pipeline.finish_run(handle).status is Status.CANCELED
    with pytest.raises(LockedError, match="it was finished or canceled"):
        pipeline.run_step(handle, "late")
    assert pipeline.run(select=["a"]).ok


def test_a_part_of_the_steps(tmp_path: Path) -> None:
    """Only the steps of a run that was killed are recorded as canceled."""
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, QUICK))
    assert pipeline.run(select=["a", "late"]).ok
    ask(pipeline, "DELETE FROM SNOWPIPE_ML.EVENTS WHERE EVENT = 'run_finished' OR STEP = 'late'")
    result = pipeline.cancel_run()
    assert result is not None
    assert {n: s.status.value for n, s in result.steps.items()} == {"a": "success", "late": "skipped"}


def test_a_lock_without_a_run(tmp_path: Path) -> None:
    """The process was killed between the lock and its first record."""
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, QUICK))
    handle = pipeline.begin_run()
    ask(pipeline, "DELETE FROM SNOWPIPE_ML.EVENTS")
    result = pipeline.cancel_run()
    assert result is not None
    assert (result.run.id, result.status) == (handle.run_id, Status.CANCELED)
    assert pipeline.run().ok


@pytest.mark.slow
def test_a_graph_of_tasks(tmp_path: Path) -> None:
    """Nothing goes on with the run: neither the automatic retry of its tasks, nor one by hand."""
    spec = write_spec(tmp_path, SPEC)
    pipeline = Pipeline.from_yaml(spec)
    holder = pipeline.session()
    deploy(draw(pipeline))
    graph = threading.Thread(target=ask, args=(pipeline, "EXECUTE TASK DEMO"))
    graph.start()
    until_it_waits(pipeline)
    assert "canceled the run" in cancel(spec).output
    graph.join(120)
    assert not graph.is_alive()
    states = dict(ask(pipeline, "SELECT NAME, STATE FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY())"))
    assert states["DEMO__SLOW"] == "CANCELLED"
    assert states["DEMO_FINISH"] == "SUCCEEDED"
    assert ask(pipeline, RUNS) == [("canceled",)]
    assert ask(pipeline, HOLDER) == [(None,)]
    ask(pipeline, "EXECUTE TASK DEMO RETRY LAST")
    errors = "SELECT ERROR_MESSAGE FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY(TASK_NAME => 'DEMO__SLOW')) WHERE STATE = 'FAILED'"
    assert "was canceled: start another one" in ask(pipeline, errors)[0][0]
    assert ask(pipeline, RUNS) == [("canceled",)]
    write_spec(tmp_path, QUICK)
    assert pipeline.run().ok
    holder.close()
