"""The frequency of features: as the rows show it, or refused by name."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.run.outcome import StepOutcome
from snowpipe_ml.models.frequencies import FREQUENCIES
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
    lags: [1, 2]
    min_history: 20
    writes: features
"""
# The number of the row within its series; there are two series.
N = "FLOOR(SEQ4() / 2)"
DAILY = HEAD.format(at=f"DATEADD(day, {N}, {START})", rows=120)
HOURS = f"DATEADD(hour, {N}, {START})"
WEEKS = f"DATEADD(day, 7 * {N}, {START})"


def features(folder: Path, events: str, step: str = FEATURES, more: str = "") -> StepOutcome:
    return Pipeline.from_yaml(write_spec(folder, events + more + step)).run().steps["features"]


# The time of a row, the number of rows, and the frequency that these show.
REGULAR = {
    "hours": (HOURS, 2 * 24 * 30, "hour"),
    "quarters of an hour": (f"DATEADD(minute, 15 * {N}, {START})", 2 * 96 * 10, "15min"),
    "weeks": (WEEKS, 2 * 30, "week-monday"),
    "months by their last day": (f"DATEADD(month, {N}, '2020-01-31'::TIMESTAMP_NTZ)", 2 * 30, "month"),
    "quarters": (f"DATEADD(month, 3 * {N}, '2015-01-01'::TIMESTAMP_NTZ)", 2 * 30, "quarter"),
    "years": (f"DATEADD(year, {N}, '1995-01-01'::TIMESTAMP_NTZ)", 2 * 25, "year"),
    "hours with a closed night": (
        f"DATEADD(hour, 8 + MOD({N}, 12), DATEADD(day, FLOOR({N} / 12), {START}))",
        2 * 12 * 40,
        "hour",
    ),
    "weeks of which some are missing": (
        f"DATEADD(day, 6 + 7 * ({N} + FLOOR({N} / 8)), {START})",
        60,
        "week-sunday",
    ),
    "weekdays": (f"DATEADD(day, MOD({N}, 5) + 7 * FLOOR({N} / 5), {START})", 120, "business_day"),
    "daily at six": (f"DATEADD(hour, 6, DATEADD(day, {N}, {START}))", 120, "day"),
    "at any time": (f"DATEADD(second, MOD({N} * 7919, 86400 * 60), {START})", 4000, "day"),
    "several in an hour": (f"DATEADD(hour, MOD({N} * 31, 24 * 40), {START})", 4000, "day"),
    "now and then": (f"DATEADD(day, {N} * {N} / 20, {START})", 80, "day"),
}
# The time of a row, and what the message says.
REFUSED = {
    "every two hours": (f"DATEADD(hour, 2 * {N}, {START})", "2 hours"),
    "every ten days": (f"DATEADD(day, 10 * {N}, {START})", "10 days"),
    "weeks on another day in each series": (
        f"DATEADD(day, 7 * {N} + 3 * MOD(SEQ4(), 2), {START})",
        "week, on different weekdays",
    ),
}
Row = tuple[object, ...]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[StepOutcome, list[Row]]]:
    """The outcome of ``features`` for each kind of times, and the periods of a series with their frequency."""
    text, cases = "", {}
    for name, (at, rows) in {
        **{name: (at, rows) for name, (at, rows, _) in REGULAR.items()},
        **{name: (at, 80) for name, (at, _) in REFUSED.items()},
    }.items():
        table = "events_" + re.sub(r"\W", "_", name)
        text += HEAD.format(at=at, rows=rows).removeprefix("steps:\n").replace("events", table)
        made = f"features_{table}"
        text += (
            FEATURES.replace("features:", f"{made}:", 1)
            .replace("from: events", f"from: {table}")
            .replace("writes: features", f"writes: {made}")
        )
        cases[name] = made
    pipeline = Pipeline.from_yaml(write_spec(tmp_path_factory.mktemp("times"), "steps:\n" + text))
    result = pipeline.run()
    found = {}
    for name, made in cases.items():
        step, rows_made = result.steps[made], []
        if step.status.value == "success":
            daily = REGULAR[name][2] == "day"
            told = "'day'" if daily else "FREQUENCY"
            rows_made = ask(pipeline, f"SELECT DATE, {told} FROM {made} WHERE SHOP = 'k0' ORDER BY DATE")
        found[name] = (step, rows_made)
    return found


@pytest.mark.parametrize("name", REGULAR)
def test_the_frequency_is_that_of_the_rows(
    outcomes: dict[str, tuple[StepOutcome, list[Row]]], name: str
) -> None:
    step, rows = outcomes[name]
    frequency = REGULAR[name][2]
    assert step.status.value == "success", step.message
    assert {told for _, told in rows} == {frequency}
    if frequency != "day":
        assert f"(frequency: {frequency})" in step.message


def test_a_week_begins_on_monday() -> None:
    assert FREQUENCIES["week"] == FREQUENCIES["week-monday"] != FREQUENCIES["week-sunday"]


def test_a_month_is_named_by_its_first_day(outcomes: dict[str, tuple[StepOutcome, list[Row]]]) -> None:
    _, rows = outcomes["months by their last day"]
    assert [row[0] for row in rows] == [date(2020 + n // 12, n % 12 + 1, 1) for n in range(30)]


def test_missing_weeks_of_a_sum_are_zero(outcomes: dict[str, tuple[StepOutcome, list[Row]]]) -> None:
    _, rows = outcomes["weeks of which some are missing"]
    first = date(2023, 1, 8)
    assert [row[0] for row in rows] == [first + timedelta(days=7 * n) for n in range(len(rows))]


def test_business_days_have_no_weekend(outcomes: dict[str, tuple[StepOutcome, list[Row]]]) -> None:
    _, rows = outcomes["weekdays"]
    days = [row[0] for row in rows]
    assert len(days) == 60
    assert all(isinstance(day, date) and day.weekday() < 5 for day in days)


@pytest.mark.parametrize("name", REFUSED)
def test_another_rhythm_is_refused_by_name(
    outcomes: dict[str, tuple[StepOutcome, list[Row]]], name: str
) -> None:
    step, _ = outcomes[name]
    assert step.status.value == "failed"
    assert f"has a row every {REFUSED[name][1]}" in step.message
    assert "set `frequency`" in step.message


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
        + "  future: {type: future_features, features: features, horizon: 5, writes: future}\n"
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
