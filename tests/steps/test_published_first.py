"""What a step does after it has published its output: rejected rows are recorded, charts are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import pytest
from snowflake.connector.errors import ProgrammingError

from snowpipe_ml import Pipeline
from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.values import Params
from snowpipe_ml.sql import Sql
from snowpipe_ml.steps.forecasting.charts import Forecasts
from tests.conftest import ask, write_spec

LOADING = """\
file_formats: {csv: {skip_header: 1}}
stages: {s: {url: file://in}}
tables: {raw: {columns: {A: number}}}
steps:
  load:
    {type: copy_into, from: "@s/", into: raw, file_format: csv, on_error: continue, loads: loads, rejects: rejects}
"""
FORECASTING = """\
stages: {s: {}}
packages: {p: [numpy, pandas]}
sources: {days: {columns: {DATE: DATE, N: FLOAT}, from: {local: {query: days.sql}}}}
steps:
  seen: {type: transform, query: "SELECT DATE, N, 'k' AS K FROM {{ ref('days') }}", writes: seen}
  features:
    {type: features, from: seen, partition_by: K, timestamp: DATE, value: N, target: TOTAL, lags: [7],
     min_history: 20, writes: features}
  future: {type: future_features, features: features, horizon: 7, writes: future}
  deploy: {type: deploy_forecaster, function: forecast_k, features: features, stage: s, packages: p,
    model: {type: seasonal_naive}}
  train: {type: train_forecasters, function: forecast_k, features: features, future: future, writes: forecasts}
"""


class Sent:
    """The statements of all connections.

    Attributes:
        texts: the statements, in order.
        failing: the text of statements that fail.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.failing: str | None = None


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    plain = Connection.perform
    found = Sent()

    def perform(
        self: Connection,
        command: str,
        params: Params,
        query_id: str,
        file_stream: IO[bytes] | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> Result:
        found.texts.append(command)
        if found.failing is not None and found.failing in command:
            raise ProgrammingError("the process was killed here", errno=2003, sqlstate="22000")
        return plain(self, command, params, query_id, file_stream, settings)

    monkeypatch.setattr(Connection, "perform", perform)
    return found


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """The pipeline LOADING, whose warehouse stays open: opening it for each run would take half of the time."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("A\n1\nx\n3\ny\n")
    made = Pipeline.from_yaml(write_spec(tmp_path, LOADING))
    held = made.session()
    yield made
    held.close()


def test_rejected_rows_are_read_after_the_commit_of_their_copy(pipeline: Pipeline, sent: Sent) -> None:
    result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items()}
    copied = next(place for place, text in enumerate(sent.texts) if text.startswith("COPY INTO"))
    commit = sent.texts.index("COMMIT", copied)
    validated = next(place for place, text in enumerate(sent.texts) if "VALIDATE(" in text)
    assert copied < commit < validated
    assert ask(pipeline, "SELECT LINE, REJECTED_RECORD FROM REJECTS ORDER BY LINE") == [(3, "x"), (5, "y")]
    assert ask(pipeline, "SELECT DISTINCT L.QUERY_ID = R.QUERY_ID FROM LOADS L, REJECTS R") == [(True,)]


@pytest.mark.parametrize("resume", [True, False])
def test_rows_that_a_killed_run_rejected_are_recorded_once_by_the_next(
    tmp_path: Path, pipeline: Pipeline, sent: Sent, resume: bool
) -> None:
    sent.failing = "VALIDATE("
    first = pipeline.run()
    assert not first.ok
    assert ask(pipeline, "SELECT COUNT(*) FROM RAW") == [(2,)]
    assert ask(pipeline, "SELECT COUNT(*) FROM REJECTS") == [(0,)]
    sent.failing = None
    (tmp_path / "in" / "b.csv").write_text("A\n4\nz\n")
    second = pipeline.run(resume=resume)
    assert second.ok, second.steps["load"].message
    rows = ask(pipeline, "SELECT RUN_ID, REJECTED_RECORD FROM REJECTS ORDER BY REJECTED_RECORD")
    assert rows == [(first.run.id, "x"), (first.run.id, "y"), (second.run.id, "z")]
    assert ask(pipeline, "SELECT COUNT(*) FROM RAW") == [(3,)]
    assert pipeline.run(full_refresh=True).ok
    assert ask(pipeline, "SELECT COUNT(*) FROM REJECTS") == [(3,)]


def test_rejected_rows_that_cannot_be_read_any_more_are_a_warning(pipeline: Pipeline, sent: Sent) -> None:
    sent.failing = "VALIDATE("
    first = pipeline.run()
    second = pipeline.run()
    assert second.ok
    (warning,) = second.steps["load"].warnings
    assert f"the rejected rows of the run {first.run.id}, which was killed, are lost" in warning


def test_tables_of_earlier_versions_get_the_query_ids(tmp_path: Path, pipeline: Pipeline) -> None:
    assert pipeline.run().ok
    for name in ("LOADS", "REJECTS"):
        ask(pipeline, f"ALTER TABLE {name} DROP COLUMN QUERY_ID")
    (tmp_path / "in" / "b.csv").write_text("A\n4\nz\n")
    assert pipeline.run().ok
    assert ask(pipeline, "SELECT COUNT(*), COUNT(QUERY_ID) FROM REJECTS") == [(3, 1)]
    assert ask(pipeline, "SELECT COUNT(*), COUNT(QUERY_ID) FROM LOADS") == [(2, 1)]


def test_charts_that_cannot_be_queried_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "days.sql").write_text(
        "SELECT DATEADD(day, SEQ4(), '2024-01-01'::DATE) AS DATE, MOD(SEQ4(), 7)::FLOAT AS N "
        "FROM TABLE(GENERATOR(ROWCOUNT => 60))"
    )
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, FORECASTING))
    monkeypatch.setattr(Forecasts, "query", lambda self, series, days: Sql("SELECT NONE FROM FORECASTS"))
    result = pipeline.run()
    assert result.ok, result.steps["train"].message
    (warning,) = result.steps["train"].warnings
    assert warning.startswith("the report has no charts of FORECASTS: ")
    assert "NONE" in warning
    assert ask(pipeline, "SELECT COUNT(*) FROM FORECASTS WHERE PART = 'forecast'") == [(7,)]
