"""Models without features: the naive baselines, and the models of statsforecast."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from snowpipe_ml.models.base import Forecast, Forecaster, Settings
from snowpipe_ml.models.panel import DAY, Feature, Series

if TYPE_CHECKING:
    from statsforecast.models import AutoARIMA, AutoETS

# The exceptions that statsforecast raises for a series that is too short; it has no exception class of its
# own.
_TOO_SHORT = (NotImplementedError, IndexError, ValueError, ZeroDivisionError)
# The entries of a fitted model that are saved. For exponential smoothing: form, period, and parameters with
# the initial states. For ARIMA: orders, coefficients, and the regressor of a drift.
_KEPT = frozenset({"components", "m", "par", "n_params", "arma", "coef", "sigma2", "xreg", "x", "lambda"})


class _Univariate(Forecaster):
    """A model of the target's own past.

    For a forecast, unknown days are interpolated between their neighbors. For the prediction of a known
    day, they take the last known value before them, because later values are not known at that time.
    """

    def fit(self, panel: Sequence[Series]) -> None:
        """Do nothing: the history is read when a prediction is made."""

    def forecast(self, panel: Sequence[Series]) -> list[Forecast]:
        """Forecast the future days from the end of the history."""
        found = []
        for series in panel:
            ahead = ((series.future_days - series.last) / DAY).astype(int)
            horizon = int(ahead.max(initial=0))
            y = self._ahead(series, _filled(series.values), horizon)[ahead - 1] if horizon else np.zeros(0)
            x = np.full((len(y), len(self.features)), np.nan)
            x[:] = series.future_x
            found.append(Forecast(self.bounded(series, y), x))
        return found

    def predict(self, panel: Sequence[Series]) -> list[np.ndarray]:
        """Predict each known day from the days before it."""
        found = []
        for series in panel:
            places = ((series.days - series.first) / DAY).astype(int)
            found.append(self.bounded(series, self._behind(series, _carried(series.values))[places]))
        return found

    @abstractmethod
    def _ahead(self, series: Series, values: np.ndarray, horizon: int) -> np.ndarray:
        """Forecast the next days, (horizon,)."""

    @abstractmethod
    def _behind(self, series: Series, values: np.ndarray) -> np.ndarray:
        """Predict each day from the days before it; the result is as long as ``values``."""

    def state(self) -> dict[str, np.ndarray]:
        """Return no arrays: the model is the history."""
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Do nothing: there is no state to restore."""


class SeasonalNaiveForecaster(_Univariate):
    """Forecast a day by the value one season before."""

    def _ahead(self, series: Series, values: np.ndarray, horizon: int) -> np.ndarray:
        season = min(int(self.settings["season"]), len(values))
        return np.resize(values[-season:], horizon)

    def _behind(self, series: Series, values: np.ndarray) -> np.ndarray:
        season = int(self.settings["season"])
        before = np.concatenate([np.full(season, values[0]), values])[: len(values)]
        found: np.ndarray = np.where(np.arange(len(values)) < season, values[0], before)
        return found


class MovingAverageForecaster(_Univariate):
    """Forecast a day by the mean of the days before it, which is hard to beat on a short history."""

    def _ahead(self, series: Series, values: np.ndarray, horizon: int) -> np.ndarray:
        return np.full(horizon, values[-int(self.settings["window"]) :].mean())

    def _behind(self, series: Series, values: np.ndarray) -> np.ndarray:
        total, window = np.concatenate([[0.0], np.cumsum(values)]), int(self.settings["window"])
        place = np.arange(len(values))
        start = np.maximum(place - window, 0)
        means = (total[place] - total[start]) / np.maximum(place - start, 1)
        found: np.ndarray = np.where(place == 0, values[0], means)
        return found


class StatsForecastForecaster(_Univariate):
    """``auto_ets`` and ``auto_arima`` of statsforecast (https://nixtlaverse.nixtla.io/statsforecast/)."""

    def __init__(self, settings: Settings, features: Sequence[Feature]) -> None:
        super().__init__(settings, features)
        self._models: dict[str, AutoARIMA | AutoETS] = {}

    def fit(self, panel: Sequence[Series]) -> None:
        """Select and estimate a model for each series."""
        self._models.clear()
        for series in panel:
            try:
                self._models[series.key] = self._empty().fit(_filled(series.values))
            except _TOO_SHORT as error:
                self.failed[series.key] = (
                    f"{self.settings['type']} cannot be fitted on {len(series.y)} days: {error}"
                )

    def _empty(self) -> AutoARIMA | AutoETS:
        from statsforecast.models import AutoARIMA, AutoETS

        kind = AutoETS if self.settings["type"] == "auto_ets" else AutoARIMA
        return kind(season_length=int(self.settings["season"]))

    def _ahead(self, series: Series, values: np.ndarray, horizon: int) -> np.ndarray:
        try:
            # The warnings are about information criteria, which are not used here.
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.asarray(self._models[series.key].forward(y=values, h=horizon)["mean"])
        # A saved model may be applied to a shorter history than it was fitted on. The result is NaN, and
        # the series is then reported as one whose predictions are not finite.
        except _TOO_SHORT:
            return np.full(horizon, np.nan)

    def _behind(self, series: Series, values: np.ndarray) -> np.ndarray:
        model = self._models[series.key]
        fitted = np.asarray(model.forward(y=values, h=1, fitted=True)["fitted"])
        # With multiplicative errors, statsforecast reports a fitted value of 0 for a day whose value is 0,
        # instead of the prediction.
        hidden = model.model_.get("components", "").startswith("M")
        for place in np.flatnonzero(values == 0) if hidden else ():
            fitted[place] = model.forward(y=values[:place], h=1)["mean"][0] if place else np.nan
        found: np.ndarray = np.where(np.isnan(fitted), values[0], fitted)
        return found

    def state(self) -> dict[str, np.ndarray]:
        """Return what statsforecast's ``forward`` needs of each model: numbers as JSON, and arrays."""
        numbers: dict[str, dict[str, object]] = {}
        arrays: dict[str, np.ndarray] = {}
        for number, (key, model) in enumerate(self._models.items()):
            numbers[key] = {}
            for name in _KEPT & model.model_.keys():
                value = model.model_[name]
                if isinstance(value, np.ndarray):
                    arrays[f"{number}/{name}"] = value
                else:
                    numbers[key][name] = value
        text = json.dumps(numbers, sort_keys=False, default=lambda number: number.item())
        return {"models": np.frombuffer(text.encode(), np.uint8), **arrays}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore the models without estimating them again."""
        numbers: dict[str, dict[str, object]] = json.loads(state["models"].tobytes())
        for number, (key, values) in enumerate(numbers.items()):
            arrays = {name: state[f"{number}/{name}"] for name in _KEPT if f"{number}/{name}" in state}
            self._models[key] = self._empty()
            self._models[key].model_ = {"fit": None, **values, **arrays}


def _filled(values: np.ndarray) -> np.ndarray:
    """The values day by day, with gaps interpolated."""
    known = ~np.isnan(values)
    found: np.ndarray = np.interp(np.arange(len(values)), np.flatnonzero(known), values[known])
    return found


def _carried(values: np.ndarray) -> np.ndarray:
    """The values day by day, with each gap filled by the last known value before it."""
    last = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))
    found: np.ndarray = values[last]
    return found
