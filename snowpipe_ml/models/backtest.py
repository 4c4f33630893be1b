"""Rolling origins: what models would have forecast some weeks ago, beside what came true."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snowpipe_ml.models.conformal import Calibration
from snowpipe_ml.models.panel import DAY, Feature, Series
from snowpipe_ml.models.registry import make_forecaster


@dataclass(frozen=True)
class Plan:
    """Which origins there are.

    Attributes:
        origins: how many.
        horizon: days that are forecast from each.
        step: days between one and the next; the last is ``horizon`` days before the end.
        least: days of history that a series needs before an origin.
    """

    origins: int
    horizon: int
    step: int
    least: int


@dataclass(frozen=True, eq=False)
class Fold:
    """What one model forecast for one series from one origin.

    Attributes:
        model: its name.
        origin: the last day that it knew.
        number: of the origin, from 0, the oldest.
        level: the series' level then.
        scale: the mean absolute difference of a day and the same a week before, until then: MASE's denominator.
        squared_scale: the mean squared one: RMSSE's.
        low: the lower ends of the prediction intervals; None for the first origin, before which nothing was learnt.
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

    @property
    def rmse(self) -> float:
        """The root of the mean squared error over the horizon."""
        return float(np.sqrt(np.mean((self.actual - self.predicted) ** 2)))

    @property
    def scores(self) -> np.ndarray:
        """The errors in units of the level's square root, the scale of counts."""
        errors: np.ndarray = (self.actual - self.predicted) / np.sqrt(self.level)
        return errors


def backtest(
    candidates: Mapping[str, Mapping[str, Any]],
    panel: Sequence[Series],
    features: Sequence[Feature],
    plan: Plan,
) -> list[Fold]:
    """Forecast from each origin with each candidate, fitted anew on what was known then.

    A forecast with a number that is not finite is none: the candidate has no fold there.

    Args:
        candidates: settings of a model, by name.
        panel: the series; one that is too short before an origin is left out there.
        features: the columns of their ``x``.
        plan: the origins.
    """
    folds: list[Fold] = []
    for number in range(plan.origins):
        back = plan.horizon + (plan.origins - 1 - number) * plan.step
        then = [part for series in panel if (part := _as_of(series, back, plan)) is not None]
        actual = {series.key: dict(zip(series.days, series.y, strict=True)) for series in panel}
        for name, settings in candidates.items():
            if not then:
                continue
            forecaster = make_forecaster(settings, features)
            forecaster.fit(then)
            fitted = forecaster.fitted(then)
            for series, forecast in zip(fitted, forecaster.forecast(fitted), strict=True):
                if not np.isfinite(forecast.y).all():
                    continue
                truth = np.array([actual[series.key][day] for day in series.future_days])
                absolute, squared = _naive_errors(series.values)
                folds.append(
                    Fold(
                        series.key,
                        name,
                        series.days[-1],
                        number,
                        series.future_days,
                        truth,
                        forecast.y,
                        series.level,
                        absolute,
                        squared,
                    )
                )
    return folds


def _as_of(series: Series, back: int, plan: Plan) -> Series | None:
    """A series as it was some days before its end; None if there was too little of it, or nothing came after."""
    origin = series.days[-1] - back * DAY
    rows = int((series.days <= origin).sum())
    if rows < plan.least:
        return None
    then = series.head(rows).ahead(0)
    near = (series.days > origin) & (series.days <= origin + plan.horizon * DAY)
    if not near.any():
        return None
    return series.head(rows).ahead(int((series.days[near][-1] - then.days[-1]) / DAY))


def _naive_errors(values: np.ndarray) -> tuple[float, float]:
    """Mean absolute and squared difference of days a week apart; those of neighbours where there are no two weeks."""
    for apart in (7, 1):
        difference = values[apart:] - values[:-apart]
        difference = difference[~np.isnan(difference)]
        if len(difference) and np.abs(difference).max() > 0:
            return float(np.abs(difference).mean()), float((difference**2).mean())
    return np.nan, np.nan  # a constant series has no scale: its scaled errors are unknown


def with_intervals(folds: Iterable[Fold], coverage: float, horizon: int) -> list[Fold]:
    """The folds with prediction intervals, each learnt from the folds of the same model at earlier origins."""
    of_model: dict[str, list[Fold]] = defaultdict(list)
    for fold in folds:
        of_model[fold.model].append(fold)
    found = []
    for own in of_model.values():
        for number in sorted({fold.number for fold in own}):
            earlier = [fold for fold in own if fold.number < number]
            calibration = Calibration.of(earlier, coverage, horizon)
            for fold in own:
                if fold.number == number and earlier:
                    ahead = (fold.days - fold.origin) / DAY
                    low, high = calibration.interval(fold.key, fold.predicted, fold.level, ahead)
                    found.append(dataclasses.replace(fold, low=low, high=high))
                elif fold.number == number:
                    found.append(fold)
    return found
