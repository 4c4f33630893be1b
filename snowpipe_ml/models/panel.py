"""The input of the models: series of known periods with target and features, followed by future periods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from snowpipe_ml.models.clock import Clock
from snowpipe_ml.models.known_values import least_known

DAY = np.timedelta64(1, "D")
"""A day, for the arithmetic of daily series."""


@dataclass(frozen=True)
class Feature:
    """A column of a model's input.

    Attributes:
        name: the name of the column.
        kind: ``lag``, ``mean`` or ``stddev`` of the target's past; ``given`` for everything else.
        days: the number of periods that a lag looks back, or the length of the window in periods. For a given
            feature of the policy ``past_only``, the number of periods for which it is known ahead.
        future: for a given feature, ``known`` (such as a calendar), or the policy that fills its future.
    """

    name: str
    kind: str = "given"
    days: int = 0
    future: str = "known"

    @property
    def own(self) -> bool:
        """Return whether the feature is derived from the target itself."""
        return self.kind != "given"


def past_value(feature: Feature, values: np.ndarray, at: int) -> float:
    """The value of a feature of the target's past in a period, equal to the SQL of a ``features`` step.

    Args:
        feature: the feature.
        values: the target period by period, NaN where it is unknown.
        at: the index of the period in ``values``.

    Returns:
        The value; NaN where it is unknown.
    """
    if feature.kind == "lag":
        return float(values[at - feature.days]) if at >= feature.days else np.nan
    window = values[max(0, at - feature.days) : at]
    window = window[~np.isnan(window)]
    if len(window) < least_known(feature.kind, feature.days):
        return np.nan
    return float(window.mean() if feature.kind == "mean" else window.std(ddof=1))


@dataclass(frozen=True, eq=False)
class Series:
    """One series, its periods in order. Each has the time of its beginning.

    Attributes:
        key: the key that identifies the series.
        features: the features in the columns of ``x``.
        days: (n,) the known periods.
        y: (n,) their targets.
        x: (n, features) their features.
        first: the first period of ``values``.
        values: the target period by period up to the last known one, NaN where it is unknown; lags are read
            from it.
        future_days: (h,) the periods to forecast.
        future_x: (h, features) their features; NaN for features derived from the target.
        clock: the length of the periods.
    """

    key: str
    features: tuple[Feature, ...]
    days: np.ndarray
    y: np.ndarray
    x: np.ndarray
    first: np.datetime64
    values: np.ndarray
    future_days: np.ndarray
    future_x: np.ndarray
    clock: Clock = field(default_factory=Clock)

    @property
    def last(self) -> np.datetime64:
        """The last period with a target."""
        return self.clock.start(self.clock.number(self.first) + len(self.values) - 1)

    @property
    def places(self) -> np.ndarray:
        """The places of the known periods in ``values``."""
        return self.clock.numbers(self.days) - self.clock.number(self.first)

    @property
    def steps(self) -> np.ndarray:
        """The number of periods from the last known one to each future one."""
        return self.clock.numbers(self.future_days) - self.clock.number(self.last)

    @property
    def level(self) -> float:
        """The recent mean absolute value, at least 1: the scale of a forecast's error."""
        recent = self.values[-self.clock.frequency.recent :]
        recent = recent[~np.isnan(recent)]
        return max(float(np.abs(recent).mean()) if len(recent) else 0.0, 1.0)

    @property
    def counts(self) -> bool:
        """Return whether all known values are whole numbers, none of them negative."""
        known = self.values[~np.isnan(self.values)]
        return bool((known >= 0).all() and (known == np.round(known)).all())

    def head(self, rows: int) -> Series:
        """The series as of the end of its first ``rows`` known rows; the other rows become future days.

        Given features whose future is unknown are filled as they would have been at that time: with the last
        value, or the mean of the same time of earlier years, or with the recent mean if there is none.
        """
        keep = int(self.places[rows - 1]) + 1
        to_come = self.x[rows:].copy()
        for column, feature in enumerate(self.features):
            if feature.own:
                to_come[:, column] = np.nan
            elif feature.future == "last":
                to_come[:, column] = self.x[rows - 1, column]
            elif feature.future == "past_only":
                steps = self.clock.numbers(self.days[rows:]) - self.clock.number(self.days[rows - 1])
                known = self.x[rows - 1 :, column][np.concatenate([[True], steps <= feature.days])]
                to_come[steps > feature.days, column] = known[-1]
            elif feature.future != "known":
                to_come[:, column] = _climate(
                    self.days[:rows],
                    self.x[:rows, column],
                    self.days[rows:],
                    self.clock.frequency.recent,
                )
        return Series(
            self.key,
            self.features,
            self.days[:rows],
            self.y[:rows],
            self.x[:rows],
            self.first,
            self.values[:keep],
            self.days[rows:],
            to_come,
            self.clock,
        )

    def ahead(self, periods: int) -> Series:
        """The series with its future limited to the next ``periods``."""
        end = self.clock.start(self.clock.number(self.days[-1]) + periods)
        near = self.future_days <= end
        return Series(
            self.key,
            self.features,
            self.days,
            self.y,
            self.x,
            self.first,
            self.values,
            self.future_days[near],
            self.future_x[near],
            self.clock,
        )

    def on_the_wall(self) -> Series:
        """The series by the clock on the wall, by which people live: the seasons of hours follow it.

        An hour that is skipped in spring is unknown, and one that occurs twice in fall has the mean of both. The
        known and the future periods keep their order and number.
        """
        clock = Clock(self.clock.frequency)
        if self.clock.timezone is None:
            return self
        starts = self.clock.starts(self.clock.number(self.first) + np.arange(len(self.values)))
        walls = clock.numbers(self.clock.walled(starts))
        places = walls - walls[0]
        known = ~np.isnan(self.values)
        length = int(places.max()) + 1
        count = np.bincount(places[known], minlength=length)
        total = np.bincount(places[known], self.values[known], minlength=length)
        values = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return Series(
            self.key,
            self.features,
            self.clock.walled(self.days),
            self.y,
            self.x,
            clock.start(int(walls[0])),
            values,
            self.clock.walled(self.future_days),
            self.future_x,
            clock,
        )

    def rolling(self) -> Rolling:
        """The future periods, to be forecast recursively."""
        return Rolling(self)


class Rolling:
    """The future periods of a series during a recursive forecast.

    An unknown feature is replaced by the mean of its column in the history.

    Attributes:
        x: (h, features) the features, filled row by row.
        y: (h,) the forecasts so far.
    """

    def __init__(self, series: Series) -> None:
        self._series = series
        self._fallback = series.x.mean(axis=0)
        self.x = np.where(np.isnan(series.future_x), self._fallback, series.future_x)
        self.y = np.zeros(len(self.x))
        self._places = series.steps + len(series.values) - 1
        last = int(self._places.max(initial=-1)) + 1
        self._values = np.full(max(last, len(series.values)), np.nan)
        self._values[: len(series.values)] = series.values

    def row(self, step: int) -> np.ndarray:
        """Return the features of a period, computed from the values known or forecast before it."""
        for column, feature in enumerate(self._series.features):
            if feature.own:
                value = past_value(feature, self._values, int(self._places[step]))
                self.x[step, column] = self._fallback[column] if np.isnan(value) else value
        row: np.ndarray = self.x[step]
        return row

    def add(self, step: int, value: float) -> None:
        """Record the forecast of a period."""
        self.y[step] = value
        self._values[self._places[step]] = value


def _climate(days: np.ndarray, values: np.ndarray, wanted: np.ndarray, recent: int) -> np.ndarray:
    """The mean of the periods within a week of the day of each wanted one in earlier years.

    Where there are none, the mean of the ``recent`` last ones.
    """
    of_year = pd.DatetimeIndex(days).dayofyear.to_numpy()
    found = np.full(len(wanted), values[-recent:].mean())
    for place, day in enumerate(pd.DatetimeIndex(wanted).dayofyear):
        apart = np.abs(of_year - day)
        near = (np.minimum(apart, 365 - apart) <= 7) & (days < wanted[place] - np.timedelta64(300, "D"))
        if near.any():
            found[place] = values[near].mean()
    return found


_ENOUGH = 60
"""The rows of a series that long lags must leave."""


def read_panel(
    frame: pd.DataFrame, features: Sequence[Feature], clock: Clock | None = None
) -> tuple[list[Series], dict[str, str]]:
    """Read a partition's rows as series.

    Args:
        frame: the columns key, time and target, then the features; rows after the last target are the future.
        features: the features in the columns.
        clock: the length of the periods; by default days.

    Returns:
        The series, and the reason for each key that was refused.
    """
    names = [feature.name for feature in features]
    frame = frame.copy()
    frame.columns = pd.Index(["KEY", "DATE", "TARGET", *names])
    frame["KEY"] = frame["KEY"].astype(str)
    frame["DATE"] = pd.to_datetime(frame["DATE"])
    frame[["TARGET", *names]] = frame[["TARGET", *names]].astype(float).replace([np.inf, -np.inf], np.nan)
    frame = frame.sort_values(["KEY", "DATE"], kind="stable")
    panel, refused = [], {}
    for key, rows in frame.groupby("KEY", sort=True):
        reason = _wrong(rows, clock or Clock())
        found = None if reason else _series(str(key), rows, tuple(features), clock or Clock())
        if isinstance(found, Series):
            panel.append(found)
        else:
            refused[str(key)] = reason or str(found)
    return panel, refused


def _wrong(rows: pd.DataFrame, clock: Clock) -> str | None:
    if rows["DATE"].isna().any():
        return "a row has no date"
    twice = rows.loc[rows["DATE"].duplicated(), "DATE"]
    if len(twice):
        times = int((rows["DATE"] == twice.iloc[0]).sum())
        at = str(twice.iloc[0]).removesuffix(" 00:00:00")
        return f"{at} occurs {times} times: each {clock.frequency.noun} must have exactly one row"
    if not rows["TARGET"].notna().any():
        return f"no {clock.frequency.noun} has a target"
    return None


def _series(key: str, rows: pd.DataFrame, features: tuple[Feature, ...], clock: Clock) -> Series | str:
    """Read the rows of a series.

    A feature of the past that is unknown because the target was is replaced by its mean: a gap costs its own
    rows, not those that look back at it. One that would look back beyond the first period costs its row, unless
    all would; a long lag then has nothing to say of a short history.
    """
    names = [feature.name for feature in features]
    days = clock.read(rows["DATE"])
    target = rows["TARGET"].to_numpy()
    x = rows[names].to_numpy()
    known = ~np.isnan(target)
    last = days[known][-1]
    future = days > last
    first = days[known][0]
    places = clock.numbers(days) - clock.number(first)
    values = np.full(int(places[known][-1]) + 1, np.nan)
    values[places[known]] = target[known]
    given = [column for column, feature in enumerate(features) if not feature.own]
    usable = known & ~np.isnan(x[:, given]).any(axis=1)
    if not usable.any():
        return f"none of its {int(known.sum())} {clock.frequency.plural} has all features"
    x, usable = _imputed(x, usable, places, features)
    holes = np.isnan(x[future][:, given]).any(axis=0)
    if holes.any():
        listed = ", ".join(names[given[i]] for i in np.flatnonzero(holes))
        return f"{listed}: no value on some of the future {clock.frequency.plural}"
    return Series(
        key, features, days[usable], target[usable], x[usable], first, values, days[future], x[future], clock
    )


def _imputed(
    x: np.ndarray, usable: np.ndarray, places: np.ndarray, features: Sequence[Feature]
) -> tuple[np.ndarray, np.ndarray]:
    """Replace the unknown features of the past, and return which rows are usable with them.

    The first rows, which would look back beyond the history, are given up as far as enough others remain.
    """
    own = [column for column, feature in enumerate(features) if feature.own]
    reach = {c: f.days if f.kind == "lag" else least_known(f.kind, f.days) for c, f in enumerate(features)}
    for column in sorted(own, key=lambda one: reach[one]):
        late = usable & ~(np.isnan(x[:, column]) & (places < reach[column]))
        usable = late if late.sum() >= min(_ENOUGH, usable.sum()) else usable
    found = x.copy()
    for column in own:
        known = x[usable, column]
        known = known[~np.isnan(known)]
        mean = float(known.mean()) if len(known) else 0.0
        found[usable, column] = np.where(np.isnan(x[usable, column]), mean, x[usable, column])
    return found, usable


def features_of(config: Sequence[Mapping[str, Any]]) -> tuple[Feature, ...]:
    """Read the features from a function's settings."""
    return tuple(Feature(**item) for item in config)
