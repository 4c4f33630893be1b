"""``tabnet_global``: one TabNet over all series of a partition, on logarithms that are scaled for each series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from snowpipe_ml.models.base import Explanation, Forecast, RowForecaster
from snowpipe_ml.models.panel import Series
from snowpipe_ml.models.tabnet.forecaster import STOPPING_FRACTION, scale_of, shares
from snowpipe_ml.models.tabnet.stack import TabNetStack

_FARTHEST = 10.0  # standard deviations that a prediction may be from the mean of its series


class TabNetGlobalForecaster(RowForecaster):
    """One TabNet for all series, which forecasts recursively.

    The target of a series, and its past, are logarithms if it has no negative values, and are then standardized by its
    own moments, so that small and large series are comparable. Other features are standardized over all series.
    """

    shared = True

    def fit(self, panel: Sequence[Series]) -> None:
        """Train one network, and keep its best epoch on the last tenth of the known days of each series."""
        import torch

        torch.set_num_threads(1)  # partitions run in parallel
        self._keys = {series.key: k for k, series in enumerate(panel)}
        self._logs = np.array([not (series.y < 0).any() for series in panel])
        values = [self._even(k, series.y) for k, series in enumerate(panel)]
        self._mean = np.array([y.mean() for y in values])
        self._scale = scale_of(np.array([y.std() for y in values]))
        every = np.concatenate([series.x for series in panel]) if panel else np.zeros((1, len(self.features)))
        self._x_mean, self._x_scale = every.mean(axis=0), scale_of(every.std(axis=0))
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self._stack = TabNetStack(
            self.settings, len(self.features), [int(self.settings["seed"])], together=1, device=device
        )
        if not panel:
            return
        parts: list[list[np.ndarray]] = [[], [], [], []]
        for k, (series, y) in enumerate(zip(panel, values, strict=True)):
            x, y = self._inputs(k, series.x), ((y - self._mean[k]) / self._scale[k]).astype(np.float32)
            kept = len(y) - max(1, round(len(y) * STOPPING_FRACTION))
            for part, rows in zip(parts, (x[:kept], y[:kept], x[kept:], y[kept:]), strict=True):
                part.append(rows)
        self._stack.fit(*([np.concatenate(part)] for part in parts))

    def _even(self, k: int, values: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.log1p(np.maximum(values, 0.0)) if self._logs[k] else values
        return found

    def _inputs(self, k: int, x: np.ndarray) -> np.ndarray:
        own = np.array([feature.own for feature in self.features], dtype=bool)
        past = (self._even(k, x) - self._mean[k]) / self._scale[k]
        rows: np.ndarray = np.where(own, past, (x - self._x_mean) / self._x_scale).astype(np.float32)
        return rows

    def _answers(self, method: str, panel: Sequence[Series], xs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Call a method of the network once for the rows of all series."""
        if not panel:
            return []
        rows = [self._inputs(self._keys[series.key], x) for series, x in zip(panel, xs, strict=True)]
        (found,) = getattr(self._stack, method)([np.concatenate(rows)])
        return np.split(found.astype(float), np.cumsum([len(one) for one in rows])[:-1])

    def predict_rows(self, panel: Sequence[Series], xs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Predict in the target's own units."""
        found = []
        for series, z in zip(panel, self._answers("predict", panel, xs), strict=True):
            k = self._keys[series.key]
            y = np.clip(z, -_FARTHEST, _FARTHEST) * self._scale[k] + self._mean[k]
            found.append(np.expm1(y) if self._logs[k] else y)
        return found

    def explain(self, panel: Sequence[Series], forecasts: Sequence[Forecast]) -> list[Explanation]:
        """Return the attention masks summed over the decision steps, as shares that sum to 1."""
        masks = self._answers("explain", panel, [forecast.x for forecast in forecasts])
        return [Explanation(shares(each)) for each in masks]

    def state(self) -> dict[str, np.ndarray]:
        """Return the weights and the moments."""
        own = {
            "keys": np.array(list(self._keys)),
            "logs": self._logs,
            "mean": self._mean,
            "scale": self._scale,
            "x_mean": self._x_mean,
            "x_scale": self._x_scale,
        }
        return own | self._stack.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore the weights and the moments."""
        import torch

        torch.set_num_threads(1)
        self._keys = {str(key): k for k, key in enumerate(state["keys"])}
        self._logs, self._mean, self._scale = state["logs"], state["mean"], state["scale"]
        self._x_mean, self._x_scale = state["x_mean"], state["x_scale"]
        self._stack = TabNetStack.from_state(self.settings, len(self.features), state)
