"""The charts of the page Monitor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from snowpipe_ml.dashboard.charts.colors import GREY, INK, MANY, ORANGE, RED

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd


def _runs_axis() -> alt.X:
    import altair as alt

    # A run's id begins with its time; the rest tells runs of one second apart.
    words = (
        "slice(datum.label, 0, 4) + '-' + slice(datum.label, 4, 6) + '-' + slice(datum.label, 6, 8) + ' ' + "
    )
    words += "slice(datum.label, 9, 11) + ':' + slice(datum.label, 11, 13)"
    return alt.X("RUN:O", title=None, axis=alt.Axis(labelExpr=words, labelAngle=-45, labelOverlap=True))


def by_run(rows: pd.DataFrame, value: str, wanted: float | None = None) -> alt.LayerChart:
    """Draw a number by run: RUN, VALUE; and a dashed line where it should be."""
    import altair as alt

    line = (
        alt.Chart(rows)
        .mark_line(point=True, color=INK)
        .encode(
            x=_runs_axis(),
            y=alt.Y("VALUE:Q", title=value, scale=alt.Scale(zero=False)),
            tooltip=[alt.Tooltip("RUN:O", title="run"), alt.Tooltip("VALUE:Q", title=value, format=",.4~g")],
        )
    )
    return alt.LayerChart(layer=[line, *_rule(wanted)]).properties(height=320)


def by_horizon(rows: pd.DataFrame, value: str, ahead: str, wanted: float | None = None) -> alt.LayerChart:
    """Draw a number by periods ahead, a line per run: RUN, HORIZON, VALUE."""
    import altair as alt

    line = (
        alt.Chart(rows)
        .mark_line(point=True)
        .encode(
            x=alt.X("HORIZON:Q", title=ahead, axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("VALUE:Q", title=value, scale=alt.Scale(zero=False)),
            color=alt.Color(
                "RUN:N",
                title=None,
                scale=alt.Scale(range=list(MANY)),
                legend=alt.Legend(orient="top", columns=1, labelLimit=300),
            ),
            tooltip=[
                alt.Tooltip("RUN:N", title="run"),
                alt.Tooltip("HORIZON:Q", title=ahead),
                alt.Tooltip("VALUE:Q", title=value, format=",.4~g"),
            ],
        )
    )
    return alt.LayerChart(layer=[line, *_rule(wanted)]).properties(height=320)


def _rule(at: float | None) -> list[alt.Chart]:
    import altair as alt
    import pandas as pd

    if at is None:
        return []
    rule: alt.Chart = (
        alt.Chart(pd.DataFrame({"AT": [at]})).mark_rule(strokeDash=[4, 3], color=GREY).encode(y="AT:Q")
    )
    return [rule]


SMALL, LARGE = 0.1, 0.25
"""The population stability index above which a change is called small, and large, by the usual rule."""


def drift_bars(rows: pd.DataFrame, most: float) -> alt.LayerChart:
    """Draw the population stability index of features: FEATURE, PSI; and the limits that it may exceed."""
    import altair as alt
    import pandas as pd

    alert = f"above {most:g}: alert"
    levels = {f"up to {SMALL:g}": (0.0, GREY)}
    levels |= {
        f"above {limit:g}: {size} change": (limit, color)
        for limit, size, color in ((SMALL, "small", INK), (LARGE, "large", ORANGE))
        if limit < most
    }
    levels[alert] = (most, RED)
    if most <= SMALL:
        levels = {f"up to {most:g}": (0.0, GREY), alert: (most, RED)}
    size = [
        [name for name, (limit, _) in levels.items() if psi > limit or not limit][-1] for psi in rows["PSI"]
    ]
    limits = [limit for limit, _ in levels.values() if limit]
    # A large limit of an alert would leave no room for the usual ones on a linear axis.
    scale = alt.Scale(type="sqrt", domain=[0, 1.1 * max(most, *rows["PSI"])])
    base = alt.Chart(rows.assign(SIZE=size)).encode(
        y=alt.Y(
            "FEATURE:N",
            sort=list(rows["FEATURE"]),
            title=None,
            axis=alt.Axis(labelLimit=220, labelFlush=False),
        ),
        x=alt.X(
            "PSI:Q",
            title="PSI (square root scale)",
            scale=scale,
            axis=alt.Axis(values=limits, format="~g", grid=False),
        ),
        tooltip=[
            alt.Tooltip("FEATURE:N", title="feature"),
            alt.Tooltip("PSI:Q", title="index", format=".3f"),
            alt.Tooltip("BEFORE:Q", title="values before", format=",.0f"),
            alt.Tooltip("RECENT:Q", title="values lately", format=",.0f"),
        ],
    )
    bars = base.mark_bar().encode(
        color=alt.Color(
            "SIZE:N",
            title=None,
            scale=alt.Scale(domain=list(levels), range=[color for _, color in levels.values()]),
            legend=alt.Legend(orient="top", columns=1, labelLimit=220),
        )
    )
    numbers = base.mark_text(align="left", dx=4, color=GREY).encode(text=alt.Text("PSI:Q", format=".2f"))
    rules = alt.Chart(pd.DataFrame({"AT": limits})).mark_rule(strokeDash=[4, 3], color=GREY).encode(x="AT:Q")
    return alt.LayerChart(layer=[rules, bars, numbers]).properties(height=alt.Step(22))


def score_words(ahead: str, baseline: str) -> dict[str, str]:
    """Return the words for the scores of a run, by column.

    Args:
        ahead: how far ahead the forecasts are, such as ``1 day ahead``.
        baseline: the baseline, such as ``value 7 days earlier``.
    """
    return {
        "RMSE": f"RMSE, {ahead}",
        "BASELINE_RMSE": f"RMSE of the {baseline}",
        "MAE": f"MAE, {ahead}",
        "BASELINE_MAE": f"MAE of the {baseline}",
    }


def scores(rows: pd.DataFrame, columns: Mapping[str, str]) -> alt.Chart:
    """Draw the scores of runs and of the baseline.

    Args:
        rows: RUN_ID and the columns.
        columns: the words for the columns RMSE, BASELINE_RMSE, MAE and BASELINE_MAE.
    """
    import altair as alt

    words = list(columns.values())
    long = rows.rename(columns={"RUN_ID": "RUN", **columns}).melt(
        ["RUN"], words, var_name="WHICH", value_name="VALUE"
    )
    chart: alt.Chart = (
        alt.Chart(long, height=340)
        .mark_line(point=True)
        .encode(
            x=_runs_axis(),
            y=alt.Y("VALUE:Q", title="median error", scale=alt.Scale(zero=False)),
            color=alt.Color(
                "WHICH:N",
                title=None,
                scale=alt.Scale(domain=words, range=[INK, GREY, INK, GREY]),
                legend=alt.Legend(
                    orient="top", columns=2, labelLimit=300, symbolType="stroke", symbolSize=400
                ),
            ),
            strokeDash=alt.StrokeDash(
                "WHICH:N", title=None, scale=alt.Scale(domain=words, range=[[1, 0], [1, 0], [4, 3], [4, 3]])
            ),
            tooltip=[
                alt.Tooltip("RUN:O", title="run"),
                alt.Tooltip("WHICH:N", title="score"),
                alt.Tooltip("VALUE:Q", title="median", format=",.4~g"),
            ],
        )
    )
    return chart


def small_line(rows: pd.DataFrame, name: str) -> alt.Chart:
    """Draw a metric over the runs in little space: RUN_ID, VALUE."""
    import altair as alt

    chart: alt.Chart = (
        alt.Chart(rows.rename(columns={"RUN_ID": "RUN"}), height=110, title=name)
        .mark_line(point=True, color=INK)
        .encode(
            x=alt.X("RUN:O", title=None, axis=None),
            y=alt.Y(
                "VALUE:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4, format=",.4~g")
            ),
            tooltip=[
                alt.Tooltip("RUN:O", title="run"),
                alt.Tooltip("VALUE:Q", title=name, format=",.5~g"),
            ],
        )
    )
    return chart
