"""The models of statsforecast (https://nixtlaverse.nixtla.io/statsforecast/), one per series."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from snowpipe_ml.models.base import Settings
from snowpipe_ml.models.forecasters.statistical import Univariate, filled
from snowpipe_ml.models.panel import Feature, Series

# The exceptions that statsforecast raises for a series that is too short; it has no exception class of its
# own. A trend of MSTL that is too short lacks the entry "fitted".
_TOO_SHORT = (NotImplementedError, IndexError, KeyError, ValueError, ZeroDivisionError)


class StatsForecastForecaster(Univariate):
    """A model of statsforecast, selected and estimated for each series.

    Subclasses say which entries of a fitted model its continuation needs. A series of equal values has no
    model: its forecast is the last value.
    """

    states_intervals = True
    kept: frozenset[str]
    """The entries of a fitted model that are saved."""

    def __init__(self, settings: Settings, features: Sequence[Feature]) -> None:
        super().__init__(settings, features)
        self._models: dict[str, Any] = {}
        self._starts: dict[str, int] = {}

    def fit(self, panel: Sequence[Series]) -> None:
        """Select and estimate a model for each series."""
        self._models.clear()
        for series in (one.on_the_wall() for one in panel):
            values = self._recent(filled(series.values))
            self._starts[series.key] = len(series.values) - len(values)
            if np.all(values == values[0]):
                self._models[series.key] = None
                continue
            try:
                # The warnings are about information criteria and decompositions that are not used then.
                with np.errstate(divide="ignore", invalid="ignore"):
                    self._models[series.key] = self._fitted(values)
            except _TOO_SHORT as error:
                self.failed[series.key] = (
                    f"{self.settings['type']} cannot be fitted on {len(series.y)} days: {error}"
                )

    def _recent(self, values: np.ndarray) -> np.ndarray:
        """The end of the history that is fitted on and forecast from."""
        history = self.settings.get("history")
        return values if history is None else values[-int(history) :]

    @abstractmethod
    def _empty(self) -> Any:
        """The model of statsforecast, not fitted."""

    def _fitted(self, values: np.ndarray) -> Any:
        return self._empty().fit(values)

    def _ahead(self, series: Series, values: np.ndarray, horizon: int) -> np.ndarray:
        model, values = self._models[series.key], self._recent(values)
        if model is None:
            return np.full(horizon, values[-1])
        try:
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.asarray(model.forward(y=values, h=horizon)["mean"])
        # A saved model may be applied to a shorter history than it was fitted on. The result is NaN, and
        # the series is then reported as one whose predictions are not finite.
        except _TOO_SHORT:
            return np.full(horizon, np.nan)

    def _behind(self, series: Series, values: np.ndarray) -> np.ndarray:
        model = self._models[series.key]
        if model is None:
            return np.concatenate([values[:1], values[:-1]])
        # Days before the history that was fitted on are predicted by the value one season before.
        start, season = self._starts.get(series.key, 0), int(self.settings["season"])
        found = np.concatenate([np.full(season, np.nan), values])[: len(values)]
        found[start:] = self._one_ahead(model, values[start:])
        return np.where(np.isfinite(found), found, values[0])

    @abstractmethod
    def _one_ahead(self, model: Any, values: np.ndarray) -> np.ndarray:
        """Predict each day from the days before it; NaN where the model needs more days."""

    def own_interval(self, series: Series, coverage: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the interval that the model itself states for the future days.

        It assumes that the model is right, so it is usually narrower than an interval of a backtest.
        """
        series = series.on_the_wall()
        ahead = series.steps
        model, level = self._models[series.key], round(100 * coverage, 6)
        if model is None or not len(ahead):
            return None
        try:
            with np.errstate(divide="ignore", invalid="ignore"):
                values = self._recent(filled(series.values))
                found = model.forward(y=values, h=int(ahead.max()), level=[level])
        except _TOO_SHORT:
            return None
        low, high = (np.asarray(found[f"{end}-{level}"], dtype=float)[ahead - 1] for end in ("lo", "hi"))
        return low, high

    def _saved(self, model: Any) -> Mapping[str, Any]:
        found: Mapping[str, Any] = model.model_
        return found

    def _restored(self, values: Mapping[str, Any]) -> Any:
        model = self._empty()
        model.model_ = {"fit": None, **values}
        return model

    def state(self) -> dict[str, np.ndarray]:
        """Return what statsforecast's ``forward`` needs of each model: numbers as JSON, and arrays."""
        numbers: dict[str, dict[str, object] | None] = {}
        arrays: dict[str, np.ndarray] = {}
        for number, (key, model) in enumerate(self._models.items()):
            if model is None:
                numbers[key] = None
                continue
            own: dict[str, object] = {}
            for name, value in self._saved(model).items():
                if name not in self.kept:
                    continue
                if isinstance(value, np.ndarray) and value.ndim:
                    arrays[f"{number}/{name}"] = value
                else:
                    own[name] = value
            numbers[key] = own
        text = json.dumps(numbers, sort_keys=False, default=lambda number: number.item())
        starts = np.array([self._starts.get(key, 0) for key in self._models], np.int64)
        return {"models": np.frombuffer(text.encode(), np.uint8), "starts": starts, **arrays}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore the models without estimating them again."""
        numbers: dict[str, dict[str, object] | None] = json.loads(state["models"].tobytes())
        self._starts = dict(zip(numbers, state["starts"].tolist(), strict=True))
        for number, (key, values) in enumerate(numbers.items()):
            if values is None:
                self._models[key] = None
                continue
            arrays = {name: state[f"{number}/{name}"] for name in self.kept if f"{number}/{name}" in state}
            self._models[key] = self._restored({**values, **arrays})


class AutoForecaster(StatsForecastForecaster):
    """``auto_ets`` and ``auto_arima``."""

    # For exponential smoothing: form, period, and parameters with the initial states. For ARIMA: orders,
    # coefficients, and the regressor of a drift.
    kept = frozenset({"components", "m", "par", "n_params", "arma", "coef", "sigma2", "xreg", "x", "lambda"})

    def _empty(self) -> Any:
        from statsforecast.models import AutoARIMA, AutoETS

        season = int(self.settings["season"])
        if self.settings["type"] == "auto_ets":
            return AutoETS(season_length=season, model=self.settings["form"])
        return AutoARIMA(season_length=season)

    def _one_ahead(self, model: Any, values: np.ndarray) -> np.ndarray:
        fitted = np.asarray(model.forward(y=values, h=1, fitted=True)["fitted"])
        # With multiplicative errors, statsforecast reports a fitted value of 0 for a day whose value is 0,
        # instead of the prediction.
        hidden = model.model_.get("components", "").startswith("M")
        for place in np.flatnonzero(values == 0) if hidden else ():
            fitted[place] = model.forward(y=values[:place], h=1)["mean"][0] if place else np.nan
        return fitted


class ThetaForecaster(StatsForecastForecaster):
    """``auto_theta`` and ``dynamic_theta``: https://doi.org/10.1016/j.ijforecast.2016.02.005."""

    kept = frozenset({"m", "modeltype", "par", "n", "line", "pattern", "decomposition_type"})

    def _empty(self) -> Any:
        from statsforecast.models import AutoTheta, DynamicOptimizedTheta

        kind = AutoTheta if self.settings["type"] == "auto_theta" else DynamicOptimizedTheta
        return kind(season_length=int(self.settings["season"]))

    def _fitted(self, values: np.ndarray) -> Any:
        model = super()._fitted(values)
        own = model.model_
        own["line"] = np.asarray(own["states"][-1][2:4])
        if own.get("decompose"):
            # The pattern of the season by the place in it: it starts after the last day of the history.
            ahead = np.asarray(own["seas_forecast"]["mean"])
            own["pattern"] = np.roll(ahead, own["n"])
        return model

    def _one_ahead(self, model: Any, values: np.ndarray) -> np.ndarray:
        """Predict with the season and the parameters of the fit.

        statsforecast's own fitted values know the days after, by the decomposition of the whole series.
        """
        own = model.model_
        pattern = np.ones(len(values))
        additive = own.get("decomposition_type") == "additive"
        if "pattern" in own:
            pattern = np.resize(own["pattern"], len(values))
        else:
            additive = False
        y = values - pattern if additive else values / pattern
        found = _theta_one_ahead(y, own["modeltype"], own["par"], own["line"])
        return found + pattern if additive else found * pattern


def _theta_one_ahead(
    y: np.ndarray, kind: str, parameters: Mapping[str, float], line: np.ndarray
) -> np.ndarray:
    """Predict each day of a series without season, as Fiorucci et al. (2016) define it in equations 10 to 15.

    Args:
        y: the values.
        kind: STM, OTM, DSTM or DOTM; the dynamic ones (D) estimate the line again on every day.
        parameters: the initial level, alpha and theta.
        line: the intercept and the slope of a model that is not dynamic.
    """
    level, alpha, theta = (float(parameters[name]) for name in ("initial_smoothed", "alpha", "theta"))
    dynamic, weight = kind.startswith("D"), 1.0 - 1.0 / theta
    intercept, slope = (0.0, 0.0) if dynamic else (float(line[0]), float(line[1]))
    mean, left = 0.0, 1.0
    found = np.empty(len(y))
    for place, value in enumerate(y):
        known = left * (1 - alpha)
        found[place] = level + weight * (intercept * left + slope * (1 - known) / alpha)
        left = known
        level = alpha * value + (1 - alpha) * level
        if dynamic:
            before, mean = mean, (place * mean + value) / (place + 1)
            if place:
                slope = ((place - 1) * slope + 6 * (value - before) / (place + 1)) / (place + 2)
            intercept = mean - slope * (place + 2) / 2
    if dynamic:
        found[0] = np.nan
    return found


class ComplexForecaster(StatsForecastForecaster):
    """``auto_ces``, complex exponential smoothing: https://doi.org/10.1002/nav.22074."""

    kept = frozenset({"m", "seasontype", "par", "n"})

    def _empty(self) -> Any:
        from statsforecast.models import AutoCES

        return AutoCES(season_length=int(self.settings["season"]))

    def _one_ahead(self, model: Any, values: np.ndarray) -> np.ndarray:
        """Predict with the parameters of the fit.

        The initial states of a season are from a decomposition of all days given, so each later day is
        predicted in a separate call.
        """
        learned = min(int(model.model_["n"]), len(values))
        found = np.empty(len(values))
        found[:learned] = model.forward(y=values[:learned], h=1, fitted=True)["fitted"]
        for place in range(learned, len(values)):
            found[place] = model.forward(y=values[:place], h=1)["mean"][0]
        return found

    def own_interval(self, series: Series, coverage: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Return None: statsforecast simulates 5,000 paths for it, which takes a second a series."""
        return None


class MSTLForecaster(StatsForecastForecaster):
    """``mstl``, seasons by LOESS and exponential smoothing of the rest: https://arxiv.org/abs/2107.13462."""

    kept = frozenset({"components", "m", "par", "n_params", "sigma2", "pattern"})

    def _empty(self) -> Any:
        from statsforecast.models import MSTL, AutoETS

        return MSTL(season_length=int(self.settings["season"]), trend_forecaster=AutoETS(model="ZZN"))

    def _fitted(self, values: np.ndarray) -> Any:
        days = int(self.settings["season"])
        if len(values) < 2 * days:
            raise ValueError(f"it needs two seasons, {2 * days} days")
        model = super()._fitted(values)
        season = model.model_["seasonal"].to_numpy()
        model.trend_forecaster.model_["pattern"] = np.roll(season[-days:], len(values))
        return model

    def _saved(self, model: Any) -> Mapping[str, Any]:
        found: Mapping[str, Any] = model.trend_forecaster.model_
        return found

    def _restored(self, values: Mapping[str, Any]) -> Any:
        model = self._empty()
        model.trend_forecaster.model_ = {"fit": None, **values}
        return model

    def _one_ahead(self, model: Any, values: np.ndarray) -> np.ndarray:
        """Predict with the seasons of the fit; those of a decomposition of all days know the days after."""
        trend = model.trend_forecaster
        pattern = np.resize(trend.model_["pattern"], len(values))
        found: np.ndarray = trend.forward(y=values - pattern, h=1, fitted=True)["fitted"] + pattern
        return found
