"""Periods have consecutive numbers, and hours follow the clock on the wall."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from snowpipe_ml.models.clock import Clock
from snowpipe_ml.models.forecasters.statistical import SeasonalNaiveForecaster
from snowpipe_ml.models.frequencies import FREQUENCIES
from snowpipe_ml.models.panel import Series, read_panel

FIRST = np.datetime64("2023-01-02", "m")  # a Monday


@pytest.mark.parametrize("name", FREQUENCIES)
def test_numbers_and_beginnings_are_inverse(name: str) -> None:
    clock = Clock(FREQUENCIES[name])
    numbers = clock.number(FIRST) + np.arange(-300, 900)
    starts = clock.starts(numbers)
    assert (np.diff(starts).astype(int) > 0).all()
    np.testing.assert_array_equal(clock.numbers(starts), numbers)
    # The minute before a period belongs to the one before it.
    if name != "business_day":
        before = starts.astype("datetime64[m]") - np.timedelta64(1, "m")
        np.testing.assert_array_equal(clock.numbers(before), numbers - 1)


def test_weeks_begin_on_their_day_and_business_days_skip_weekends() -> None:
    for number, name in enumerate(("monday", "tuesday", "sunday")):
        start = Clock(FREQUENCIES[f"week-{name}"]).start(2000)
        assert date.fromisoformat(str(start)).weekday() == (number if number < 2 else 6)
    days = Clock(FREQUENCIES["business_day"]).starts(np.arange(100))
    assert {date.fromisoformat(str(day)).weekday() for day in days} == {0, 1, 2, 3, 4}


def by_local_hour(first: str, hours: int, horizon: int, zone: str) -> tuple[Series, np.ndarray]:
    """A series of hours in UTC whose value is the hour in the time zone, and the hours to come."""
    times = pd.date_range(first, periods=hours + horizon, freq="h")
    local = times.tz_localize("UTC").tz_convert(zone).hour.to_numpy().astype(float)
    known = np.where(np.arange(len(times)) < hours, local, np.nan)
    frame = pd.DataFrame({"SERIES": "A", "DATE": times, "N": known})
    (series,), refused = read_panel(frame, (), Clock(FREQUENCIES["hour"], zone))
    assert not refused
    return series, local[hours:]


@pytest.mark.parametrize("change", ["2023-03-12", "2023-11-05"])
@pytest.mark.parametrize("ahead", [6, 60])
def test_forecasts_follow_the_clock_on_the_wall_when_it_changes(change: str, ahead: int) -> None:
    """Before, across and after the change: the forecast of an hour is that of the same hour the day before."""
    first = date.fromisoformat(change) - timedelta(days=9)
    series, expected = by_local_hour(str(first), 9 * 24 + 12, ahead, "America/New_York")
    model = SeasonalNaiveForecaster({"season": 24, "lower_bound": None, "max_growth": None}, ())
    (forecast,) = model.forecast([series])
    np.testing.assert_array_equal(forecast.y, expected)
    assert len(series.future_days) == ahead
    (behind,) = model.predict([series])
    local = series.y
    assert (behind[48:] == local[48:]).mean() > 0.99


def test_an_hour_that_occurs_twice_has_the_mean_of_both() -> None:
    series, _ = by_local_hour("2023-11-04", 60, 3, "America/New_York")
    wall = series.on_the_wall()
    assert len(wall.values) == len(series.values) - 1
    assert not np.isnan(wall.values).any()
    spring, _ = by_local_hour("2023-03-11", 60, 3, "America/New_York")
    assert np.isnan(spring.on_the_wall().values).sum() == 1
