"""A selection on a fresh warehouse includes the sources that its steps need."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from tests.conftest import ask, write_spec

SPEC = """\
sources:
  weather: {columns: {DAY: date, RAIN: float}, from: {local: {file: weather.csv}}}
  stations: {columns: {ID: number}, from: {local: {query: stations.sql}}}
  other: {columns: {DAY: date}, from: {local: {file: other.csv}}}
tables:
  alerts: {columns: {RUN_ID: varchar}}
steps:
  wet: {type: transform, query: "SELECT * FROM {{ ref('weather') }} WHERE RAIN > 0", writes: wet, tags: [rain]}
  wetter: {type: transform, query: "SELECT * FROM {{ ref('wet') }} WHERE RAIN > 1", writes: wetter}
  counted: {type: transform, when: {query: "SELECT COUNT(*) > 0 FROM {{ ref('stations') }}"}, query: SELECT 1 AS X, writes: counted}
  apart: {type: transform, query: "SELECT * FROM {{ ref('other') }}", writes: apart}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    (tmp_path / "weather.csv").write_text("DAY,RAIN\n2024-01-01,0\n2024-01-02,2\n")
    (tmp_path / "other.csv").write_text("DAY\n2024-01-01\n")
    (tmp_path / "stations.sql").write_text("SELECT 1 AS ID")
    return Pipeline.from_yaml(write_spec(tmp_path, SPEC))


@pytest.mark.parametrize(
    ("chosen", "excluded", "sources"),
    [
        (["+wetter"], [], ["weather"]),
        (["2+wetter"], [], ["weather"]),
        (["+counted"], [], ["stations"]),
        (["+tag:rain"], [], ["weather"]),
        (["+wetter apart+", "+apart"], [], ["other", "weather"]),
        ([], ["apart"], ["stations", "weather"]),
    ],
)
def test_what_is_needed_upstream_includes_sources(
    pipeline: Pipeline, chosen: list[str], excluded: list[str], sources: list[str]
) -> None:
    planned = [step.name for step in pipeline.plan(select=chosen, exclude=excluded)]
    assert sorted(name for name in planned if name.startswith("sources.")) == [
        f"sources.{name}" for name in sources
    ]
    compared = [step.name for step in pipeline.plan(select=chosen, exclude=excluded, compare=True)]
    assert compared == planned


@pytest.mark.parametrize(("chosen", "excluded"), [(["+wetter apart+", "+apart"], []), ([], ["apart"])])
def test_what_is_selected_with_its_sources_runs_on_a_fresh_warehouse(
    pipeline: Pipeline, chosen: list[str], excluded: list[str]
) -> None:
    planned = {step.name for step in pipeline.plan(select=chosen, exclude=excluded)}
    result = pipeline.run(select=chosen, exclude=excluded)
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    assert set(result.steps) == planned


def test_a_step_alone_has_its_own_sources_on_a_fresh_warehouse(pipeline: Pipeline) -> None:
    result = pipeline.run(select=["wet"])
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    assert set(result.steps) == {"sources.weather", "wet"}


def test_one_step_upstream_is_not_two(pipeline: Pipeline) -> None:
    """``1+`` selects only the direct parents, and a step that runs still gets its sources."""
    planned = {step.name for step in pipeline.plan(select=["1+wetter"])}
    assert {"wet", "wetter"} <= planned
    assert "sources.other" not in planned


def test_a_source_that_is_excluded_is_omitted(pipeline: Pipeline) -> None:
    planned = [step.name for step in pipeline.plan(select=["+wetter"], exclude=["sources.weather"])]
    assert planned == ["wet", "wetter"]


def test_a_source_whose_file_changed_is_loaded_again(pipeline: Pipeline, tmp_path: Path) -> None:
    assert pipeline.run().ok
    (tmp_path / "weather.csv").write_text("DAY,RAIN\n2024-01-01,3\n2024-01-02,4\n2024-01-03,5\n")
    assert pipeline.run(select=["+wetter"]).ok
    assert ask(pipeline, "SELECT COUNT(*) FROM WETTER") == [(3,)]


def test_an_unchanged_source_is_not_loaded_again(pipeline: Pipeline) -> None:
    assert pipeline.run().ok
    result = pipeline.run(select=["+wetter"])
    assert {name: step.status.value for name, step in result.steps.items()} == {
        "sources.weather": "reused",
        "wet": "reused",
        "wetter": "reused",
    }


def test_the_tables_of_a_hook_are_there(pipeline: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    path = pipeline.path
    hook = "on_success: [{query: \"INSERT INTO {{ ref('alerts') }} SELECT {{ run.id | literal }}\"}]\n"
    path.write_text(path.read_text() + hook)
    with caplog.at_level(logging.WARNING):
        result = pipeline.run(select=["sources.weather", "wet"])
    assert result.ok
    assert "on_success" not in caplog.text
    assert ask(pipeline, "SELECT RUN_ID FROM ALERTS") == [(result.run.id,)]
