"""Records and snapshots of earlier runs that a run removes at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from snowflake.connector.errors import ProgrammingError

import snowpipe_ml
from snowpipe_ml import Pipeline
from snowpipe_ml.engine.records.pruning import Past
from tests.conftest import ask, write_spec

SPEC = """\
keep_runs: 2
vars: {n: 0}
steps:
  fixed: {type: transform, query: SELECT 1 AS X, writes: fixed}
  rows: {type: transform, query: "SELECT {{ vars.n | literal }} AS N", writes: rows_of_n}
  kept: {type: snapshot, table: rows_of_n, into: "kept_{{ run.model_id }}", keep: 3}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose warehouse stays open, so that opening it again costs nothing."""
    held = snowpipe_ml.local_session(tmp_path / "warehouse", database="DEMO")
    yield tmp_path
    held.close()


def run(folder: Path, n: int, text: str = SPEC) -> Pipeline:
    pipeline = Pipeline.from_yaml(write_spec(folder, text), {"n": n})
    result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    return pipeline


def snapshots(pipeline: Pipeline) -> set[str]:
    return {
        row[0]
        for row in ask(
            pipeline, "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME LIKE 'KEPT%'"
        )
    }


@pytest.mark.slow
def test_the_last_runs_and_the_last_snapshots_are_kept(folder: Path) -> None:
    made: list[str] = []
    for n in range(5):
        pipeline = run(folder, n)
        (new,) = snapshots(pipeline) - set(made)
        made.append(new)
    assert snapshots(pipeline) == set(made[-3:])
    assert [
        row[0]
        for row in ask(pipeline, "SELECT COUNT(*) FROM SNOWPIPE_ML.EVENTS WHERE EVENT = 'output_dropped'")
    ] == [2]

    # Two runs, the first one (whose step is unchanged since), and the one that made the oldest snapshot.
    with pipeline.history() as history:
        runs = history.runs()
        assert [dict(found.steps) for found in runs] == [
            {"success": 2, "reused": 1},
            {"success": 2, "reused": 1},
            {"success": 1},
            {"success": 1},
        ]
        assert {found.status for found in runs} == {"success"}
    assert {step.status.value for step in pipeline.run().steps.values()} == {"reused"}

    # A name of now is not dropped, whatever made it before; nor is a table that the step has not made.
    ask(pipeline, "CREATE TABLE KEPT_BY_HAND AS SELECT 1 AS X")
    text = (
        SPEC.replace("keep: 3}", "keep: 1}")
        + f"  other: {{type: snapshot, table: rows_of_n, into: {made[2]}}}\n"
    )
    last = run(folder, 9, text + "  more: {type: transform, query: SELECT 1 AS X, writes: more}\n")
    there = snapshots(last)
    assert there & set(made) == {made[2]}
    assert "KEPT_BY_HAND" in there
    assert len(there) == 3  # and that of this run
    assert ask(last, f"SELECT N FROM {made[2]}") == [(9,)]


def test_the_intervals_of_backfills_are_kept(folder: Path) -> None:
    filled = """\
  days: {type: transform, query: "SELECT '2024-01-05'::DATE AS DAY", writes: days}
  new:
    type: transform
    materialized: incremental
    since: DAY
    key: [DAY]
    query: "SELECT DAY FROM {{ ref('days') }}"
    writes: new
"""
    path = write_spec(folder, SPEC + filled)
    Pipeline.from_yaml(path).run(backfill="2024-01-01..2024-02-01")
    for n in range(1, 4):
        pipeline = run(folder, n, SPEC + filled)
    kept = "SELECT COUNT(*) > 0 FROM SNOWPIPE_ML.EVENTS WHERE EVENT = 'interval_finished'"
    assert ask(pipeline, kept) == [(True,)]
    with pipeline.history() as history:
        # The last two, the backfill, and the run in which the steps that are unchanged have succeeded.
        assert [found.status for found in history.runs()] == ["success"] * 4


def test_nothing_is_removed_by_default(folder: Path) -> None:
    text = SPEC.replace("keep_runs: 2\n", "").replace(", keep: 3", "")
    for n in range(4):
        pipeline = run(folder, n, text)
    assert len(snapshots(pipeline)) == 4
    with pipeline.history() as history:
        assert len(history.runs()) == 4
    # Fingerprints do not contain these settings.
    assert {step.status.value for step in run(folder, 3).run().steps.values()} == {"reused"}


def test_records_of_other_pipelines_stay(folder: Path) -> None:
    other = SPEC.replace("keep_runs: 2", "state: SNOWPIPE_ML")
    path = write_spec(folder, other)
    path.write_text(path.read_text().replace("name: demo", "name: other"))
    assert Pipeline.from_yaml(path).run().ok
    for n in range(3):
        pipeline = run(folder, n, SPEC.replace("kept_{{", "kept_of_demo_{{"))
    rows = ask(
        pipeline, "SELECT PIPELINE, COUNT(DISTINCT RUN_ID) FROM SNOWPIPE_ML.EVENTS GROUP BY 1 ORDER BY 1"
    )
    assert rows == [("demo", 3), ("other", 1)]


def test_a_removal_that_fails_is_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object) -> None:
        raise ProgrammingError("Insufficient privileges to operate on table 'EVENTS'")

    monkeypatch.setattr(Past, "prune", refused)
    run(folder, 0)
    assert "could not be removed, the next run tries again: " in caplog.text
    assert "Insufficient privileges" in caplog.text
