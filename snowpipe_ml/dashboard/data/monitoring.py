"""The queries of the page Monitor: what earlier forecasts have turned out to be, drift, and scores over runs."""

from __future__ import annotations

from dataclasses import dataclass

from snowpipe_ml.dashboard.data.attributes import Attributes
from snowpipe_ml.dashboard.data.subject import Subject
from snowpipe_ml.sql import QualifiedName, Sql, sql
from snowpipe_ml.steps.data.dimension import NAME
from snowpipe_ml.steps.forecasting.monitor import Anomalies, Monitor

ERRORS = ("RMSE", "MAE", "BIAS", "TOTAL_BIAS", "COVERAGE")
"""The columns that a ``monitor`` step measures."""


def realised(monitor: Monitor) -> Sql:
    """Return the query of the errors by run: FORECAST_RUN, MADE_AT, SERIES, PERIODS and the errors, the oldest first."""
    return sql(
        "SELECT * EXCLUDE (HORIZON, MADE_AT), CONVERT_TIMEZONE('UTC', MADE_AT)::TIMESTAMP_NTZ AS MADE_AT FROM {table} "
        "WHERE HORIZON IS NULL ORDER BY FORECAST_RUN",
        table=monitor.settings.writes,
    )


def by_horizon(monitor: Monitor) -> Sql:
    """Return the query of the errors by run and periods ahead: FORECAST_RUN, HORIZON and the errors."""
    return sql(
        "SELECT * EXCLUDE (MADE_AT) FROM {table} WHERE HORIZON IS NOT NULL ORDER BY FORECAST_RUN, HORIZON",
        table=monitor.settings.writes,
    )


def drift(table: QualifiedName) -> Sql:
    """Return the query of the drift: FEATURE, PSI, BEFORE, RECENT, the largest first."""
    return sql("SELECT * FROM {table} ORDER BY PSI DESC NULLS LAST, FEATURE", table=table)


@dataclass(frozen=True)
class Unusual:
    """The values outside of their intervals.

    Attributes:
        step: the step that lists them.
        subject: the forecasts.
        attributes: the attributes of the series.
    """

    step: Anomalies
    subject: Subject
    attributes: Attributes | None = None

    def query(self) -> Sql:
        """Return the query of the values that are furthest out: SERIES, LABEL, DATE, ACTUAL, PREDICTION, LOW, HIGH, SCORE."""
        series = sql("A.{key}::VARCHAR", key=self.subject.key)
        joined, label = Sql(""), series
        if self.attributes is not None:
            joined = self.attributes.joined(series, levels=bool(self.subject.levels))
            if self.attributes.named:
                label = sql("COALESCE(D.{name}::VARCHAR, {series})", name=NAME, series=series)
        return sql(
            "SELECT {series} AS SERIES, {label} AS LABEL, A.DATE, A.ACTUAL, A.PREDICTION, A.LOW, A.HIGH, A.SCORE, A.HORIZON\n"
            "FROM {table} A {joined} ORDER BY A.SCORE DESC, SERIES, A.DATE LIMIT 500",
            series=series,
            label=label,
            joined=joined,
            table=self.step.settings.writes,
        )


def scores(subject: Subject) -> Sql | None:
    """Return the query of the scores over runs: RUN_ID, RUN_DATE, SERIES, RMSE, BASELINE_RMSE, MAE, BASELINE_MAE.

    Each is the median over the series. None if no step evaluates the forecasts.
    """
    if subject.evaluation is None:
        return None
    return sql(
        "SELECT RUN_ID, RUN_DATE, COUNT(*) AS SERIES, MEDIAN(RMSE) AS RMSE, MEDIAN(BASELINE_RMSE) AS BASELINE_RMSE, "
        "MEDIAN(MAE) AS MAE, MEDIAN(BASELINE_MAE) AS BASELINE_MAE FROM {table} GROUP BY RUN_ID, RUN_DATE ORDER BY RUN_ID",
        table=subject.evaluation.settings.writes,
    )
