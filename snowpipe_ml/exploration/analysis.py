"""Decomposition, stationarity, outliers and effects of the total of all series."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from snowpipe_ml.exploration.seasons import rounded, trend

# The last periods of a longer history.
_LONGEST = 3000  # that are decomposed
_TESTED = 1000  # that are tested for stationarity
_FEWEST = 16
_OUTLIER = 3.5  # robust standard deviations
_MOST_OUTLIERS = 30


@dataclass(frozen=True)
class Decomposition:
    """A total as the sum of trend, season and remainder, by STL: https://otexts.com/fpp3/stl.html.

    Attributes:
        season: the periods of the season; 1 if there is none.
        start: the place of the first decomposed period.
        trend: the trend.
        seasonal: the season.
        remainder: the rest.
    """

    season: int
    start: int
    trend: np.ndarray
    seasonal: np.ndarray
    remainder: np.ndarray

    @property
    def expected(self) -> np.ndarray:
        """The trend and the season together."""
        return np.asarray(self.trend + self.seasonal)

    @property
    def scale(self) -> float:
        """The robust standard deviation of the remainder."""
        middle = np.median(self.remainder)
        return 1.4826 * float(np.median(np.abs(self.remainder - middle)))


@dataclass(frozen=True)
class Stationarity:
    """Two tests of the same series that have opposite null hypotheses.

    Attributes:
        of: the series: the values, or differences of them.
        adf: the statistic of the augmented Dickey-Fuller test; its null hypothesis is a unit root.
        adf_p: its p-value.
        kpss: the statistic of the KPSS test; its null hypothesis is a stationary series.
        kpss_p: its p-value, between 0.01 and 0.1.
        reading: what the two say together.
    """

    of: str
    adf: float
    adf_p: float
    kpss: float
    kpss_p: float
    reading: str


@dataclass(frozen=True)
class Outlier:
    """A period whose value is far from trend and season; ``score`` counts robust standard deviations."""

    time: str
    value: float
    expected: float
    score: float
    note: str


@dataclass(frozen=True)
class HolidayEffect:
    """The mean difference from trend and season on the days of a holiday.

    Attributes:
        name: the holiday, or the days next to holidays.
        days: the number of days.
        percent: the difference from the expected values, in percent.
        score: the difference in standard errors.
    """

    name: str
    days: int
    percent: float
    score: float


@dataclass(frozen=True)
class CovariateEffect:
    """How a column of another table goes with the values, beyond trend and season.

    Attributes:
        column: the table and the column.
        periods: the periods with both values.
        correlation: the correlation of both around their trends.
        slope: the change of the value with a rise of the column by one.
        p_value: the probability of such a correlation by chance, as if periods were independent.
    """

    column: str
    periods: int
    correlation: float
    slope: float
    p_value: float


def decompose(values: np.ndarray, season: int) -> Decomposition | None:
    """Decompose the last values by STL, robustly; None if there are too few."""
    from statsmodels.tsa.seasonal import STL

    start = max(0, len(values) - _LONGEST)
    shown = values[start:]
    if len(shown) < max(_FEWEST, 2 * season):
        return None
    if season < 2:
        smooth = trend(shown, max(3, min(len(shown) // 8, 61) | 1))
        return Decomposition(1, start, smooth, np.zeros(len(shown)), shown - smooth)
    found = STL(shown, period=season, robust=True).fit()
    return Decomposition(
        season, start, np.asarray(found.trend), np.asarray(found.seasonal), np.asarray(found.resid)
    )


def stationarity(values: np.ndarray, season: int) -> list[Stationarity]:
    """Test the values, their differences, and their differences from a season before."""
    found = []
    for name, series in (
        ("values", values),
        ("differences", np.diff(values)),
        (f"differences over {season} periods", values[season:] - values[:-season] if season > 1 else None),
    ):
        if series is not None and len(series) >= _FEWEST and float(np.std(series)) > 0:
            found.append(_tested(name, series[-_TESTED:]))
    return found


def _tested(name: str, series: np.ndarray) -> Stationarity:
    from statsmodels.tsa.stattools import adfuller, kpss

    with warnings.catch_warnings():
        # The p-value of KPSS is looked up in a table, beyond whose ends statsmodels warns.
        warnings.simplefilter("ignore")
        adf, adf_p, *_ = adfuller(series, autolag="AIC")
        level, level_p, *_ = kpss(series, regression="c", nlags="auto")
    unit_root, unit_root_p, stays, stays_p = rounded(np.array([adf, adf_p, level, level_p]))
    return Stationarity(name, unit_root, unit_root_p, stays, stays_p, _reading(adf_p < 0.05, level_p < 0.05))


def _reading(no_unit_root: bool, moves: bool) -> str:
    if no_unit_root and not moves:
        return "stationary"
    if not no_unit_root and moves:
        return "not stationary: it has a unit root"
    if no_unit_root:
        return "the tests disagree: it returns to a level that moves, such as a trend"
    return "the tests cannot tell: too few periods, or a pattern such as a season"


def outliers(
    found: Decomposition, values: np.ndarray, times: Sequence[str], notes: Mapping[str, str]
) -> list[Outlier]:
    """Return the periods that are farthest from trend and season, the farthest first.

    Args:
        found: the decomposition.
        values: the values of all periods.
        times: the beginning of each period.
        notes: what is known about a time, such as the name of a holiday.
    """
    scale = found.scale
    if scale == 0:
        return []
    middle = float(np.median(found.remainder))
    scores = (found.remainder - middle) / scale
    places = [int(place) for place in np.argsort(-np.abs(scores)) if abs(scores[place]) > _OUTLIER]
    listed = []
    for place in places[:_MOST_OUTLIERS]:
        at = found.start + place
        value, expected, score = rounded(np.array([values[at], found.expected[place], scores[place]]))
        listed.append(Outlier(times[at], value, expected, score, notes.get(times[at][:10], "")))
    return listed


def holiday_effects(
    found: Decomposition, days: Sequence[date], holidays: Mapping[date, str]
) -> list[HolidayEffect]:
    """Return the effects of all holidays, of the days next to them, and of each holiday.

    Args:
        found: the decomposition of a daily total.
        days: the day of each decomposed period.
        holidays: the names of the holidays by day.
    """
    next_to = {
        "the days before": {day - timedelta(days=1) for day in holidays} - holidays.keys(),
        "the days after": {day + timedelta(days=1) for day in holidays} - holidays.keys(),
    }
    groups: dict[str, set[date]] = {"all holidays": set(holidays), **next_to}
    for day, name in sorted(holidays.items()):
        groups.setdefault(name, set()).add(day)
    effects = []
    for name, chosen in groups.items():
        places = [place for place, day in enumerate(days) if day in chosen]
        expected = float(found.expected[places].sum()) if places else 0.0
        if not places or expected == 0:
            continue
        rest = found.remainder[places]
        error = max(found.scale, 1e-9) / len(places) ** 0.5
        percent = 100 * float(rest.sum()) / abs(expected)
        effects.append(
            HolidayEffect(name, len(places), round(percent, 1), round(float(rest.mean()) / error, 2))
        )
    return effects


def covariate_effect(name: str, found: Decomposition, other: np.ndarray) -> CovariateEffect | None:
    """Return how another column goes with the remainder; None if it hardly changes or has few values.

    Args:
        name: the table and the column.
        found: the decomposition.
        other: the column's value in each decomposed period; NaN where there is none.
    """
    from scipy.stats import pearsonr

    known = ~np.isnan(other)
    if known.sum() < _FEWEST:
        return None
    filled = np.interp(np.arange(len(other)), np.flatnonzero(known), other[known])
    around = (filled - trend(filled, max(7, found.season | 1)))[known]
    # An outlier that has another cause, such as a closed day, would hide the effect.
    middle, reach = float(np.median(found.remainder)), _OUTLIER * found.scale
    rest = np.clip(found.remainder[known], middle - reach, middle + reach)
    if float(np.std(around)) == 0 or float(np.std(rest)) == 0:
        return None
    r, p = pearsonr(around, rest)
    slope = float(r) * float(np.std(rest)) / float(np.std(around))
    shown, change, chance = rounded(np.array([r, slope, p]))
    return CovariateEffect(name, int(known.sum()), shown, change, chance)
