"""Prediction intervals by split-conformal calibration: as wide as the errors of a backtest were.

A score is an error over the square root of the series' level at the origin, the scale of counts. The quantiles of a
series' own scores, few as they are, are averaged with those of all series: n / (n + 28) is the weight of n own scores.
Both tails have their own quantile, since misses need not be even. It is the p (n + 1)-th of n scores as in
https://arxiv.org/abs/2107.07511, section 1, but between two scores it is interpolated and not the upper one: that would
be never too narrow, and with a month of scores cover 86 % where 80 % are asked for. Origins are not exchangeable where
the level drifts: coverage is what a backtest shows, and is not guaranteed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from snowpipe_ml.models.backtest import Fold

_HALF = 28


class Calibration:
    """Intervals of one model.

    Args:
        tails: (lower, upper) tail of each series, in units of the square root of its level.
        pooled: those of a series that is not among these; None where nothing was learnt.
    """

    def __init__(self, tails: Mapping[str, tuple[float, float]], pooled: tuple[float, float] | None) -> None:
        self._tails = dict(tails)
        self._pooled = pooled

    @classmethod
    def of(cls, folds: Iterable[Fold], coverage: float) -> Calibration:
        """Learnt from the folds of one model, of all series.

        Args:
            folds: what it forecast, and what came true.
            coverage: the part of the days that should lie inside, such as 0.8.
        """
        own: dict[str, list[np.ndarray]] = defaultdict(list)
        for fold in folds:
            own[fold.key].append(fold.scores)
        if not own:
            return cls({}, None)
        scores = {key: np.concatenate(parts) for key, parts in own.items()}
        tail = (1.0 - coverage) / 2
        pooled = _quantiles(np.concatenate(list(scores.values())), tail)
        tails = {}
        for key, values in scores.items():
            weight = len(values) / (len(values) + _HALF)
            low, high = _quantiles(values, tail)
            tails[key] = ((1 - weight) * pooled[0] + weight * low, (1 - weight) * pooled[1] + weight * high)
        return cls(tails, pooled)

    def interval(self, key: str, predicted: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """The ends for some predictions of a series; NaN where nothing was learnt."""
        low, high = self._tails.get(key) or self._pooled or (np.nan, np.nan)
        width = math.sqrt(level)
        return predicted + low * width, predicted + high * width

    def to_json(self) -> dict[str, Any]:
        """As a manifest keeps it."""
        return {"tails": {key: list(tails) for key, tails in self._tails.items()}, "pooled": self._pooled}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Calibration:
        """From a manifest."""
        pooled = told["pooled"]
        return cls({key: (low, high) for key, (low, high) in told["tails"].items()}, pooled and (pooled[0], pooled[1]))


def _quantiles(scores: np.ndarray, tail: float) -> tuple[float, float]:
    low, high = np.quantile(scores, [tail, 1.0 - tail], method="weibull")
    return float(low), float(high)
