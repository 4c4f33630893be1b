"""Prediction intervals by split-conformal calibration on the errors of a backtest.

A score is an error divided by the square root of the series' level at the origin, the scale of count data.
A series has few scores of its own, so their quantiles are averaged with those of all series; n own scores
have the weight n / (n + 28). Each tail has its own quantile, because errors need not be symmetric. The
quantile is the p (n + 1)-th of n scores as in https://arxiv.org/abs/2107.07511, section 1, but it is
interpolated between two scores. Taking the upper score instead would never be too narrow, and with a month
of scores would cover 86 % where 80 % is requested. Origins are not exchangeable when the level drifts, so
the coverage is empirical, as a backtest shows it, and not guaranteed.

Recent scores weigh more, with a half-life of three weeks (https://arxiv.org/abs/2202.13415): over ten
origins of the sample this lowered the interval score by 2 to 3 %, whatever the scale of the scores. There
is no interval beyond the horizon of the backtest: errors grow with the horizon, and nothing measures by how
much.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from snowpipe_ml.models.fold import Fold
from snowpipe_ml.models.panel import DAY

# The number of own scores at which a series' own quantiles weigh as much as the pooled ones.
_EQUAL_WEIGHT = 28
_HALF_LIFE = 21.0


class Calibration:
    """The calibrated intervals of one model.

    Args:
        tails: the (lower, upper) tail of each series, in units of the square root of its level.
        pooled: the tails for a series that is not in ``tails``; None if there were no folds to calibrate on.
        horizon: the number of days ahead for which the intervals are valid.
        coverage: the fraction of days that the intervals should contain.
    """

    def __init__(
        self,
        tails: Mapping[str, tuple[float, float]],
        pooled: tuple[float, float] | None,
        horizon: int,
        coverage: float,
    ) -> None:
        self._tails = dict(tails)
        self._pooled = pooled
        self._horizon = horizon
        self.coverage = coverage

    @property
    def calibrated(self) -> bool:
        """Return whether there were folds to calibrate on."""
        return self._pooled is not None

    @classmethod
    def of(cls, folds: Iterable[Fold], coverage: float, horizon: int) -> Calibration:
        """Calibrate on the folds of one model over all series.

        Args:
            folds: the model's forecasts with the actual values.
            coverage: the fraction of days that the intervals should contain, such as 0.8.
            horizon: the number of days forecast from each origin.
        """
        own: dict[str, list[Fold]] = defaultdict(list)
        for fold in folds:
            own[fold.key].append(fold)
        if not own:
            return cls({}, None, horizon, coverage)
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
            weight = len(values) / (len(values) + _EQUAL_WEIGHT)
            low, high = _quantiles(values, weights[key], tail)
            tails[key] = ((1 - weight) * pooled[0] + weight * low, (1 - weight) * pooled[1] + weight * high)
        return cls(tails, pooled, horizon, coverage)

    def interval(
        self, key: str, predicted: np.ndarray, level: float, ahead: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper ends of the intervals for predictions of a series.

        The ends are NaN beyond the horizon, and everywhere if there were no folds to calibrate on.

        Args:
            key: the key of the series.
            predicted: (days,) the predictions.
            level: the series' level at the origin.
            ahead: (days,) the number of days from the origin to each prediction.
        """
        low, high = self._tails.get(key) or self._pooled or (np.nan, np.nan)
        width = np.where(ahead <= self._horizon, math.sqrt(level), np.nan)
        return predicted + low * width, predicted + high * width

    def to_json(self) -> dict[str, object]:
        """Return the calibration as JSON values for a manifest."""
        tails = {key: list(ends) for key, ends in self._tails.items()}
        return {
            "tails": tails,
            "pooled": self._pooled,
            "horizon": self._horizon,
            "coverage": self.coverage,
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Calibration:
        """Read the calibration from a manifest."""
        pooled = saved["pooled"]
        tails = {key: (low, high) for key, (low, high) in saved["tails"].items()}
        return cls(tails, pooled and (pooled[0], pooled[1]), saved["horizon"], saved["coverage"])


def _weights(fold: Fold, last: np.datetime64) -> np.ndarray:
    """The weight of each score, (days,), by its age at the last origin."""
    age = float((last - fold.origin) / DAY)
    return np.full(len(fold.days), 0.5 ** (age / _HALF_LIFE))


def _quantiles(scores: np.ndarray, weights: np.ndarray, tail: float) -> tuple[float, float]:
    """The weighted quantiles at both tails.

    With equal weights, the i-th of n scores is the i / (n + 1) quantile.
    """
    order = np.argsort(scores, kind="stable")
    ranks = np.cumsum(weights[order])
    ranks /= ranks[-1] * (1 + 1 / len(scores))
    low, high = np.interp([tail, 1.0 - tail], ranks, scores[order])
    return float(low), float(high)
