"""Features are daily: data that is measured more or less often than once a day is refused by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

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


# The time of a row, the number of rows, and the frequency that the message names.
NOT_DAILY = {
    "hours": (HOURS, 2 * 24 * 30, r"\bhour"),
    "quarters of an hour": (f"DATEADD(minute, 15 * {N}, {START})", 2 * 96 * 40, "15 min|minute"),
    "weeks": (WEEKS, 2 * 30, r"week|\b7 days"),
    "months": (
        f"DATEADD(month, {N}, '2020-01-31'::TIMESTAMP_NTZ)",
        2 * 30,
        r"month|\b(28|29|30|31) days",
    ),
    "hours with a closed night": (
        f"DATEADD(hour, 8 + MOD({N}, 12), DATEADD(day, FLOOR({N} / 12), {START}))",
        2 * 12 * 40,
        r"\bhour",
    ),
    "weeks of which some are missing": (
        f"DATEADD(day, 7 * ({N} + FLOOR({N} / 8)), {START})",
        60,
        r"week|\b7 days",
    ),
    "weeks that begin on another day in each series": (
        f"DATEADD(day, 7 * {N} + 3 * MOD(SEQ4(), 2), {START})",
        60,
        r"week|\b7 days",
    ),
}
# The time of a row, and the number of rows.
SERVED = {
    "at any time": (f"DATEADD(second, MOD({N} * 7919, 86400 * 60), {START})", 4000),
    "several in an hour": (f"DATEADD(hour, MOD({N} * 31, 24 * 40), {START})", 4000),
    "daily at six": (f"DATEADD(hour, 6, DATEADD(day, {N}, {START}))", 120),
    "on weekdays": (f"DATEADD(day, MOD({N}, 5) + 7 * FLOOR({N} / 5), {START})", 120),
    "now and then": (f"DATEADD(day, {N} * {N} / 20, {START})", 80),
}
STEPS = {"summed": FEATURES, "counted": COUNTED}
COUNTED_TOO = ("hours", "quarters of an hour", "weeks", "months")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[str, StepOutcome]]:
    """The table of events and the outcome of ``features`` for each kind of times and of step, from one run."""
    text, cases = "", {}
    for name, (at, rows, *_) in {**NOT_DAILY, **SERVED}.items():
        table = "events_" + re.sub(r"\W", "_", name)
        text += HEAD.format(at=at, rows=rows).removeprefix("steps:\n").replace("events", table)
        for kind, step in STEPS.items():
            if kind == "counted" and name not in COUNTED_TOO:
                continue
            made = f"features_{kind}_{table}"
            text += (
                step.replace("features:", f"{made}:", 1)
                .replace("from: events", f"from: {table}")
                .replace("writes: features", f"writes: {made}")
            )
            cases[name, kind] = (table.upper(), made)
    result = Pipeline.from_yaml(write_spec(tmp_path_factory.mktemp("times"), "steps:\n" + text)).run()
    return {case: (table, result.steps[made]) for case, (table, made) in cases.items()}


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("name", COUNTED_TOO)
def test_what_is_not_daily_is_refused(outcomes: Any, name: str, kind: str) -> None:
    table, step = outcomes[name, kind]
    says(step, table, NOT_DAILY[name][2])


def test_hours_with_a_closed_night_are_hours(outcomes: Any) -> None:
    table, step = outcomes["hours with a closed night", "summed"]
    says(step, table, r"\bhour")


def test_weeks_of_which_some_are_missing_are_weeks(outcomes: Any) -> None:
    table, step = outcomes["weeks of which some are missing", "summed"]
    says(step, table, r"week|\b7 days")


def test_weeks_that_begin_on_another_day_in_each_series_are_weeks(outcomes: Any) -> None:
    table, step = outcomes["weeks that begin on another day in each series", "summed"]
    says(step, table, r"week|\b7 days")


@pytest.mark.parametrize("name", SERVED)
def test_events_and_daily_values_are_served(outcomes: Any, name: str) -> None:
    _, step = outcomes[name, "summed"]
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
