"""The input of the models: series of known days with target and features, followed by future days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from snowpipe_ml.models.known_values import least_known

DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Feature:
    """A column of a model's input.

    Attributes:
        name: the name of the column.
        kind: ``lag``, ``mean`` or ``stddev`` of the target's past days; ``given`` for everything else.
        days: the number of days that a lag looks back, or the length of the window in days.
        future: for a given feature, ``known`` (such as a calendar), or the policy that fills its future days.
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
    """The value of a feature of the target's past on a day, equal to the SQL of a ``features`` step.

    Args:
        feature: the feature.
        values: the target day by day, NaN where it is unknown.
        at: the index of the day in ``values``.

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
    """One series, its days in order.

    Attributes:
        key: the key that identifies the series.
        features: the features in the columns of ``x``.
        days: (n,) the known days that have all features.
        y: (n,) their targets.
        x: (n, features) their features.
        first: the first day of ``values``.
        values: the target day by day up to the last known day, NaN where it is unknown; lags are read from
            it.
        future_days: (h,) the days to forecast.
        future_x: (h, features) their features; NaN for features derived from the target.
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

    @property
    def last(self) -> np.datetime64:
        """The last day with a target."""
        return self.first + (len(self.values) - 1) * DAY

    @property
    def level(self) -> float:
        """The mean absolute value of the last four weeks, at least 1: the scale of a forecast's error."""
        recent = self.values[-28:]
        recent = recent[~np.isnan(recent)]
        return max(float(np.abs(recent).mean()) if len(recent) else 0.0, 1.0)

    def head(self, rows: int) -> Series:
        """The series as of the end of its first ``rows`` known rows; the other rows become future days.

        Given features whose future is unknown are filled as they would have been at that time: with the
        mean of the same season of earlier years, or of the last four weeks if there is none.
        """
        keep = int((self.days[rows - 1] - self.first) / DAY) + 1
        to_come = self.x[rows:].copy()
        for column, feature in enumerate(self.features):
            if feature.own:
                to_come[:, column] = np.nan
            elif feature.future != "known":
                to_come[:, column] = _climate(self.days[:rows], self.x[:rows, column], self.days[rows:])
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
        )

    def ahead(self, days: int) -> Series:
        """The series with its future days limited to the next ``days``."""
        end = self.days[-1] + days * DAY
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
        )

    def rolling(self) -> Rolling:
        """The future days, to be forecast recursively."""
        return Rolling(self)


class Rolling:
    """The future days of a series during a recursive forecast.

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
        self._places = ((series.future_days - series.first) / DAY).astype(int)
        last = int(self._places.max(initial=-1)) + 1
        self._values = np.full(max(last, len(series.values)), np.nan)
        self._values[: len(series.values)] = series.values

    def row(self, step: int) -> np.ndarray:
        """Return the features of a day, computed from the values known or forecast before it."""
        for column, feature in enumerate(self._series.features):
            if feature.own:
                value = past_value(feature, self._values, int(self._places[step]))
                self.x[step, column] = self._fallback[column] if np.isnan(value) else value
        row: np.ndarray = self.x[step]
        return row

    def add(self, step: int, value: float) -> None:
        """Record the forecast of a day."""
        self.y[step] = value
        self._values[self._places[step]] = value


def _climate(days: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The mean of the days within a week of each wanted day in earlier years.

    Where there are none, the mean of the last four weeks.
    """
    of_year = pd.DatetimeIndex(days).dayofyear.to_numpy()
    found = np.full(len(wanted), values[-28:].mean())
    for place, day in enumerate(pd.DatetimeIndex(wanted).dayofyear):
        apart = np.abs(of_year - day)
        near = (np.minimum(apart, 365 - apart) <= 7) & (days < wanted[place] - 300 * DAY)
        if near.any():
            found[place] = values[near].mean()
    return found


def read_panel(frame: pd.DataFrame, features: Sequence[Feature]) -> tuple[list[Series], dict[str, str]]:
    """Read a partition's rows as series.

    Args:
        frame: the columns key, day and target, then the features; days after the last target are future days.
        features: the features in the columns.

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
        reason = _wrong(rows)
        found = None if reason else _series(str(key), rows, tuple(features))
        if isinstance(found, Series):
            panel.append(found)
        else:
            refused[str(key)] = reason or str(found)
    return panel, refused


def _wrong(rows: pd.DataFrame) -> str | None:
    if rows["DATE"].isna().any():
        return "a row has no date"
    twice = rows.loc[rows["DATE"].duplicated(), "DATE"]
    if len(twice):
        times = int((rows["DATE"] == twice.iloc[0]).sum())
        return f"{twice.iloc[0]:%Y-%m-%d} occurs {times} times: each day must have exactly one row"
    if not rows["TARGET"].notna().any():
        return "no day has a target"
    return None


def _series(key: str, rows: pd.DataFrame, features: tuple[Feature, ...]) -> Series | str:
    names = [feature.name for feature in features]
    days = rows["DATE"].to_numpy().astype("datetime64[D]")
    target = rows["TARGET"].to_numpy()
    x = rows[names].to_numpy()
    known = ~np.isnan(target)
    last = days[known][-1]
    usable = known & ~np.isnan(x).any(axis=1)
    future = days > last
    if not usable.any():
        return f"none of its {int(known.sum())} days has all features"
    first = days[known][0]
    values = np.full(int((last - first) / DAY) + 1, np.nan)
    values[((days[known] - first) / DAY).astype(int)] = target[known]
    given = [column for column, feature in enumerate(features) if not feature.own]
    holes = np.isnan(x[future][:, given]).any(axis=0)
    if holes.any():
        listed = ", ".join(names[given[i]] for i in np.flatnonzero(holes))
        return f"{listed}: no value on some of the future days"
    return Series(
        key, features, days[usable], target[usable], x[usable], first, values, days[future], x[future]
    )


def features_of(config: Sequence[Mapping[str, Any]]) -> tuple[Feature, ...]:
    """Read the features from a function's settings."""
    return tuple(Feature(**item) for item in config)
