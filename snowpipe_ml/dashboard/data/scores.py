"""The queries of the page Models: the leaderboard, series by model, and the folds of a backtest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from snowpipe_ml.dashboard.data.attributes import Attributes
from snowpipe_ml.dashboard.data.subject import Subject
from snowpipe_ml.sql import Fragment, Identifier, Literal, QualifiedName, Sql, sql
from snowpipe_ml.steps.data.dimension import NAME
from snowpipe_ml.steps.forecasting.leaderboard import BASELINES

METRICS: Mapping[str, str] = {
    "RMSE": "Root of the mean squared error, in units of the target. Large errors weigh more.",
    "MAE": "Mean absolute error, in units of the target.",
    "SMAPE": "Symmetric mean absolute percentage error: 0 to 200 %.",
    "MASE": "Mean absolute error, as a multiple of that between periods a season apart: below 1 is better than those.",
    "RMSSE": "Root of the mean squared error, scaled like MASE.",
    "WQL": "Weighted quantile loss: how good the intervals are, relative to the values.",
    "PINBALL": "How good both ends of the interval are, in units of the target. The forecast does not count: intervals "
    "follow earlier errors, so a biased model can have good ones.",
}
"""The metrics of which less is better, and what they mean."""

OTHERS: Mapping[str, str] = {
    "BIAS": "Mean of forecast minus actual value, in units of the target.",
    "TOTAL_BIAS": "Error of the totals in percent.",
    "COVERAGE": "Fraction of the actual values inside the interval.",
    "WEIGHT": "Mean weight as a member of the ensemble.",
    "SECONDS": "Seconds to train and forecast a series from one origin.",
    "SERIES": "Number of series.",
    "DAYS": "Number of forecasts that are scored.",
    "MESSAGE": "The members that the ensemble omitted for its time budget.",
}
"""The other columns of a leaderboard."""


@dataclass(frozen=True)
class Boards:
    """The tables of a ``leaderboard`` step.

    Attributes:
        subject: the forecasts.
        overall: a row per model and fold.
        by_series: a row per series and model; None if the step writes none.
        attributes: the attributes of the series.
    """

    subject: Subject
    overall: QualifiedName
    by_series: QualifiedName | None
    attributes: Attributes | None = None

    def board(self, order: str = "RMSE") -> Sql:
        """Return the query of the leaderboard: all its columns but FOLD, and SKILL, in the order of a metric.

        SKILL is how much of the metric of the better baseline a model saves, in percent.
        """
        return sql(
            """SELECT B.* EXCLUDE (FOLD),
  100 * (1 - B.{order} / NULLIF((SELECT MIN({order}) FROM {table} WHERE FOLD IS NULL AND MODEL IN {baselines}), 0)) AS SKILL
FROM {table} B WHERE FOLD IS NULL ORDER BY {order} NULLS LAST, MODEL""",
            order=Identifier(order),
            table=self.overall,
            baselines=Literal(list(BASELINES)),
        )

    def folds(self, metric: str) -> Sql:
        """Return the query of a metric by model and fold: MODEL, FOLD, VALUE."""
        return sql(
            "SELECT MODEL, FOLD, {metric} AS VALUE FROM {table} WHERE FOLD IS NOT NULL ORDER BY MODEL, FOLD",
            metric=Identifier(metric),
            table=self.overall,
        )

    def wins(self, metric: str) -> Sql:
        """Return the query of the number of series for which a model has the least error: MODEL, SERIES."""
        assert self.by_series is not None
        return sql(
            """SELECT MODEL, COUNT(*) AS SERIES FROM (
  SELECT MODEL FROM {table} WHERE {metric} IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {metric}, MODEL) = 1
) GROUP BY MODEL ORDER BY SERIES DESC, MODEL""",
            table=self.by_series,
            metric=Identifier(metric),
            key=self.subject.key,
        )

    def series(self, model: str, metric: str, *, worst: bool, most: int) -> Sql:
        """Return the query of series by their skill: SERIES, LABEL, VALUE, BASELINE, SKILL, BEST_MODEL, BEST_VALUE.

        Args:
            model: the model whose error VALUE is.
            metric: the metric.
            worst: the series with the least skill first, else those with the most.
            most: the number of series.
        """
        assert self.by_series is not None
        a, label = self.attributes, Sql("M.SERIES")
        if a is not None and a.named:
            label = sql("COALESCE(D.{name}::VARCHAR, M.SERIES)", name=NAME)
        joined = a.joined(Sql("M.SERIES"), levels=bool(self.subject.levels)) if a is not None else Sql("")
        return sql(
            """WITH S AS (
  SELECT {key}::VARCHAR AS SERIES, MODEL, {metric}::FLOAT AS VALUE FROM {table} WHERE {metric} IS NOT NULL
), M AS (
  SELECT SERIES, MAX(IFF(MODEL = {model}, VALUE, NULL)) AS VALUE,
    MIN(IFF(MODEL IN {baselines}, VALUE, NULL)) AS BASELINE, MIN_BY(MODEL, VALUE) AS BEST_MODEL, MIN(VALUE) AS BEST_VALUE
  FROM S GROUP BY SERIES
)
SELECT M.SERIES, {label} AS LABEL, M.VALUE, M.BASELINE, 100 * (1 - M.VALUE / NULLIF(M.BASELINE, 0)) AS SKILL,
  M.BEST_MODEL, M.BEST_VALUE
FROM M {joined} WHERE M.VALUE IS NOT NULL ORDER BY SKILL {direction} NULLS LAST, M.SERIES LIMIT {most}""",
            key=self.subject.key,
            metric=Identifier(metric),
            table=self.by_series,
            model=Literal(model),
            baselines=Literal(list(BASELINES)),
            label=label,
            joined=joined,
            direction=Sql("" if worst else "DESC"),
            most=Literal(most),
        )

    def of_series(self, series: str, order: str) -> Sql:
        """Return the query of the models of one series, in the order of a metric."""
        assert self.by_series is not None
        return sql(
            "SELECT * EXCLUDE ({key}) FROM {table} WHERE {chosen} ORDER BY {order} NULLS LAST, MODEL",
            key=self.subject.key,
            table=self.by_series,
            chosen=self._is(series),
            order=Identifier(order),
        )

    def backtest(self, series: str) -> Sql:
        """Return the query of the folds of a series: FOLD, ORIGIN, MODEL, DATE, ACTUAL, PREDICTION, LOW, HIGH."""
        assert self.subject.trained is not None
        return sql(
            "SELECT FOLD, ORIGIN, MODEL, DATE, ACTUAL, PREDICTION, LOW, HIGH FROM {table} "
            "WHERE PART = 'backtest' AND {chosen} ORDER BY FOLD, MODEL, DATE",
            table=self.subject.trained.settings.writes,
            chosen=self._is(series),
        )

    def _is(self, series: str) -> Fragment:
        return sql("{key}::VARCHAR = {series}", key=self.subject.key, series=Literal(series))


def boards_of(subject: Subject, attributes: Attributes | None) -> Boards | None:
    """Return the leaderboard of a subject; None if the spec has no step for it."""
    if subject.leaderboard is None:
        return None
    settings = subject.leaderboard.settings
    return Boards(subject, settings.writes, settings.by_series, attributes)
