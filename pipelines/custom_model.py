"""A model of a custom class: a day is like that of a week ago, times the growth of the series."""

from __future__ import annotations

import numpy as np

from snowpipe_ml.models.base import RowForecaster


class Growth(RowForecaster):
    """Multiply the value of a week ago by the growth of the series; needs the feature LAG_7."""

    def fit(self, panel):
        """Estimate the growth of each series; ``s.y`` has its values, ``s.x`` its features by row."""
        most = float(self.settings.get("most", 2.0))
        lag = self._lag()
        self.factors = {s.key: min(s.y.sum() / max(s.x[:, lag].sum(), 1.0), most) for s in panel}

    def predict_rows(self, panel, xs):
        """Predict some rows of each series from their features."""
        return [x[:, self._lag()] * self.factors[s.key] for s, x in zip(panel, xs, strict=True)]

    def state(self):
        """Return the arrays from which :meth:`restore` makes the same model, to keep it on a stage."""
        return {"keys": np.array(list(self.factors)), "factors": np.array(list(self.factors.values()))}

    def restore(self, state):
        """Restore a model that was kept."""
        self.factors = {
            str(key): float(factor) for key, factor in zip(state["keys"], state["factors"], strict=True)
        }

    def _lag(self):
        return [feature.name for feature in self.features].index("LAG_7")
