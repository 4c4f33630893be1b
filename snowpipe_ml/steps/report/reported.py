"""The forecasts of a pipeline as its report shows them: all series, scores, reasons and importance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Curve:
    """The last periods of a series, and its forecast.

    Attributes:
        key: its key.
        start: the place of its first period in the dates of all series.
        actual: the values.
        ahead: what was predicted from the period before, by place; empty if there is none.
        future: the place of its first forecast period.
        forecast: the forecasts.
        low: the lower ends of the intervals.
        high: the upper ends.
        model: the model of the forecast.
        note: what the model says of the forecast, such as the weights of an ensemble.
        total: the sum of the values that are shown.
    """

    key: str
    start: int
    actual: list[float | None]
    ahead: list[float | None]
    future: int
    forecast: list[float | None]
    low: list[float | None]
    high: list[float | None]
    model: str
    note: str
    total: float


@dataclass(frozen=True)
class Score:
    """How well the model and the baselines forecast a series in the backtest."""

    key: str
    mae: float
    mase: float | None
    baseline: str
    baseline_mae: float | None


@dataclass(frozen=True)
class Without:
    """A series without a forecast, and the reason."""

    key: str
    reason: str
    step: str


@dataclass(frozen=True)
class Reported:
    """A table of forecasts for the report.

    Attributes:
        step: the step that writes it.
        table: its name.
        key: the column that identifies a series.
        value: the forecast value in words, such as ``COUNT per day``.
        noun: a period in words, such as ``day``.
        dates: the periods of all curves, in order.
        curves: the series, those with the largest values first.
        series: the number of series with a forecast.
        board: the scores of the models, the best first; the columns of the leaderboard.
        used: the name of the model; None if it is in another spec.
        scores: the errors of the series.
        without: the series without a forecast.
        unlisted: what is known of series without a forecast that no table lists.
        importance: the (column, words, share) of each feature, the largest share first.
    """

    step: str
    table: str
    key: str
    value: str
    noun: str
    dates: list[str]
    curves: list[Curve]
    series: int
    board: list[dict[str, Any]]
    used: str | None
    scores: list[Score]
    without: list[Without]
    unlisted: str
    importance: list[tuple[str, str, float]]
