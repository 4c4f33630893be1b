"""A source whose changes start the steps that read it daily, or never."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from tests.conftest import ask, write_spec

SPEC = """\
sources:
  rates: {columns: {N: NUMBER}, trigger: TRIGGER, from: {local: {table: demo.other.rates}}}
  lines: {columns: {N: NUMBER}, trigger: TRIGGER, from: {local: {file: lines.csv}}}
steps:
  seen: {type: transform, materialized: view, query: "SELECT N FROM {{ ref('rates') }}", writes: seen}
  through: {type: transform, query: "SELECT SUM(N) AS N FROM {{ ref('seen') }}", writes: through}
  both: {type: transform, query: "SELECT N FROM {{ ref('seen') }} UNION ALL SELECT N FROM {{ ref('own') }}", writes: both}
  loaded: {type: transform, query: "SELECT SUM(N) AS N FROM {{ ref('lines') }}", writes: loaded}
"""


def prepared(folder: Path, trigger: str) -> Pipeline:
    text = SPEC.replace("TRIGGER", trigger).replace("{{ ref('own') }}", "{{ ref('demo.other.own') }}")
    pipeline = Pipeline.from_yaml(write_spec(folder, text))
    write_lines(folder, "1")
    for statement in (
        "CREATE SCHEMA OTHER",
        "CREATE TABLE OTHER.RATES AS SELECT 1 AS N",
        "CREATE TABLE OTHER.OWN AS SELECT 1 AS N",
    ):
        ask(pipeline, statement)
    result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    return pipeline


def write_lines(folder: Path, number: str) -> None:
    (folder / "lines.csv").write_text(f"N\n{number}\n")
    os.utime(folder / "lines.csv", (int(number), int(number)))


def runs(pipeline: Pipeline) -> dict[str, str]:
    """The steps that would run, or are skipped although something changed, each with the reason."""
    return {
        step.name: step.decision.reason
        for step in pipeline.plan(compare=True)
        if step.decision is not None
        and ("unchanged" not in step.decision.reason or "but" in step.decision.reason)
    }


def as_if_days_had_passed(pipeline: Pipeline, days: int) -> None:
    ask(pipeline, f"UPDATE SNOWPIPE_ML.EVENTS SET AT = DATEADD(day, -{days}, AT)")


def test_a_change_of_a_source_that_never_triggers_is_read_by_steps_that_run(tmp_path: Path) -> None:
    pipeline = prepared(tmp_path, "never")
    ask(pipeline, "INSERT INTO OTHER.RATES SELECT 10")
    write_lines(tmp_path, "10")
    as_if_days_had_passed(pipeline, 400)
    assert {reason.partition(", ")[2] for reason in runs(pipeline).values()} == {
        "but for RATES (trigger: never)",
        "but for SEEN (trigger: never)",
    }
    assert {step.status.value for step in pipeline.run().steps.values()} == {"reused"}

    # Something else is changed: the step runs, and reads the newest rows.
    ask(pipeline, "INSERT INTO OTHER.OWN SELECT 2")
    path = tmp_path / "spec.yaml"
    path.write_text(
        path.read_text().replace("SUM(N) AS N FROM {{ ref('lines') }}", "MAX(N) AS N FROM {{ ref('lines') }}")
    )
    pipeline = Pipeline.from_yaml(path)
    assert runs(pipeline)["sources.lines"] == "loaded needs its newest rows"
    result = pipeline.run()
    assert result.steps["through"].status.value == "reused"
    assert ask(pipeline, "SELECT COUNT(*) FROM BOTH") == [(4,)]
    assert ask(pipeline, "SELECT N FROM LOADED") == [(10,)]
    assert ask(pipeline, "SELECT N FROM THROUGH") == [(1,)]


@pytest.mark.parametrize(("trigger", "days"), [("daily", 1), ("weekly", 7), ("monthly", 31)])
def test_a_change_counts_in_a_later_period(tmp_path: Path, trigger: str, days: int) -> None:
    pipeline = prepared(tmp_path, trigger)
    ask(pipeline, "INSERT INTO OTHER.RATES SELECT 10")
    write_lines(tmp_path, "10")
    assert all("but for" in reason for reason in runs(pipeline).values())
    as_if_days_had_passed(pipeline, days)
    assert {name for name, reason in runs(pipeline).items() if "but for" not in reason} >= {
        "sources.lines",
        "through",
        "both",
        "loaded",
    }
    assert pipeline.run().ok
    assert ask(pipeline, "SELECT N FROM THROUGH") == [(11,)]
    assert runs(pipeline) == {}


def test_a_changed_trigger_runs_nothing(tmp_path: Path) -> None:
    prepared(tmp_path, "never")
    path = tmp_path / "spec.yaml"
    path.write_text(path.read_text().replace("never", "change"))
    assert runs(Pipeline.from_yaml(path)) == {}
