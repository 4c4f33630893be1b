"""Prediction intervals by split-conformal calibration: as wide as the errors of a backtest were.

A score is an error over the square root of the series' level at the origin, the scale of counts. The quantiles of a
series' own scores, few as they are, are averaged with those of all series: n / (n + 28) is the weight of n own scores.
Both tails have their own quantile, since misses need not be even, with the correction for finite samples of
https://arxiv.org/abs/2107.07511, section 1. Origins are not exchangeable where the level drifts: coverage is what a
backtest shows, and is not guaranteed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from snowpipe_ml.models.backtest import Fold

_HALF = 28


class Calibration:
    """Intervals of one model, learnt from its folds.

    Args:
        folds: of one model, of all series.
        coverage: the part of the days that should lie inside, such as 0.8.
    """

    def __init__(self, folds: Iterable[Fold], coverage: float) -> None:
        own: dict[str, list[np.ndarray]] = defaultdict(list)
        for fold in folds:
            own[fold.key].append(fold.scores)
        self._tail = (1.0 - coverage) / 2
        self._own = {key: np.sort(np.concatenate(parts)) for key, parts in own.items()}
        self._pooled = np.sort(np.concatenate([*self._own.values(), np.zeros(0)]))

    def interval(self, key: str, predicted: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """The ends for some predictions of a series; NaN where nothing was learnt."""
        own = self._own.get(key, np.zeros(0))
        weight = len(own) / (len(own) + _HALF)
        low, high = self._tails(self._pooled)
        if len(own):
            own_low, own_high = self._tails(own)
            low, high = (1 - weight) * low + weight * own_low, (1 - weight) * high + weight * own_high
        width = math.sqrt(level)
        return predicted + low * width, predicted + high * width

    def _tails(self, scores: np.ndarray) -> tuple[float, float]:
        n = len(scores)
        if not n:
            return np.nan, np.nan
        rank = min(math.ceil((n + 1) * (1.0 - self._tail)), n)
        return float(scores[n - rank]), float(scores[rank - 1])
