"""The periods of series: from times to numbers and back, and the clock on the wall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from snowpipe_ml.models.frequencies import DAY, FREQUENCIES, Frequency

# 1970-01-05, a Monday, counted in days from 1970-01-01.
_MONDAY = 4
_BUSINESS_WEEK = 5


@dataclass(frozen=True)
class Clock:
    """The periods of a panel, which have consecutive numbers.

    Attributes:
        frequency: the length of a period.
        timezone: of periods shorter than a day whose times are in UTC, the time zone of the seasons; else None.
    """

    frequency: Frequency = DAY
    timezone: str | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Clock:
        """Read the clock from a function's settings; without an entry, periods are days."""
        told = config.get("clock") or {}
        return cls(FREQUENCIES[told.get("frequency", DAY.name)], told.get("timezone"))

    @property
    def season(self) -> int:
        """The periods of the shortest season."""
        return self.frequency.season

    def read(self, times: pd.Series[Any]) -> np.ndarray:
        """Return times in the resolution of the periods: minutes, or days."""
        found: np.ndarray = times.to_numpy().astype(self._type)
        return found

    @property
    def _type(self) -> str:
        return "datetime64[m]" if self.frequency.within_a_day else "datetime64[D]"

    def numbers(self, times: np.ndarray) -> np.ndarray:
        """Return the numbers of the periods that contain the times; a weekend belongs to the next Monday."""
        every = self.frequency
        if every.within_a_day:
            minutes = np.asarray(times, "datetime64[m]").astype(np.int64)
            return np.asarray(minutes // (every.count * (60 if every.unit == "hour" else 1)))
        if every.unit == "month":
            return np.asarray(np.asarray(times, "datetime64[M]").astype(np.int64) // every.count)
        days = np.asarray(times, "datetime64[D]").astype(np.int64)
        if every.name == "business_day":
            weeks, weekday = np.divmod(days - _MONDAY, 7)
            return np.asarray(_BUSINESS_WEEK * weeks + np.minimum(weekday, _BUSINESS_WEEK))
        return np.asarray((days - self._first_day) // every.count)

    @property
    def _first_day(self) -> int:
        return _MONDAY + self.frequency.weekday - 1 if self.frequency.count == 7 else 0

    def number(self, time: np.datetime64) -> int:
        """Return the number of the period that contains a time."""
        return int(self.numbers(np.array([time]))[0])

    def starts(self, numbers: np.ndarray) -> np.ndarray:
        """Return the beginnings of periods."""
        every = self.frequency
        if every.within_a_day:
            minutes = numbers * (every.count * (60 if every.unit == "hour" else 1))
            return np.asarray(minutes).astype("datetime64[m]")
        if every.unit == "month":
            return np.asarray(numbers * every.count).astype("datetime64[M]").astype("datetime64[D]")
        if every.name == "business_day":
            weeks, weekday = np.divmod(numbers, _BUSINESS_WEEK)
            return np.asarray(_MONDAY + 7 * weeks + weekday).astype("datetime64[D]")
        return np.asarray(self._first_day + numbers * every.count).astype("datetime64[D]")

    def start(self, number: int) -> np.datetime64:
        """Return the beginning of a period."""
        found: np.datetime64 = self.starts(np.array([number]))[0]
        return found

    def walled(self, times: np.ndarray) -> np.ndarray:
        """Return the times of the clock on the wall: an hour is skipped in spring, and one occurs twice in fall."""
        if self.timezone is None:
            return times
        local = pd.DatetimeIndex(times.astype("datetime64[ns]")).tz_localize("UTC").tz_convert(self.timezone)
        return local.tz_localize(None).to_numpy().astype(self._type)

    def circles(self, times: np.ndarray) -> np.ndarray:
        """Return the features of :meth:`calendar` as points on circles, (periods, features): December is near January."""
        every = self.frequency
        if every.within_a_day:
            lengths = (every.season, 7)
        elif every.unit == "day":
            lengths = (53, 12) if every.count == 7 else (7, 12)
        else:
            lengths = (12, 1)
        angles = 2 * np.pi * self.calendar(times)[:, np.array(lengths) > 1] / [n for n in lengths if n > 1]
        return np.hstack([np.sin(angles), np.cos(angles)])

    def calendar(self, times: np.ndarray) -> np.ndarray:
        """Return the features of periods by which a model tells seasons apart, (periods, features)."""
        every, days = self.frequency, times.astype("datetime64[D]").astype(np.int64)
        weekday = (days - _MONDAY) % 7
        month = times.astype("datetime64[M]").astype(np.int64) % 12
        if every.within_a_day:
            return np.column_stack([self.numbers(times) % every.season, weekday]).astype(float)
        if every.unit == "day" and every.count == 1:
            return np.column_stack([weekday, month]).astype(float)
        if every.count == 7:
            of_year = days - times.astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
            return np.column_stack([of_year // 7, month]).astype(float)
        return np.column_stack([month, np.zeros(len(times))]).astype(float)
