"""The page Forecast: all series by period, and one series with its history, its interval and its reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from snowpipe_ml.dashboard.cached import frame
from snowpipe_ml.dashboard.charts import forecasts as charts
from snowpipe_ml.dashboard.data.attributes import Attributes
from snowpipe_ml.dashboard.data.forecasts import MOST_SERIES, ORDERS, Filter, ForecastQueries
from snowpipe_ml.dashboard.data.source import Source
from snowpipe_ml.dashboard.data.subject import Subject
from snowpipe_ml.dashboard.data.words import number_words, plain, reason_words, value_words
from snowpipe_ml.dashboard.views.tables import number_column
from snowpipe_ml.steps.forecasting.words import feature_words

if TYPE_CHECKING:
    import pandas as pd

_WITHOUT_SCROLLING = 50  # series in the heat map
_HISTORIES: tuple[int | None, ...] = (30, 90, 365, None)


def show(source: Source, subject: Subject) -> None:
    """Show the page."""
    import pandas as pd

    attributes = source.attributes(subject)
    queries = ForecastQueries(subject, attributes)
    value = value_words(subject)
    st.title("Forecast")
    wanted = _filter(source, queries)
    series = frame(source, queries.series(wanted))
    if series.empty:
        _nothing(source, queries, wanted)
        return
    cells = frame(source, queries.cells(list(series["SERIES"])))
    labels = _labels(series)
    cells = cells.assign(
        LABEL=cells["SERIES"].map(labels),
        PERIOD=charts.period_texts(cells["DATE"], within_a_day=subject.features.settings.every.within_a_day),
        RATIO=cells["PREDICTION"] / cells.groupby("SERIES")["PREDICTION"].transform("mean").replace(0, pd.NA),
    )
    many = f"the first {len(series)}" if len(series) == wanted.most else str(len(series))
    every, last = subject.features.settings.every, last_period(source, queries)
    st.caption(
        f"Forecasts of {many} series for {cells['PERIOD'].nunique()} {every.plural} from {cells['PERIOD'].min()} to "
        f"{cells['PERIOD'].max()}, in {value}."
        + ("" if last is None else f" The data end with {last}.")
        + " Choose a cell or a series to see its history, interval and reasons."
    )
    tabs = st.tabs(
        ["Heat map", "Map", "Table"] if attributes and attributes.placed else ["Heat map", "Table"]
    )
    with tabs[0]:
        _heat_map(cells, list(labels.values()), value, daily=every.name == "day")
    if attributes and attributes.placed:
        with tabs[1]:
            _map(series.assign(LABEL=series["SERIES"].map(labels)), value)
    with tabs[-1]:
        _table(series, cells, attributes)
    _one(source, queries, series, labels, value)
    _left_out(source, queries)


def last_period(source: Source, queries: ForecastQueries) -> str | None:
    """Return the last period with a known value, as text; None if there is none."""
    rows = frame(source, queries.last()).dropna()
    within = queries.subject.features.settings.every.within_a_day
    return None if rows.empty else str(charts.period_texts(rows["DATE"], within_a_day=within).iloc[0])


def _filter(source: Source, queries: ForecastQueries) -> Filter:
    """The widgets above the series, and what they ask for."""
    first, second = st.columns([2, 1])
    search = first.text_input("Search", placeholder="part of a name or key", key="search")
    order = second.selectbox("Order", list(ORDERS), key="order")
    values: dict[str, list[str]] = {}
    level = None
    columns = queries.attributes.columns if queries.attributes else ()
    levels = queries.subject.levels
    if columns or levels:
        places = iter(st.columns(min(4, len(columns) + bool(levels))) * (len(columns) + 1))
        if levels:
            numbers: dict[int | None, str] = {None: "all", **dict(enumerate(levels))}
            level = next(places).selectbox(
                "Level", list(numbers), format_func=lambda number: numbers[number], key="level"
            )
        for column in columns:
            known = frame(source, queries.values(column))
            values[column.name] = next(places).multiselect(
                column.name, list(known["VALUE"]), key=f"attribute {column.name}"
            )
    return Filter(search, values, level, None, order, MOST_SERIES)


def _nothing(source: Source, queries: ForecastQueries, wanted: Filter) -> None:
    narrowed = wanted.search.strip() or any(wanted.values.values()) or wanted.level is not None
    if narrowed:
        st.info("No series matches. Clear the search or a filter.")
    else:
        st.info(f"{queries.subject.table} has no forecast yet.")
        _left_out(source, queries)


def _labels(series: pd.DataFrame) -> dict[str, str]:
    """The label of each series; those of one name get their key too."""
    twice = set(series.loc[series["LABEL"].duplicated(keep=False), "LABEL"])
    return {
        key: (f"{label} ({key})" if label in twice and label != key else str(label)).strip() or "(empty)"
        for key, label in zip(series["SERIES"], series["LABEL"], strict=True)
    }


def _heat_map(cells: pd.DataFrame, labels: list[str], value: str, *, daily: bool) -> None:
    relative = st.toggle(
        "Colour each series relative to its own mean",
        key="relative",
        help="Shows the pattern of small series too",
    )
    with st.container(height=600 if len(labels) > _WITHOUT_SCROLLING else "content", border=False):
        st.altair_chart(
            charts.heat_map(cells, labels, value, relative=relative, daily=daily),
            on_select=_choose_cell,
            selection_mode="cell",
            key="heat",
        )


def _choose_cell() -> None:
    chosen = st.session_state["heat"]["selection"].get("cell") or []
    if chosen:
        st.session_state["series"] = chosen[0]["SERIES"]
        st.session_state["period"] = chosen[0]["PERIOD"]


def _map(series: pd.DataFrame, value: str) -> None:
    placed = series.dropna(subset=["LATITUDE", "LONGITUDE"])
    if placed.empty:
        st.info("No series has coordinates.")
        return
    st.altair_chart(
        charts.place_map(placed, f"mean {value}"), on_select=_choose_place, selection_mode="place", key="map"
    )
    if len(placed) < len(series):
        st.caption(f"{len(series) - len(placed)} series have no coordinates.")


def _choose_place() -> None:
    chosen = st.session_state["map"]["selection"].get("place") or []
    if chosen:
        st.session_state["series"] = chosen[0]["SERIES"]


def _table(series: pd.DataFrame, cells: pd.DataFrame, attributes: Attributes | None) -> None:
    shown = ["SERIES", "LABEL", "MEAN", "RECENT", "CHANGE", "TOTAL", "WIDTH", "MODEL"]
    shown += [name.name for name in (attributes.columns if attributes else ())]
    st.dataframe(
        series[shown],
        hide_index=True,
        column_config={
            "SERIES": "Series",
            "LABEL": "Name",
            "MEAN": number_column("Mean forecast", series["MEAN"]),
            "RECENT": number_column(
                "Recent mean", series["RECENT"], "Of as many known periods before the forecast"
            ),
            "CHANGE": st.column_config.NumberColumn("Change", format="%+.1f %%"),
            "TOTAL": number_column("Total forecast", series["TOTAL"]),
            "WIDTH": number_column("Width of the interval", series["WIDTH"]),
            "MODEL": "Model",
        },
    )
    st.download_button(
        "Download these forecasts as CSV",
        cells[["SERIES", "LABEL", "PERIOD", "PREDICTION", "LOW", "HIGH"]].to_csv(index=False),
        "forecasts.csv",
        "text/csv",
        key="download",
        on_click="ignore",
    )


def _one(
    source: Source, queries: ForecastQueries, series: pd.DataFrame, labels: dict[str, str], value: str
) -> None:
    """One series: its chart, and the reasons of one of its forecasts."""
    import pandas as pd

    keys, every = list(series["SERIES"]), queries.subject.features.settings.every
    if st.session_state.get("series") not in keys:
        st.session_state["series"] = keys[0]
    st.header("One series")
    first, second = st.columns([2, 1])
    key = first.selectbox("Series", keys, format_func=lambda name: labels[name], key="series")
    history = second.selectbox(
        "History",
        _HISTORIES,
        index=1,
        format_func=lambda many: "all" if many is None else f"{many} {every.plural}",
        key="history",
    )
    rows = frame(source, queries.one(key, history))
    within = every.within_a_day
    rows = rows.assign(PERIOD=charts.period_texts(rows["DATE"], within_a_day=within))
    ahead = rows[rows["PART"] == "forecast"]
    periods = list(ahead["PERIOD"])
    if st.session_state.get("period") not in periods:
        st.session_state["period"] = periods[0]
    period = st.select_slider("Period", periods, key="period") if len(periods) > 1 else periods[0]
    at = ahead[ahead["PERIOD"] == period].iloc[0]
    numbers = st.columns(3)
    numbers[0].metric(f"Forecast for {period}", number_words(at["PREDICTION"]))
    numbers[0].caption(value)
    ends = [number_words(at[end], at["PREDICTION"]) for end in ("LOW", "HIGH")]
    level = queries.subject.interval
    interval = "interval" if level is None else f"{100 * level:g} % interval"
    numbers[1].metric(interval.capitalize(), "none" if pd.isna(at["LOW"]) else " to ".join(ends))
    numbers[1].caption(value)
    numbers[2].metric("Model", str(at["MODEL"]))
    one_ahead = f"one {every.noun} ahead"
    known = rows[rows["PART"] != "forecast"]
    points = pd.concat(
        [
            known.assign(KIND="actual", VALUE=known["ACTUAL"]),
            known.assign(KIND=one_ahead, VALUE=known["PREDICTION"]),
            ahead.assign(KIND="forecast", VALUE=ahead["PREDICTION"]),
        ]
    )[["DATE", "KIND", "VALUE", "LOW", "HIGH"]]
    points = points.assign(WHEN=pd.to_datetime(points["DATE"])).drop(columns="DATE")
    drawn = charts.series_chart(
        points.dropna(subset=["VALUE"]), value, period, ahead=one_ahead, interval=interval
    )
    st.altair_chart(drawn, key="one")
    if known["PREDICTION"].notna().any():
        st.caption(
            f"Orange: what the model says of each past {every.noun}, knowing the actual values before it. "
            "The forecast reaches further ahead, so its errors are larger."
        )
    _reasons(source, queries, key, period, value)


def _reasons(source: Source, queries: ForecastQueries, series: str, period: str, value: str) -> None:
    import pandas as pd

    st.subheader("Reasons")
    rows = frame(source, queries.reasons(series))
    within = queries.subject.features.settings.every.within_a_day
    row = rows[charts.period_texts(rows["DATE"], within_a_day=within) == period].iloc[0]
    words = feature_words(queries.subject.features)
    found = pd.DataFrame(
        [
            (words[name.name], name.name, row[name.name], row[f"{name.name}_EXPLANATION"])
            for name in queries.subject.features.feature_columns
        ],
        columns=["FEATURE", "COLUMN", "VALUE", "ATTRIBUTION"],
    ).dropna(subset=["ATTRIBUTION"])
    if pd.isna(row["PREDICTION"]):
        st.info(f"{row['MODEL']} made no forecast for this period.")
    elif found.empty:
        st.info(f"{row['MODEL']} gives no reasons for its forecasts.")
    else:
        base = None if pd.isna(row["BASE"]) else float(row["BASE"])
        told = reason_words(value, str(row["MODEL"]), base, float(row["PREDICTION"]))
        found["LABEL"] = [
            name if pd.isna(of) else f"{name} = {of:.4g}"
            for name, of in zip(found["FEATURE"], found["VALUE"], strict=True)
        ]
        found = found.sort_values("ATTRIBUTION", key=lambda values: -values.abs(), kind="stable")
        found = found.astype({"VALUE": float, "ATTRIBUTION": float})
        st.write(plain(told.explanation))
        st.altair_chart(charts.reasons_chart(found, told.title), key="reasons")
        with st.expander("As a table"):
            st.dataframe(
                found[["FEATURE", "VALUE", "ATTRIBUTION"]],
                hide_index=True,
                column_config={
                    "FEATURE": "Feature",
                    "VALUE": number_column("Its value", found["VALUE"]),
                    "ATTRIBUTION": number_column(told.title.capitalize(), found["ATTRIBUTION"]),
                },
            )
    if isinstance(row["MESSAGE"], str) and row["MESSAGE"]:
        st.caption(plain(f"{row['MODEL']}: {row['MESSAGE']}"))


def _left_out(source: Source, queries: ForecastQueries) -> None:
    rows = frame(source, queries.left_out())
    if rows.empty:
        return
    with st.expander(f"{len(rows)} series have no forecast"):
        st.dataframe(rows, hide_index=True, column_config={"SERIES": "Series", "REASON": "Reason"})
