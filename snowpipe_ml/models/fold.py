"""One fold of a backtest: what a candidate would have forecast from an origin."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from snowpipe_ml.models.clock import Clock
from snowpipe_ml.models.spread import Spread, unit_of


@dataclass(frozen=True, eq=False)
class Fold:
    """One model's forecast for one series from one origin.

    Attributes:
        model: the model's name.
        origin: the last day of the history that the model was fitted on.
        number: the number of the origin, counted from 0, the oldest.
        clock: the length of the periods.
        level: the level of the series at the origin.
        scale: the denominator of MASE: the mean absolute difference between periods a season apart, up
            to the origin.
        squared_scale: the denominator of RMSSE: the mean squared difference.
        low: the lower ends of the prediction intervals; None for the first origin, which has no earlier
            forecasts to calibrate on.
        high: the upper ends.
        quantiles: (quantiles, days) the quantiles that were asked for; None like ``low``.
        seconds: the seconds that training and forecasting took for this series from this origin; models of
            several series share theirs evenly.
        weight: the weight of the model in an ensemble; None if it is not a member.
        message: what is to be said of the model.
        history: the number of periods from the first of the series to the origin.
        spread: the errors of simple smoothing up to the origin; None if the history was too short.
        stated: (2, days) how far the ends of the model's own interval are from its forecast; None if it states none.
        stated_mae: the mean absolute error of the models that stated it: that of the model, or of an ensemble's members.
    """

    key: str
    model: str
    origin: np.datetime64
    number: int
    days: np.ndarray
    actual: np.ndarray
    predicted: np.ndarray
    level: float
    scale: float
    squared_scale: float
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    quantiles: np.ndarray | None = None
    clock: Clock = field(default_factory=Clock)
    seconds: float = 0.0
    weight: float | None = None
    message: str | None = None
    spread: Spread | None = None
    stated: np.ndarray | None = None
    stated_mae: float | None = None
    history: int = 0

    @property
    def period(self) -> int:
        """The number of the origin's period."""
        return self.clock.number(self.origin)

    @property
    def ahead(self) -> np.ndarray:
        """The number of periods from the origin to each, (periods,)."""
        return self.clock.numbers(self.days) - self.period

    @property
    def mae(self) -> float:
        """The mean absolute error over the horizon."""
        return float(np.mean(np.abs(self.actual - self.predicted)))

    @property
    def rmse(self) -> float:
        """The root of the mean squared error over the horizon."""
        return float(np.sqrt(np.mean((self.actual - self.predicted) ** 2)))

    @property
    def scores(self) -> np.ndarray:
        """The errors in units of the series, in which those of all series are comparable."""
        errors: np.ndarray = (self.actual - self.predicted) / unit_of(self.level, self.spread)
        return errors

    @property
    def smoothed_mae(self) -> float | None:
        """The mean absolute error that simple smoothing had over the same periods."""
        if self.spread is None:
            return None
        return float(np.mean(np.abs(self.actual - self.spread.forecast[self.ahead - 1])))
