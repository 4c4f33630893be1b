"""The charts of the page Models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from snowpipe_ml.dashboard.charts.colors import GREY, INK, MANY
from snowpipe_ml.dashboard.charts.forecasts import time_axis

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd


def bars(rows: pd.DataFrame, name: str, number: str, title: str) -> alt.Chart:
    """Draw a horizontal bar per row, in the order of the rows."""
    import altair as alt

    chart: alt.Chart = (
        alt.Chart(rows, height=alt.Step(24))
        .mark_bar(color=INK)
        .encode(
            y=alt.Y(
                f"{name}:N",
                sort=list(rows[name]),
                title=None,
                axis=alt.Axis(labelLimit=220, labelFlush=False),
            ),
            x=alt.X(f"{number}:Q", title=title, axis=alt.Axis(tickMinStep=1)),
            tooltip=[alt.Tooltip(f"{name}:N", title="name"), alt.Tooltip(f"{number}:Q", title=title)],
        )
    )
    return chart


def fold_lines(folds: pd.DataFrame, metric: str) -> alt.Chart:
    """Draw a metric by origin of the backtest, a line per model: MODEL, FOLD, VALUE."""
    import altair as alt

    chart: alt.Chart = (
        alt.Chart(folds, height=280)
        .mark_line(point=True)
        .encode(
            x=alt.X("FOLD:O", title="origin", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("VALUE:Q", title=metric, scale=alt.Scale(zero=False)),
            color=alt.Color(
                "MODEL:N",
                title=None,
                scale=alt.Scale(range=list(MANY)),
                legend=alt.Legend(orient="top", columns=3),
            ),
            tooltip=[
                alt.Tooltip("MODEL:N", title="model"),
                alt.Tooltip("FOLD:O", title="origin"),
                alt.Tooltip("VALUE:Q", title=metric, format=",.4~g"),
            ],
        )
    )
    return chart


def backtest(rows: pd.DataFrame, models: Sequence[str], value: str) -> alt.LayerChart:
    """Draw the folds of a series: what came true, and the forecasts of some models from each origin.

    Args:
        rows: FOLD, MODEL, DATE, ACTUAL, PREDICTION, LOW, HIGH.
        models: the models to draw.
        value: the words for a value.
    """
    import altair as alt
    import pandas as pd

    rows = rows.assign(WHEN=pd.to_datetime(rows["DATE"]), LINE=rows["MODEL"] + rows["FOLD"].astype(str))
    actual = rows.drop_duplicates("WHEN").sort_values("WHEN")
    chosen = rows[rows["MODEL"].isin(models)]
    x = alt.X("WHEN:T", title=None, axis=time_axis(rows["WHEN"]))
    tips = [
        alt.Tooltip("WHEN:T", title="period"),
        alt.Tooltip("MODEL:N", title="model"),
        alt.Tooltip("FOLD:O", title="origin"),
        alt.Tooltip("ACTUAL:Q", title="actual", format=",.4~g"),
        alt.Tooltip("PREDICTION:Q", title="forecast", format=",.4~g"),
    ]
    scale = alt.Scale(domain=list(models), range=list(MANY))
    color = alt.Color("MODEL:N", title=None, scale=scale, legend=alt.Legend(orient="top", columns=3))
    band = (
        alt.Chart(chosen.dropna(subset=["LOW"]))
        .mark_area(opacity=0.15)
        .encode(x=x, y=alt.Y("LOW:Q", title=value), y2="HIGH:Q", color=color.legend(None), detail="LINE:N")
    )
    known = (
        alt.Chart(actual)
        .mark_line(color=GREY, point=alt.OverlayMarkDef(size=18, color=GREY))
        .encode(
            x=x, y=alt.Y("ACTUAL:Q", title=value, scale=alt.Scale(zero=False)), tooltip=tips[:1] + tips[3:4]
        )
    )
    lines = (
        alt.Chart(chosen)
        .mark_line()
        .encode(x=x, y=alt.Y("PREDICTION:Q", title=value), color=color, detail="LINE:N", tooltip=tips)
    )
    return alt.LayerChart(layer=[band, known, lines]).properties(height=320)
