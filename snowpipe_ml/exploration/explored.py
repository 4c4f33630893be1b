"""The result of an exploration, for a page, for JSON and for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from snowpipe_ml.exploration.analysis import (
    CovariateEffect,
    Decomposition,
    HolidayEffect,
    Outlier,
    Stationarity,
)
from snowpipe_ml.exploration.queries import Overview, SeriesFacts, SeriesSummary
from snowpipe_ml.exploration.question import Question
from snowpipe_ml.exploration.seasons import Autocorrelation, Season


@dataclass(frozen=True)
class Gap:
    """Consecutive periods in which no series has a row."""

    first: str
    last: str
    periods: int


@dataclass(frozen=True)
class Coverage:
    """The periods of the table.

    Attributes:
        first: the first whole period.
        last: the last whole period.
        periods: the periods from the first to the last.
        gaps: the periods without any row.
        partial: the first and last period, where these are not whole and excluded.
    """

    first: str
    last: str
    periods: int
    gaps: list[Gap]
    partial: list[str]


@dataclass(frozen=True)
class Profiles:
    """How values depend on the calendar.

    Attributes:
        hour: the share of each hour of a day in the total; empty if times have no time of day.
        weekday_hour: the same by weekday, Monday first.
        weekday: the mean by weekday, Monday first, as a multiple of the mean; empty for longer periods.
        month: the mean by month, as a multiple of the mean; NaN for a month without data; empty for years.
    """

    hour: list[float]
    weekday_hour: list[list[float]]
    weekday: list[float]
    month: list[float]


@dataclass(frozen=True)
class Suggestion:
    """Suggested settings, with the reasons, and the steps as YAML.

    Attributes:
        frequency: the length of the periods.
        season: the periods of a season; 1 if there is none.
        lags: the lags of `features`.
        rolling: the windows of rolling means.
        date_features: the features of the date.
        fourier: the (period, order) of Fourier terms.
        holidays: whether holidays are a feature.
        exogenous: the columns of other tables that are features.
        horizon: the periods to forecast.
        model: the settings of the model.
        why: the reasons, by setting.
        yaml: the steps, to be pasted at the end of a spec.
    """

    frequency: str
    season: int
    lags: list[int]
    rolling: list[int]
    date_features: list[str]
    fourier: list[tuple[float, int]]
    holidays: bool
    exogenous: list[str]
    horizon: int
    model: Mapping[str, object]
    why: Mapping[str, str]
    yaml: str


@dataclass(frozen=True)
class Exploration:
    """The result of an exploration.

    Attributes:
        question: the table, its columns and the frequency of the periods.
        overview: the rows of the table.
        rhythm: how often the series have a row, in words.
        coverage: the periods, and those without rows.
        series: all series, summarized.
        top: the largest series.
        times: the beginning of each period.
        values: the total of each period, or the mean of the series; NaN where unknown.
        active: the number of series with rows in each period.
        largest: the values of the few largest series.
        profiles: how values depend on the calendar.
        autocorrelation: of the total.
        seasons: the candidates for a season, tested.
        decomposition: trend, season and remainder; None if there are too few periods.
        stationarity: tests of the total and its differences.
        outliers: the periods that are farthest from trend and season.
        holidays: the effects of holidays; empty if no country is known.
        covariates: the effects of columns of other tables.
        suggestion: the suggested settings.
        notes: what was not looked at, and why.
    """

    question: Question
    overview: Overview
    rhythm: str
    coverage: Coverage
    series: SeriesSummary
    top: list[SeriesFacts]
    times: list[str]
    values: np.ndarray
    active: list[int]
    largest: Mapping[str, np.ndarray]
    profiles: Profiles
    autocorrelation: Autocorrelation
    seasons: list[Season]
    decomposition: Decomposition | None
    stationarity: list[Stationarity]
    outliers: list[Outlier]
    holidays: list[HolidayEffect]
    covariates: list[CovariateEffect]
    suggestion: Suggestion
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return everything as values of JSON."""
        q, found = self.question, self.decomposition
        return {
            "table": q.table.sql,
            "series": q.series.sql,
            "time": q.time.sql,
            "value": q.value.sql if q.value is not None else None,
            "aggregate": q.settings.how,
            "unit": q.unit,
            "rows": _plain(asdict(self.overview)),
            "rhythm": self.rhythm,
            "coverage": _plain(asdict(self.coverage)),
            "series_summary": _plain(asdict(self.series)),
            "top_series": [{**_plain(asdict(one)), "empty": round(one.empty, 4)} for one in self.top],
            "values": {
                "time": self.times,
                "value": numbers(self.values),
                "series": self.active,
                "largest": {key: numbers(values) for key, values in self.largest.items()},
            },
            "profiles": _plain(asdict(self.profiles)),
            "autocorrelation": _plain(asdict(self.autocorrelation)),
            "seasons": [{**_plain(asdict(one)), "found": one.found} for one in self.seasons],
            "decomposition": None
            if found is None
            else {
                "season": found.season,
                "time": self.times[found.start :],
                "trend": numbers(found.trend),
                "seasonal": numbers(found.seasonal),
                "remainder": numbers(found.remainder),
            },
            "stationarity": [_plain(asdict(one)) for one in self.stationarity],
            "outliers": [_plain(asdict(one)) for one in self.outliers],
            "holidays": [_plain(asdict(one)) for one in self.holidays],
            "exogenous": [_plain(asdict(one)) for one in self.covariates],
            "suggestion": _plain(asdict(self.suggestion)),
            "notes": self.notes,
        }


def numbers(values: np.ndarray) -> list[float | None]:
    """Return values with five digits, and None for NaN."""
    return [None if np.isnan(value) else float(f"{value:.5g}") for value in values]


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: texts for times, None for NaN."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, date | datetime):
        return str(value)
    if isinstance(value, float) and np.isnan(value):
        return None
    return value
