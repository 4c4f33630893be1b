"""The forecast of a series for which no model can be trained: the best that its length allows.

With at least two seasons, a period is the mean of the same one in the last seasons; with less, the mean of the last
periods; with one period, its value. An unknown period counts as no period.
"""

from __future__ import annotations

import numpy as np

from snowpipe_ml.models.base import Forecast
from snowpipe_ml.models.panel import Series

NAME = "simple"
_MOST_SEASONS = 4


def simple_forecast(series: Series) -> tuple[Forecast, str]:
    """Return the forecast of the future periods, and how it was made.

    Args:
        series: a series with at least one known period.
    """
    wall = series.on_the_wall()
    values, season = wall.values, wall.clock.season
    plural = wall.clock.frequency.plural
    if len(values) >= 2 * season > 2:
        seasons = min(len(values) // season, _MOST_SEASONS)
        table = values[-seasons * season :].reshape(seasons, season)
        known = ~np.isnan(table)
        level = float(table[known].mean()) if known.any() else float(values[~np.isnan(values)].mean())
        sums = np.where(known, table, 0.0).sum(axis=0)
        profile = np.where(known.any(axis=0), sums / np.maximum(known.sum(axis=0), 1), level)
        y = profile[(wall.steps - 1) % season]
        said = f"the mean of the same {wall.clock.frequency.noun} in the last {seasons} seasons of {season} {plural}"
    else:
        recent = values[~np.isnan(values)][-2 * max(season, 2) :]
        y = np.full(len(wall.steps), recent.mean())
        said = f"the mean of the last {len(recent)} {plural}" if len(recent) > 1 else "the only known value"
    x = np.full((len(y), len(series.features)), np.nan)
    x[:] = series.future_x
    return Forecast(y, x), said
