"""The page Monitor: alerts, what earlier forecasts turned out to be, drift, and metrics over the runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import streamlit as st

from snowpipe_ml.dashboard.cached import frame, last_record
from snowpipe_ml.dashboard.charts import monitoring as charts
from snowpipe_ml.dashboard.data import monitoring
from snowpipe_ml.dashboard.data.source import Source
from snowpipe_ml.dashboard.data.subject import Subject
from snowpipe_ml.dashboard.data.words import plain, run_words
from snowpipe_ml.dashboard.views.tables import number_column
from snowpipe_ml.steps.forecasting.monitor import Monitor
from snowpipe_ml.steps.forecasting.words import feature_words

if TYPE_CHECKING:
    import pandas as pd

_EXAMPLE = """train:
  type: train_forecasters
  forecast_history: forecast_history     # keeps the forecasts of each run
  ...
watch_forecasts:
  type: monitor
  history: forecast_history
  features: {features}
  writes: realised_errors
  drift: drift
  min_coverage: 0.6
"""
_WORDS = {
    "RMSE": "root mean squared error",
    "MAE": "mean absolute error",
    "BIAS": "mean of forecast minus actual value",
    "TOTAL_BIAS": "error of the totals, %",
    "COVERAGE": "fraction inside the interval",
}


def show(source: Source, subject: Subject | None) -> None:
    """Show the page."""
    st.title("Monitor")
    if last_record(source) is None:
        st.info(f"{source.spec.pipeline.name} has not run on {source.spec.target_name} yet.")
        return
    _alerts(source)
    if subject is not None:
        if subject.monitors:
            for monitor in subject.monitors:
                _realised(source, subject, monitor)
                _drift(source, subject, monitor)
        else:
            st.header("Accuracy of earlier forecasts")
            st.info(
                "No step of the spec compares earlier forecasts with the actual values. These settings would:"
            )
            st.code(_EXAMPLE.format(features=str(subject.features.settings.writes).lower()), language="yaml")
        _unusual(source, subject)
        _scores(source, subject)
    _metrics(source)


def _alerts(source: Source) -> None:
    st.header("Alerts")
    rows = frame(source, source.runs().alerts())
    if rows.empty:
        st.success("No step has failed or warned at its last run.")
    for row in rows.itertuples():
        if row.STATUS == "failed":
            st.error(f"**{row.STEP}** failed at {run_words(str(row.RUN_ID))} UTC: {plain(str(row.ERROR))}")
        else:
            for text in json.loads(str(row.WARNINGS)):
                st.warning(f"**{row.STEP}** at {run_words(str(row.RUN_ID))} UTC: {plain(text)}")


def _realised(source: Source, subject: Subject, monitor: Monitor) -> None:
    st.header("Accuracy of earlier forecasts")
    runs = frame(source, monitoring.realised(monitor))
    if runs.empty:
        st.info(
            "The periods of the first forecasts are not over yet. A later run on newer data compares them with the actual values."
        )
        return
    every = subject.features.settings.every
    first, second = st.columns(2)
    metric = first.selectbox(
        "Measure", list(_WORDS), format_func=lambda name: f"{name}: {_WORDS[name]}", key="realised metric"
    )
    wanted = None
    if metric == "COVERAGE" and subject.trained is not None:
        wanted = subject.trained.deployed(source.ctx).settings.interval
    st.subheader(f"{metric} by run")
    st.altair_chart(
        charts.by_run(runs.assign(RUN=runs["FORECAST_RUN"], VALUE=runs[metric]), _WORDS[metric], wanted),
        key="by run",
    )
    if wanted is not None:
        st.caption(f"The dashed line is the intended coverage, {wanted:.0%}.")
    st.dataframe(
        runs,
        hide_index=True,
        column_config={
            "FORECAST_RUN": "Run that made the forecasts",
            "MADE_AT": st.column_config.DatetimeColumn("Made at (UTC)", format="YYYY-MM-DD HH:mm"),
            "SERIES": "Series",
            "PERIODS": "Forecasts compared",
            **{name: number_column(name, runs[name], words) for name, words in _WORDS.items()},
        },
    )
    ahead = frame(source, monitoring.by_horizon(monitor))
    st.subheader(f"{metric} by {every.plural} ahead")
    chosen = second.multiselect(
        "Runs", list(runs["FORECAST_RUN"]), default=list(runs["FORECAST_RUN"])[-3:], key="realised runs"
    )
    shown = ahead[ahead["FORECAST_RUN"].isin(chosen)]
    st.altair_chart(
        charts.by_horizon(
            shown.assign(RUN=shown["FORECAST_RUN"], VALUE=shown[metric]),
            _WORDS[metric],
            f"{every.plural} ahead",
            wanted,
        ),
        key="by horizon",
    )


def _drift(source: Source, subject: Subject, monitor: Monitor) -> None:
    table = monitor.settings.drift
    if table is None:
        return
    st.header("Drift")
    rows = frame(source, monitoring.drift(table))
    if rows.empty:
        st.info("There are too few periods to compare.")
        return
    words = feature_words(subject.features)
    rows = rows.assign(FEATURE=[words.get(name, name) for name in rows["FEATURE"]])
    most = monitor.settings.max_psi
    over = int((rows["PSI"] > most).sum())
    st.caption(
        "Population stability index of the target and the features: the last periods compared with those before. By the usual "
        "rule, 0.1 is a small change and 0.25 a large one; columns with seasons exceed both. "
        f"More than {most:g} raises an alert: {over} of {len(rows)} do."
    )
    st.altair_chart(charts.drift_bars(rows, most), key=f"drift {table}")


def _unusual(source: Source, subject: Subject) -> None:
    for step in subject.anomalies:
        st.header("Unusual values")
        rows = frame(source, monitoring.Unusual(step, subject, source.attributes(subject)).query())
        if rows.empty:
            st.info("No value was outside of the interval that was forecast for it.")
            continue
        st.caption(
            "Values outside of the interval of the latest forecast before them. A score of 1 is one width beyond it."
        )
        st.dataframe(
            rows,
            hide_index=True,
            height=300,
            column_config={
                "SERIES": "Series",
                "LABEL": "Name",
                "DATE": "Period",
                **{
                    name: number_column(name.capitalize(), rows[name])
                    for name in ("ACTUAL", "PREDICTION", "LOW", "HIGH", "SCORE")
                },
                "HORIZON": "Periods ahead",
            },
        )


def _scores(source: Source, subject: Subject) -> None:
    query = monitoring.scores(subject)
    if query is None:
        return
    rows = frame(source, query)
    st.header("Scores of the runs")
    if rows.empty:
        st.info("No run has been scored yet.")
        return
    noun = subject.features.settings.every.noun
    st.caption(
        f"Median over the series, one {noun} ahead with the actual values before it, on the validation periods of each run; "
        "beside the value a season earlier."
    )
    if len(rows) == 1:
        places = st.columns(4)
        for place, (name, words) in zip(places, charts.SCORES.items(), strict=True):
            place.metric(words, f"{rows[name].iloc[0]:,.4g}")
        return
    st.altair_chart(charts.scores(rows), key="scores")


def _metrics(source: Source) -> None:
    st.header("Metrics of the steps")
    rows = frame(source, source.runs().metrics())
    if rows.empty:
        st.info("No step has recorded a metric.")
        return
    steps = list(dict.fromkeys(rows["STEP"]))
    step = st.selectbox("Step", steps, key="metric step")
    own = rows[rows["STEP"] == step]
    if own["RUN_ID"].nunique() > 1:
        names = list(dict.fromkeys(own["METRIC"]))
        places = st.columns(3)
        for number, name in enumerate(names):
            chart = charts.small_line(own[own["METRIC"] == name], name)
            places[number % 3].altair_chart(chart, key=f"metric {name}")
    _latest(own)


def _latest(rows: pd.DataFrame) -> None:
    """The value of each metric in the last run, and before."""
    wide = rows.pivot_table(index="METRIC", columns="RUN_ID", values="VALUE", aggfunc="last", sort=False)
    st.dataframe(
        wide[sorted(wide.columns, reverse=True)].reset_index(),
        hide_index=True,
        column_config={
            "METRIC": "Metric",
            **{
                run: st.column_config.NumberColumn(run_words(str(run)), format="%.5g", help=f"Run {run}")
                for run in wide.columns
            },
        },
    )
