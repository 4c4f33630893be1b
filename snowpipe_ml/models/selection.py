"""``best_of``: model selection for each series, by the errors of a backtest."""

from __future__ import annotations

import dataclasses
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

# Added to an RMSE before its logarithm is taken: the RMSE of a perfect forecast is 0.
_OFFSET = 1e-3


@dataclass(frozen=True)
class Choice:
    """The candidates chosen for a series.

    Attributes:
        models: the candidates whose forecasts are averaged, best first.
        gain: the relative improvement in RMSE of the best candidate over the second best, over all origins.
            It is negative where the errors of the other series decided the choice.
    """

    models: tuple[str, ...]
    gain: float | None

    def __str__(self) -> str:
        return " + ".join(self.models)


def choose(folds: Iterable[Fold], shrinkage: float, average: int) -> dict[str, Choice]:
    """Choose the candidates of each series by the RMSE of its folds.

    A few weeks say little about one series, and much about all series together. The relative error of a
    candidate is the logarithm of its RMSE minus the mean over the candidates. It is averaged with the
    candidate's mean over all series, which has the weight ``shrinkage``.

    A candidate that lacks a forecast from an origin where others have one is not chosen, because its errors
    may be from easier days.

    Args:
        folds: the folds of all candidates, from the origins that the choice may be based on.
        shrinkage: the weight of the mean over all series; 0 judges each series alone.
        average: the number of best candidates to average.
    """
    errors: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for fold in folds:
        errors[fold.key][fold.model].append(fold.rmse**2)
    logs: dict[str, dict[str, float]] = {}
    for key, models in errors.items():
        most = max(map(len, models.values()))
        logs[key] = {
            model: float(np.log(np.sqrt(np.mean(squares)) + _OFFSET))
            for model, squares in models.items()
            if len(squares) == most
        }
    apart = {
        key: {m: value - np.mean(list(models.values())) for m, value in models.items()}
        for key, models in logs.items()
    }
    everywhere: dict[str, list[float]] = defaultdict(list)
    for relative in apart.values():
        for model, value in relative.items():
            everywhere[model].append(float(value))
    shared = {model: float(np.mean(values)) for model, values in everywhere.items()}
    found = {}
    for key, relative in apart.items():
        leaned = {m: (value + shrinkage * shared[m]) / (1 + shrinkage) for m, value in relative.items()}
        order = sorted(leaned, key=lambda m: (leaned[m], m))
        own = [float(np.exp(logs[key][m])) for m in order]
        found[key] = Choice(tuple(order[:average]), 1 - own[0] / own[1] if len(own) > 1 else None)
    return found


def compose(folds: Iterable[Fold], shrinkage: float, average: int) -> list[Fold]:
    """The folds of ``best_of`` itself: at each origin but the first, by the candidates chosen before it."""
    folds = list(folds)
    found = []
    for number in sorted({fold.number for fold in folds})[1:]:
        choices = choose([fold for fold in folds if fold.number < number], shrinkage, average)
        now: dict[str, dict[str, Fold]] = defaultdict(dict)
        for fold in folds:
            if fold.number == number:
                now[fold.key][fold.model] = fold
        for key, models in now.items():
            names = [name for name in choices[key].models if name in models] if key in choices else []
            if names:
                mean = np.mean([models[name].predicted for name in names], axis=0)
                found.append(dataclasses.replace(models[names[0]], model="best_of", predicted=mean))
    return found


class BestOf(Forecaster):
    """Forecast each series with the mean of the candidates that :func:`choose` selected for it.

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
        for series in panel:
            if series.key not in self.choices:
                self.failed[series.key] = (
                    "its history is too short for a backtest, which is needed to choose a model"
                )
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

    def _usable(self, key: str) -> list[str]:
        """The chosen candidates of a series that could be fitted."""
        chosen = self.choices[key].models if key in self.choices else ()
        return [name for name in chosen if name in self._members and key not in self._members[name].failed]

    def _of(self, name: str, panel: Sequence[Series]) -> list[Series]:
        return [s for s in panel if s.key in self.choices and name in self.choices[s.key].models]

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
        """Predict the known days by the mean of the chosen candidates."""
        found = self._answers(panel, lambda member, own: member.predict(own))
        return [np.mean(found[series.key], axis=0) for series in panel]

    def forecast(self, panel: Sequence[Series]) -> list[Forecast]:
        """Forecast by the mean of the chosen candidates.

        The features are those of the best candidate that has all of them.
        """
        found = self._answers(panel, lambda member, own: member.forecast(own))
        forecasts = []
        for series in panel:
            own: list[Forecast] = found[series.key]
            rows = next((one.x for one in own if not np.isnan(one.x).any()), own[0].x)
            forecasts.append(Forecast(np.mean([one.y for one in own], axis=0), rows))
        return forecasts

    def explain(self, panel: Sequence[Series], forecasts: Sequence[Forecast]) -> list[Explanation]:
        """Return the mean contributions of the candidates; the base is the unexplained rest of the forecast.

        A candidate without features, or one that has only shares, contributes nothing. If the best
        candidate has only shares, these are returned.
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
            additive = [
                one.contributions for one in answers[series.key] if one is not None and one.base is not None
            ]
            sums = np.sum([np.zeros(forecast.x.shape), *additive], axis=0) / len(answers[series.key])
            found.append(Explanation(sums, forecast.y - sums.sum(axis=1)))
        return found

    def state(self) -> dict[str, np.ndarray]:
        """Return the choices and the states of the candidates."""
        state = {
            f"{name}/{key}": value for name, m in self._members.items() for key, value in m.state().items()
        }
        names = {key: self._usable(key) for key in self.choices}
        most = max(map(len, names.values()), default=0)
        state["choices"] = np.array(
            [[key, *own, *[""] * (most - len(own))] for key, own in names.items() if own]
        )
        state["members"] = np.array(list(self._members))
        return state

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore the choices and the candidates."""
        self.choices = {
            str(row[0]): Choice(tuple(str(name) for name in row[1:] if name), None)
            for row in state["choices"]
        }
        for name in map(str, state["members"]):
            member = make_forecaster(self.settings["candidates"][name], self.features)
            prefix = f"{name}/"
            member.restore(
                {key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)}
            )
            self._members[name] = member
