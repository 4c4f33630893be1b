"""What a forecaster is: fit on a panel of series, predict their history, forecast the days to come, explain, save."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from snowpipe_ml.models.panel import Feature, Series


@dataclass(frozen=True)
class Explanation:
    """How much each feature counted in some predictions.

    Attributes:
        contributions: (rows, features). Of an additive model, with ``base``, each row sums to its prediction before
            bounds; of another they are shares that sum to 1.
        base: (rows,) what an additive model predicts where no feature counts, and of a mean of models what their
            features do not account for; None for shares.
    """

    contributions: np.ndarray
    base: np.ndarray | None = None


@dataclass(frozen=True)
class Forecast:
    """Some days of one series: those to come, or known ones that were predicted.

    Attributes:
        y: (days,) what is forecast.
        x: (days, features) what it was forecast from.
    """

    y: np.ndarray
    x: np.ndarray


class Forecaster(ABC):
    """Models of many series. A series that cannot be fitted is in ``failed`` with the reason, and the rest go on.

    Args:
        settings: the model's settings in the spec, and ``lower_bound``, ``max_growth`` and ``seed``.
        features: the columns of ``x``.

    Attributes:
        failed: key of a series: why it has no model.
        shared: whether series learn from one another, so that it is fitted on all of them even if it serves a few.
    """

    shared: ClassVar[bool] = False

    def __init__(self, settings: Mapping[str, Any], features: Sequence[Feature]) -> None:
        self.settings = dict(settings)
        self.features = tuple(features)
        self.failed: dict[str, str] = {}

    @abstractmethod
    def fit(self, panel: Sequence[Series]) -> None:
        """Learn from the known days of each series."""

    @abstractmethod
    def predict(self, panel: Sequence[Series]) -> list[np.ndarray]:
        """Predictions (days,) of the known days of fitted series, each from what was known the day before."""

    @abstractmethod
    def forecast(self, panel: Sequence[Series]) -> list[Forecast]:
        """The days to come of fitted series, from what is known at the end of their known days."""

    def explain(self, panel: Sequence[Series], forecasts: Sequence[Forecast]) -> list[Explanation] | None:
        """Explain a forecast of each series; None if the model has no features."""
        return None

    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """All that :meth:`restore` needs to forecast the same: arrays without Python objects."""

    @abstractmethod
    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take the place of the forecaster whose ``state()`` it was."""

    def bounded(self, series: Series, values: np.ndarray) -> np.ndarray:
        """Predictions within the bounds of the settings.

        Forecasts feed on themselves: one that has grown beyond ``max_growth`` times the highest day of the history
        has run away.
        """
        lower, growth = self.settings.get("lower_bound"), self.settings.get("max_growth")
        if lower is not None:
            values = np.maximum(values, lower)
        highest = float(series.y.max(initial=0.0))
        if growth is not None and highest > 0:
            values = np.minimum(values, highest * growth)
        return values

    def fitted(self, panel: Sequence[Series]) -> list[Series]:
        """The series of a panel that have a model."""
        return [series for series in panel if series.key not in self.failed]


class RowForecaster(Forecaster):
    """A forecaster that predicts a day from a row of features, and forecasts day after day from its own forecasts."""

    @abstractmethod
    def predict_rows(self, panel: Sequence[Series], xs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Predictions (rows,) from rows (rows, features) of each fitted series, without bounds."""

    def predict(self, panel: Sequence[Series]) -> list[np.ndarray]:
        """Predictions of the known days."""
        found = self.predict_rows(panel, [series.x for series in panel])
        return [self.bounded(series, values) for series, values in zip(panel, found, strict=True)]

    def forecast(self, panel: Sequence[Series]) -> list[Forecast]:
        """Day after day; a lag that falls on a forecast day is that forecast."""
        rolling = [series.rolling() for series in panel]
        for step in range(max((len(series.future_days) for series in panel), default=0)):
            now = [k for k, series in enumerate(panel) if step < len(series.future_days)]
            rows = [rolling[k].row(step)[None] for k in now]
            found = self.predict_rows([panel[k] for k in now], rows)
            for k, values in zip(now, found, strict=True):
                rolling[k].add(step, float(self.bounded(panel[k], values)[0]))
        return [Forecast(one.y, one.x) for one in rolling]
