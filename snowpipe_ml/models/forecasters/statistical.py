"""Models without features: their base class, and the naive baselines."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from snowpipe_ml.models.base import Forecast, Forecaster
from snowpipe_ml.models.panel import Series


class Univariate(Forecaster):
    """A model of the target's own past.

    For a forecast, unknown days are interpolated between their neighbors. For the prediction of a known
    day, they take the last known value before them, because later values are not known at that time.
    """

    def fit(self, panel: Sequence[Series]) -> None:
        """Do nothing: the history is read when a prediction is made."""

    def forecast(self, panel: Sequence[Series]) -> list[Forecast]:
        """Forecast the future days from the end of the history."""
        found = []
        for series in (one.on_the_wall() for one in panel):
            ahead = series.steps
            horizon = int(ahead.max(initial=0))
            y = self._ahead(series, filled(series.values), horizon)[ahead - 1] if horizon else np.zeros(0)
            x = np.full((len(y), len(self.features)), np.nan)
            x[:] = series.future_x
            found.append(Forecast(self.bounded(series, y), x))
        return found

    def predict(self, panel: Sequence[Series]) -> list[np.ndarray]:
        """Predict each known day from the days before it."""
        found = []
        for series in (one.on_the_wall() for one in panel):
            y = self._behind(series, carried(series.values))
            found.append(self.bounded(series, y[series.places]))
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


class SeasonalNaiveForecaster(Univariate):
    """Forecast a day by the value one season before."""

    def _ahead(self, series: Series, values: np.ndarray, horizon: int) -> np.ndarray:
        season = min(int(self.settings["season"]), len(values))
        return np.resize(values[-season:], horizon)

    def _behind(self, series: Series, values: np.ndarray) -> np.ndarray:
        season = int(self.settings["season"])
        before = np.concatenate([np.full(season, values[0]), values])[: len(values)]
        found: np.ndarray = np.where(np.arange(len(values)) < season, values[0], before)
        return found


class MovingAverageForecaster(Univariate):
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


def filled(values: np.ndarray) -> np.ndarray:
    """The values day by day, with gaps interpolated."""
    known = ~np.isnan(values)
    found: np.ndarray = np.interp(np.arange(len(values)), np.flatnonzero(known), values[known])
    return found


def carried(values: np.ndarray) -> np.ndarray:
    """The values day by day, with each gap filled by the last known value before it."""
    last = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))
    found: np.ndarray = values[last]
    return found
