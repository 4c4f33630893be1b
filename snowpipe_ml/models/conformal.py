"""Prediction intervals and quantiles from the errors of a backtest and of simple smoothing, and from models.

The first part of an interval is by split-conformal calibration on the errors of the backtest. A score is an error in units of
the series (:func:`snowpipe_ml.models.spread.unit_of`). One series has few scores, so their quantiles are averaged with
those of all series; its n scores have the weight n / (n + 2 h), where h is the horizon. Each tail has its own
quantile, because errors need not be symmetric. The quantile is the p (n + 1)-th of n scores as in
https://arxiv.org/abs/2107.07511, section 1, but it is interpolated between two scores. Recent scores weigh more, with
a half-life of one and a half horizons (https://arxiv.org/abs/2202.13415).

The second is from :class:`snowpipe_ml.models.spread.Spread`, as the few origins of a backtest share their shocks:
over fourteen panels, intervals of 80 % by the scores alone covered 62 to 90 % on each. Its errors are multiplied by
the ratio of the model's errors to those of smoothing over the same periods. The logarithm of the ratio is shrunk by
k / (k + 1) for k origins, and that of a series towards the one of all series.

The third are the intervals that statistical models state themselves, for the errors of a normal distribution. Those of
an ensemble's members are multiplied by the ratio of its errors to theirs, shrunk in the same way. They are not scaled by
how much they covered in the backtest: the origins share their shocks, so that says little about the next.

The three are combined by their geometric mean, so that one that is far too wide moves the others little. All are
centered: that forecasts were too low on a few origins says little about the next. Only where the median error of all
series had the same sign at every origin, of at least two, intervals and quantiles are moved by it. Origins are not
exchangeable when the level drifts, so the coverage is empirical and not guaranteed. There is no interval beyond the
horizon of the backtest: errors grow with the horizon, and nothing measures by how much.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from snowpipe_ml.models.base import STATED_COVERAGE
from snowpipe_ml.models.fold import Fold
from snowpipe_ml.models.spread import Spread, unit_of

# The number of own scores, in horizons, at which a series' own quantiles weigh as much as the pooled ones.
_EQUAL_WEIGHT = 2.0
# In horizons: three weeks for horizons of a fortnight.
_HALF_LIFE = 1.5
# The least of a part of an interval, relative to another: a model may have had no error on a few origins.
_LEAST = 0.1
# The exponent of smoothing beside the scores, and that of what models state beside both.
_OF_SMOOTHING = 1 / 3
_OF_STATED = 1 / 2
# The origins of all series that count as much for the ratio of a series as its own.
_RATIO_SHRINKAGE = 3.0
# The most that a ratio says, as a logarithm: a few errors of 0 say that they were few.
_MOST = math.log(10.0)


@dataclass(frozen=True)
class Calibration:
    """The calibrated intervals and quantiles of one model.

    Attributes:
        horizon: the number of periods ahead for which they are valid.
        coverage: the fraction of periods that the intervals should contain.
        probabilities: those of the quantiles, ascending.
        offsets: of each series, the quantiles of its scores around their median: the lower and the upper end of the
            interval, and then those of ``probabilities``.
        pooled: the same for a series that is not in ``offsets``; empty if there were no folds to calibrate on.
        ratios: of each series, the errors of the model relative to those of smoothing.
        ratio: the same for a series that is not in ``ratios``.
        stated_ratios: of each series, the errors of the model relative to those of the models that state its intervals.
        stated_ratio: the same for a series that is not in ``stated_ratios``.
        unit: the unit of a series whose history is too short to measure it, in square roots of its level: the median of
            the others.
        shift: by how much intervals and quantiles are moved, in units of a series.
    """

    horizon: int
    coverage: float
    probabilities: tuple[float, ...] = ()
    offsets: Mapping[str, Sequence[float]] = field(default_factory=dict)
    pooled: Sequence[float] = ()
    ratios: Mapping[str, float] = field(default_factory=dict)
    ratio: float = 1.0
    shift: float = 0.0
    stated_ratios: Mapping[str, float] = field(default_factory=dict)
    stated_ratio: float = 1.0
    unit: float = 1.0

    @property
    def calibrated(self) -> bool:
        """Return whether there were folds to calibrate on."""
        return len(self.pooled) > 0

    @classmethod
    def of(
        cls, folds: Iterable[Fold], coverage: float, horizon: int, quantiles: Sequence[float] = ()
    ) -> Calibration:
        """Calibrate on the folds of one model over all series.

        Args:
            folds: the model's forecasts with the actual values.
            coverage: the fraction of periods that the intervals should contain, such as 0.8.
            horizon: the number of periods forecast from each origin.
            quantiles: the probabilities of further quantiles, ascending.
        """
        own: dict[str, list[Fold]] = defaultdict(list)
        for fold in folds:
            own[fold.key].append(fold)
        empty = cls(horizon, coverage, tuple(quantiles))
        if not own:
            return empty
        last = max(fold.period for parts in own.values() for fold in parts)
        scores = {key: np.concatenate([fold.scores for fold in parts]) for key, parts in own.items()}
        weights = {
            key: np.concatenate([_weights(fold, last, _HALF_LIFE * horizon) for fold in parts])
            for key, parts in own.items()
        }
        asked = empty._asked
        every, weight_of_every = np.concatenate(list(scores.values())), np.concatenate(list(weights.values()))
        pooled = _offsets(every, weight_of_every, asked)
        shift = _shift([fold for parts in own.values() for fold in parts], every, weight_of_every)
        offsets = {}
        for key, values in scores.items():
            weight = len(values) / (len(values) + _EQUAL_WEIGHT * horizon)
            mixed = (1 - weight) * pooled + weight * _offsets(values, weights[key], asked)
            offsets[key] = mixed.tolist()
        return cls(
            horizon,
            coverage,
            tuple(quantiles),
            offsets,
            pooled.tolist(),
            *_ratios(own, lambda fold: fold.smoothed_mae),
            shift,
            *_ratios(own, lambda fold: fold.stated_mae),
            _unit([fold for parts in own.values() for fold in parts]),
        )

    @property
    def _asked(self) -> np.ndarray:
        tail = (1.0 - self.coverage) / 2
        return np.array([tail, 1.0 - tail, *self.probabilities])

    def interval(
        self,
        key: str,
        predicted: np.ndarray,
        level: float,
        ahead: np.ndarray,
        spread: Spread | None,
        stated: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper ends of the intervals for predictions of a series.

        The ends are NaN beyond the horizon. If there were no folds to calibrate on, they are what the model states, or NaN.

        Args:
            key: the key of the series.
            predicted: (periods,) the predictions.
            level: the series' level at the origin.
            ahead: (periods,) the number of periods from the origin to each prediction.
            spread: the errors of smoothing up to the origin, where there are any.
            stated: (2, periods) how far the ends of the model's own interval are from its forecast, where it has one.
        """
        ends = self._around(key, predicted, level, ahead, spread, stated)
        # Of demand that is mostly zero, a mean may lie above a high quantile.
        return np.minimum(ends[0], predicted), np.maximum(ends[1], predicted)

    def quantiles(
        self,
        key: str,
        predicted: np.ndarray,
        level: float,
        ahead: np.ndarray,
        spread: Spread | None,
        stated: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the quantiles for predictions of a series, (quantiles, periods); the arguments are as above.

        A higher quantile is never below a lower one: they are offsets from the same errors.
        """
        return self._around(key, predicted, level, ahead, spread, stated)[2:]

    def _around(
        self,
        key: str,
        predicted: np.ndarray,
        level: float,
        ahead: np.ndarray,
        spread: Spread | None,
        stated: np.ndarray | None,
    ) -> np.ndarray:
        asked = self._asked
        if stated is not None and not self.calibrated:
            alone: np.ndarray = predicted + _stated(stated, asked)
            return alone
        offsets = np.asarray(self.offsets.get(key) or self.pooled or np.full(len(asked), np.nan))
        unit = unit_of(level, spread) * (self.unit if spread is None else 1.0)
        width = np.where(ahead <= self.horizon, unit, np.nan)
        found: np.ndarray = offsets[:, None] * width
        if spread is not None:
            smoothed = spread.offsets(asked, ahead) * self.ratios.get(key, self.ratio)
            found = _between(found, smoothed, asked, _OF_SMOOTHING)
        if stated is not None:
            own = _stated(stated, asked) * self.stated_ratios.get(key, self.stated_ratio)
            found = _between(found, _limited(own, found), asked, _OF_STATED)
        moved: np.ndarray = predicted + found + self.shift * width
        return moved

    def to_json(self) -> dict[str, object]:
        """Return the calibration as JSON values for a manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Calibration:
        """Read the calibration from a manifest."""
        return cls(**{**saved, "probabilities": tuple(saved["probabilities"])})


def _between(first: np.ndarray, second: np.ndarray, probabilities: np.ndarray, exponent: float) -> np.ndarray:
    """The geometric means of two sets of offsets, (probabilities, periods), which are 0 at the median.

    Args:
        first: the offsets.
        second: others.
        probabilities: those of the rows.
        exponent: that of the second; the two exponents sum to 1.
    """
    sign = np.sign(probabilities - 0.5)[:, None]
    a, b = np.maximum(sign * first, 0.0), np.maximum(sign * second, 0.0)
    found: np.ndarray = (
        sign * np.maximum(a, _LEAST * b) ** (1 - exponent) * np.maximum(b, _LEAST * a) ** exponent
    )
    return found


def _stated(ends: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The quantiles of normal errors around their median, (probabilities, periods), from the ends of an interval."""
    normal = NormalDist()
    units = np.array([normal.inv_cdf(p) for p in probabilities]) / normal.inv_cdf((1 + STATED_COVERAGE) / 2)
    found: np.ndarray = units[:, None] * np.where(units[:, None] < 0, ends[0], ends[1])
    return found


def _limited(offsets: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """The offsets, but not so wide that they contradict the measured ones: a model with a trend may diverge."""
    most = np.abs(measured) / _LEAST
    found: np.ndarray = np.where(most > 0, np.clip(offsets, -most, most), offsets)
    return found


def _shift(folds: Sequence[Fold], scores: np.ndarray, weights: np.ndarray) -> float:
    """The median of all scores, if that of each origin has its sign; 0 of a single origin."""
    numbers = {fold.number for fold in folds}
    medians = [np.median(np.concatenate([f.scores for f in folds if f.number == one])) for one in numbers]
    if len(medians) < 2 or len({float(np.sign(one)) for one in medians}) > 1:
        return 0.0
    order = np.argsort(scores, kind="stable")
    ranks = np.cumsum(weights[order])
    return float(np.interp(0.5, ranks / ranks[-1], scores[order]))


def _weights(fold: Fold, last: int, half_life: float) -> np.ndarray:
    """The weight of each score, (periods,), by its age at the last origin."""
    return np.full(len(fold.days), 0.5 ** ((last - fold.period) / half_life))


def _unit(folds: Sequence[Fold]) -> float:
    """The median unit of the series that have a spread, in square roots of their level; 1 if none has."""
    units = [unit_of(f.level, f.spread) / math.sqrt(f.level) for f in folds if f.spread is not None]
    return float(np.median(units)) if units else 1.0


def _ratios(
    own: Mapping[str, Sequence[Fold]], other: Callable[[Fold], float | None]
) -> tuple[dict[str, float], float]:
    """The errors of the model relative to those of another over the same periods, by series and for any other."""
    errors: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for key, folds in own.items():
        for fold in folds:
            compared = other(fold)
            if compared is not None and fold.scale > 0:
                errors[key].append((fold.mae / fold.scale, compared / fold.scale))
    if not errors:
        return {}, 1.0
    origins = len({fold.number for folds in own.values() for fold in folds})
    shared = _ratio([pair for pairs in errors.values() for pair in pairs], origins)
    found = {}
    for key, pairs in errors.items():
        count = len(pairs)
        log = (count * _ratio(pairs, count) + _RATIO_SHRINKAGE * shared) / (count + _RATIO_SHRINKAGE)
        found[key] = math.exp(log)
    return found, math.exp(shared)


def _ratio(pairs: Sequence[tuple[float, float]], origins: int) -> float:
    """The logarithm of the ratio of sums, shrunk towards 0 by the number of origins."""
    model, compared = (sum(each) for each in zip(*pairs, strict=True))
    log = math.log(max(model, 1e-9) / max(compared, 1e-9))
    return min(max(log, -_MOST), _MOST) * origins / (origins + 1)


def _offsets(scores: np.ndarray, weights: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The weighted quantiles around the median; with equal weights, the i-th of n scores is the i / (n + 1) quantile."""
    order = np.argsort(scores, kind="stable")
    ranks = np.cumsum(weights[order])
    ranks /= ranks[-1] * (1 + 1 / len(scores))
    found = np.interp(np.append(probabilities, 0.5), ranks, scores[order])
    centered: np.ndarray = found[:-1] - found[-1]
    return centered
