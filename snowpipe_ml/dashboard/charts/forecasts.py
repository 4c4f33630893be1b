"""The charts of the page Forecast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from snowpipe_ml.dashboard.charts.colors import GREY, INK, LIGHT, LOWERS, ORANGE, RAISES

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

_PER_ROW = (9, 22)  # pixels of a row of the heat map, at least and at most
_HEIGHT = 540  # of the heat map, unless that makes rows too high or too low
# Such as `Sat` above `2`, and `Apr 1` for the first day and the first of each month.
_DAY = """[utcFormat(toDate(datum.value), '%a'), utcFormat(toDate(datum.value),
datum.index === 0 || utcdate(toDate(datum.value)) === 1 ? '%b %-d' : '%-d')]"""


def period_texts(dates: pd.Series[pd.Timestamp], *, within_a_day: bool) -> pd.Series[str]:
    """Return the beginnings of periods as text that sorts by time."""
    import pandas as pd

    return pd.to_datetime(dates).dt.strftime("%Y-%m-%d %H:%M" if within_a_day else "%Y-%m-%d")


def time_axis(dates: pd.Series[pd.Timestamp]) -> alt.Axis:
    """Return the axis of times, with labels of one form: Vega's own are of a week day here and of a month there."""
    import altair as alt

    days = (dates.max() - dates.min()).days if len(dates) else 0
    return alt.Axis(
        format="%b %Y" if days > 400 else "%b %d" if days > 4 else "%b %d %H:%M", labelOverlap=True
    )


def heat_map(
    cells: pd.DataFrame, labels: Sequence[str], value: str, *, relative: bool, daily: bool = False
) -> alt.Chart:
    """Draw series by period, coloured by value. Choosing a cell selects SERIES and PERIOD as ``cell``.

    Args:
        cells: SERIES, LABEL, PERIOD, PREDICTION, LOW, HIGH, and RATIO to the mean of the series.
        labels: the labels in order.
        value: the words for a value.
        relative: colour by RATIO, so that large series do not hide the pattern of small ones.
        daily: whether a period is a day, which is labelled with its day of the week.
    """
    import altair as alt

    # Rows stand in the order of the data: Vega-Lite compares every cell with every label of a list that sorts them.
    rank = {label: number for number, label in enumerate(labels)}
    coloured_by = "RATIO" if relative else "PREDICTION"
    columns = dict.fromkeys(["SERIES", "LABEL", "PERIOD", "PREDICTION", "LOW", "HIGH", coloured_by])
    drawn = cells.sort_values("LABEL", key=lambda column: column.map(rank), kind="stable")[list(columns)]
    color = alt.Color(
        f"{coloured_by}:Q",
        title="times its mean" if relative else value,
        scale=alt.Scale(scheme="blueorange", domainMid=1) if relative else alt.Scale(scheme="blues"),
        legend=alt.Legend(orient="top", gradientLength=180, titleLimit=300),
    )
    chosen = alt.selection_point(name="cell", fields=["SERIES", "PERIOD"], on="click", empty=True)
    step = max(_PER_ROW[0], min(_PER_ROW[1], _HEIGHT // max(1, len(labels))))
    axis = (
        alt.Axis(labelOverlap=True, orient="top", labelExpr=_DAY, labelAngle=0)
        if daily
        else alt.Axis(labelOverlap=True, orient="top", labelAngle=-60)
    )
    chart: alt.Chart = (
        alt.Chart(drawn, height=alt.Step(step))
        .mark_rect(cursor="pointer")
        .encode(
            x=alt.X("PERIOD:O", title=None, axis=axis),
            y=alt.Y(
                "LABEL:N",
                sort=None,
                title=None,
                axis=alt.Axis(
                    labelLimit=150,
                    labelFlush=False,
                    labelOverlap=step < 9,
                    labelFontSize=min(12, max(8, step - 3)),
                ),
            ),
            color=color,
            opacity=alt.condition(chosen, alt.value(1.0), alt.value(0.45)),
            tooltip=[
                alt.Tooltip("LABEL:N", title="series"),
                alt.Tooltip("PERIOD:O", title="period"),
                alt.Tooltip("PREDICTION:Q", title=value, format=",.4~g"),
                alt.Tooltip("LOW:Q", title="low", format=",.4~g"),
                alt.Tooltip("HIGH:Q", title="high", format=",.4~g"),
            ],
        )
        .add_params(chosen)
    )
    return chart


def series_chart(
    points: pd.DataFrame, value: str, chosen: str | None, *, ahead: str, interval: str
) -> alt.LayerChart:
    """Draw a series: what is known, the predictions of the past, the forecast and its interval.

    Args:
        points: WHEN, KIND (``actual``, ``forecast``, or the words of ``ahead``), VALUE, LOW, HIGH.
        value: the words for a value.
        chosen: the period to mark.
        ahead: the words for the predictions of the past, such as ``one day ahead``.
        interval: the words for the interval.
    """
    import altair as alt
    import pandas as pd

    kinds = ["actual", ahead, "forecast", interval]
    x = alt.X("WHEN:T", title=None, axis=time_axis(points["WHEN"]))
    band = (
        alt.Chart(points[points["KIND"] == "forecast"])
        .mark_area(opacity=0.45)
        .encode(x=x, y=alt.Y("LOW:Q", title=value), y2="HIGH:Q", color=alt.datum(interval))
    )
    lines = (
        alt.Chart(points)
        .mark_line(point=alt.OverlayMarkDef(size=18))
        .encode(
            x=x,
            y=alt.Y("VALUE:Q", title=value, scale=alt.Scale(zero=_from_zero(points))),
            color=alt.Color(
                "KIND:N",
                title=None,
                scale=alt.Scale(domain=kinds, range=[GREY, ORANGE, INK, LIGHT]),
                legend=alt.Legend(
                    orient="top", symbolType="square", symbolStrokeWidth=0, symbolOpacity=1, columns=2
                ),
            ),
            strokeDash=alt.StrokeDash(
                "KIND:N", legend=None, scale=alt.Scale(domain=kinds, range=[[1, 0], [3, 3], [1, 0], [1, 0]])
            ),
            tooltip=[
                alt.Tooltip("WHEN:T", title="period"),
                alt.Tooltip("KIND:N", title="line"),
                alt.Tooltip("VALUE:Q", title=value, format=",.4~g"),
                alt.Tooltip("LOW:Q", title="low", format=",.4~g"),
                alt.Tooltip("HIGH:Q", title="high", format=",.4~g"),
            ],
        )
    )
    layers: list[alt.Chart] = [band, lines]
    if chosen is not None:
        mark = pd.DataFrame({"WHEN": [pd.Timestamp(chosen)]})
        at = alt.Chart(mark).encode(x=x)
        layers.append(at.mark_rule(color=INK, strokeDash=[2, 2]))
        named = at.mark_text(color=INK, align="right", dx=-4, baseline="top").encode(
            y=alt.value(0), text=alt.value(chosen)
        )
        layers.append(named)
    return alt.LayerChart(layer=layers).properties(height=320)


def _from_zero(points: pd.DataFrame) -> bool:
    """Whether the axis of values begins at zero: not for values that are all far from it."""
    values = points[["VALUE", "LOW", "HIGH"]].astype(float)
    least, most = values.min().min(), values.max().max()
    return bool(least < 0.5 * most)


def reasons_chart(reasons: pd.DataFrame, title: str) -> alt.LayerChart:
    """Draw the attributions of a forecast as bars, the largest first.

    Args:
        reasons: FEATURE (in words), LABEL (these with its value), VALUE, ATTRIBUTION.
        title: the words for an attribution.
    """
    import altair as alt

    base = alt.Chart(reasons).encode(
        y=alt.Y(
            "LABEL:N",
            sort=list(reasons["LABEL"]),
            title=None,
            axis=alt.Axis(labelLimit=240, labelFlush=False),
        ),
        x=alt.X("ATTRIBUTION:Q", title=title, axis=alt.Axis(tickCount=8)),
        tooltip=[
            alt.Tooltip("FEATURE:N", title="feature"),
            alt.Tooltip("VALUE:Q", title="its value", format=",.4~g"),
            alt.Tooltip("ATTRIBUTION:Q", title=title, format="+,.4~g"),
        ],
    )
    bars = base.mark_bar().encode(
        color=alt.condition(alt.datum.ATTRIBUTION < 0, alt.value(LOWERS), alt.value(RAISES))
    )
    return alt.LayerChart(layer=[bars]).properties(height=alt.Step(22))


def place_map(series: pd.DataFrame, value: str) -> alt.Chart:
    """Draw series at their coordinates. Choosing a point selects SERIES as ``place``.

    It has one layer: Streamlit 1.52, which is the newest of Snowflake's warehouses, takes no selections in others.

    Args:
        series: SERIES, LABEL, LATITUDE, LONGITUDE, MEAN.
        value: the words for MEAN.
    """
    import altair as alt

    chosen = alt.selection_point(name="place", fields=["SERIES"], on="click", empty=True)
    points = (
        alt.Chart(series)
        .mark_circle(stroke="white", strokeWidth=0.7, cursor="pointer")
        .encode(
            longitude="LONGITUDE:Q",
            latitude="LATITUDE:Q",
            size=alt.Size("MEAN:Q", legend=None, scale=alt.Scale(range=[40, 600])),
            color=alt.Color(
                "MEAN:Q", title=value, scale=alt.Scale(scheme="blues"), legend=alt.Legend(orient="top")
            ),
            opacity=alt.condition(chosen, alt.value(0.95), alt.value(0.35)),
            tooltip=[
                alt.Tooltip("LABEL:N", title="series"),
                alt.Tooltip("MEAN:Q", title=value, format=",.4~g"),
                alt.Tooltip("LATITUDE:Q", title="latitude", format=".4f"),
                alt.Tooltip("LONGITUDE:Q", title="longitude", format=".4f"),
            ],
        )
        .add_params(chosen)
    )
    chart: alt.Chart = points.project("mercator").properties(height=420)
    return chart
