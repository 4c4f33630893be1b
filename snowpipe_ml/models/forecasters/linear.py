"""Ridge regression, one model per series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from snowpipe_ml.models.base import Explanation, Forecast, RowForecaster
from snowpipe_ml.models.panel import Series


class RidgeForecaster(RowForecaster):
    """Least squares with a penalty on the weights of the standardized features: Hastie et al., ESL 3.4.1."""

    def fit(self, panel: Sequence[Series]) -> None:
        """Solve the normal equations of each series."""
        self._keys = {series.key: k for k, series in enumerate(panel)}
        alpha = float(self.settings["alpha"])
        weights, intercepts = [], []
        for series in panel:
            mean, deviation = series.x.mean(axis=0), series.x.std(axis=0)
            scale = np.where(deviation > 1e-12, deviation, 1.0)
            z, y = (series.x - mean) / scale, series.y - series.y.mean()
            own = np.linalg.solve(z.T @ z + alpha * np.eye(z.shape[1]), z.T @ y) / scale
            weights.append(own)
            intercepts.append(series.y.mean() - mean @ own)
        shape = (len(panel), len(self.features))
        self._weights, self._intercepts = np.array(weights).reshape(shape), np.array(intercepts)
        self._means = np.array([series.x.mean(axis=0) for series in panel]).reshape(shape)

    def predict_rows(self, panel: Sequence[Series], xs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Predict with the linear function of each series."""
        places = [self._keys[series.key] for series in panel]
        return [x @ self._weights[k] + self._intercepts[k] for k, x in zip(places, xs, strict=True)]

    def explain(self, panel: Sequence[Series], forecasts: Sequence[Forecast]) -> list[Explanation]:
        """Return each feature's term relative to its mean; the base is the prediction at the means."""
        found = []
        for series, forecast in zip(panel, forecasts, strict=True):
            k, x = self._keys[series.key], forecast.x
            base = float(self._means[k] @ self._weights[k] + self._intercepts[k])
            found.append(Explanation((x - self._means[k]) * self._weights[k], np.full(len(x), base)))
        return found

    def state(self) -> dict[str, np.ndarray]:
        """Return the weights, the intercepts and the feature means."""
        return {
            "keys": np.array(list(self._keys)),
            "weights": self._weights,
            "intercepts": self._intercepts,
            "means": self._means,
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore the weights, the intercepts and the feature means."""
        self._keys = {str(key): k for k, key in enumerate(state["keys"])}
        self._weights, self._intercepts, self._means = state["weights"], state["intercepts"], state["means"]
