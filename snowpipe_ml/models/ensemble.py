"""``ensemble``: several models combined, with weights from the errors of a backtest.

The weights start equal. How far they move depends on what the origins of the backtest agree on: the relative
error of a member is shrunk towards zero by its variance over the origins, and that of a single series towards
the mean of all series. On data of few origins, members that were best on these are often not best afterwards,
so no member gets more than three times its equal share. The forecast is halfway between the weighted median and the
weighted mean, since one member that goes astray moves a median little, and a mean has the smaller error otherwise. For
``metric: rmse`` it is the mean, which keeps totals right.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from snowpipe_ml.models.base import Explanation, Forecast, Forecaster, Settings
from snowpipe_ml.models.fold import Fold
from snowpipe_ml.models.panel import Feature, Series
from snowpipe_ml.models.registry import make_forecaster

_T = TypeVar("_T")

ENSEMBLES = ("ensemble", "best_of")
"""The types of models that combine others; ``best_of`` is the older name."""

# Added to an error before its logarithm is taken, as a part of the largest: that of a perfect forecast is 0.
_OFFSET = 1e-3
# The weight of a member is its relative error to the power of minus this.
_POWER = 4.0
# The most that a member weighs, in equal shares.
_MOST = 3.0


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


def choose(
    folds: Iterable[Fold], shrinkage: float, average: int | None = None, metric: str = "rmse"
) -> dict[str, Choice]:
    """Weigh the members of each series by the errors of its folds.

    The relative error of a member is the logarithm of its error minus the mean over the members.

    A member that lacks a forecast from an origin where others have one is left out, because its errors may
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
    """How much of each member's mean relative error to believe, 0.5 to 1: 1 if it is no noise between origins.

    With one origin, three quarters of it are believed.
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


def weighted_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted median over the first axis, (members, days) to (days,).

    It is interpolated between the middles of the members' weights, so that it moves smoothly with them: two
    members of equal weight give their mean.
    """
    order = np.argsort(values, axis=0, kind="stable")
    ordered, own = np.take_along_axis(values, order, 0), weights[order]
    middles = np.cumsum(own, axis=0) - own / 2
    return np.array([np.interp(0.5, middles[:, day], ordered[:, day]) for day in range(values.shape[1])])


def combined(values: np.ndarray, weights: np.ndarray, metric: str) -> np.ndarray:
    """Return the forecast of members, (members, periods) to (periods,).

    Args:
        values: their forecasts.
        weights: (members,) their weights, which sum to 1.
        metric: ``rmse`` for their mean; ``mae`` for halfway from it to their median.
    """
    mean: np.ndarray = weights @ values
    return mean if metric == "rmse" else (mean + weighted_median(values, weights)) / 2


def compose(
    folds: Iterable[Fold],
    shrinkage: float,
    average: int | None = None,
    metric: str = "rmse",
    name: str = "ensemble",
    dropped: str | None = None,
) -> tuple[list[Fold], list[Fold]]:
    """Combine the members' folds by the weights that earlier origins give; at the first, by equal ones.

    Args:
        folds: the folds of the members.
        shrinkage: as for :func:`choose`, like ``average`` and ``metric``.
        average: the number of best members.
        metric: the error of a fold.
        name: the name of the ensemble.
        dropped: the origins and members that were dropped, to be reported with the ensemble's folds.

    Returns:
        The members' folds with their weights, and the folds of the ensemble.
    """
    folds = list(folds)
    members, found = [], []
    for number in sorted({fold.number for fold in folds}):
        choices = choose([fold for fold in folds if fold.number < number], shrinkage, average, metric)
        now: dict[str, dict[str, Fold]] = defaultdict(dict)
        for fold in folds:
            if fold.number == number:
                now[fold.key][fold.model] = fold
        for key, models in now.items():
            choice = choices.get(key) or Choice.equal(models)
            names = [one for one in choice.models if one in models] or list(models)
            choice = choice if set(names) <= set(choice.models) else Choice.equal(names)
            weights = dict(zip(names, choice.of(names).tolist(), strict=True))
            members += [
                dataclasses.replace(fold, weight=weights.get(model, 0.0)) for model, fold in models.items()
            ]
            stacked = np.array([models[one].predicted for one in names])
            made = combined(stacked, np.array([weights[one] for one in names]), metric)
            seconds = sum(fold.seconds for fold in models.values())
            found.append(
                dataclasses.replace(
                    models[names[0]], model=name, predicted=made, seconds=seconds, message=dropped
                )
            )
    return members, found


class Ensemble(Forecaster):
    """Forecast each series with the members that :func:`choose` gave it, as :func:`combined` does.

    A series without a choice, whose history is too short for a backtest, has all members at equal weights.

    Args:
        settings: the model's settings, with ``candidates`` by name.
        features: the columns of ``x``.
        choices: the choice for each series.
    """

    def __init__(
        self, settings: Settings, features: Sequence[Feature], choices: Mapping[str, Choice]
    ) -> None:
        super().__init__(settings, features)
        self.choices = dict(choices)
        self._members: dict[str, Forecaster] = {}

    def fit(self, panel: Sequence[Series]) -> None:
        """Fit each candidate on the series that it was chosen for; a shared model on the whole panel."""
        for name, settings in self.settings["candidates"].items():
            own = self._of(name, panel)
            if own:
                member = self._members[name] = make_forecaster(settings, self.features)
                # Fit it as in the backtest that selected it.
                member.fit(panel if member.shared else own)
        for series in panel:
            names = self._usable(series.key)
            if series.key not in self.failed and not names:
                reasons = {m.failed[series.key] for m in self._members.values() if series.key in m.failed}
                self.failed[series.key] = "; ".join(sorted(reasons))

    def choice(self, key: str) -> Choice:
        """The members of a series."""
        return self.choices.get(key) or Choice.equal(self.settings["candidates"])

    def weights(self, key: str) -> dict[str, float]:
        """Return the weights of the members of a series that could be fitted."""
        names = self._usable(key)
        return dict(zip(names, self.choice(key).of(names).tolist(), strict=True))

    def _combined(self, key: str, values: Sequence[np.ndarray]) -> np.ndarray:
        weights = self.choice(key).of(self._usable(key))
        return combined(np.array(values), weights, self.settings["metric"])

    def _usable(self, key: str) -> list[str]:
        """The chosen candidates of a series that could be fitted."""
        return [
            name
            for name in self.choice(key).models
            if name in self._members and key not in self._members[name].failed
        ]

    def _of(self, name: str, panel: Sequence[Series]) -> list[Series]:
        return [s for s in panel if name in self.choice(s.key).models]

    def _answers(
        self, panel: Sequence[Series], ask: Callable[[Forecaster, list[Series]], Iterable[_T]]
    ) -> dict[str, list[_T]]:
        found: dict[str, list[_T]] = defaultdict(list)
        answers: dict[tuple[str, str], _T] = {}
        for name, member in self._members.items():
            own = member.fitted(self._of(name, panel))
            answers |= {(series.key, name): one for series, one in zip(own, ask(member, own), strict=True)}
        for series in panel:
            found[series.key] = [answers[series.key, name] for name in self._usable(series.key)]
        return found

    def predict(self, panel: Sequence[Series]) -> list[np.ndarray]:
        """Predict the known periods by those of the members."""
        found = self._answers(panel, lambda member, own: member.predict(own))
        return [self._combined(series.key, found[series.key]) for series in panel]

    def forecast(self, panel: Sequence[Series]) -> list[Forecast]:
        """Forecast by the forecasts of the members.

        The features are those of the heaviest member that has all of them.
        """
        found = self._answers(panel, lambda member, own: member.forecast(own))
        forecasts = []
        for series in panel:
            own: list[Forecast] = found[series.key]
            rows = next((one.x for one in own if not np.isnan(one.x).any()), own[0].x)
            forecasts.append(Forecast(self._combined(series.key, [one.y for one in own]), rows))
        return forecasts

    def explain(self, panel: Sequence[Series], forecasts: Sequence[Forecast]) -> list[Explanation]:
        """Return the weighted mean contributions of the members; the base is the rest of the forecast.

        A member without features, or one that has only shares, contributes nothing. If the heaviest member
        has only shares, these are returned.
        """
        of = {series.key: forecast for series, forecast in zip(panel, forecasts, strict=True)}
        answers = self._answers(
            panel, lambda member, own: member.explain(own, [of[s.key] for s in own]) or [None] * len(own)
        )
        found = []
        for series in panel:
            best, forecast = answers[series.key][0], of[series.key]
            if best is not None and best.base is None:
                found.append(best)
                continue
            weights = self.choice(series.key).of(self._usable(series.key))
            additive = [
                weight * one.contributions
                for weight, one in zip(weights, answers[series.key], strict=True)
                if one is not None and one.base is not None
            ]
            sums = np.sum([np.zeros(forecast.x.shape), *additive], axis=0)
            found.append(Explanation(sums, forecast.y - sums.sum(axis=1)))
        return found

    def state(self) -> dict[str, np.ndarray]:
        """Return the choices and the states of the candidates."""
        state = {
            f"{name}/{key}": value for name, m in self._members.items() for key, value in m.state().items()
        }
        choices = {
            key: {"models": list(one.models), "weights": list(one.weights)}
            for key, one in self.choices.items()
        }
        failed = {name: member.failed for name, member in self._members.items()}
        text = json.dumps({"choices": choices, "failed": failed})
        state["ensemble"] = np.frombuffer(text.encode(), np.uint8)
        state["members"] = np.array(list(self._members))
        return state

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore the choices and the candidates."""
        told = json.loads(state["ensemble"].tobytes())
        self.choices = {
            key: Choice(tuple(one["models"]), tuple(one["weights"]), None)
            for key, one in told["choices"].items()
        }
        for name in map(str, state["members"]):
            member = make_forecaster(self.settings["candidates"][name], self.features)
            prefix = f"{name}/"
            member.restore(
                {key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)}
            )
            member.failed = dict(told["failed"][name])
            self._members[name] = member
