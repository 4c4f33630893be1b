"""The forecaster that runs in the table function; it imports numpy and ``snowpipe_ml.models`` only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from snowpipe_ml.models.base import Forecast, Forecaster
from snowpipe_ml.models.panel import Series


class DriftForecaster(Forecaster):
    """The last value plus the mean change so far."""

    def fit(self, panel: Sequence[Series]) -> None:
        """Take the last value and the mean change of each series."""
        days = int(self.settings["days"])
        self._fitted = {
            series.key: (float(series.y[-1]), float(np.mean(np.diff(series.y[-days:])))) for series in panel
        }

    def predict(self, panel: Sequence[Series]) -> list[np.ndarray]:
        """Predict the value of the day before."""
        return [self.bounded(series, np.concatenate([series.y[:1], series.y[:-1]])) for series in panel]

    def forecast(self, panel: Sequence[Series]) -> list[Forecast]:
        """Continue the mean change."""
        found = []
        for series in panel:
            last, change = self._fitted[series.key]
            values = last + change * np.arange(1, len(series.future_days) + 1)
            found.append(Forecast(self.bounded(series, values), np.empty((len(values), len(self.features)))))
        return found

    def state(self) -> dict[str, np.ndarray]:
        """Return the fitted values by series."""
        return {"keys": np.array(list(self._fitted)), "values": np.array(list(self._fitted.values()))}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore the fitted values."""
        pairs = zip(state["keys"], state["values"], strict=True)
        self._fitted = {str(key): (float(last), float(change)) for key, (last, change) in pairs}
