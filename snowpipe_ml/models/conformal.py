"""Prediction intervals and quantiles by split-conformal calibration on the errors of a backtest.

A score is an error divided by the square root of the series' level at the origin, the scale of count data.
One series has few scores, so their quantiles are averaged with those of all series; its n scores have the weight
n / (n + 2 h), where h is the horizon. Each tail has its own quantile, because errors need not be symmetric. The
quantile is the p (n + 1)-th of n scores as in https://arxiv.org/abs/2107.07511, section 1, but it is
interpolated between two scores. Taking the upper score instead would never be too narrow, and with a month
of scores would cover 86 % where 80 % is requested. Origins are not exchangeable when the level drifts, so
the coverage is empirical, as a backtest shows it, and not guaranteed.

The scores of an origin share its shocks, such as the weather of a fortnight, so that a few origins say less
about the tails than their number of scores does. With o origins, counted by their weights, a tail of p is taken
as p o / (o + 1/4). Over twelve panels, intervals of 80 % from two to four origins covered 86 % of the next with
o + 1, and 81 % without any term; with 1/4 they should cover about 82 %, which was interpolated and not measured. For
the same reason only o / (o + 1) of the scores' median moves the interval: that forecasts were too low on one origin
says little about the next. This lowered the weighted quantile loss by 1.3 %.

Recent scores weigh more, with a half-life of one and a half horizons (https://arxiv.org/abs/2202.13415): over ten
origins of the sample this lowered the interval score by 2 to 3 % for horizons of a fortnight, whatever the scale of
the scores. There is no interval beyond the horizon of the backtest: errors grow with the horizon, and nothing
measures by how much.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from snowpipe_ml.models.fold import Fold

# The number of own scores, in horizons, at which a series' own quantiles weigh as much as the pooled ones.
_EQUAL_WEIGHT = 2.0
# Origins that are added to those there are, in the tails.
_CAUTION = 0.25
# In horizons: three weeks for horizons of a fortnight.
_HALF_LIFE = 1.5


class Calibration:
    """The calibrated intervals and quantiles of one model.

    Args:
        offsets: of each series, the quantiles of its scores, in units of the square root of its level: the lower
            and the upper end of the interval, and then ``quantiles``.
        pooled: the same for a series that is not in ``offsets``; None if there were no folds to calibrate on.
        horizon: the number of days ahead for which they are valid.
        coverage: the fraction of days that the intervals should contain.
        quantiles: the probabilities of the quantiles, ascending.
    """

    def __init__(
        self,
        offsets: Mapping[str, tuple[float, ...]],
        pooled: tuple[float, ...] | None,
        horizon: int,
        coverage: float,
        quantiles: Sequence[float] = (),
    ) -> None:
        self._offsets = dict(offsets)
        self._pooled = pooled
        self._horizon = horizon
        self.coverage = coverage
        self.probabilities = tuple(quantiles)

    @property
    def calibrated(self) -> bool:
        """Return whether there were folds to calibrate on."""
        return self._pooled is not None

    @classmethod
    def of(
        cls, folds: Iterable[Fold], coverage: float, horizon: int, quantiles: Sequence[float] = ()
    ) -> Calibration:
        """Calibrate on the folds of one model over all series.

        Args:
            folds: the model's forecasts with the actual values.
            coverage: the fraction of days that the intervals should contain, such as 0.8.
            horizon: the number of days forecast from each origin.
            quantiles: the probabilities of further quantiles, ascending.
        """
        own: dict[str, list[Fold]] = defaultdict(list)
        for fold in folds:
            own[fold.key].append(fold)
        if not own:
            return cls({}, None, horizon, coverage, quantiles)
        last = max(fold.period for parts in own.values() for fold in parts)
        half_life = _HALF_LIFE * horizon
        scores = {key: np.concatenate([fold.scores for fold in parts]) for key, parts in own.items()}
        weights = {
            key: np.concatenate([_weights(fold, last, half_life) for fold in parts])
            for key, parts in own.items()
        }
        tail = (1.0 - coverage) / 2
        origins = _effective(
            {fold.number: _weight(fold, last, half_life) for parts in own.values() for fold in parts}
        )
        wanted = _widened(np.array([tail, 1.0 - tail, *quantiles]), origins)
        pooled = _offsets(
            np.concatenate(list(scores.values())), np.concatenate(list(weights.values())), wanted, origins
        )
        offsets = {}
        for key, values in scores.items():
            weight = len(values) / (len(values) + _EQUAL_WEIGHT * horizon)
            mixed = (1 - weight) * pooled + weight * _offsets(values, weights[key], wanted, origins)
            offsets[key] = tuple(mixed.tolist())
        return cls(offsets, tuple(pooled.tolist()), horizon, coverage, quantiles)

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
        ends = self._around(key, predicted, level, ahead)
        return ends[0], ends[1]

    def quantiles(self, key: str, predicted: np.ndarray, level: float, ahead: np.ndarray) -> np.ndarray:
        """Return the quantiles for predictions of a series, (quantiles, days); the arguments are as above.

        A higher quantile is never below a lower one: they are offsets from the same scores.
        """
        return self._around(key, predicted, level, ahead)[2:]

    def _around(self, key: str, predicted: np.ndarray, level: float, ahead: np.ndarray) -> np.ndarray:
        nothing = (np.nan,) * (2 + len(self.probabilities))
        offsets = np.array(self._offsets.get(key) or self._pooled or nothing)
        width = np.where(ahead <= self._horizon, math.sqrt(level), np.nan)
        found: np.ndarray = predicted + offsets[:, None] * width
        return found

    def to_json(self) -> dict[str, object]:
        """Return the calibration as JSON values for a manifest."""
        return {
            "offsets": {key: list(own) for key, own in self._offsets.items()},
            "pooled": self._pooled,
            "horizon": self._horizon,
            "coverage": self.coverage,
            "quantiles": list(self.probabilities),
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Calibration:
        """Read the calibration from a manifest."""
        pooled = saved["pooled"]
        offsets = {key: tuple(own) for key, own in saved["offsets"].items()}
        return cls(offsets, pooled and tuple(pooled), saved["horizon"], saved["coverage"], saved["quantiles"])


def _widened(probabilities: np.ndarray, origins: float) -> np.ndarray:
    """The probabilities with tails that allow for few origins."""
    part = origins / (origins + _CAUTION)
    found: np.ndarray = np.where(
        probabilities == 0.5,
        probabilities,
        np.where(probabilities < 0.5, probabilities * part, 1 - (1 - probabilities) * part),
    )
    return found


def _weights(fold: Fold, last: int, half_life: float) -> np.ndarray:
    """The weight of each score, (periods,), by its age at the last origin."""
    return np.full(len(fold.days), _weight(fold, last, half_life))


def _weight(fold: Fold, last: int, half_life: float) -> float:
    return float(0.5 ** ((last - fold.period) / half_life))


def _effective(weights: Mapping[int, float]) -> float:
    """The number of equally weighted origins that are worth as much as these (Kish 1965)."""
    values = np.array(list(weights.values()))
    return float(values.sum() ** 2 / (values**2).sum())


def _offsets(
    scores: np.ndarray, weights: np.ndarray, probabilities: np.ndarray, origins: float
) -> np.ndarray:
    """The quantiles, with the part of their median that few origins do not prove taken off all of them."""
    found = _quantiles(scores, weights, np.append(probabilities, 0.5))
    moved: np.ndarray = found[:-1] - found[-1] / (origins + 1)
    return moved


def _quantiles(scores: np.ndarray, weights: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The weighted quantiles.

    With equal weights, the i-th of n scores is the i / (n + 1) quantile.
    """
    order = np.argsort(scores, kind="stable")
    ranks = np.cumsum(weights[order])
    ranks /= ranks[-1] * (1 + 1 / len(scores))
    found: np.ndarray = np.interp(probabilities, ranks, scores[order])
    return found
