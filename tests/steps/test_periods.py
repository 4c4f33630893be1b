"""Periods of other lengths, their edges, gaps and aggregates, and clocks that change."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from tests.conftest import ask, write_spec

# Three events a day, at six, noon and six, from Wednesday 2023-01-11 to Monday 2023-07-10, but none on 10 to 16 April.
EVENTS = """\
steps:
  events:
    type: transform
    writes: events
    query: >-
      SELECT 'k' AS SHOP, DATEADD(hour, 6 + 6 * MOD(SEQ4(), 3), DATEADD(day, FLOOR(SEQ4() / 3), '2023-01-11'::TIMESTAMP_NTZ)) AS AT,
      MOD(SEQ4(), 3) - 1 AS SOLD FROM TABLE(GENERATOR(ROWCOUNT => 543))
      WHERE NOT DATEADD(day, FLOOR(SEQ4() / 3), '2023-01-11'::DATE) BETWEEN '2023-04-10' AND '2023-04-16'
"""
DAYS = [
    day
    for day in (date(2023, 1, 11) + timedelta(days=n) for n in range(181))
    if not date(2023, 4, 10) <= day <= date(2023, 4, 16)
]


def step(name: str, frequency: str, more: str = "") -> str:
    return (
        f"  {name}: {{type: features, from: events, partition_by: SHOP, timestamp: AT, frequency: {frequency}, target: N, "
        f"lags: [1], writes: {name}{more}}}\n"
    )


STEPS = {
    "weeks": step("weeks", "week"),
    "kept": step("kept", "week", ", partial: keep"),
    "sundays": step("sundays", "week-sunday"),
    "months": step("months", "month"),
    "business": step("business", "business_day"),
    "summed": step("summed", "week", ", value: SOLD, date_features: [month, week_of_year]"),
    "averaged": step("averaged", "week", ", value: SOLD, aggregate: mean"),
    "kinds": step("kinds", "week", ", value: SOLD, aggregate: distinct"),
    "lowest": step("lowest", "month", ", value: SOLD, aggregate: min, fourier: [{period: 12}]"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, dict[object, object]]]:
    pipeline = Pipeline.from_yaml(
        write_spec(tmp_path_factory.mktemp("periods"), EVENTS + "".join(STEPS.values()))
    )
    result = pipeline.run()
    assert result.ok, {name: one.message for name, one in result.steps.items()}
    return {
        name: (
            result.steps[name].message,
            dict(ask(pipeline, f"SELECT DATE, N::FLOAT FROM {name} ORDER BY 1")),
        )
        for name in STEPS
    }


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def test_weeks_that_are_not_whole_are_no_history(made: dict[str, tuple[str, dict[object, object]]]) -> None:
    message, weeks = made["weeks"]
    expected = {monday(day): 0.0 for day in DAYS}
    for day in DAYS:
        expected[monday(day)] += 3
    expected[date(2023, 4, 10)] = 0.0
    whole = {week: n for week, n in expected.items() if date(2023, 1, 16) <= week <= date(2023, 7, 3)}
    assert weeks == whole
    assert "the week of 2023-01-09 is not whole, the week of 2023-07-10 is not whole" in message
    assert made["kept"][1] == expected
    assert "whole" not in made["kept"][0]


def test_a_week_may_begin_on_another_day(made: dict[str, tuple[str, dict[object, object]]]) -> None:
    _, weeks = made["sundays"]
    assert next(iter(weeks)) == date(2023, 1, 15)
    assert weeks[date(2023, 4, 9)] == 3.0  # the Sunday before the gap


def test_months_are_counted(made: dict[str, tuple[str, dict[object, object]]]) -> None:
    message, months = made["months"]
    assert months == {
        date(2023, 2, 1): 84.0,
        date(2023, 3, 1): 93.0,
        date(2023, 4, 1): 69.0,
        date(2023, 5, 1): 93.0,
        date(2023, 6, 1): 90.0,
    }
    assert "2023-01-01 is not whole" in message
    assert made["lowest"][1] == dict.fromkeys(months, -1.0)


def test_events_on_a_weekend_are_told(made: dict[str, tuple[str, dict[object, object]]]) -> None:
    message, days = made["business"]
    weekend = sum(3 for day in DAYS if day.weekday() >= 5)
    assert f"{weekend} events in no series" in message
    assert {day: 3.0 for day in DAYS if day.weekday() < 5}.items() <= days.items()
    assert days[date(2023, 4, 12)] == 0.0


def test_values_are_aggregated(made: dict[str, tuple[str, dict[object, object]]]) -> None:
    assert set(made["summed"][1].values()) == {0.0}
    gap = date(2023, 4, 10)
    assert gap in made["summed"][1]
    assert gap not in made["averaged"][1]  # what nobody measured is not zero
    assert set(made["averaged"][1].values()) == {0.0}
    assert made["kinds"][1][date(2023, 4, 17)] == 3.0
    assert made["kinds"][1][gap] == 0.0


def clock(first: str, hours: int, zones: str, frequency: str = "hour", kind: str = "TIMESTAMP_NTZ") -> str:
    return f"""\
steps:
  events:
    type: transform
    writes: events
    query: "SELECT 'k' AS SHOP, DATEADD(hour, SEQ4(), '{first}'::{kind}) AS AT FROM TABLE(GENERATOR(ROWCOUNT => {hours}))"
  features: {{type: features, from: events, partition_by: SHOP, timestamp: AT, frequency: {frequency}, {zones}, lags: [],
    date_features: [{"hour_of_day, " if frequency == "hour" else ""}day_of_week], partial: keep, writes: features}}
  future: {{type: future_features, features: features, horizon: 6, writes: future}}
"""


# Clocks in Berlin go from 2 to 3 on 2023-03-26 at 01:00 UTC, and from 3 to 2 on 2023-10-29 at 01:00 UTC.
BERLIN = "timezone: Europe/Berlin, stored_timezone: UTC"


@pytest.mark.parametrize(
    ("first", "hours", "local"),
    [
        ("2023-03-25 12:00", 12, [13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 0, 1, 3, 4, 5, 6, 7]),
        ("2023-10-28 13:00", 12, [15, 16, 17, 18, 19, 20, 21, 22, 23, 0, 1, 2, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_each_hour_occurs_once_when_the_clocks_change(
    tmp_path: Path, first: str, hours: int, local: list[int]
) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, clock(first, hours, BERLIN)))
    result = pipeline.run()
    assert result.ok, {name: one.message for name, one in result.steps.items()}
    rows = ask(
        pipeline,
        "SELECT DATE, HOUR_OF_DAY, COUNT FROM FEATURES UNION ALL SELECT DATE, HOUR_OF_DAY, COUNT FROM FUTURE ORDER BY 1",
    )
    begin = datetime.fromisoformat(first)
    assert [row[0] for row in rows] == [begin + timedelta(hours=n) for n in range(hours + 6)]
    assert [row[1] for row in rows] == local
    assert [row[2] for row in rows] == [1.0] * hours + [None] * 6


@pytest.mark.parametrize(("day", "hours"), [("2023-03-26", 23), ("2023-10-29", 25)])
def test_a_day_has_23_or_25_hours(tmp_path: Path, day: str, hours: int) -> None:
    before = date.fromisoformat(day) - timedelta(days=2)
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, clock(f"{before} 12:00", 96, BERLIN, "day")))
    assert pipeline.run(select=["+features"]).ok
    assert ask(pipeline, f"SELECT COUNT FROM FEATURES WHERE DATE = '{day}'") == [(hours,)]


def test_an_hour_that_the_clock_on_the_wall_skips_is_not_zero(tmp_path: Path) -> None:
    """The times are local: 02:00 does not occur on the day, and so it is neither history nor future."""
    wall = "timezone: Europe/Berlin, stored_timezone: Europe/Berlin"
    text = clock("2023-03-24 00:00", 48, wall)
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, text))
    assert pipeline.run().ok
    assert ask(pipeline, "SELECT DISTINCT HOUR(DATE) FROM FUTURE ORDER BY 1") == [
        (n,) for n in (0, 1, 3, 4, 5, 6)
    ]


def test_a_time_zone_must_be_known(tmp_path: Path) -> None:
    text = clock("2023-03-24 00:00", 48, "timezone: Europe/Berlin")
    step = Pipeline.from_yaml(write_spec(tmp_path, text)).run(select=["+features"]).steps["features"]
    assert step.status.value == "failed"
    assert "AT of EVENTS is a TIMESTAMP_NTZ, which has no time zone: set `stored_timezone`" in step.message


OLD = """\
  future: {type: future_features, features: weeks, horizon_days: 6, writes: future}
  deploy:
    type: deploy_forecaster
    function: forecast
    features: weeks
    model: {type: seasonal_naive}
    stage: models
    packages: forecasting
    backtest: {origins: 2, horizon_days: 6, step_days: 6}
stages: {models: {}}
packages: {forecasting: [numpy, pandas]}
"""


def test_an_old_name_says_the_new_one(tmp_path: Path) -> None:
    weeks = STEPS["weeks"].replace("lags: [1]", "min_history_days: 5, max_idle_days: 5")
    with pytest.raises(SpecError) as raised:
        Pipeline.from_yaml(write_spec(tmp_path, EVENTS + weeks + OLD)).validate()
    said = str(raised.value)
    for old, new in (
        ("min_history_days", "min_history"),
        ("max_idle_days", "max_idle"),
        ("horizon_days", "horizon"),
        ("step_days", "step"),
    ):
        assert re.search(f"unknown key '{old}'\n.*\n.*\n *did you mean '{new}'", said), (old, said)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (", date_features: [hour_of_day]", "hour_of_day is the same in every week"),
        (", aggregate: mean", "needs `value`"),
        (", stored_timezone: UTC", "needs `timezone`"),
    ],
)
def test_settings_that_do_not_fit_are_found_early(tmp_path: Path, more: str, said: str) -> None:
    path = write_spec(tmp_path, EVENTS + step("weeks", "week", more))
    with pytest.raises(SpecError, match=said):
        Pipeline.from_yaml(path).validate()
