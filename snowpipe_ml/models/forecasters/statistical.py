"""Models without features: naive ones, which every other must beat, and statsforecast's."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from snowpipe_ml.models.base import Forecast, Forecaster
from snowpipe_ml.models.panel import DAY, Feature, Series

# What statsforecast raises, without a class of its own, where a series is too short for any of its models.
_TOO_SHORT = (NotImplementedError, IndexError, ValueError, ZeroDivisionError)
# Of exponential smoothing: form, period, parameters with the first states; of ARIMA: orders, coefficients, and of a drift
# the regressor.
_KEPT = frozenset({"components", "m", "par", "n_params", "arma", "coef", "sigma2", "xreg", "x", "lambda"})


class _OfValues(Forecaster):
    """A model of the target's own past.

    Unknown days are filled in between their neighbours; where a known day is predicted, with the day before them,
    since what comes after is not known then.
    """

    def fit(self, panel: Sequence[Series]) -> None:
        """There is nothing to learn that the history does not say when it is needed."""

    def forecast(self, panel: Sequence[Series]) -> list[Forecast]:
        """The days to come, from the end of the history."""
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
        """Each known day from the days before it."""
        found = []
        for series in panel:
            places = ((series.days - series.first) / DAY).astype(int)
            found.append(self.bounded(series, self._behind(series, _carried(series.values))[places]))
        return found

    @abstractmethod
    def _ahead(self, series: Series, values: np.ndarray, horizon: int) -> np.ndarray:
        """The next days, (horizon,)."""

    @abstractmethod
    def _behind(self, series: Series, values: np.ndarray) -> np.ndarray:
        """A prediction for each day from those before it, as long as ``values``."""

    def state(self) -> dict[str, np.ndarray]:
        """None: the history is all."""
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """There is nothing to restore."""


class SeasonalNaiveForecaster(_OfValues):
    """A day is like the same day a season ago."""

    def _ahead(self, series: Series, values: np.ndarray, horizon: int) -> np.ndarray:
        season = min(int(self.settings["season"]), len(values))
        return np.resize(values[-season:], horizon)

    def _behind(self, series: Series, values: np.ndarray) -> np.ndarray:
        season = int(self.settings["season"])
        before = np.concatenate([np.full(season, values[0]), values])[: len(values)]
        found: np.ndarray = np.where(np.arange(len(values)) < season, values[0], before)
        return found


class MovingAverageForecaster(_OfValues):
    """A day is like the mean of the days before it: hard to beat on a short history."""

    def _ahead(self, series: Series, values: np.ndarray, horizon: int) -> np.ndarray:
        return np.full(horizon, values[-int(self.settings["window"]) :].mean())

    def _behind(self, series: Series, values: np.ndarray) -> np.ndarray:
        total, window = np.concatenate([[0.0], np.cumsum(values)]), int(self.settings["window"])
        place = np.arange(len(values))
        start = np.maximum(place - window, 0)
        means = (total[place] - total[start]) / np.maximum(place - start, 1)
        found: np.ndarray = np.where(place == 0, values[0], means)
        return found


class StatsForecastForecaster(_OfValues):
    """``auto_ets`` and ``auto_arima`` of statsforecast (https://nixtlaverse.nixtla.io/statsforecast/)."""

    def __init__(self, settings: Mapping[str, Any], features: Sequence[Feature]) -> None:
        super().__init__(settings, features)
        self._models: dict[str, Any] = {}

    def fit(self, panel: Sequence[Series]) -> None:
        """Choose a model for each series, and estimate it."""
        self._models.clear()
        for series in panel:
            try:
                self._models[series.key] = self._empty().fit(_filled(series.values))
            except _TOO_SHORT as error:
                self.failed[series.key] = (
                    f"{self.settings['type']} cannot be fitted on {len(series.y)} days: {error}"
                )

    def _empty(self) -> Any:
        from statsforecast.models import AutoARIMA, AutoETS

        kind = AutoETS if self.settings["type"] == "auto_ets" else AutoARIMA
        return kind(season_length=int(self.settings["season"]))

    def _ahead(self, series: Series, values: np.ndarray, horizon: int) -> np.ndarray:
        try:
            with np.errstate(divide="ignore", invalid="ignore"):  # of criteria that nothing is chosen by here
                return np.asarray(self._models[series.key].forward(y=values, h=horizon)["mean"])
        # A saved model may meet a shorter history than that it was made of; its series then gets a row that says that the
        # forecast is no number.
        except _TOO_SHORT:
            return np.full(horizon, np.nan)

    def _behind(self, series: Series, values: np.ndarray) -> np.ndarray:
        model = self._models[series.key]
        fitted = np.asarray(model.forward(y=values, h=1, fitted=True)["fitted"])
        # A multiplicative error of a day that is 0 hides what was predicted, and 0 is told in its place.
        hidden = model.model_.get("components", "").startswith("M")
        for place in np.flatnonzero(values == 0) if hidden else ():
            fitted[place] = model.forward(y=values[:place], h=1)["mean"][0] if place else np.nan
        found: np.ndarray = np.where(np.isnan(fitted), values[0], fitted)
        return found

    def state(self) -> dict[str, np.ndarray]:
        """What statsforecast's ``forward`` needs of each model: numbers as JSON, and arrays."""
        told: dict[str, dict[str, Any]] = {}
        arrays: dict[str, np.ndarray] = {}
        for number, (key, model) in enumerate(self._models.items()):
            told[key] = {}
            for name in _KEPT & model.model_.keys():
                value = model.model_[name]
                if isinstance(value, np.ndarray):
                    arrays[f"{number}/{name}"] = value
                else:
                    told[key][name] = value
        text = json.dumps(told, sort_keys=False, default=lambda number: number.item())
        return {"models": np.frombuffer(text.encode(), np.uint8), **arrays}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """The models as they were estimated."""
        told: dict[str, dict[str, Any]] = json.loads(state["models"].tobytes())
        for number, (key, values) in enumerate(told.items()):
            arrays = {name: state[f"{number}/{name}"] for name in _KEPT if f"{number}/{name}" in state}
            self._models[key] = self._empty()
            self._models[key].model_ = {"fit": None, **values, **arrays}


def _filled(values: np.ndarray) -> np.ndarray:
    """Day by day without holes."""
    known = ~np.isnan(values)
    found: np.ndarray = np.interp(np.arange(len(values)), np.flatnonzero(known), values[known])
    return found


def _carried(values: np.ndarray) -> np.ndarray:
    """Day by day, an unknown one as the last known one before it."""
    last = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))
    found: np.ndarray = values[last]
    return found
