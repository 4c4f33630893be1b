"""The plots of the ``plot`` step, drawn by Altair from rows that the warehouse has aggregated.

Colors have the same meaning in all plots: blue is the selected model, dark the baselines, gray the rest.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from snowpipe_ml.steps.forecasting.charts import Forecasts

if TYPE_CHECKING:
    import altair as alt

USED, BASELINE, OTHER, ACTUAL = "#2a6fdb", "#3c434d", "#b4bac3", "#7d8590"
_WIDTH = 360  # with labels, the width of a phone

Rows = Sequence[Mapping[str, Any]]


def draw_forecasts(rows: Rows, forecasts: Forecasts) -> alt.VConcatChart:
    """Draw a panel per series with actual values, predictions one period ahead, forecasts and their intervals.

    Args:
        rows: ``SERIES``, ``DATE``, ``ACTUAL``, ``PREDICTION``, ``LOW``, ``HIGH`` and ``PART`` of each period.
        forecasts: the table, with the words for its values.
    """
    import altair as alt

    panels = []
    value = alt.Axis(title=f"{forecasts.value} per {forecasts.noun}", titleFontSize=10)
    for series in dict.fromkeys(row["SERIES"] for row in rows):
        base = alt.Chart(alt.InlineData(values=[row for row in rows if row["SERIES"] == series])).encode(
            x=alt.X("DATE:T", title=None, scale=alt.Scale(type="utc"))
        )
        band = base.mark_area(opacity=0.2, color=USED).encode(y=alt.Y("LOW:Q", axis=value), y2="HIGH:Q")
        actual = base.mark_line(color=ACTUAL, strokeWidth=1.2).encode(y=alt.Y("ACTUAL:Q", axis=value))
        ahead = (
            base.transform_filter("datum.PART !== 'forecast'")
            .mark_line(color=USED, strokeWidth=1.2, strokeDash=[3, 2])
            .encode(y=alt.Y("PREDICTION:Q", axis=value))
        )
        forecast = (
            base.transform_filter("datum.PART === 'forecast'")
            .mark_line(color=USED, strokeWidth=1.8)
            .encode(y=alt.Y("PREDICTION:Q", axis=value))
        )
        panels.append(
            (band + actual + ahead + forecast).properties(
                width=_WIDTH, height=110, title=alt.TitleParams(f"{forecasts.key.name} {series}", fontSize=12)
            )
        )
    return alt.vconcat(*panels).properties(
        title=_title(
            "Forecasts", f"gray: actual; dashed: {forecasts.ahead}; blue: forecast, with the interval"
        )
    )


def draw_errors(rows: Rows, roles: Mapping[str, str]) -> alt.LayerChart | alt.FacetChart:
    """Draw the distribution of each model's errors: the median, the middle half, and 90 percent.

    Args:
        rows: ``MODEL``, and ``P5``, ``P25``, ``P50``, ``P75`` and ``P95`` of prediction minus actual.
        roles: ``used``, ``baseline`` or ``other`` by model.
    """
    import altair as alt

    data = alt.InlineData(values=[{**row, "ROLE": roles[row["MODEL"]]} for row in rows])
    model = alt.Y("MODEL:N", title=None, sort=None)
    base = alt.Chart(data).encode(y=model, color=_color())
    nine_tenths = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("P5:Q", title="prediction − actual"), x2="P95:Q"
    )
    half = base.mark_bar(height=12, opacity=0.8).encode(x="P25:Q", x2="P75:Q")
    middle = alt.Chart(data).mark_tick(color="white", thickness=2, size=12).encode(x="P50:Q", y=model)
    zero = (
        alt.Chart(alt.InlineData(values=[{"ZERO": 0}]))
        .mark_rule(color=BASELINE, strokeDash=[3, 3])
        .encode(x="ZERO:Q")
    )
    title = _title("Errors in the backtest", "bar: 50% of the forecasts; line: 90%; dark: the baselines")
    return alt.layer(zero, nine_tenths, half, middle, width=_WIDTH, height=alt.Step(24), title=title)


def draw_leaderboard(rows: Rows, roles: Mapping[str, str]) -> alt.LayerChart | alt.FacetChart:
    """Draw the RMSE of each model over all origins as a bar, and at each origin as a dot.

    Args:
        rows: ``MODEL``, ``FOLD`` (None for all origins) and ``RMSE``.
        roles: ``used``, ``baseline`` or ``other`` by model.
    """
    import altair as alt

    labels = {row["MODEL"]: f"{row['MODEL']}  {row['RMSE']:.4g}" for row in rows if row["FOLD"] is None}
    found = [{**row, "LABEL": labels[row["MODEL"]], "ROLE": roles[row["MODEL"]]} for row in rows]
    whole = [row for row in found if row["FOLD"] is None]
    model = alt.Y("LABEL:N", title=None, sort=None)
    base = alt.Chart(alt.InlineData(values=whole)).encode(
        y=model, x=alt.X("RMSE:Q", title="RMSE overall (bar) and by origin (dots)")
    )
    bars = base.mark_bar(height=14, opacity=0.85).encode(color=_color())
    origins = [row for row in found if row["FOLD"] is not None]
    dots = alt.Chart(alt.InlineData(values=origins)).encode(y=model, x="RMSE:Q")
    dots = dots.mark_point(filled=True, size=40, color=BASELINE, stroke="white", strokeWidth=1, opacity=1)
    title = _title("Leaderboard", "blue: the selected model; dark: the baselines")
    return alt.layer(bars, dots, width=_WIDTH, height=alt.Step(24), title=title)


def draw_importance(rows: Rows) -> alt.Chart:
    """Draw the importance of each feature, as shares that sum to one.

    Args:
        rows: ``FEATURE`` and ``SHARE``.
    """
    import altair as alt

    title = _title("Feature importance", "the mean over all series and future periods")
    share = alt.X("SHARE:Q", title="share of the feature attributions", axis=alt.Axis(format="%"))
    chart = alt.Chart(alt.InlineData(values=list(rows)), width=_WIDTH, height=alt.Step(20), title=title)
    drawn: alt.Chart = chart.mark_bar(color=USED, height=14).encode(
        x=share, y=alt.Y("FEATURE:N", title=None, sort="-x")
    )
    return drawn


def as_svg(chart: alt.TopLevelMixin) -> str:
    """Return the chart as a self-contained SVG."""
    stream = io.StringIO()
    _styled(chart).save(stream, format="svg")
    return stream.getvalue()


def as_png(chart: alt.TopLevelMixin) -> bytes:
    """Return the chart as a PNG, with three pixels per point."""
    stream = io.BytesIO()
    _styled(chart).save(stream, format="png", scale_factor=3)
    return stream.getvalue()


def _styled(chart: alt.TopLevelMixin) -> alt.TopLevelMixin:
    styled: alt.TopLevelMixin = (
        chart.configure(background="white", padding=10, font="Helvetica, Arial, sans-serif")
        .configure_view(stroke=None)
        .configure_axis(
            gridColor="#e6e8eb",
            domainColor="#c5cad1",
            tickColor="#c5cad1",
            labelColor="#3c434d",
            labelLimit=220,
        )
        .configure_title(anchor="start", fontSize=14, subtitleColor="#6a727d")
    )
    return styled


def _title(text: str, below: str) -> alt.TitleParams:
    import altair as alt

    return alt.TitleParams(text, subtitle=below)


def _color() -> alt.Color:
    import altair as alt

    return alt.Color(
        "ROLE:N",
        legend=None,
        scale=alt.Scale(domain=["used", "baseline", "other"], range=[USED, BASELINE, OTHER]),
    )
