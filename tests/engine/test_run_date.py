"""The date that a run is for."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import UsageError
from tests.conftest import ask, write_spec
from tests.test_cli import invoke

SPEC = """\
steps:
  trips: {type: transform, query: "SELECT 1 AS ACTUAL, 1.5 AS PREDICTION, {{ run.date | literal }} AS UNTIL", writes: trips}
  metrics: {type: evaluate, predictions: trips, actual: ACTUAL, prediction: PREDICTION, writes: metrics}
"""
APRIL = date(2022, 4, 30)


def test_it_is_in_the_spec_and_in_the_metrics(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
    assert pipeline.run(run_date=APRIL).run.date == APRIL
    assert ask(pipeline, "SELECT UNTIL FROM TRIPS") == [(APRIL,)]
    assert ask(pipeline, "SELECT RUN_DATE FROM METRICS") == [(APRIL,)]
    again = pipeline.run(run_date=APRIL)
    assert {step.status.value for step in again.steps.values()} == {"reused"}
    planned = {step.name: step for step in pipeline.plan(compare=True, run_date=date(2022, 5, 31))}
    decision = planned["trips"].decision
    assert decision is not None
    assert decision.reason == "its SQL or code changed"


def test_it_is_today_where_nobody_says(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
    before = datetime.now(UTC).date()
    assert before <= pipeline.run().run.date <= datetime.now(UTC).date()


def test_a_resumed_run_keeps_its_own(tmp_path: Path) -> None:
    broken = SPEC.replace("actual: ACTUAL", "actual: ACTUALS")
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, broken))
    first = pipeline.run(run_date=APRIL)
    assert not first.ok
    write_spec(tmp_path, SPEC)
    with pytest.raises(
        UsageError,
        match=f"the run {first.run.id} has the run date 2022-04-30: it cannot be resumed for 2022-05-31",
    ):
        pipeline.run(resume=True, run_date=date(2022, 5, 31))
    second = pipeline.run(resume=True)
    assert second.ok
    assert (second.run.id, second.run.date) == (first.run.id, APRIL)
    assert ask(pipeline, "SELECT RUN_ID, RUN_DATE FROM METRICS") == [(first.run.id, APRIL)]


def test_the_command_line_takes_it(tmp_path: Path) -> None:
    path = write_spec(tmp_path, SPEC)
    assert "2022-04-30" in invoke("plan", str(path), "--offline", "--sql", "--run-date", "2022-04-30").output
    assert invoke("run", str(path), "--run-date", "2022-04-30").exit_code == 0
    wrong = invoke("run", str(path), "--run-date", "April")
    assert wrong.exit_code == 2
    assert "'April' does not match the format '%Y-%m-%d'" in wrong.output
