"""The steps that a second run repeats, and the reasons."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from tests.conftest import write_spec

SPEC = """\
tags: {model_id: {value: "{{ run.model_id }}"}}
vars: {low: 3, rows: 10}
sources:
  days: {columns: {DAY: int}, from: {local: {file: days.csv}}}
tables:
  seen: {columns: {ID: int}}
steps:
  base: {type: transform, query: "SELECT SEQ4() AS ID FROM TABLE(GENERATOR(ROWCOUNT => {{ vars.rows | literal }}))", writes: base}
  some: {type: transform, query: "SELECT * FROM {{ ref('base') }} WHERE ID >= {{ vars.low | literal }}", writes: high}
  view: {type: transform, query: "SELECT * FROM {{ ref('high') }}", writes: some_view, materialized: view}
  parts: {type: split, from: some_view, by: [ID], train: learnt, test: held_out}
  copy: {type: snapshot, table: base, into: "base_{{ run.model_id }}"}
  joined: {type: transform, query: "SELECT * FROM {{ ref('days') }} JOIN {{ ref('base') }} ON DAY = ID", writes: joined}
  used: {type: transform, query: "SELECT * FROM {{ ref('seen') }}", writes: used}
  apart: {type: transform, query: SELECT 2 AS X, writes: apart}
"""


class Runs:
    """Runs a spec, and returns the steps that ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "days.csv").exists():
            (folder / "days.csv").write_text("DAY\n1\n2\n")
        self.write(SPEC)

    def write(self, text: str) -> None:
        self.pipeline = Pipeline.from_yaml(write_spec(self.folder, text))

    def ran(self, **options: Any) -> set[str]:
        result = self.pipeline.run(**options)
        assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
        return {name for name, step in result.steps.items() if step.status.value == "success"}

    def planned(self, **options: Any) -> dict[str, tuple[str, str]]:
        steps = self.pipeline.plan(compare=True, **options)
        return {
            step.name: (step.decision.action.value, step.decision.reason)
            for step in steps
            if step.decision is not None and not step.decision.skips
        }

    def ask(self, text: str) -> list[tuple[Any, ...]]:
        session = self.pipeline.session()
        try:
            return [tuple(row) for row in session.sql(text).collect()]
        finally:
            session.close()


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the pipeline after its first run."""
    folder = tmp_path_factory.mktemp("first")
    found = Runs(folder)
    assert set(found.planned().values()) == {("run", "it has not succeeded on this target yet")}
    assert not (folder / "warehouse").exists(), "a plan makes nothing"
    found.ran()
    return folder


@pytest.fixture
def runs(first_run: Path, tmp_path: Path) -> Runs:
    """A pipeline that was run once, on a copy of its warehouse."""
    shutil.copytree(first_run, tmp_path, dirs_exist_ok=True)
    return Runs(tmp_path)


def test_nothing_runs_twice(runs: Runs) -> None:
    assert runs.planned() == {}
    assert runs.ran() == set()
    # A third run compares with the last success, not with the run that skipped.
    assert runs.ran() == set()
    statuses = runs.ask(
        "SELECT DISTINCT STATUS FROM SNOWPIPE_ML.STEP_RUNS WHERE RUN_ID = (SELECT MAX(RUN_ID) FROM SNOWPIPE_ML.RUNS)"
    )
    assert statuses == [("success",)]  # runs that do nothing are not recorded


def test_a_setting_reruns_what_depends_on_it(runs: Runs) -> None:
    runs.write(SPEC.replace("low: 3", "low: 5"))
    planned = runs.planned()
    assert planned == {
        "some": ("replace", "its SQL or code changed"),
        "view": ("replace", "some runs"),
        "parts": ("replace", "view runs"),
    }
    assert runs.ran() == set(planned)
    runs.write(SPEC.replace("low: 3", "low: 5").replace("by: [ID],", "by: [ID], test_fraction: 0.4,"))
    assert runs.planned() == {"parts": ("replace", "test_fraction changed from 0.2 to 0.4")}


def test_a_description_or_a_retry_changes_nothing(runs: Runs) -> None:
    runs.write(SPEC.replace("SELECT 2 AS X,", "SELECT 2 AS X, description: two, retries: 7, tags: [x],"))
    assert runs.planned() == {}


def test_rows_that_someone_adds_are_noticed(runs: Runs) -> None:
    runs.ask("INSERT INTO SEEN VALUES (1), (2)")
    assert runs.planned() == {"used": ("replace", "SEEN has 2 more rows")}
    assert runs.ran() == {"used"}
    assert runs.planned() == {}
    runs.ask("UPDATE SEEN SET ID = 3")
    assert runs.planned() == {"used": ("replace", "SEEN changed")}


def test_an_output_that_is_gone_or_touched_is_made_again(runs: Runs) -> None:
    runs.ask("DROP TABLE APART")
    assert runs.planned() == {"apart": ("run", "output APART no longer exists")}
    assert runs.ran() == {"apart"}
    runs.ask("DELETE FROM LEARNT")
    assert runs.planned() == {"parts": ("replace", "output LEARNT was changed after the step wrote it")}


def test_a_file_outside_is_watched(runs: Runs) -> None:
    (runs.folder / "days.csv").write_text("DAY\n1\n")
    assert runs.planned() == {
        "sources.days": ("run", "its external source changed"),
        "joined": ("replace", "sources.days runs"),
    }
    assert runs.ran() == {"sources.days", "joined"}


def test_what_is_named_after_the_run_is_made_when_it_is_needed(runs: Runs) -> None:
    more = (
        SPEC
        + "  later: {type: transform, query: \"SELECT * FROM {{ ref('base_' ~ run.model_id) }}\", writes: later}\n"
    )
    runs.write(more)
    planned = runs.planned()
    assert planned["later"] == ("run", "it has not succeeded on this target yet")
    assert planned["copy"][1].startswith("later needs BASE_MODEL_")
    assert runs.ran() == {"copy", "later"}
    assert runs.planned() == {}


def test_full_refresh_runs_everything(runs: Runs) -> None:
    assert {reason for _, reason in runs.planned(full_refresh=True).values()} == {"--full-refresh"}
    assert {"base", "some", "apart", "sources.days"} <= runs.ran(full_refresh=True)


def test_a_failed_step_runs_again(runs: Runs) -> None:
    runs.write(SPEC.replace("SELECT 2 AS X,", "SELECT 2 / 0 AS X,"))
    assert not runs.pipeline.run().ok
    runs.write(SPEC)
    # Its earlier output still exists, unchanged.
    assert runs.planned() == {}


def test_secrets_count_by_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(tmp_path)
    runs.write(
        SPEC.replace(
            "SELECT 2 AS X", '"SELECT {{ env.API_TOKEN | literal }} = {{ env.CITY | literal }} AS X"'
        )
    )
    monkeypatch.setenv("API_TOKEN", "canary-1111")
    monkeypatch.setenv("CITY", "Jersey City")
    runs.ran()
    monkeypatch.setenv("API_TOKEN", "canary-2222")
    assert runs.planned() == {}
    monkeypatch.setenv("CITY", "Hoboken")
    assert runs.planned() == {"apart": ("replace", "its SQL or code changed")}
    assert "canary" not in json.dumps(runs.ask("SELECT DETAILS FROM SNOWPIPE_ML.EVENTS"))
