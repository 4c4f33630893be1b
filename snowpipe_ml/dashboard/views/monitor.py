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
from snowpipe_ml.dashboard.data.words import plain, run_words, value_words
from snowpipe_ml.dashboard.views.tables import number_column, number_format
from snowpipe_ml.steps.forecasting.evaluation import EvaluateForecasts
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
    every = subject.features.settings.every
    recent = monitor.settings.recent or every.recent
    large, over = (int((rows["PSI"] > limit).sum()) for limit in (charts.LARGE, most))
    st.caption(
        f"Population stability index (PSI) of the target and the features: the last {recent} {every.plural} compared with "
        f"those before. By the usual rule, {charts.SMALL:g} is a small change and {charts.LARGE:g} a large one: "
        f"{large} of {len(rows)} are above {charts.LARGE:g}. Columns with seasons often are, "
        "as the last periods are of one season. "
        f"The spec raises an alert above {most:g}: {over} of {len(rows)} are."
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
    st.caption(_scored(source, subject))
    words = _score_words(source, subject)
    if len(rows) == 1:
        form = number_format(rows[list(words)].iloc[0].nlargest(1))
        for place, (name, said) in zip(st.columns(2) + st.columns(2), words.items(), strict=True):
            place.metric(said, form % rows[name].iloc[0])
        return
    st.altair_chart(charts.scores(rows, words), key="scores")


def _score_words(source: Source, subject: Subject) -> dict[str, str]:
    assert subject.evaluation is not None
    every = subject.features.settings.every
    season = subject.evaluation.season(source.ctx)
    return charts.score_words(
        f"1 {every.noun} ahead", f"value {season} {every.plural if season > 1 else every.noun} earlier"
    )


def _scored(source: Source, subject: Subject) -> str:
    """Say which forecasts the scores are of, and why they differ from those of the leaderboard."""
    noun = subject.features.settings.every.noun
    said = (
        f"Median over the series, in {value_words(subject)}. Each forecast of the validation periods is for the next {noun}, "
        "from the actual values before it."
    )
    deployed = subject.trained.deployed(source.ctx).settings if subject.trained is not None else None
    if subject.leaderboard is not None and deployed is not None and deployed.backtest is not None:
        said += (
            f" The page Models and the alerts of {subject.leaderboard.name} are about horizons of {deployed.backtest.horizon} "
            f"{subject.features.settings.every.plural} and other baselines, so their figures differ."
        )
    return said


def _metrics(source: Source) -> None:
    st.header("Metrics of the steps")
    rows = frame(source, source.runs().metrics())
    if rows.empty:
        st.info("No step has recorded a metric.")
        return
    steps = list(dict.fromkeys(rows["STEP"]))
    step = st.selectbox("Step", steps, key="metric step")
    own = rows[rows["STEP"] == step]
    own = own.assign(METRIC=[_metric_words(source, step, name) for name in own["METRIC"]])
    if own["RUN_ID"].nunique() > 1:
        names = list(dict.fromkeys(own["METRIC"]))
        places = st.columns(3)
        for number, name in enumerate(names):
            chart = charts.small_line(own[own["METRIC"] == name], name)
            places[number % 3].altair_chart(chart, key=f"metric {name}")
    _latest(own)


def _metric_words(source: Source, step: str, metric: str) -> str:
    """Return a metric of a step in words: those of a step that scores runs are told with what they are of."""
    node = source.graph.nodes.get(step)
    if node is None or not isinstance(node.step, EvaluateForecasts):
        return metric
    subject = next((one for one in source.subjects if one.evaluation is node.step), None)
    if subject is None:
        return metric
    words = _score_words(source, subject)
    return {
        "median_rmse": f"{words['RMSE']}: median of the series",
        "median_baseline_rmse": f"{words['BASELINE_RMSE']}: median of the series",
        "better": f"Series whose {words['RMSE']}, is below the {words['BASELINE_RMSE']}",
    }.get(metric, metric)


def _latest(rows: pd.DataFrame) -> None:
    """The value of each metric in the last run, and before."""
    wide = rows.pivot_table(index="METRIC", columns="RUN_ID", values="VALUE", aggfunc="last", sort=False)
    st.dataframe(
        wide[sorted(wide.columns, reverse=True)].reset_index(),
        hide_index=True,
        column_config={
            "METRIC": "Metric",
            **{
                run: st.column_config.NumberColumn(
                    f"{run_words(str(run))} UTC", format="%.4g", help=f"Run {run}"
                )
                for run in wide.columns
            },
        },
    )
