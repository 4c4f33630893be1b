"""Words for what the pages show: the forecast value and the reasons."""

from __future__ import annotations

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
        f"Signed contributions of {model}. It would forecast {base:,.4g} without them; they add {prediction - base:+,.4g}, "
        f"which gives {prediction:,.4g}."
        + (" Members that give no reasons are part of the first number." if model == "ensemble" else ""),
    )
