"""The base class of models over all series that make their features of the target's own past."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from snowpipe_ml.models.base import Forecast, Forecaster
from snowpipe_ml.models.forecasters.statistical import carried
from snowpipe_ml.models.panel import Series

LEAST_ROWS = 30
"""The training rows below which there is nothing to learn."""


class OverAll(Forecaster):
    """A model over all series of a partition."""

    shared = True

    def refuse(self, panel: Sequence[Series], rows: int) -> None:
        """Record that the model cannot be trained on so few rows."""
        for series in panel:
            plural = series.clock.frequency.plural
            self.failed[series.key] = (
                f"{self.settings['type']} cannot be trained: all series together have {rows} {plural} with enough "
                f"history, and {LEAST_ROWS} are needed"
            )

    def forecast(self, panel: Sequence[Series]) -> list[Forecast]:
        """Forecast the future periods of each series from the end of its history."""
        if not panel:
            return []
        panel = [series.on_the_wall() for series in panel]
        ahead = [series.steps for series in panel]
        found = self.ahead(panel, max(int(one.max(initial=0)) for one in ahead))
        return [
            Forecast(self.bounded(series, y[own - 1]), _own_features(series))
            for series, y, own in zip(panel, found, ahead, strict=True)
        ]

    def predict(self, panel: Sequence[Series]) -> list[np.ndarray]:
        """Predict each known period from those before it."""
        found = []
        for series in (one.on_the_wall() for one in panel):
            values = carried(series.values)
            y = self.behind(series, values)
            found.append(self.bounded(series, np.where(np.isnan(y), values[0], y)[series.places]))
        return found

    @abstractmethod
    def ahead(self, panel: Sequence[Series], horizon: int) -> np.ndarray:
        """Forecast (series, horizon) periods."""

    @abstractmethod
    def behind(self, series: Series, values: np.ndarray) -> np.ndarray:
        """Predict each period from those before it; NaN where there are too few."""


def _own_features(series: Series) -> np.ndarray:
    x = np.full((len(series.future_days), len(series.features)), np.nan)
    x[:] = series.future_x
    return x
