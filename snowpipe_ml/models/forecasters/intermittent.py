"""Models of intermittent demand, of statsforecast: their forecast is the same for all future periods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from snowpipe_ml.models.forecasters.statistical import Univariate
from snowpipe_ml.models.panel import Series

# The smoothing of TSB for the size of a demand and for its probability, as usual in the literature.
_SIZE, _PROBABILITY = 0.2, 0.2


class IntermittentForecaster(Univariate):
    """``croston``, ``croston_sba``, ``tsb``, ``adida`` and ``imapa``.

    Croston's method: https://doi.org/10.1057/jors.1972.50. TSB: https://doi.org/10.1016/j.ejor.2011.05.018. ADIDA:
    https://doi.org/10.1057/jors.2010.32. A series with negative values has no such model. They are not trained, so that
    the history is all that they need.
    """

    def fit(self, panel: Sequence[Series]) -> None:
        """Refuse series with negative values."""
        for series in panel:
            lowest = float(np.nanmin(series.values))
            if lowest < 0:
                self.failed[series.key] = (
                    f"{self.settings['type']} requires values of at least 0, but one is {lowest:g}"
                )

    def _model(self) -> Any:
        from statsforecast import models

        kind = self.settings["type"]
        if kind == "tsb":
            return models.TSB(alpha_d=_SIZE, alpha_p=_PROBABILITY)
        names = {
            "croston": "CrostonOptimized",
            "croston_sba": "CrostonSBA",
            "adida": "ADIDA",
            "imapa": "IMAPA",
        }
        return getattr(models, names[kind])()

    def _level(self, values: np.ndarray) -> float:
        if not values.any():
            return 0.0
        if np.count_nonzero(values) < 2:  # no time between two demands is known
            return float(values.mean())
        return float(self._model().forecast(y=values, h=1)["mean"][0])

    def _ahead(self, series: Series, values: np.ndarray, horizon: int) -> np.ndarray:
        return np.full(horizon, self._level(values))

    def _behind(self, series: Series, values: np.ndarray) -> np.ndarray:
        """Predict each period from those before it; the first by its own value."""
        levels = [self._level(values[:place]) for place in range(1, len(values))]
        return np.array([values[0], *levels])
