"""A run whose steps are run one by one, in one process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.events import Status, StepFinished
from snowpipe_ml.errors import LockedError, UsageError
from tests.conftest import ask, write_spec

Make = Callable[..., Pipeline]
SPEC = """\
stages: {raw: {}}
tables: {log: {columns: {X: NUMBER}}}
steps:
  a: {type: transform, query: "SELECT SEQ4() AS X FROM TABLE(GENERATOR(ROWCOUNT => 7))", writes: ta}
  each:
    type: transform
    foreach: [1, 2]
    query: "SELECT X + {{ item | literal }} AS X FROM {{ ref('ta') }}"
    writes: "e{{ item }}"
  off: {type: transform, when: false, query: "SELECT 1 AS X", writes: toff}
  after_off: {type: transform, query: "SELECT * FROM {{ ref('toff') }}", writes: tafter}
  warns: {type: expect, table: ta, max_rows: 3, severity: warn}
  keep: {type: snapshot, table: ta, into: "ta_{{ run.model_id }}"}
  score: {type: evaluate, predictions: e1, actual: X, prediction: X, writes: scores}
"""
APRIL = date(2022, 4, 30)
RECORDS = "SELECT STEP, STATUS, ROW_COUNT, REGEXP_REPLACE(MESSAGE, 'MODEL_.*', 'ID'), ERROR FROM SNOWPIPE_ML.STEP_RUNS WHERE RUN_ID = '{}' ORDER BY STEP"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Write a spec and keep its warehouse open, so that opening it again costs nothing."""
    held: dict[Path, Any] = {}

    def pipeline_of(text: str, folder: Path = tmp_path) -> Pipeline:
        pipeline = Pipeline.from_yaml(write_spec(folder, text))
        if folder not in held:
            held[folder] = pipeline.session()
        return pipeline

    yield pipeline_of
    for session in held.values():
        session.close()


def in_turn(pipeline: Pipeline, handle: Any, **options: Any) -> dict[str, Any]:
    return {task.name: pipeline.run_step(handle, task.name, **options) for task in pipeline.tasks()}


def test_tasks_are_known_without_a_connection(make: Make) -> None:
    pipeline = make(SPEC)
    found = {task.name: task for task in pipeline.tasks()}
    assert set(found) == {"setup", "a", "each", "off", "after_off", "warns", "keep", "score"}
    assert found["setup"].nodes == ("stages.raw", "tables.log")
    assert found["each"].foreach
    assert found["each"].nodes == ("each[1]", "each[2]")
    assert found["each"].needs == ("a",)
    assert found["score"].needs == ("each",)
    assert found["off"].omitted
    assert [str(r.name) for r in found["score"].writes] == ["SCORES"]
    assert json.loads(json.dumps(found["a"].to_dict()))["writes"] == ["TA"]
    assert [task.name for task in pipeline.tasks(select=["a", "warns"])] == ["a", "warns"]


def test_steps_give_the_same_tables_and_records_as_a_run(tmp_path: Path, make: Make) -> None:
    whole = make(SPEC, tmp_path / "whole")
    parts = make(SPEC, tmp_path / "parts")
    first = whole.run(run_date=APRIL)
    handle = parts.begin_run(run_date=APRIL, run_key="april")
    assert parts.begin_run(run_date=APRIL, run_key="april") == handle
    outcomes = in_turn(parts, json.loads(json.dumps(handle.to_json())))
    result = parts.finish_run(handle)
    assert result.ok
    assert first.ok
    assert result.run.id == handle.run_id
    assert outcomes["each"].rows == 14
    assert [part.name for part in outcomes["each"].parts] == ["each[1]", "each[2]"]
    assert outcomes["warns"].warnings
    assert outcomes["after_off"].status is Status.OMITTED
    assert outcomes["after_off"].message == first.steps["after_off"].message
    assert json.loads(json.dumps(outcomes["each"].to_dict()))["parts"][0]["outputs"]
    records = [ask(p, RECORDS.format(r.run.id)) for p, r in ((whole, first), (parts, result))]
    assert records[0] == records[1]
    for name in ("TA", "E1", "E2"):
        assert ask(whole, f"SELECT X FROM {name} ORDER BY X") == ask(
            parts, f"SELECT X FROM {name} ORDER BY X"
        )
    for pipeline, run in ((whole, first), (parts, result)):
        assert ask(pipeline, "SELECT RUN_ID, RUN_DATE FROM SCORES") == [(run.run.id, APRIL)]
        assert ask(pipeline, f"SELECT COUNT(*) FROM TA_{run.run.model_id}") == [(7,)]
        assert ask(pipeline, "SELECT RUN_ID, STATUS FROM SNOWPIPE_ML.RUNS") == [(run.run.id, "success")]


def test_an_unchanged_step_has_the_rows_and_versions_of_when_it_ran(make: Make) -> None:
    pipeline = make(SPEC)
    first = pipeline.run(run_date=APRIL)
    handle = pipeline.begin_run(run_date=APRIL)
    events: list[Any] = []
    outcomes = in_turn(pipeline, handle, listeners=[events.append])
    assert pipeline.finish_run(handle).ok
    assert {name: o.status.value for name, o in outcomes.items()} == {
        **dict.fromkeys(["setup", "a", "each", "score", "keep"], "reused"),
        "warns": "reused",
        "off": "omitted",
        "after_off": "omitted",
    }
    assert outcomes["a"].rows == 7
    assert outcomes["score"].metrics == first.steps["score"].metrics
    assert outcomes["a"].to_dict()["outputs"] == [list(v) for v in first.steps["a"].work["outputs"]]
    assert next(e.rows for e in events if isinstance(e, StepFinished) and e.step == "a") == 7
    again = pipeline.run(run_date=APRIL)
    assert again.steps["a"].rows == 7


@pytest.mark.slow
def test_metrics_of_a_date_are_written_for_it_whatever_changed(make: Make) -> None:
    pipeline = make(SPEC)
    days = [date(2022, month, 28) for month in (1, 2)]
    for day in days:
        handle = pipeline.begin_run(run_date=day, run_key=f"run {day}")
        outcomes = in_turn(pipeline, handle)
        assert pipeline.finish_run(handle).ok
    assert outcomes["a"].status is Status.REUSED
    assert outcomes["score"].status is Status.SUCCESS
    assert ask(pipeline, "SELECT RUN_DATE FROM SCORES ORDER BY 1") == [(day,) for day in days]


def test_a_step_whose_turn_has_not_come_is_refused(make: Make) -> None:
    pipeline = make(SPEC)
    handle = pipeline.begin_run(select=["a", "each", "score"])
    assert handle.tasks == ("a", "each", "score")
    assert handle.groups == {"each": ("each[1]", "each[2]")}
    with pytest.raises(UsageError, match="each needs a, which has not ended in the run"):
        pipeline.run_step(handle, "each")
    with pytest.raises(UsageError, match="the run has no step 'warns'; known here: a, each, score"):
        pipeline.run_step(handle, "warns")
    pipeline.run_step(handle, "a")
    one = pipeline.run_step(handle, "each[2]")
    assert (one.name, one.rows) == ("each[2]", 7)
    with pytest.raises(UsageError, match="not the handle of a run"):
        pipeline.run_step({"run_id": "x"}, "a")
    result = pipeline.finish_run(handle)
    assert not result.ok
    assert {name: (o.status.value, o.message) for name, o in result.steps.items()} == {
        "a": ("success", ""),
        "each[2]": ("success", ""),
        "each[1]": ("skipped", "it was not started"),
        "score": ("skipped", "it was not started"),
    }
    assert pipeline.finish_run(handle).status is Status.FAILED
    with pytest.raises(LockedError, match="does not hold the lock with the token"):
        pipeline.run_step(handle, "each[1]")


FAILS = """\
steps:
  a: {type: transform, query: "SELECT 1 AS X", writes: ta}
  bad: {type: transform, query: "SELECT X / 0 AS X FROM {{ ref('ta') }}", writes: tbad}
  after: {type: transform, query: "SELECT * FROM {{ ref('tbad') }}", writes: tafter}
  last: {type: transform, query: "SELECT * FROM {{ ref('tafter') }}", writes: tlast}
on_failure: [{query: "CREATE TABLE HOOKED AS SELECT {{ run.failed | join(' ') | literal }} AS F"}]
"""


def test_a_failed_step_is_retried_and_those_after_it_are_skipped_or_run(tmp_path: Path, make: Make) -> None:
    pipeline = make(FAILS)
    handle = pipeline.begin_run(run_key="k")
    outcomes = in_turn(pipeline, handle)
    assert [o.status.value for o in outcomes.values()] == ["success", "failed", "skipped", "skipped"]
    assert not outcomes["bad"].transient
    assert outcomes["last"].blamed == "bad"
    assert "Division by zero" in str(outcomes["bad"].to_dict()["error"])
    whole = make(FAILS, tmp_path / "whole").run()
    assert {n: (o.status, o.message, o.blamed) for n, o in outcomes.items()} == {
        n: (o.status, o.message, o.blamed) for n, o in whole.steps.items()
    }
    with pytest.raises(LockedError, match="is being run on local by k by"):
        pipeline.run()
    write_spec(tmp_path, FAILS.replace("X / 0 AS X", "X AS X"))
    assert [pipeline.run_step(handle, name).status.value for name in ("a", "bad", "after", "last")] == [
        "reused",
        *["success"] * 3,
    ]
    assert pipeline.finish_run(handle).ok
    assert ask(pipeline, "SHOW TABLES LIKE 'HOOKED'") == []
    assert ask(pipeline, "SELECT RUN_ID, STATUS FROM SNOWPIPE_ML.RUNS") == [(handle.run_id, "success")]
    with pipeline.history() as history:
        assert "X AS X FROM" in history.run(handle.run_id).spec


def test_a_run_that_failed_is_continued_by_its_key(tmp_path: Path, make: Make) -> None:
    pipeline = make(FAILS)
    handle = pipeline.begin_run(run_key="k", run_date=APRIL)
    in_turn(pipeline, handle)
    assert pipeline.finish_run(handle).status is Status.FAILED
    assert ask(pipeline, "SELECT F FROM HOOKED") == [("bad",)]
    write_spec(tmp_path, FAILS.replace("X / 0 AS X", "X AS X"))
    with pytest.raises(UsageError, match="cannot be resumed for 2022-05-01"):
        pipeline.begin_run(run_key="k", run_date=date(2022, 5, 1))
    second = pipeline.begin_run(run_key="k", run_date=APRIL)
    assert second.run_id == handle.run_id
    assert second.token > handle.token
    with pytest.raises(LockedError):
        pipeline.run_step(handle, "bad")
    assert pipeline.run_step(second, "bad").status is Status.SUCCESS
    rest = pipeline.cancel(second)
    assert rest.interrupted
    assert rest.steps["last"].message == "needs bad"
    third = pipeline.run(run_key="k")
    assert third.ok
    assert third.run.id == handle.run_id
    assert {o.status.value for o in third.steps.values()} == {"reused", "success"}
    assert pipeline.run(run_key="k").run.id == handle.run_id


def test_the_items_of_a_run_do_not_change(make: Make) -> None:
    spec = """\
steps:
  each:
    type: transform
    foreach: {query: "SELECT N, D FROM SRC.ITEMS ORDER BY N"}
    query: "SELECT {{ item.N | literal }} AS N, {{ item.D | literal }} AS D"
    writes: "e{{ item.N }}"
"""
    pipeline = make(spec)
    ask(pipeline, "CREATE SCHEMA SRC")
    ask(pipeline, "CREATE TABLE SRC.ITEMS AS SELECT 1 AS N, '2022-04-30'::DATE AS D UNION ALL SELECT 2, NULL")
    handle = pipeline.begin_run()
    ask(pipeline, "INSERT INTO SRC.ITEMS SELECT 3, NULL")
    assert [len(task.nodes) for task in pipeline.tasks()] == [1]
    assert handle.groups == {"each": ("each[1-2022-04-30]", "each[2-None]")}
    assert len(pipeline.run_step(handle, "each").parts) == 2
    assert pipeline.finish_run(handle).ok
    assert ask(pipeline, "SELECT * FROM E1 UNION ALL SELECT * FROM E2 ORDER BY 1") == [(1, APRIL), (2, None)]


def test_credentials_of_the_caller(make: Make) -> None:
    pipeline = make(FAILS)
    opened: list[Any] = []

    def factory() -> Any:
        opened.append(pipeline.session())
        return opened[-1]

    handle = pipeline.begin_run(session_factory=factory, lasts=timedelta(minutes=5))
    assert pipeline.run_step(handle, "a", session_factory=factory).status is Status.SUCCESS
    session = pipeline.session()
    assert pipeline.run_step(handle, "bad", session).status is Status.FAILED
    session.close()
    pipeline.finish_run(handle, session_factory=factory)
    assert len(opened) >= 4
    with pytest.raises(UsageError, match="either session or session_factory"):
        pipeline.run(session=session, session_factory=factory)


def test_a_run_that_is_over_for_its_caller_is_canceled_by_the_next(make: Make) -> None:
    pipeline = make(SPEC)
    first = pipeline.begin_run(run_key="daily/1")
    pipeline.run_step(first, "setup")
    asked: list[str] = []

    def is_over(key: str) -> bool:
        asked.append(key)
        return len(asked) > 1

    with pytest.raises(LockedError, match="is being run on local by daily/1 by"):
        pipeline.begin_run(run_key="daily/2", is_over=is_over)
    second = pipeline.begin_run(run_key="daily/2", is_over=is_over)
    assert asked == ["daily/1", "daily/1"]
    assert second.run_id != first.run_id
    statuses = "SELECT RUN_ID, STATUS FROM SNOWPIPE_ML.RUNS WHERE STATUS IS NOT NULL"
    assert ask(pipeline, statuses) == [(first.run_id, "canceled")]
    with pytest.raises(LockedError, match="does not hold the lock"):
        pipeline.run_step(first, "a")
    in_turn(pipeline, second)
    assert pipeline.finish_run(second).ok


def test_the_lock_is_released_by_a_second_finish_if_the_first_was_killed_before(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = make("steps:\n  a: {type: transform, query: SELECT 1 AS X, writes: ta}\n")
    handle = pipeline.begin_run(run_key="k")
    pipeline.run_step(handle, "a")
    with monkeypatch.context() as patched:
        patched.setattr("snowpipe_ml.engine.run.ending._release", lambda part: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pipeline.finish_run(handle)
    with pytest.raises(LockedError):
        pipeline.begin_run(run_key="another")
    assert pipeline.finish_run(handle).ok
    assert pipeline.run().ok
