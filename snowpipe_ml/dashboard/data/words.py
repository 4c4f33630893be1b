"""Words for what the pages show: the forecast value and the reasons."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from snowpipe_ml.dashboard.data.subject import Subject

_RUN = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)\d+-\w+")


def run_words(run_id: str) -> str:
    """Return when a run began, in UTC, as its id says: ``2026-03-01 14:30``."""
    found = _RUN.fullmatch(run_id)
    return run_id if found is None else "{}-{}-{} {}:{}".format(*found.groups())


def plain(text: str) -> str:
    """Return a text of the data as Markdown that shows it as it is: a name may hold markup, or the name of an icon."""
    return re.sub(r"([\\`*_{}\[\]<>$#:~|])", r"\\\1", text)


def value_words(subject: Subject) -> str:
    """Return the words for a forecast value, such as ``SALES per day``, or ``orders per day`` for a count of ORDERS."""
    settings = subject.features.settings
    name = subject.target.name
    counted = next((one for one in settings.all_targets if one.name == subject.target), None)
    if name == "COUNT" and counted is not None and counted.value is None:
        table = settings.from_.parts[-1].name
        name = table.lower().replace("_", " ") if table.isupper() else table
    return f"{name} per {settings.every.noun}"


def number_words(value: float | None, like: float | None = None) -> str:
    """Return a number of the forecast as text: with one decimal, or more if it is small.

    Args:
        value: the number; None or NaN if there is none.
        like: the number whose decimals it gets, such as the forecast of an interval; its own by default.
    """
    if value is None or math.isnan(value):
        return "none"
    size = abs(value if like is None or math.isnan(like) else like)
    decimals = 1 if size >= 1 or size == 0 else min(6, 2 - math.floor(math.log10(size)))
    return f"{value:,.{decimals}f}"


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
    before, after = number_words(base, prediction), number_words(prediction)
    verb = "lower" if prediction < base else "raise"
    change = (
        f"leave the forecast at {after}"
        if before == after
        else f"{verb} the forecast from {before} to {after}"
    )
    return ReasonWords(
        f"part of the forecast, in {value}",
        f"The values of the features {change}. A bar is the signed contribution of one of them."
        + (
            f" Not all members of an ensemble have contributions: the others are in the {before}."
            if model == "ensemble"
            else ""
        ),
    )
