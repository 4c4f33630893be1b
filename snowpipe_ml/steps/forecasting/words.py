"""Words for the features of a forecast and for the columns of its scores."""

from __future__ import annotations

import re
from collections.abc import Mapping

from snowpipe_ml.steps.forecasting.features import Features

_CALENDAR = {
    "HOUR_OF_DAY": "hour of the day",
    "MINUTE_OF_DAY": "minute of the day",
    "DAY_OF_WEEK": "day of the week",
    "WEEKEND": "weekend",
    "DAY_OF_MONTH": "day of the month",
    "DAY_OF_YEAR": "day of the year",
    "WEEK_OF_YEAR": "week of the year",
    "MONTH": "month",
    "QUARTER": "quarter",
    "YEAR": "year",
    "HOLIDAY": "holiday",
}
_AROUND = re.compile(r"(BEFORE|AFTER)_HOLIDAY_(\d+)")
_WAVE = re.compile(r"(SIN|COS)_(\d+(?:_\d+)?)_(\d+)")

SCORES: Mapping[str, str] = {
    "SERIES": "the number of series",
    "DAYS": "the number of forecast periods",
    "RMSE": "root mean squared error, in units of the value",
    "MAE": "mean absolute error, in units of the value",
    "SMAPE": "symmetric mean absolute percentage error, 0 to 200",
    "MASE": "mean absolute error, as a multiple of the mean change over a season in the history",
    "RMSSE": "root mean squared error, as a multiple of the root mean squared change over a season in the history",
    "BIAS": "mean of prediction minus actual value",
    "TOTAL_BIAS": "error of the totals, in percent",
    "PINBALL": "mean loss at both ends of the interval",
    "COVERAGE": "fraction of the actual values inside the interval",
    "WQL": "weighted quantile loss",
    "WEIGHT": "mean weight in the ensemble",
    "SECONDS": "seconds to train and forecast a series once",
}
"""The columns of a leaderboard in words."""


def feature_words(features: Features) -> dict[str, str]:
    """Return the words for each feature, by its column."""
    s = features.settings
    found = {}
    for past in s.past():
        periods = f"{past.days} {s.every.plural if past.days > 1 else s.every.noun}"
        found[past.column.name] = {
            "lag": f"value {periods} earlier",
            "mean": f"mean of the last {periods}",
            "stddev": f"standard deviation of the last {periods}",
        }[past.kind]
    for other in s.exogenous:
        for one in other.features:
            periods = f"{one.lag} {s.every.plural if one.lag > 1 else s.every.noun}"
            earlier = f" {periods} earlier" if one.lag else ""
            found[one.name.name] = f"{one.column} of {other.table}{earlier}"
    for fixed in s.static:
        found |= {column.name: f"{column} of {fixed.table}" for column in fixed.columns}
    for name in features.feature_columns:
        found.setdefault(name.name, _words(name.name, s.every.plural))
    return found


def _words(name: str, periods: str) -> str:
    if name in _CALENDAR:
        return _CALENDAR[name]
    if match := _AROUND.fullmatch(name):
        side, days = match[1].lower(), int(match[2])
        return f"{days} day{'s' if days > 1 else ''} {side} a holiday"
    if match := _WAVE.fullmatch(name):
        wave = {"SIN": "sine", "COS": "cosine"}[match[1]]
        return f"season of {match[2].replace('_', '.')} {periods} ({wave} {match[3]})"
    return name
