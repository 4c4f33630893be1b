"""Seasonal naive: a day is like the same day a season ago."""

from __future__ import annotations

from typing import Any

import numpy as np

from snowpipe_ml.models.base import Forecaster


class SeasonalNaiveForecaster(Forecaster):
    """Predicts the feature that is the lag of the season.

    Args:
        settings: the model settings of a ``deploy_forecaster`` step.
        lags: the lags, in the order of the first features.

    Raises:
        ValueError: the season is not among the lags.
    """

    def __init__(self, settings: dict[str, Any], lags: list[int]) -> None:
        if settings["season"] not in lags:
            raise ValueError(f"seasonal_naive needs the lag {settings['season']} among the features; lags are {lags}")
        self._column = lags.index(settings["season"])

    def fit(self, x: np.ndarray, y: np.ndarray) -> None:
        """There is nothing to learn."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The lag's column."""
        column: np.ndarray = x[:, self._column].astype(float)
        return column

    def explain(self, x: np.ndarray) -> np.ndarray:
        """All of it is the one lag."""
        shares = np.zeros(x.shape)
        shares[:, self._column] = 1.0
        return shares
