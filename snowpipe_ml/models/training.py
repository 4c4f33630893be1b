"""The training of the series of one partition: backtest, choice, validation and forecasts, as result rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from snowpipe_ml.models.backtest import Plan, backtest, with_intervals
from snowpipe_ml.models.base import Forecast, Forecaster, Settings, lower_bound
from snowpipe_ml.models.budget import Member, told, within
from snowpipe_ml.models.clock import Clock
from snowpipe_ml.models.conformal import Calibration
from snowpipe_ml.models.ensemble import ENSEMBLES, Ensemble, compose, shared_models
from snowpipe_ml.models.fold import Fold
from snowpipe_ml.models.forecasters.statistical import MovingAverageForecaster
from snowpipe_ml.models.hierarchy import reconciled_folds, reconciled_rows
from snowpipe_ml.models.panel import Series, features_of, read_panel
from snowpipe_ml.models.registry import forecaster_class, make_forecaster
from snowpipe_ml.models.rows import Rows, low_counts
from snowpipe_ml.models.saved import save
from snowpipe_ml.models.simple import NAME as SIMPLE
from snowpipe_ml.models.simple import simple_forecast
from snowpipe_ml.models.weights import Choice, choose


class Training:
    """The training of the series of one partition.

    Args:
        config: the function's settings.
    """

    def __init__(self, config: Settings) -> None:
        self.config = config
        self.model: Settings = config["model"]
        self.name = str(self.model.get("name") or self.model["type"])
        self.features = features_of(config["features"])
        self.clock = Clock.of(config)
        self.names = [feature.name for feature in self.features]
        self.quantiles: Sequence[float] = config.get("quantiles", ())
        plan = config.get("backtest")
        self._horizon: int | None = plan["horizon"] if plan else None
        self.rows = Rows(self.names, artifacts=bool(config.get("keep_models")), quantiles=self.quantiles)

    def run(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Backtest, choose, validate, train and forecast; return the rows of all series."""
        panel, refused = read_panel(frame, self.features, self.clock)
        enough, plural = [], self.clock.frequency.plural
        untrained: dict[str, str] = {}
        for series in panel:
            if self._split(series) >= self.model["min_train_rows"]:
                enough.append(series)
            else:
                untrained[series.key] = (
                    f"{max(self._split(series), 0)} {plural} to train on, and {self.model['min_train_rows']} are "
                    f"needed ({len(series.y)} {plural} have target and features, "
                    f"{int((~np.isnan(series.values)).sum()) - len(series.y)} lack a feature)"
                )
        folds = self._folds(enough)
        choices = self._choices(folds)
        if enough:
            of_history = self._history(enough, choices)
            untrained |= self._future(enough, choices, folds)
            # Keep a forecast without its validation: the history may have been too short for the latter only.
            silent = {series.key for series in enough if not len(series.future_days)} | untrained.keys()
            untrained |= {key: reason for key, reason in of_history.items() if key in silent}
        refused |= self._simple([series for series in panel if series.key in untrained], untrained, folds)
        self._backtested(folds, enough)
        for key, reason in sorted(refused.items()):
            self.rows.add(key, PART=["untrained"], MESSAGE=[reason])
        table = self.rows.table()
        method = self.config.get("hierarchy")
        if method is None:
            return table
        own = [fold for fold in folds if fold.model == self.name]
        return reconciled_rows(table, own, method, panel, self._bounds(panel))

    def _bounds(self, panel: Sequence[Series]) -> dict[str, float | None]:
        return {series.key: lower_bound(self.model, series) for series in panel}

    def _split(self, series: Series) -> int:
        return len(series.y) - max(1, round(len(series.y) * float(self.model["validation_fraction"])))

    @property
    def _combines(self) -> bool:
        return self.model["type"] in ENSEMBLES

    def _candidates(self) -> Mapping[str, Settings]:
        if self._combines:
            found: Mapping[str, Settings] = self.model["candidates"]
            return found
        return {self.name: self.model}

    def _folds(self, panel: Sequence[Series]) -> list[Fold]:
        plan = self.config.get("backtest")
        if plan is None or not panel:
            return []
        folds, dropped = self._within_budget(panel, {**plan["compare"], **self._candidates()})
        if self._combines:
            own = [fold for fold in folds if fold.model in self._candidates()]
            learned = shared_models(self._candidates())
            members, combined = compose(own, *self._rule, name=self.name, dropped=dropped, learned=learned)
            others = [fold for fold in folds if fold.model not in self._candidates()]
            folds = [*others, *members, *combined]
        method = self.config.get("hierarchy")
        if method is not None:
            own = [fold for fold in folds if fold.model == self.name]
            others = [fold for fold in folds if fold.model != self.name]
            folds = [*others, *reconciled_folds(own, method, panel, self._bounds(panel))]
        return with_intervals(folds, self.config["interval"], plan["horizon"], self.quantiles)

    def _within_budget(
        self, panel: Sequence[Series], candidates: Mapping[str, Settings]
    ) -> tuple[list[Fold], str | None]:
        """Backtest in the time that an ensemble has; also return what was skipped for it.

        The newest origin shows what each member costs.
        """
        budget = self.model.get("time_budget") if self._combines else None
        plan = self._plan()
        if budget is None:
            return backtest(candidates, panel, self.features, plan), None
        newest = plan.origins - 1
        found = backtest(candidates, panel, self.features, plan, [newest])
        costs = dict.fromkeys(candidates, 0.0)
        for fold in found:
            costs[fold.model] += fold.seconds
        members = [
            Member(name, str(one["type"]), forecaster_class(one).shared, costs[name])
            for name, one in self._candidates().items()
        ]
        names = {member.name for member in members}
        others = sum(seconds for name, seconds in costs.items() if name not in names)
        dropped, older = within(members, others, budget - sum(costs.values()), newest)
        left = {name: one for name, one in self._candidates().items() if name not in dropped}
        self.model = {**self.model, "candidates": left}
        compared = self.config["backtest"]["compare"]
        rest = {name: one for name, one in candidates.items() if name in left or name in compared}
        found = [fold for fold in found if fold.model in rest]
        found = backtest(rest, panel, self.features, plan, range(newest - older, newest)) + found
        said = told({name: costs[name] for name in dropped}, plan.origins, older + 1)
        return (
            found,
            f"skipped to stay within the time budget of {budget:g} s: {', '.join(said)}" if said else None,
        )

    def _plan(self) -> Plan:
        plan = self.config["backtest"]
        return Plan(plan["origins"], plan["horizon"], plan["step"], self.model["min_train_rows"])

    @property
    def _rule(self) -> tuple[float, int | None, str]:
        return self.model["shrinkage"], self.model["average"], self.model["metric"]

    def _choices(self, folds: Sequence[Fold]) -> dict[str, Choice]:
        if not self._combines:
            return {}
        return choose([fold for fold in folds if fold.model in self._candidates()], *self._rule)

    def _forecaster(self, choices: Mapping[str, Choice]) -> Forecaster:
        if self._combines:
            return Ensemble(self.model, self.features, choices, self._horizon)
        return make_forecaster(self.model, self.features)

    def _history(self, panel: Sequence[Series], choices: Mapping[str, Choice]) -> dict[str, str]:
        """Add the rows of the history, predicted by a model trained on its first part."""
        heads = {series.key: series.head(self._split(series)) for series in panel}
        # Choosing with the validation days in view would make the validation too optimistic. Weights move
        # little, so equal ones stand for them; a choice of a few members is made again, before those days.
        if choices and self.model["average"] is None:
            choices = {}
        elif choices:
            earlier = backtest(self._candidates(), list(heads.values()), self.features, self._plan())
            choices = self._choices(earlier)
        model = self._forecaster(choices)
        model.fit(list(heads.values()))
        fitted = model.fitted(panel)
        # The whole history is predicted; the model was trained on its first part.
        found = [Forecast(y, series.x) for series, y in zip(fitted, model.predict(fitted), strict=True)]
        explained = model.explain(fitted, found)
        for place, (series, forecast) in enumerate(zip(fitted, found, strict=True)):
            part = np.where(np.arange(len(series.y)) < len(heads[series.key].y), "train", "validation")
            reason = not_finite(forecast.y)
            if reason:
                model.failed[series.key] = reason
                continue
            self.rows.add(
                series.key,
                DATE=series.days,
                PART=part,
                MODEL=self._label(series.key, choices),
                ACTUAL=series.y,
                PREDICTION=forecast.y,
                **self.rows.explained(series.x, explained[place] if explained else None),
            )
        return model.failed

    def _future(
        self, panel: Sequence[Series], choices: Mapping[str, Choice], folds: Sequence[Fold]
    ) -> dict[str, str]:
        """Add the forecasts of a model trained on the whole history or, without ``refit``, its first part."""
        known = panel if self.model["refit"] else [series.head(self._split(series)) for series in panel]
        model = self._forecaster(choices)
        model.fit(known)
        fitted = [series for series in model.fitted(panel) if len(series.future_days)]
        forecasts: list[Forecast] = model.forecast(fitted)
        explained = model.explain(fitted, forecasts)
        calibration = self._calibration(folds)
        labels = {s.key: self._label(s.key, choices) for s in fitted}
        gains = {s.key: choices[s.key].gain if s.key in choices else None for s in fitted}
        for place, (series, forecast) in enumerate(zip(fitted, forecasts, strict=True)):
            reason = not_finite(forecast.y)
            if reason:
                model.failed[series.key] = reason
                continue
            self.rows.forecast(
                model,
                series,
                forecast,
                calibration,
                labels[series.key],
                gains[series.key],
                explained[place] if explained else None,
                told_weights(model, series.key),
            )
        if self.config.get("keep_models"):
            kept = {"labels": labels, "gains": gains, "calibration": calibration.to_json()}
            self.rows.artifact(panel[0].key, save(model, kept))
        return model.failed

    def _simple(
        self, panel: Sequence[Series], reasons: Mapping[str, str], folds: Sequence[Fold]
    ) -> dict[str, str]:
        """Add simple forecasts of the series without a model; return the reasons for those without a future.

        Their intervals are those of the other series, which the level of each scales.
        """
        calibration = self._calibration(folds)
        model = make_forecaster(
            {**self.model, "class": f"{MovingAverageForecaster.__module__}:MovingAverageForecaster"},
            self.features,
        )
        silent = {}
        for series in panel:
            if not len(series.future_days):
                silent[series.key] = reasons[series.key]
                continue
            add_simple(self.rows, model, series, calibration, reasons[series.key])
        return silent

    def _calibration(self, folds: Sequence[Fold]) -> Calibration:
        own = [fold for fold in folds if fold.model == self.name]
        plan = self.config.get("backtest")
        return Calibration.of(own, self.config["interval"], plan["horizon"] if plan else 0, self.quantiles)

    def _backtested(self, folds: Sequence[Fold], panel: Sequence[Series]) -> None:
        bounds = self._bounds(panel)
        counts = {series.key for series in panel if series.counts}
        for fold in folds:
            nothing = np.full(len(fold.days), np.nan)
            lower = bounds.get(fold.key)
            low, high = (nothing if end is None else end for end in (fold.low, fold.high))
            levels = [] if fold.quantiles is None else list(fold.quantiles)
            if fold.key in counts:
                low, *levels = low_counts([low, *levels], (0.0, *self.quantiles)[: len(levels) + 1])
            self.rows.add(
                fold.key,
                DATE=fold.days,
                PART="backtest",
                MODEL=fold.model,
                ORIGIN=np.full(len(fold.days), fold.origin),
                ACTUAL=fold.actual,
                PREDICTION=fold.predicted,
                LOW=low if lower is None else np.maximum(low, lower),
                HIGH=high if lower is None else np.maximum(high, lower),
                FOLD=fold.number,
                SCALE=fold.scale,
                SQUARED_SCALE=fold.squared_scale,
                WEIGHT=fold.weight,
                SECONDS=fold.seconds,
                MESSAGE=fold.message,
                **self.rows.quantiles(
                    [each if lower is None else np.maximum(each, lower) for each in levels]
                ),
            )

    def _label(self, key: str, choices: Mapping[str, Choice]) -> str:
        picked = key in choices and self.model["average"] is not None
        return " + ".join(choices[key].models) if picked else self.name


def told_weights(model: Forecaster, key: str) -> str | None:
    """Return the weights of an ensemble's members for the MESSAGE of a forecast."""
    if not isinstance(model, Ensemble):
        return None
    return "weights: " + ", ".join(f"{name} {weight:.3f}" for name, weight in model.weights(key).items())


def add_simple(rows: Rows, model: Forecaster, series: Series, calibration: Calibration, reason: str) -> None:
    """Add a simple forecast of a series.

    Args:
        rows: the rows to add to.
        model: a forecaster with the bounds of the settings; it is not fitted.
        series: the series, with future periods.
        calibration: the calibration of the model of the other series.
        reason: why the series has no model.
    """
    forecast, said = simple_forecast(series)
    bounded = Forecast(model.bounded(series, forecast.y), forecast.x)
    message = f"{said}: {reason}"
    rows.forecast(model, series, bounded, calibration, SIMPLE, None, None, message)


def not_finite(values: np.ndarray) -> str | None:
    """Return the reason why predictions cannot be used; None if all are finite."""
    wrong = int((~np.isfinite(values)).sum())
    return f"{wrong} of {len(values)} predictions are not finite numbers" if wrong else None
