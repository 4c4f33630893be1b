"""Rolling-origin backtests: forecasts from past origins, compared with the actual values."""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from snowpipe_ml.models.base import Settings
from snowpipe_ml.models.conformal import Calibration
from snowpipe_ml.models.fold import Fold
from snowpipe_ml.models.panel import Feature, Series
from snowpipe_ml.models.registry import make_forecaster
from snowpipe_ml.models.spread import Spread


@dataclass(frozen=True)
class Plan:
    """The origins of a backtest.

    Attributes:
        origins: the number of origins.
        horizon: the number of periods forecast from each origin.
        step: the number of periods between two origins; the last origin is ``horizon`` periods before the end.
        least: the number of periods of history that a series needs before an origin.
    """

    origins: int
    horizon: int
    step: int
    least: int


def backtest(
    candidates: Mapping[str, Settings],
    panel: Sequence[Series],
    features: Sequence[Feature],
    plan: Plan,
    numbers: Iterable[int] | None = None,
) -> list[Fold]:
    """Forecast from each origin with each candidate, refitted on the history up to that origin.

    A forecast that contains a non-finite number is dropped: the candidate has no fold for that origin.

    Args:
        candidates: the settings of each candidate, by name.
        panel: the series; a series that is too short before an origin is skipped for that origin.
        features: the columns of ``x``.
        plan: the origins.
        numbers: the numbers of the origins to forecast from, counted from 0, the oldest; by default all.
    """
    folds: list[Fold] = []
    for number in range(plan.origins) if numbers is None else numbers:
        back = plan.horizon + (plan.origins - 1 - number) * plan.step
        then = [part for series in panel if (part := _as_of(series, back, plan)) is not None]
        actual = {series.key: dict(zip(series.days, series.y, strict=True)) for series in panel}
        spreads = {series.key: Spread.of(series, plan.horizon) for series in then}
        for name, settings in candidates.items():
            if not then:
                continue
            start = time.perf_counter()
            forecaster = make_forecaster(settings, features)
            forecaster.fit(then)
            fitted = forecaster.fitted(then)
            forecasts = forecaster.forecast(fitted)
            seconds = (time.perf_counter() - start) / len(then)
            for series, forecast in zip(fitted, forecasts, strict=True):
                if not np.isfinite(forecast.y).all():
                    continue
                truth = np.array([actual[series.key][day] for day in series.future_days])
                absolute, squared = _naive_errors(series.values, series.clock.season)
                stated = forecaster.stated(series, forecast.y)
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
                        clock=series.clock,
                        seconds=seconds,
                        spread=spreads[series.key],
                        stated=stated,
                        stated_mae=None if stated is None else float(np.mean(np.abs(truth - forecast.y))),
                        history=len(series.values),
                    )
                )
    return folds


def _as_of(series: Series, back: int, plan: Plan) -> Series | None:
    """The series as of ``back`` periods before its end.

    None if its history was too short by then, or no known period follows within the horizon.
    """
    numbers = series.clock.numbers(series.days)
    origin = numbers[-1] - back
    rows = int((numbers <= origin).sum())
    if rows < plan.least:
        return None
    near = (numbers > origin) & (numbers <= origin + plan.horizon)
    if not near.any():
        return None
    return series.head(rows).ahead(int(numbers[near][-1] - numbers[rows - 1]))


def _naive_errors(values: np.ndarray, season: int) -> tuple[float, float]:
    """The mean absolute and mean squared difference of periods a season apart.

    If those are all 0 or unknown, of adjacent periods.
    """
    for apart in (season, 1):
        difference = values[apart:] - values[:-apart]
        difference = difference[~np.isnan(difference)]
        if len(difference) and np.abs(difference).max() > 0:
            return float(np.abs(difference).mean()), float((difference**2).mean())
    return np.nan, np.nan  # a constant series has no scale, so its scaled errors are unknown


def with_intervals(
    folds: Iterable[Fold], coverage: float, horizon: int, quantiles: Sequence[float] = ()
) -> list[Fold]:
    """Add prediction intervals and quantiles to the folds, calibrated on the same model's folds at earlier origins."""
    of_model: dict[str, list[Fold]] = defaultdict(list)
    for fold in folds:
        of_model[fold.model].append(fold)
    found = []
    for own in of_model.values():
        for number in sorted({fold.number for fold in own}):
            earlier = [fold for fold in own if fold.number < number]
            calibration = Calibration.of(earlier, coverage, horizon, quantiles)
            for fold in own:
                if fold.number == number and earlier:
                    asked = (fold.key, fold.predicted, fold.level, fold.ahead, fold.spread, fold.stated)
                    low, high = calibration.interval(*asked)
                    levels = calibration.quantiles(*asked)
                    found.append(dataclasses.replace(fold, low=low, high=high, quantiles=levels))
                elif fold.number == number:
                    found.append(fold)
    return found
