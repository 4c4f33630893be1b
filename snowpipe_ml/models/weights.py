"""The weights of an ensemble's members, from their errors in a backtest.

They start equal. How far they move depends on what the origins of the backtest agree on: the relative error of a
member is shrunk towards zero by its variance over the origins, and that of a single series towards the mean of all
series. On data of few origins, members that were best on these are often not best afterwards, so no member gets more
than three times its equal share. A model over all series has to learn what the others assume, so it weighs less where
the history is short.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from snowpipe_ml.models.fold import Fold

# Added to an error before its logarithm is taken, as a part of the largest: that of a perfect forecast is 0.
_OFFSET = 1e-3
# The weight of a member is its relative error to the power of minus this.
_POWER = 4.0
# The most that a member weighs, in equal shares.
_MOST = 3.0
# The horizons of history with which a model over all series weighs half of what its errors say.
_LEARNED = 8.0


@dataclass(frozen=True)
class Choice:
    """The members of a series' forecast.

    Attributes:
        models: the members, the heaviest first.
        weights: their weights, which sum to 1.
        gain: the relative improvement in error of the best member over the second best, over all origins.
            It is negative where the errors of the other series decided the order. None without a backtest.
    """

    models: tuple[str, ...]
    weights: tuple[float, ...]
    gain: float | None

    @classmethod
    def equal(cls, models: Iterable[str], gain: float | None = None) -> Choice:
        """Members of the same weight."""
        names = tuple(models)
        return cls(names, (1 / len(names),) * len(names), gain)

    def of(self, names: Sequence[str]) -> np.ndarray:
        """The weights of some of the members, which sum to 1."""
        weights = np.array([self.weights[self.models.index(name)] for name in names])
        total = weights.sum()
        return weights / total if total > 0 else np.full(len(names), 1 / max(len(names), 1))

    def for_history(self, learned: Collection[str], horizons: float) -> Choice:
        """The choice with less weight for the models over all series, where the history is short.

        Over fourteen panels, it makes no difference where the history has more than twenty horizons. With less,
        these models extrapolate what they saw of few seasons.

        Args:
            learned: the names of the models over all series.
            horizons: the length of the history, in horizons.
        """
        trust = horizons / (horizons + _LEARNED)
        raw = np.array(
            [w * (trust if m in learned else 1.0) for m, w in zip(self.models, self.weights, strict=True)]
        )
        if not raw.sum() > 0:
            return self
        order = sorted(range(len(raw)), key=lambda k: (-raw[k], k))
        weights = raw / raw.sum()
        return Choice(
            tuple(self.models[k] for k in order), tuple(float(weights[k]) for k in order), self.gain
        )


def choose(
    folds: Iterable[Fold], shrinkage: float, average: int | None = None, metric: str = "rmse"
) -> dict[str, Choice]:
    """Weigh the members of each series by the errors of its folds.

    The relative error of a member is the logarithm of its error minus the mean over the members.

    A member that lacks a forecast from an origin where others have one is excluded, because its errors may
    be from easier days.

    Args:
        folds: the folds of all members, from the origins that the choice may be based on.
        shrinkage: the weight of the mean over all series; 0 judges each series alone.
        average: the number of best members to combine, at equal weights; by default all are weighed.
        metric: ``mae`` or ``rmse``, the error of a fold.
    """
    squares: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for fold in folds:
        squares[fold.key][fold.model][fold.number] = fold.mae if metric == "mae" else fold.rmse**2
    errors: dict[str, dict[str, float]] = {}
    by_origin: dict[int, list[dict[str, float]]] = defaultdict(list)
    for key, models in squares.items():
        most = max(map(len, models.values()))
        whole = {model: own for model, own in models.items() if len(own) == most}
        errors[key] = {
            model: _root(float(np.mean(list(own.values()))), metric) for model, own in whole.items()
        }
        for number in sorted(set.intersection(*(set(own) for own in whole.values()))):
            by_origin[number].append(
                _relative({model: _root(own[number], metric) for model, own in whole.items()})
            )
    relative = {key: _relative(own) for key, own in errors.items()}
    shared = _means(relative.values())
    trusted = _trust([_means(parts) for parts in by_origin.values()])
    found = {}
    for key, own in relative.items():
        leaned = {m: (value + shrinkage * shared[m]) / (1 + shrinkage) for m, value in own.items()}
        order = sorted(leaned, key=lambda m: (leaned[m], m))
        best = [errors[key][m] for m in order[:2]]
        gain = 1 - best[0] / best[1] if len(best) > 1 and best[1] > 0 else None
        if average is not None:
            found[key] = Choice.equal(order[:average], gain)
            continue
        raw = np.array([np.exp(-_POWER * trusted.get(m, 0.5) * leaned[m]) for m in order])
        weights = _capped(raw / raw.sum())
        heaviest = sorted(range(len(order)), key=lambda k: (-weights[k], k))
        found[key] = Choice(
            tuple(order[k] for k in heaviest), tuple(float(weights[k]) for k in heaviest), gain
        )
    return found


def _root(error: float, metric: str) -> float:
    return float(error) if metric == "mae" else float(np.sqrt(error))


def _relative(errors: Mapping[str, float]) -> dict[str, float]:
    values = np.array(list(errors.values()))
    logs = np.log(values + max(_OFFSET * float(values.max()), 1e-12))
    return dict(zip(errors, (logs - logs.mean()).tolist(), strict=True))


def _means(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    of: dict[str, list[float]] = defaultdict(list)
    for part in parts:
        for model, value in part.items():
            of[model].append(value)
    return {model: float(np.mean(values)) for model, values in of.items()}


def _trust(origins: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return how far to trust the mean relative error of each member: from 0.5 to 1, where all origins agree.

    With a single origin it is 0.75.
    """
    of: dict[str, list[float]] = defaultdict(list)
    for origin in origins:
        for model, value in origin.items():
            of[model].append(value)
    found = {}
    for model, values in of.items():
        signal = float(np.mean(values)) ** 2
        noise = float(np.var(values, ddof=1)) / len(values) if len(values) > 1 else signal
        found[model] = (1 + signal / (signal + noise + 1e-12)) / 2
    return found


def _capped(weights: np.ndarray) -> np.ndarray:
    """The weights with none above three times its share; what is cut is given to the others in proportion."""
    most = _MOST / len(weights)
    for _ in weights:
        over = weights > most
        rest = weights[~over].sum()
        if not over.any() or rest <= 0:
            break
        weights = np.where(over, most, weights * (1 - most * over.sum()) / rest)
    return weights
