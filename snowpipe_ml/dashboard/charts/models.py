"""The charts of the page Models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from snowpipe_ml.dashboard.charts.colors import GREY, INK, MANY
from snowpipe_ml.dashboard.charts.forecasts import time_axis

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd


def wins(rows: Sequence[tuple[str, int]]) -> alt.LayerChart:
    """Draw a horizontal bar per model with the number of series that it wins, in the order of the rows."""
    import altair as alt
    import pandas as pd

    data = pd.DataFrame(rows, columns=["MODEL", "SERIES"])
    most = max(1, *data["SERIES"])
    base = alt.Chart(data).encode(
        y=alt.Y(
            "MODEL:N",
            sort=list(data["MODEL"]),
            title=None,
            axis=alt.Axis(labelLimit=220, labelFlush=False),
        ),
        # The number is at the end of its bar, so an axis would say it twice.
        x=alt.X("SERIES:Q", axis=None, scale=alt.Scale(domain=[0, 1.1 * most])),
        tooltip=[alt.Tooltip("MODEL:N", title="model"), alt.Tooltip("SERIES:Q", title="series")],
    )
    numbers = base.mark_text(align="left", dx=5, color=GREY).encode(text="SERIES:Q")
    return alt.LayerChart(layer=[base.mark_bar(color=INK), numbers]).properties(height=alt.Step(24))


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
    actual = rows.drop_duplicates("WHEN").sort_values("WHEN").assign(MODEL="actual")
    chosen = rows[rows["MODEL"].isin(models)]
    x = alt.X("WHEN:T", title=None, axis=time_axis(rows["WHEN"]))
    tips = [
        alt.Tooltip("WHEN:T", title="period"),
        alt.Tooltip("MODEL:N", title="model"),
        alt.Tooltip("FOLD:O", title="origin"),
        alt.Tooltip("ACTUAL:Q", title="actual", format=",.4~g"),
        alt.Tooltip("PREDICTION:Q", title="forecast", format=",.4~g"),
    ]
    # The last of the many colours is that of the actual values.
    scale = alt.Scale(
        domain=["actual", *models],
        range=[GREY, *(MANY[number % (len(MANY) - 1)] for number in range(len(models)))],
    )
    color = alt.Color(
        "MODEL:N", title=None, scale=scale, legend=alt.Legend(orient="top", columns=3, symbolOpacity=1)
    )
    band = (
        alt.Chart(chosen.dropna(subset=["LOW"]))
        .mark_area(opacity=0.15)
        .encode(x=x, y=alt.Y("LOW:Q", title=value), y2="HIGH:Q", color=color, detail="LINE:N")
    )
    known = (
        alt.Chart(actual)
        .mark_line(point=alt.OverlayMarkDef(size=18))
        .encode(
            x=x,
            y=alt.Y("ACTUAL:Q", title=value, scale=alt.Scale(zero=False)),
            color=color,
            tooltip=tips[:1] + tips[3:4],
        )
    )
    lines = (
        alt.Chart(chosen)
        .mark_line()
        .encode(x=x, y=alt.Y("PREDICTION:Q", title=value), color=color, detail="LINE:N", tooltip=tips)
    )
    return alt.LayerChart(layer=[band, known, lines]).properties(height=320)
