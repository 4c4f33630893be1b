"""The values of consecutive periods, placed on a complete calendar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

import numpy as np

from snowpipe_ml.errors import UsageError
from snowpipe_ml.exploration import queries
from snowpipe_ml.exploration.explored import Coverage, Gap, Profiles
from snowpipe_ml.exploration.queries import time_text
from snowpipe_ml.exploration.question import Question
from snowpipe_ml.exploration.seasons import rounded
from snowpipe_ml.models.frequencies import Frequency
from snowpipe_ml.plugins.connection import Asks

_HOURS = {"minute": 1 / 60, "hour": 1.0, "day": 24.0, "month": 720.0}


@dataclass(frozen=True)
class Panel:
    """The values of consecutive periods: the whole, and the largest series."""

    question: Question
    starts: np.ndarray
    values: np.ndarray
    active: list[int]
    filled: np.ndarray
    largest: Mapping[str, np.ndarray]

    @property
    def times(self) -> list[str]:
        """The beginning of each period as text."""
        return [time_text(start) for start in self.starts.astype("datetime64[s]").tolist()]

    @property
    def days(self) -> list[date]:
        """The day of each period on the clock of the time zone."""
        walled = self.question.clock.walled(self.starts)
        return cast("list[date]", walled.astype("datetime64[D]").tolist())


def make_panel(ask: Asks, question: Question, keys: Sequence[str], notes: list[str]) -> Panel:
    """Fetch the values per period, and place them on a complete calendar."""
    clock, q = question.clock, question
    rows = queries.by_period(ask, q)
    if not rows:
        raise UsageError(f"{q.table} has no whole {q.every.noun}: there is nothing to explore")
    numbers = clock.numbers(np.array([row[0] for row in rows], "datetime64[s]"))
    first = int(numbers[0])
    starts = clock.starts(np.arange(first, int(numbers[-1]) + 1))
    empty = 0.0 if q.settings.zeros else np.nan
    covered = queries.covered(ask, q)
    known = np.ones(len(starts), bool)
    if covered is not None:
        known = np.isin(
            np.arange(first, first + len(starts)), clock.numbers(np.array(covered, "datetime64[s]"))
        )

    def placed(points: Sequence[tuple[Any, float | None]]) -> np.ndarray:
        values = np.where(known, empty, np.nan)
        if points:
            places = clock.numbers(np.array([time for time, _ in points], "datetime64[s]")) - first
            values[places] = [np.nan if value is None else value for _, value in points]
        values[~known] = np.nan
        return values

    values = placed([(time, value) for time, _, value in rows])
    active = np.zeros(len(starts), int)
    active[numbers - first] = [row[1] for row in rows]
    _long_gaps(q, active, known, notes)
    largest = {key: placed(points) for key, points in queries.values_of(ask, q, keys).items()}
    usable = {key: _filled(one) for key, one in largest.items()}
    return Panel(
        q,
        starts,
        values,
        [int(n) for n in active],
        _filled(values),
        {key: one for key, one in usable.items() if one.any()},
    )


def _long_gaps(question: Question, active: np.ndarray, known: np.ndarray, notes: list[str]) -> None:
    """Note that a long gap counts as zero, if it does."""
    runs = _runs((active == 0) & known)
    longest = max((last - first + 1 for first, last in runs), default=0)
    if question.settings.zeros and longest >= max(question.every.season, 3):
        notes.append(
            f"no series has a row in {longest} consecutive {question.every.plural}, which count as zero: if the data is "
            "missing there, give --calendar, a table with the dates that it covers"
        )


def _runs(chosen: np.ndarray) -> list[tuple[int, int]]:
    """Return the first and last place of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(int)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _filled(values: np.ndarray) -> np.ndarray:
    """Return values with unknown ones interpolated."""
    known = ~np.isnan(values)
    if not known.any():
        return np.zeros(len(values))
    return np.asarray(np.interp(np.arange(len(values)), np.flatnonzero(known), values[known]))


def coverage_of(panel: Panel, overview: queries.Overview) -> Coverage:
    """Return the periods, those without rows, and those at the ends that are not whole."""
    times, clock = panel.times, panel.question.clock
    known = ~np.isnan(panel.values) | (np.array(panel.active) > 0)
    gaps = [
        Gap(times[first], times[last], last - first + 1)
        for first, last in _runs((np.array(panel.active) == 0) & (known | (panel.question.calendar is None)))
    ]
    ends = np.array([overview.first, overview.last], "datetime64[s]")
    partial = [
        time_text(start)
        for start in clock.starts(clock.numbers(ends)).astype("datetime64[s]").tolist()
        if not panel.starts[0] <= np.datetime64(start) <= panel.starts[-1]
    ]
    return Coverage(times[0], times[-1], len(times), gaps, partial if panel.question.calendar is None else [])


def profiles_of(ask: Asks, panel: Panel, kind: str) -> Profiles:
    """Return how values depend on the hour, the weekday and the month; ``kind`` is the type of the time."""
    q = panel.question
    hour: list[float] = []
    weekday_hour: list[list[float]] = []
    if not kind.startswith("DATE") and q.adds_up:
        table = np.zeros((7, 24))
        for weekday, at, value in queries.by_hour(ask, q):
            table[weekday - 1, at] = value
        if table.sum() > 0 and np.count_nonzero(table.sum(axis=0)) > 1:
            hour = rounded(table.sum(axis=0) / table.sum())
            weekday_hour = [rounded(row / table.sum()) for row in table]
    days = np.array(panel.days, "datetime64[D]")
    hours = hours_of(q.every)
    of_week = (days.astype(int) + 3) % 7
    of_year = days.astype("datetime64[M]").astype(int) % 12
    return Profiles(
        hour,
        weekday_hour,
        _relative(panel.values, of_week, 7) if hours <= 24 and len(set(of_week)) >= 5 else [],
        _relative(panel.values, of_year, 12) if hours <= 2160 and len(set(of_year)) >= 2 else [],
    )


def _relative(values: np.ndarray, places: np.ndarray, count: int) -> list[float]:
    """Return the mean at each place as a multiple of the mean; NaN where there is no value."""
    known = ~np.isnan(values)
    whole = float(values[known].mean()) if known.any() else 0.0
    if whole == 0:
        return []
    means = [values[known & (places == place)] for place in range(count)]
    return [float(f"{one.mean() / whole:.4g}") if len(one) else float("nan") for one in means]


def hours_of(every: Frequency) -> float:
    """Return the hours of a period; a month has 720."""
    return _HOURS[every.unit] * every.count
