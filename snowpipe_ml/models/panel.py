"""Series as models see them: known days with target and features, and the days to come."""

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
        name: the column.
        kind: ``lag``, ``mean`` or ``stddev`` of the target's past days; ``given`` for all else.
        days: how many days back, or over how many days.
        future: of a given one: ``known`` (a calendar), or the policy that fills the days to come.
    """

    name: str
    kind: str = "given"
    days: int = 0
    future: str = "known"

    @property
    def own(self) -> bool:
        """Return whether it is made of the target itself."""
        return self.kind != "given"


def past_value(feature: Feature, values: np.ndarray, at: int) -> float:
    """A feature of the target's past on a day, as the SQL of a ``features`` step has it; NaN where it is unknown.

    Args:
        feature: which.
        values: the target day by day, NaN where it is unknown.
        at: the day's place in ``values``.
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
        key: what tells it apart.
        features: of the columns of ``x``.
        days: (n,) the known days that have all features.
        y: (n,) their targets.
        x: (n, features) their features.
        first: the first day of ``values``.
        values: the target day by day up to the last known one, NaN where it is unknown: what lags are looked up in.
        future_days: (h,) the days to come.
        future_x: (h, features) their features; those of the target itself are NaN.
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
        """The mean of the last four weeks: the scale of a forecast's error."""
        recent = self.values[-28:]
        recent = recent[~np.isnan(recent)]
        return max(float(np.abs(recent).mean()) if len(recent) else 0.0, 1.0)

    def head(self, rows: int) -> Series:
        """The same series when only its first known rows had happened; the rest is to come.

        Given features whose future nobody knows are filled as they would have been then: with what the same time of
        other years had, or else the last four weeks.
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
        """The same with no more than some days to come."""
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
        """The days to come, to be forecast one after the other."""
        return Rolling(self)


class Rolling:
    """The days to come of a series while they are forecast.

    A feature that is unknown is the mean of its column in the history.

    Attributes:
        x: (h, features) filled row by row.
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
        """The features of a day, from what was known or forecast before it."""
        for column, feature in enumerate(self._series.features):
            if feature.own:
                value = past_value(feature, self._values, int(self._places[step]))
                self.x[step, column] = self._fallback[column] if np.isnan(value) else value
        row: np.ndarray = self.x[step]
        return row

    def add(self, step: int, value: float) -> None:
        """Note the forecast of a day."""
        self.y[step] = value
        self._values[self._places[step]] = value


def _climate(days: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The mean of the days of other years within a week of each wanted one; of the last four weeks where none are."""
    of_year = pd.DatetimeIndex(days).dayofyear.to_numpy()
    found = np.full(len(wanted), values[-28:].mean())
    for place, day in enumerate(pd.DatetimeIndex(wanted).dayofyear):
        apart = np.abs(of_year - day)
        near = (np.minimum(apart, 365 - apart) <= 7) & (days < wanted[place] - 300 * DAY)
        if near.any():
            found[place] = values[near].mean()
    return found


def read_panel(frame: pd.DataFrame, features: Sequence[Feature]) -> tuple[list[Series], dict[str, str]]:
    """A partition's rows as series.

    Args:
        frame: columns key, day, target, then the features; the days after the last one with a target are to come.
        features: of the columns.

    Returns:
        The series, and for each key that is none the reason.
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
        return f"{twice.iloc[0]:%Y-%m-%d} is there {int((rows['DATE'] == twice.iloc[0]).sum())} times: a day has one row"
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
        return f"{', '.join(names[given[i]] for i in np.flatnonzero(holes))}: no value on some of the days to come"
    return Series(
        key, features, days[usable], target[usable], x[usable], first, values, days[future], x[future]
    )


def features_of(config: Sequence[Mapping[str, Any]]) -> tuple[Feature, ...]:
    """Features as a function's settings have them."""
    return tuple(Feature(**item) for item in config)
