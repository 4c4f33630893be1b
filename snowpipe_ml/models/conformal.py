"""Prediction intervals by split-conformal calibration: as wide as the errors of a backtest were.

A score is an error over the square root of the series' level at the origin, the scale of counts. The quantiles of a
series' own scores, few as they are, are averaged with those of all series: n / (n + 28) is the weight of n own scores.
Both tails have their own quantile, since misses need not be even. It is the p (n + 1)-th of n scores as in
https://arxiv.org/abs/2107.07511, section 1, but between two scores it is interpolated and not the upper one: that would
be never too narrow, and with a month of scores cover 86 % where 80 % are asked for. Origins are not exchangeable where
the level drifts: coverage is what a backtest shows, and is not guaranteed.

The younger a score the more it counts, half as much every three weeks (https://arxiv.org/abs/2202.13415): over ten
origins of the sample it brought the interval score down by 2 to 3 %, whatever the scale of the scores. Further ahead
than the backtest looked there is no interval: errors grow with the horizon, and nothing says how much.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from snowpipe_ml.models.panel import DAY

if TYPE_CHECKING:
    from snowpipe_ml.models.backtest import Fold

_HALF = 28
_HALF_LIFE = 21.0


class Calibration:
    """Intervals of one model.

    Args:
        tails: (lower, upper) tail of each series, in units of the square root of its level.
        pooled: those of a series that is not among these; None where nothing was learnt.
        horizon: how many days ahead they hold.
    """

    def __init__(
        self, tails: Mapping[str, tuple[float, float]], pooled: tuple[float, float] | None, horizon: int
    ) -> None:
        self._tails = dict(tails)
        self._pooled = pooled
        self._horizon = horizon

    @classmethod
    def of(cls, folds: Iterable[Fold], coverage: float, horizon: int) -> Calibration:
        """Learnt from the folds of one model, of all series.

        Args:
            folds: what it forecast, and what came true.
            coverage: the part of the days that should lie inside, such as 0.8.
            horizon: days that were forecast from each origin.
        """
        own: dict[str, list[Fold]] = defaultdict(list)
        for fold in folds:
            own[fold.key].append(fold)
        if not own:
            return cls({}, None, horizon)
        last = max(fold.origin for parts in own.values() for fold in parts)
        scores = {key: np.concatenate([fold.scores for fold in parts]) for key, parts in own.items()}
        weights = {
            key: np.concatenate([_weights(fold, last) for fold in parts]) for key, parts in own.items()
        }
        tail = (1.0 - coverage) / 2
        pooled = _quantiles(
            np.concatenate(list(scores.values())), np.concatenate(list(weights.values())), tail
        )
        tails = {}
        for key, values in scores.items():
            weight = len(values) / (len(values) + _HALF)
            low, high = _quantiles(values, weights[key], tail)
            tails[key] = ((1 - weight) * pooled[0] + weight * low, (1 - weight) * pooled[1] + weight * high)
        return cls(tails, pooled, horizon)

    def interval(
        self, key: str, predicted: np.ndarray, level: float, ahead: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The ends for some predictions of a series; NaN where nothing was learnt, or nothing so far ahead.

        Args:
            key: of the series.
            predicted: (days,).
            level: the series' level at the origin.
            ahead: (days,) how many days after the origin each is.
        """
        low, high = self._tails.get(key) or self._pooled or (np.nan, np.nan)
        width = np.where(ahead <= self._horizon, math.sqrt(level), np.nan)
        return predicted + low * width, predicted + high * width

    def to_json(self) -> dict[str, Any]:
        """As a manifest keeps it."""
        tails = {key: list(ends) for key, ends in self._tails.items()}
        return {"tails": tails, "pooled": self._pooled, "horizon": self._horizon}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Calibration:
        """From a manifest."""
        pooled = told["pooled"]
        tails = {key: (low, high) for key, (low, high) in told["tails"].items()}
        return cls(tails, pooled and (pooled[0], pooled[1]), told["horizon"])


def _weights(fold: Fold, last: np.datetime64) -> np.ndarray:
    """(days,) what each score counts, as seen from the last origin."""
    age = float((last - fold.origin) / DAY)
    return np.full(len(fold.days), 0.5 ** (age / _HALF_LIFE))


def _quantiles(scores: np.ndarray, weights: np.ndarray, tail: float) -> tuple[float, float]:
    """Those at both tails. With equal weights the i-th of n scores is the i / (n + 1) quantile."""
    order = np.argsort(scores, kind="stable")
    ranks = np.cumsum(weights[order])
    ranks /= ranks[-1] * (1 + 1 / len(scores))
    low, high = np.interp([tail, 1.0 - tail], ranks, scores[order])
    return float(low), float(high)
