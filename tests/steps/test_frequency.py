"""Features are daily: data that is measured more or less often than once a day is refused by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.run.outcome import StepOutcome
from tests.conftest import ask, write_spec

START = "'2023-01-02'::TIMESTAMP_NTZ"
HEAD = """\
steps:
  events:
    type: transform
    query: >-
      SELECT 'k' || MOD(SEQ4(), 2) AS SHOP, {at} AS AT, (10 + MOD(SEQ4(), 5))::FLOAT AS SOLD
      FROM TABLE(GENERATOR(ROWCOUNT => {rows}))
    writes: events
"""
FEATURES = """\
  features:
    type: features
    from: events
    partition_by: SHOP
    timestamp: AT
    value: SOLD
    target: TOTAL
    lags: [1, 7]
    min_history_days: 20
    max_idle_days: 40
    writes: features
"""
COUNTED = FEATURES.replace("    value: SOLD\n", "").replace("TOTAL", "NUMBER_SOLD")
# The number of the row within its series; there are two series.
N = "FLOOR(SEQ4() / 2)"
DAILY = HEAD.format(at=f"DATEADD(day, {N}, {START})", rows=120)
HOURS = f"DATEADD(hour, {N}, {START})"
WEEKS = f"DATEADD(day, 7 * {N}, {START})"


def features(folder: Path, events: str, step: str = FEATURES, more: str = "") -> StepOutcome:
    return Pipeline.from_yaml(write_spec(folder, events + more + step)).run().steps["features"]


def says(step: StepOutcome, table: str, often: str) -> None:
    """Check that the step failed, and that its message names the table and its frequency."""
    assert step.status.value == "failed"
    assert table in step.message
    assert re.search(often, step.message, re.I), step.message
    assert re.search("dail|a day|days", step.message, re.I), step.message


@pytest.mark.parametrize("step", [FEATURES, COUNTED], ids=["summed", "counted"])
@pytest.mark.parametrize(
    ("at", "rows", "often"),
    [
        (HOURS, 2 * 24 * 30, r"\bhour"),
        (f"DATEADD(minute, 15 * {N}, {START})", 2 * 96 * 40, "15 min|minute"),
        (WEEKS, 2 * 30, r"week|\b7 days"),
        (f"DATEADD(month, {N}, '2020-01-31'::TIMESTAMP_NTZ)", 2 * 30, r"month|\b(28|29|30|31) days"),
    ],
    ids=["hours", "quarters of an hour", "weeks", "months"],
)
def test_what_is_not_daily_is_refused(tmp_path: Path, at: str, rows: int, often: str, step: str) -> None:
    says(features(tmp_path, HEAD.format(at=at, rows=rows), step), "EVENTS", often)


def test_hours_with_a_closed_night_are_hours(tmp_path: Path) -> None:
    opened = f"DATEADD(hour, 8 + MOD({N}, 12), DATEADD(day, FLOOR({N} / 12), {START}))"
    says(features(tmp_path, HEAD.format(at=opened, rows=2 * 12 * 40)), "EVENTS", r"\bhour")


def test_weeks_of_which_some_are_missing_are_weeks(tmp_path: Path) -> None:
    with_gaps = f"DATEADD(day, 7 * ({N} + FLOOR({N} / 8)), {START})"
    says(features(tmp_path, HEAD.format(at=with_gaps, rows=60)), "EVENTS", r"week|\b7 days")


def test_weeks_that_begin_on_another_day_in_each_series_are_weeks(tmp_path: Path) -> None:
    shifted = f"DATEADD(day, 7 * {N} + 3 * MOD(SEQ4(), 2), {START})"
    says(features(tmp_path, HEAD.format(at=shifted, rows=60)), "EVENTS", r"week|\b7 days")


@pytest.mark.parametrize(
    ("at", "rows"),
    [
        (f"DATEADD(second, MOD({N} * 7919, 86400 * 60), {START})", 4000),
        (f"DATEADD(hour, MOD({N} * 31, 24 * 40), {START})", 4000),
        (f"DATEADD(hour, 6, DATEADD(day, {N}, {START}))", 120),
        (f"DATEADD(day, MOD({N}, 5) + 7 * FLOOR({N} / 5), {START})", 120),
        (f"DATEADD(day, {N} * {N} / 20, {START})", 80),
    ],
    ids=["at any time", "several in an hour", "daily at six", "on weekdays", "now and then"],
)
def test_events_and_daily_values_are_served(tmp_path: Path, at: str, rows: int) -> None:
    step = features(tmp_path, HEAD.format(at=at, rows=rows))
    assert step.status.value == "success", step.message


def test_hours_that_a_step_summed_to_days_are_served(tmp_path: Path) -> None:
    summed = (
        "  by_day: {type: transform, query: \"SELECT SHOP, AT::DATE AS AT, SUM(SOLD) AS SOLD FROM {{ ref('events') }} "
        'GROUP BY 1, 2", writes: by_day}\n'
    )
    step = FEATURES.replace("from: events", "from: by_day")
    made = features(tmp_path, HEAD.format(at=HOURS, rows=2 * 24 * 30), step, summed)
    assert made.status.value == "success", made.message


def joined(at: str, rows: int, name: str = "temp") -> str:
    return (
        f'  {name}: {{type: transform, query: "SELECT {at.replace(N, "SEQ4()")} AS DATE, SEQ4()::FLOAT AS DEGREES '
        f'FROM TABLE(GENERATOR(ROWCOUNT => {rows}))", writes: {name}}}\n'
    )


@pytest.mark.parametrize("future", ["known", "climatology"])
def test_an_exogenous_table_of_hours_is_refused(tmp_path: Path, future: str) -> None:
    """A join by day would use the value of midnight for the whole day."""
    step = FEATURES + f"    exogenous: [{{table: temp, columns: [DEGREES], future: {future}}}]\n"
    made = features(tmp_path, DAILY, step, joined(HOURS, 24 * 80))
    assert made.status.value == "failed"
    assert "TEMP" in made.message


def test_an_exogenous_table_of_weeks_is_refused(tmp_path: Path) -> None:
    """Six of seven days would have no value and could not be used for training."""
    step = FEATURES + "    exogenous: [{table: temp, columns: [DEGREES], future: climatology}]\n"
    made = features(tmp_path, DAILY, step, joined(WEEKS, 12))
    assert made.status.value == "failed"
    assert "TEMP" in made.message


def test_a_forecast_of_hours_is_refused(tmp_path: Path) -> None:
    step = (
        FEATURES
        + "    exogenous: [{table: temp, columns: [DEGREES], future: {table: ahead}}]\n"
        + "  future: {type: future_features, features: features, horizon_days: 5, writes: future}\n"
    )
    tables = joined(f"DATEADD(day, {N}, {START})", 60) + joined(HOURS, 24 * 80, "ahead")
    made = Pipeline.from_yaml(write_spec(tmp_path, DAILY + tables + step)).run().steps["future"]
    assert made.status.value == "failed"
    assert "AHEAD" in made.message


def test_the_days_of_a_calendar_may_have_a_time(tmp_path: Path) -> None:
    step = FEATURES + "    calendar: temp\n"
    pipeline = Pipeline.from_yaml(
        write_spec(tmp_path, DAILY + joined(f"DATEADD(hour, 6, DATEADD(day, {N}, {START}))", 60) + step)
    )
    result = pipeline.run()
    assert result.ok, result.steps["features"].message
    assert ask(pipeline, "SELECT COUNT(*) FROM FEATURES") == [(120,)]
