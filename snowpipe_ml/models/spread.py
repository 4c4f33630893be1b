"""Errors of simple smoothing from many past origins: how far a series strays from a forecast, by periods ahead.

A backtest refits its models, so it has few origins, and their errors share the shocks of a few fortnights. Smoothing
costs nothing, so it can be repeated from hundreds of origins of every history. Its errors show the scale of a series,
how it grows with the horizon, its skewness and its rare shocks. A model's errors are those times the ratio that the
backtest shows between the two.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from snowpipe_ml.models.forecasters.statistical import filled
from snowpipe_ml.models.panel import Series

_RATES = np.array([1.0, 0.6, 0.3, 0.15, 0.07, 0.03])  # of smoothing; 1 is the last value
_SEASONS = 4  # whose mean is the season
_LEAST_WINDOW = 60  # periods of which a level is the weighted mean
_MOST_ORIGINS = 200
_REACH = 40  # horizons of history whose errors are used
_HALF_LIFE = 20.0  # of an error's weight, in horizons
_PARTS = 4  # of the horizon, each with its own errors
_SMOOTH = 3.0  # errors of smoothing, beyond which the square root of a level says nothing of a series
_OF_CONSTANT = 0.3  # the unit of a series that was constant, in square roots of its level
_FEWEST = 8  # errors in a part, below which they say nothing


@dataclass(frozen=True, eq=False)
class Spread:
    """The errors of the best smoothing of a series.

    Attributes:
        forecast: (horizon,) its forecast from the end of the history.
        errors: for each part of the horizon, the errors in ascending order.
        ranks: for each, their cumulated weights at the middle of each error, from 0 to 1.
        means: for each, their weighted mean.
        size: their weighted mean absolute value.
        ends: the last period ahead of each part.
    """

    forecast: np.ndarray
    errors: tuple[np.ndarray, ...]
    ranks: tuple[np.ndarray, ...]
    means: np.ndarray
    size: float
    ends: np.ndarray

    @classmethod
    def of(cls, series: Series, horizon: int) -> Spread | None:
        """Return the spread at the end of a series' history; None if it is too short to have one.

        Args:
            series: the series, of which only the history is read.
            horizon: the periods ahead.
        """
        series = series.on_the_wall()
        values, season = series.values, series.clock.season
        whole = filled(values)
        first = max(min(2 * season, len(values) // 3), 1)
        origins = np.arange(max(first, len(values) - _REACH * horizon), len(values))
        if len(origins) > _MOST_ORIGINS:
            origins = origins[:: -(-len(origins) // _MOST_ORIGINS)]
        if not len(origins) or not horizon:
            return None
        asked = np.append(origins, len(values))
        forecasts = _smoothed(whole, asked, season, horizon)
        at = origins[:, None] + np.arange(horizon)
        actual = np.where(at < len(values), values[np.minimum(at, len(values) - 1)], np.nan)
        errors = actual - forecasts[:, :-1]
        weights = np.where(
            np.isnan(actual), 0.0, 0.5 ** ((len(values) - origins) / (_HALF_LIFE * horizon))[:, None]
        )
        if not weights.any():
            return None
        sizes = np.einsum("cot,ot->c", np.nan_to_num(np.abs(errors)), weights) / weights.sum()
        best = int(sizes.argmin())
        edges = np.unique(np.linspace(0, horizon, min(_PARTS, horizon) + 1).astype(int))
        kept, ranks, means = [], [], []
        for start, end in itertools.pairwise(edges):
            part, weight = errors[best, :, start:end].ravel(), weights[:, start:end].ravel()
            part, weight = part[weight > 0], weight[weight > 0]
            if len(part) < _FEWEST:
                return None
            order = np.argsort(part, kind="stable")
            total = np.cumsum(weight[order])
            kept.append(part[order])
            ranks.append((total - weight[order] / 2) / total[-1])
            means.append(float(np.average(part, weights=weight)))
        return cls(
            forecasts[best, -1], tuple(kept), tuple(ranks), np.array(means), float(sizes[best]), edges[1:]
        )

    def offsets(self, probabilities: np.ndarray, ahead: np.ndarray) -> np.ndarray:
        """Return the quantiles of the errors around their mean, (probabilities, periods).

        Args:
            probabilities: the probabilities.
            ahead: (periods,) the number of periods ahead, up to the horizon.
        """
        of = np.array([np.interp(probabilities, r, e) for r, e in zip(self.ranks, self.errors, strict=True)])
        parts = np.minimum(np.searchsorted(self.ends, ahead), len(self.ends) - 1)
        found: np.ndarray = (of - self.means[:, None])[parts].T
        return found


def _smoothed(values: np.ndarray, origins: np.ndarray, season: int, horizon: int) -> np.ndarray:
    """The forecasts of all smoothings, (smoothings, origins, horizon).

    Each has one of the rates; a season that is the mean of the last ones, the last one, or none; and a slope or none.

    Args:
        values: the values period by period, without gaps.
        origins: the numbers of known values before each origin, at least 1.
        season: the periods of a season.
        horizon: the periods ahead.
    """
    seasons = max(_SEASONS, -(-_LEAST_WINDOW // season))
    length = seasons * season
    start = np.resize(values[:season], length) if len(values) >= season else np.full(length, values[0])
    raw = np.lib.stride_tricks.sliding_window_view(np.concatenate([start, values]), length)[origins]
    ages = np.arange(length)[::-1]
    weights = _RATES[:, None] * (1 - _RATES[:, None]) ** ages
    weights = (weights / weights.sum(axis=1, keepdims=True)).T
    by_season = raw[:, -_SEASONS * season :].reshape(len(raw), _SEASONS, season)
    means = by_season.mean(axis=2)
    back = 1 if season > 1 else _SEASONS - 1
    slope = (means[:, -1] - means[:, -1 - back]) / (back * season)
    # A smoothed level lags behind a slope by its mean age.
    lags = (1 - _RATES) / _RATES
    steps, phases = np.arange(1, horizon + 1), np.arange(horizon) % season
    levels, by_phase = raw @ weights, weights.reshape(seasons, season, -1).sum(axis=0)
    within = np.arange(season) - (season - 1) / 2
    found = []
    for rise in (np.zeros(len(raw)), slope):
        apart = by_season - means[:, :, None] - rise[:, None, None] * within
        profiles = [np.zeros((len(raw), season))]
        if season > 1:
            profiles += [apart.mean(axis=1) * _SEASONS / (_SEASONS + 1), apart[:, -1]]
        moved = rise[None, :, None] * (lags[:, None, None] + steps)
        found += [(levels - own @ by_phase).T[:, :, None] + own[None, :, phases] + moved for own in profiles]
    return np.concatenate(found)


def unit_of(level: float, spread: Spread | None) -> float:
    """Return the unit of a series' errors: between the square root of its level and the errors of smoothing.

    The first is the scale of counts; the second is right for any series, but it is itself an estimate. Of rates, and of
    anything else that is far smoother than counts, only the second is used.
    """
    root = math.sqrt(level)
    if spread is None:
        return root
    if spread.size <= 1e-9 * level:
        return _OF_CONSTANT * root
    return math.sqrt(min(root, _SMOOTH * spread.size) * spread.size)
