"""Words for what the pages show: features, reasons, and what is forecast."""

from __future__ import annotations

import re
from dataclasses import dataclass

from snowpipe_ml.dashboard.data.subject import Subject

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


def feature_words(subject: Subject) -> dict[str, str]:
    """Return the words for each feature of a subject, by its column."""
    settings = subject.features.settings
    every = settings.every
    found = {}
    for past in settings.past():
        periods = f"{past.days} {every.plural if past.days > 1 else every.noun}"
        found[past.column.name] = {
            "lag": f"value {periods} earlier",
            "mean": f"mean of the last {periods}",
            "stddev": f"standard deviation of the last {periods}",
        }[past.kind]
    for name in subject.features.feature_columns:
        found.setdefault(name.name, _words(name.name, every.plural))
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


def value_words(subject: Subject) -> str:
    """Return the words for a forecast value, such as ``COUNT per day``."""
    return f"{subject.target.name} per {subject.features.settings.every.noun}"


@dataclass(frozen=True)
class ReasonWords:
    """The words for the attributions of a forecast.

    Attributes:
        title: the words for one, as the title of an axis.
        explanation: what they mean, in a sentence or two.
    """

    title: str
    explanation: str


def reason_words(value: str, model: str, base: float | None, prediction: float) -> ReasonWords:
    """Return what the attributions of a model's forecast are.

    Args:
        value: the words for a forecast value.
        model: the name of the model.
        base: the column BASE of the forecast; None for shares.
        prediction: the forecast.
    """
    if base is None:
        return ReasonWords(
            "share",
            f"Shares of attention: how much {model} looked at each feature. They have no sign, do not add up to the "
            "forecast, and do not say whether a feature raises or lowers it.",
        )
    return ReasonWords(
        f"contribution to {value}",
        f"Signed contributions of {model}: {base:,.4g} without them, and their sum {prediction - base:+,.4g}, make "
        f"the forecast of {prediction:,.4g}. Of an ensemble, the first number also has the members that give no reasons.",
    )
