"""``monitor`` and ``anomalies``: compare the forecasts of earlier runs with the values that came true."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal as Choice

from pydantic import Field

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import (
    ColumnName,
    PlanContext,
    Resource,
    RunContext,
    Step,
    StepPlan,
    StepResult,
    StepSettings,
    TableName,
    register,
    table,
)
from snowpipe_ml.sql import Literal, QualifiedName, Sql, sql
from snowpipe_ml.steps.data.publish import publish_table, publish_tables
from snowpipe_ml.steps.forecasting.drift import drift_query
from snowpipe_ml.steps.forecasting.features import Features

_ERROR = "(PREDICTION - ACTUAL)"
_METRICS = Sql(
    "COUNT(DISTINCT SERIES) AS SERIES, COUNT(*) AS PERIODS, "
    f"AVG(ABS({_ERROR})) AS MAE, SQRT(AVG(POWER({_ERROR}, 2))) AS RMSE, AVG({_ERROR}) AS BIAS, "
    f"100 * SUM({_ERROR}) / NULLIF(SUM(ABS(ACTUAL)), 0) AS TOTAL_BIAS, "
    "AVG(IFF(LOW IS NULL, NULL, IFF(ACTUAL BETWEEN LOW AND HIGH, 1, 0))::FLOAT) AS COVERAGE"
)


class _Compared(StepSettings):
    history: TableName = Field(
        description="Table of forecasts: `forecast_history` of a `train_forecasters` or `forecast` step"
    )
    features: TableName = Field(description="Table written by a `features` step: the values that came true")
    target: ColumnName | None = Field(
        None, description="The column that was forecast, if the `features` step has several `targets`"
    )


def compared_with(ctx: PlanContext, settings: _Compared) -> Features:
    """Return the step that writes the values that came true."""
    return ctx.producer_of(table(settings.features), Features).resolved(ctx).of_target(settings.target)


def realised(settings: _Compared, features: Features) -> Sql:
    """Return the query of all forecasts whose period is known by now, with its value in ACTUAL."""
    f = features.settings
    return sql(
        "SELECT H.RUN_ID, H.MADE_AT, H.{key}::VARCHAR AS SERIES, H.DATE, H.ORIGIN, H.HORIZON, H.MODEL, H.PREDICTION, "
        "H.LOW, H.HIGH, A.{target}::FLOAT AS ACTUAL\n  FROM {history} H JOIN {features} A "
        "ON A.{key}::VARCHAR = H.{key}::VARCHAR AND A.DATE = H.DATE",
        key=f.partition_by,
        target=f.target,
        history=settings.history,
        features=settings.features,
    )


@register("monitor")
class Monitor(Step["Monitor.Settings"]):
    """Measure the errors and the coverage of earlier forecasts, and the drift of the features.

    ``writes`` has a row per run whose forecasts have come true, by periods ahead, and over all of them with HORIZON
    NULL. ``drift`` has the population stability index of the target and of each feature that is not of the
    calendar: of the last periods against those before. A threshold that is crossed is a warning, or with
    ``severity: error`` fails the step after the tables are written.
    """

    example = """
watch_forecasts:
  type: monitor
  history: forecast_history
  features: features
  writes: realised_errors
  drift: drift
  min_coverage: 0.6
"""

    class Settings(_Compared):
        """Settings of ``monitor``."""

        writes: TableName = Field(
            description="Output table: FORECAST_RUN, HORIZON, the errors and the coverage"
        )
        drift: TableName | None = Field(None, description="Output table: FEATURE, PSI")
        recent: int | None = Field(
            None,
            ge=2,
            description="Periods whose features are compared with those before; by default four weeks of days",
        )
        max_rmse: float | None = Field(None, gt=0, description="Alert if the latest run's RMSE is above")
        max_mae: float | None = Field(None, gt=0, description="Alert if the latest run's MAE is above")
        max_bias: float | None = Field(
            None,
            gt=0,
            description="Alert if the error of the latest run's totals is above, in percent either way",
        )
        min_coverage: float | None = Field(
            None, gt=0, lt=1, description="Alert if the latest run's intervals contain a smaller fraction"
        )
        max_psi: float = Field(
            0.25,
            gt=0,
            description="Alert if a feature's population stability index is above; .1 is little, .25 much",
        )
        severity: Choice["error", "warn"] = "warn"

    settings: Monitor.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.history, "history")
        yield table(self.settings.features, "features")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")
        if self.settings.drift is not None:
            yield table(self.settings.drift, "drift")

    def _features(self, ctx: PlanContext) -> Features:
        return compared_with(ctx, self.settings)

    def _queries(self, ctx: PlanContext) -> list[tuple[QualifiedName, Sql]]:
        s, features = self.settings, self._features(ctx)
        found = [
            (
                s.writes,
                sql(
                    "WITH REALISED AS (\n  {rows}\n)\n"
                    "SELECT RUN_ID AS FORECAST_RUN, MIN(MADE_AT) AS MADE_AT, NULL::NUMBER AS HORIZON, {metrics} FROM REALISED "
                    "GROUP BY RUN_ID\nUNION ALL\n"
                    "SELECT RUN_ID AS FORECAST_RUN, MIN(MADE_AT) AS MADE_AT, HORIZON::NUMBER AS HORIZON, {metrics} FROM REALISED "
                    "GROUP BY RUN_ID, HORIZON",
                    rows=realised(s, features),
                    metrics=_METRICS,
                ),
            )
        ]
        if s.drift is not None:
            found.append((s.drift, self._drift(ctx)))
        return found

    def _drift(self, ctx: PlanContext) -> Sql:
        f = self._features(ctx).settings
        columns = [f.target, *(one.column for one in f.past())]
        columns += [column for other in f.exogenous for column in other.columns]
        recent = self.settings.recent or f.every.recent
        return drift_query(self.settings.features, columns, f.periods, recent)

    def plan(self, ctx: PlanContext) -> StepPlan:
        statements = tuple(
            sql("CREATE OR REPLACE TABLE {name} AS {query}", name=name, query=query)
            for name, query in self._queries(ctx)
        )
        return StepPlan(
            f"compare the forecasts of {self.settings.history} with {self.settings.features}", statements
        )

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        rows, *_ = publish_tables(ctx, self._queries(ctx))
        latest = ctx.execute(
            sql(
                "SELECT FORECAST_RUN, PERIODS, MAE, RMSE, TOTAL_BIAS, COVERAGE FROM {name} WHERE HORIZON IS NULL "
                "ORDER BY FORECAST_RUN DESC LIMIT 1",
                name=s.writes,
            )
        )
        shifted = ctx.execute(
            sql(
                "SELECT FEATURE, PSI FROM {drift} WHERE PSI > {most} ORDER BY PSI DESC, FEATURE",
                drift=sql("({query})", query=self._drift(ctx)) if s.drift is None else s.drift,
                most=Literal(s.max_psi),
            )
        )
        drifts = [f"{row[0]} has drifted: PSI {row[1]:.2f} is above {s.max_psi:g}" for row in shifted]
        metrics, message = {"drifted": float(len(shifted))}, f"no forecast of {s.history} has come true yet"
        alerts: list[str] = []
        if latest:
            run, periods, mae, rmse, bias, coverage = latest[0]
            message = f"{run}: RMSE {rmse:.4g}, MAE {mae:.4g} over {periods} forecasts that came true"
            metrics |= {"rmse": float(rmse), "mae": float(mae)}
            if coverage is not None:
                message += f"; intervals contain {100 * coverage:.0f} %"
                metrics["coverage"] = float(coverage)
            alerts = self._alerts(rmse, mae, bias, coverage)
        told = (*alerts, *drifts)
        if told:
            text = f"{'; '.join(told)}: train the models again"
            if s.severity == "error":
                raise StepError(text)
            return StepResult(rows=rows, message=message, warnings=(text,), metrics=metrics)
        return StepResult(rows=rows, message=message, metrics=metrics)

    def _alerts(self, rmse: float, mae: float, bias: float | None, coverage: float | None) -> list[str]:
        """Return the thresholds that the latest run has crossed."""
        s, found = self.settings, []
        for name, value, most in (("RMSE", rmse, s.max_rmse), ("MAE", mae, s.max_mae)):
            if most is not None and value > most:
                found.append(f"the realised {name} of {value:.4g} is above {most:g}")
        if s.max_bias is not None and bias is not None and abs(bias) > s.max_bias:
            found.append(f"the totals are {bias:+.1f} % off, more than {s.max_bias:g} %")
        if s.min_coverage is not None and coverage is not None and coverage < s.min_coverage:
            found.append(f"the intervals contain {coverage:.2f} of the values, less than {s.min_coverage:g}")
        return found


@register("anomalies")
class Anomalies(Step["Anomalies.Settings"]):
    """Write the periods whose value is outside of the interval that the latest earlier forecast had for it.

    SCORE is the distance from the interval in widths of the interval: 0.5 is half a width beyond its end.
    """

    example = """
unusual_periods:
  type: anomalies
  history: forecast_history
  features: features
  writes: anomalies
"""

    class Settings(_Compared):
        """Settings of ``anomalies``."""

        writes: TableName = Field(
            description="Output table: series, DATE, ACTUAL, PREDICTION, LOW, HIGH, SCORE"
        )
        min_score: float = Field(0.0, ge=0, description="Least distance from the interval, in its widths")

    settings: Anomalies.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.history, "history")
        yield table(self.settings.features, "features")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")

    def _query(self, ctx: PlanContext) -> Sql:
        s = self.settings
        features = compared_with(ctx, s)
        return sql(
            "SELECT SERIES AS {key}, DATE, ACTUAL, PREDICTION, LOW, HIGH, SCORE, HORIZON, RUN_ID AS FORECAST_RUN, MODEL\n"
            "FROM (SELECT *, (GREATEST(ACTUAL - HIGH, LOW - ACTUAL)) / NULLIF(HIGH - LOW, 0) AS SCORE\n  FROM ({rows}) "
            "QUALIFY ROW_NUMBER() OVER (PARTITION BY SERIES, DATE ORDER BY ORIGIN DESC, RUN_ID DESC) = 1)\n"
            "WHERE SCORE > {least}",
            key=features.settings.partition_by,
            rows=realised(s, features),
            least=Literal(s.min_score),
        )

    def plan(self, ctx: PlanContext) -> StepPlan:
        statement = sql(
            "CREATE OR REPLACE TABLE {name} AS {query}", name=self.settings.writes, query=self._query(ctx)
        )
        return StepPlan(f"find values outside the intervals of {self.settings.history}", (statement,))

    def run(self, ctx: RunContext) -> StepResult:
        rows = publish_table(ctx, self.settings.writes, self._query(ctx))
        return StepResult(rows=rows, message=f"{rows:,} periods outside of their interval")


__all__: Sequence[str] = ["Anomalies", "Monitor"]
