"""``ensemble``: several models combined, with weights from the errors of a backtest.

The weights are those of :mod:`snowpipe_ml.models.weights`. The forecast is halfway between the weighted median and the
weighted mean, since one member that goes astray moves a median little, and a mean has the smaller error otherwise. For
``metric: rmse`` it is the mean, which keeps totals right.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from snowpipe_ml.models.base import Explanation, Forecast, Forecaster, Settings
from snowpipe_ml.models.fold import Fold
from snowpipe_ml.models.panel import Feature, Series
from snowpipe_ml.models.registry import forecaster_class, make_forecaster
from snowpipe_ml.models.weights import Choice, choose

_T = TypeVar("_T")

# The most by which a member's interval is wider or narrower than the median of the members.
_FAR = 20.0
# Added before logarithms: an error may be 0.
_TINY = 1e-12

ENSEMBLES = ("ensemble", "best_of")
"""The types of models that combine others; ``best_of`` is the older name."""


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


def together(stated: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """The geometric mean of what several members state of their intervals; None if none states any.

    One that is far wider than the others moves it little.
    """
    known = [one for one in stated if one is not None]
    if not known:
        return None
    middle = np.median(known, axis=0)
    near = np.clip(known, middle / _FAR, middle * _FAR)
    found: np.ndarray = np.exp(np.mean(np.log(near + _TINY), axis=0))
    return found


def compose(
    folds: Iterable[Fold],
    shrinkage: float,
    average: int | None = None,
    metric: str = "rmse",
    name: str = "ensemble",
    dropped: str | None = None,
    learned: Collection[str] = (),
) -> tuple[list[Fold], list[Fold]]:
    """Combine the members' folds by the weights that earlier origins give; at the first, by equal ones.

    Args:
        folds: the folds of the members.
        shrinkage: as for :func:`choose`, like ``average`` and ``metric``.
        average: the number of best members.
        metric: the error of a fold.
        name: the name of the ensemble.
        dropped: the origins and members that were dropped, to be reported with the ensemble's folds.
        learned: the names of the members that are models over all series.

    Returns:
        The members' folds with their weights, and the folds of the ensemble.
    """
    folds = list(folds)
    members, found = [], []
    for number in sorted({fold.number for fold in folds}):
        choices = choose([fold for fold in folds if fold.number < number], shrinkage, average, metric)
        horizon = max(int(fold.ahead.max()) for fold in folds if fold.number == number)
        now: dict[str, dict[str, Fold]] = defaultdict(dict)
        for fold in folds:
            if fold.number == number:
                now[fold.key][fold.model] = fold
        for key, models in now.items():
            choice = choices.get(key) or Choice.equal(models)
            names = [one for one in choice.models if one in models] or list(models)
            choice = choice if set(names) <= set(choice.models) else Choice.equal(names)
            if average is None:
                choice = choice.for_history(learned, models[names[0]].history / horizon)
            weights = dict(zip(names, choice.of(names).tolist(), strict=True))
            members += [
                dataclasses.replace(fold, weight=weights.get(model, 0.0)) for model, fold in models.items()
            ]
            stacked = np.array([models[one].predicted for one in names])
            made = combined(stacked, np.array([weights[one] for one in names]), metric)
            seconds = sum(fold.seconds for fold in models.values())
            own = [models[one] for one in names]
            errors = [fold.stated_mae for fold in own if fold.stated_mae is not None]
            found.append(
                dataclasses.replace(
                    own[0],
                    model=name,
                    predicted=made,
                    seconds=seconds,
                    message=dropped,
                    stated=together([fold.stated for fold in own]),
                    stated_mae=float(np.exp(np.mean(np.log(np.array(errors) + _TINY)))) if errors else None,
                )
            )
    return members, found


def shared_models(candidates: Mapping[str, Settings]) -> set[str]:
    """Return the names of the candidates that are models over all series."""
    return {name for name, settings in candidates.items() if forecaster_class(settings).shared}


class Ensemble(Forecaster):
    """Forecast each series with the members that :func:`choose` gave it, as :func:`combined` does.

    A series without a choice, whose history is too short for a backtest, has all members at equal weights.

    Args:
        settings: the model's settings, with ``candidates`` by name.
        features: the columns of ``x``.
        choices: the choice for each series.
        horizon: the number of periods that are to be forecast; by default all future ones of a series.
    """

    def __init__(
        self,
        settings: Settings,
        features: Sequence[Feature],
        choices: Mapping[str, Choice],
        horizon: int | None = None,
    ) -> None:
        super().__init__(settings, features)
        self._horizon = horizon
        self.choices = dict(choices)
        self._members: dict[str, Forecaster] = {}

    def fit(self, panel: Sequence[Series]) -> None:
        """Fit each candidate on the series that it was chosen for; a shared model on the whole panel."""
        if self.settings["average"] is None:
            learned = shared_models(self.settings["candidates"])
            for series in panel:
                horizons = len(series.values) / (self._horizon or int(series.steps.max(initial=1)))
                self.choices[series.key] = self.choice(series.key).for_history(learned, horizons)
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

    def stated(self, series: Series, y: np.ndarray | None = None) -> np.ndarray | None:
        """Return how far the ends of the members' own intervals are from their forecasts; None if none states any."""
        return together([self._members[name].stated(series) for name in self._usable(series.key)])

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
