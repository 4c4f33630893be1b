"""The forecaster interface: fit a panel of series, predict its history, forecast, explain and save."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from snowpipe_ml.models.panel import Feature, Series

Settings = Mapping[str, Any]
"""The settings of a model, as the function reads them from its configuration: JSON values."""

STATED_COVERAGE = 0.8
"""The coverage of the intervals whose ends :meth:`Forecaster.stated` returns."""


@dataclass(frozen=True)
class Explanation:
    """Feature attributions of some predictions.

    Attributes:
        contributions: (rows, features). For an additive model, each row plus ``base`` sums to the prediction
            before bounds are applied; for any other model, the row holds shares that sum to 1.
        base: (rows,) the prediction of an additive model without any feature contribution; for an average of
            models, the part of the prediction that the contributions do not explain; None for shares.
    """

    contributions: np.ndarray
    base: np.ndarray | None = None


@dataclass(frozen=True)
class Forecast:
    """Predictions for some days of one series, future or known.

    Attributes:
        y: (days,) the predictions.
        x: (days, features) the features that they were made from.
    """

    y: np.ndarray
    x: np.ndarray


def lower_bound(settings: Settings, series: Series) -> float | None:
    """Return the lower bound of a series' predictions: ``auto`` is 0 if none of its values is negative."""
    lower = settings.get("lower_bound")
    if lower == "auto":
        return 0.0 if not (series.y < 0).any() else None
    return None if lower is None else float(lower)


class Forecaster(ABC):
    """A model of many series.

    A series that cannot be fitted is listed in ``failed`` with the reason; the other series are fitted.

    Args:
        settings: the model's settings from the spec, with ``lower_bound``, ``max_growth`` and ``seed``.
        features: the columns of ``x``.

    Attributes:
        failed: the reason why a series has no model, by the series' key.
        shared: whether one model is fitted over all series. Such a model is fitted on the whole panel even
            when it forecasts only a few of its series.
        states_intervals: whether its own intervals are part of those that are calibrated on a backtest. Statistical
            models follow from the history of a series how its errors grow with the horizon.
    """

    shared: ClassVar[bool] = False
    states_intervals: ClassVar[bool] = False

    def __init__(self, settings: Settings, features: Sequence[Feature]) -> None:
        self.settings = dict(settings)
        self.features = tuple(features)
        self.failed: dict[str, str] = {}

    @abstractmethod
    def fit(self, panel: Sequence[Series]) -> None:
        """Fit on the known days of each series."""

    @abstractmethod
    def predict(self, panel: Sequence[Series]) -> list[np.ndarray]:
        """Predict the known days of fitted series, (days,), each from the data known the day before."""

    @abstractmethod
    def forecast(self, panel: Sequence[Series]) -> list[Forecast]:
        """Forecast the future days of fitted series from their history."""

    def explain(self, panel: Sequence[Series], forecasts: Sequence[Forecast]) -> list[Explanation] | None:
        """Return feature attributions for a forecast of each series; None if the model has no features."""
        return None

    def own_interval(self, series: Series, coverage: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the interval of the future days that the model itself states; None if it states none.

        It is used where no backtest has measured the errors.

        Args:
            series: a fitted series.
            coverage: the fraction of days that the interval should contain, such as 0.8.

        Returns:
            The lower and the upper ends, each (days,).
        """
        return None

    def stated(self, series: Series, y: np.ndarray | None = None) -> np.ndarray | None:
        """Return how far the ends of the model's own interval are from its forecast, (2, days); None if it states none.

        Args:
            series: a fitted series.
            y: (days,) the forecast, if it is known.
        """
        own = self.own_interval(series, STATED_COVERAGE) if self.states_intervals else None
        if own is None:
            return None
        if y is None:
            y = self.forecast([series])[0].y
        found: np.ndarray = np.maximum([y - own[0], own[1] - y], 0.0)
        return found if np.isfinite(found).all() and found.any() else None

    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """Return what :meth:`restore` needs to reproduce the forecasts: arrays without Python objects."""

    @abstractmethod
    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore the fitted model from another forecaster's ``state()``."""

    def bounded(self, series: Series, values: np.ndarray) -> np.ndarray:
        """Clip predictions to the bounds of the settings.

        A recursive forecast can diverge; ``max_growth`` limits it to a multiple of the highest value of the
        history.
        """
        lower, growth = lower_bound(self.settings, series), self.settings.get("max_growth")
        if lower is not None:
            values = np.maximum(values, lower)
        upper = self.settings.get("upper_bound")
        if upper is not None:
            values = np.minimum(values, upper)
        highest = float(series.y.max(initial=0.0))
        if growth is not None and highest > 0:
            values = np.minimum(values, highest * growth)
        return values

    def fitted(self, panel: Sequence[Series]) -> list[Series]:
        """Return the series of a panel that have a model."""
        return [series for series in panel if series.key not in self.failed]


class RowForecaster(Forecaster):
    """A forecaster that predicts a day from a row of features, and forecasts recursively."""

    @abstractmethod
    def predict_rows(self, panel: Sequence[Series], xs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Predict (rows,) from the feature rows (rows, features) of each fitted series, without bounds."""

    def predict(self, panel: Sequence[Series]) -> list[np.ndarray]:
        """Predict the known days."""
        found = self.predict_rows(panel, [series.x for series in panel])
        return [self.bounded(series, values) for series, values in zip(panel, found, strict=True)]

    def forecast(self, panel: Sequence[Series]) -> list[Forecast]:
        """Forecast day by day; lags of forecast days use the forecasts."""
        rolling = [series.rolling() for series in panel]
        for step in range(max((len(series.future_days) for series in panel), default=0)):
            now = [k for k, series in enumerate(panel) if step < len(series.future_days)]
            rows = [rolling[k].row(step)[None] for k in now]
            found = self.predict_rows([panel[k] for k in now], rows)
            for k, values in zip(now, found, strict=True):
                rolling[k].add(step, float(self.bounded(panel[k], values)[0]))
        return [Forecast(one.y, one.x) for one in rolling]
