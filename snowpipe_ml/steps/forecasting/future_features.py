"""``future_features``: the future periods that a forecaster predicts."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import (
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
from snowpipe_ml.sql import Literal, Sql, join, sql
from snowpipe_ml.steps.data.publish import publish_table
from snowpipe_ml.steps.forecasting.calendar_features import calendar_items
from snowpipe_ml.steps.forecasting.columns import require_columns
from snowpipe_ml.steps.forecasting.covariates import ForecastTable
from snowpipe_ml.steps.forecasting.exogenous import check_exogenous, future_columns, static_columns
from snowpipe_ml.steps.forecasting.feature_columns import forecast_columns
from snowpipe_ml.steps.forecasting.features import Features


@register("future_features")
class FutureFeatures(Step["FutureFeatures.Settings"]):
    """Create the future periods of every series of a ``features`` step, with the exogenous columns.

    The features of the target's past are NULL: the forecaster fills them, one period at a time, from its
    forecasts.
    """

    class Settings(StepSettings):
        """Settings of ``future_features``."""

        features: TableName = Field(description="Table written by a `features` step")
        horizon: int = Field(
            14, ge=1, le=9000, description="Horizon in periods; that of a `backtest` has the same default"
        )
        writes: TableName

    settings: FutureFeatures.Settings

    def _features(self, ctx: PlanContext) -> Features:
        return ctx.producer_of(table(self.settings.features), Features).resolved(ctx)

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.features, "features")
        step = ctx.producer(table(self.settings.features))
        if isinstance(step, Features):
            for other in step.settings.exogenous:
                known = other.future.table if isinstance(other.future, ForecastTable) else other.table
                yield table(known, "features")
            for fixed in step.settings.static:
                yield table(fixed.table, "features")
            if step.settings.holidays is not None:
                yield table(step.settings.holidays.table, "features")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")

    def _query(self, ctx: PlanContext) -> Sql:
        s, f = self.settings, self._features(ctx).settings
        periods = f.periods
        columns, joins = calendar_items(f.of_date(), f.holidays, periods)
        ctes: list[Sql] = []
        # On a clock on the wall, a few hours more are generated than the horizon has, as one may be skipped in spring.
        occurs = periods.occurs(Sql("DATE"))
        several = Literal(s.horizon if occurs is None else s.horizon + 60 * 24 // 5)
        numbers = sql(
            "SELECT ROW_NUMBER() OVER (ORDER BY SEQ4()) AS N FROM TABLE(GENERATOR(ROWCOUNT => {several}))",
            several=several,
        )
        ahead = sql(
            "SELECT {next} AS DATE\n  FROM ({numbers}) CROSS JOIN LAST_DAY L",
            next=periods.plus(Sql("L.LAST_DAY"), Sql("N")),
            numbers=numbers,
        )
        if occurs is not None:
            ahead = sql(
                "SELECT DATE FROM ({ahead}) WHERE {occurs} QUALIFY ROW_NUMBER() OVER (ORDER BY DATE) <= {horizon}",
                ahead=ahead,
                occurs=occurs,
                horizon=Literal(s.horizon),
            )
        key = sql("S.{key}", key=f.partition_by)
        for number, other in enumerate(f.exogenous, 1):
            own, joined, made = future_columns(number, other, key, periods)
            columns, joins, ctes = [*columns, *own], [*joins, *joined], [*ctes, *made]
        own, joined = static_columns(f.static, key, f.partition_by)
        columns, joins = [*columns, *own], [*joins, *joined]
        past = join("", [sql(", NULL::FLOAT AS {name}", name=feature.column) for feature in f.past()])
        return sql(
            """WITH SERIES AS (
  SELECT DISTINCT {key} FROM {features}
), LAST_DAY AS (
  SELECT MAX(DATE) AS LAST_DAY FROM {features}
), DAYS AS (
  {ahead}
){ctes}
SELECT S.{key}, D.DATE, {targets}{past}{columns}
FROM SERIES S CROSS JOIN DAYS D
{joins}""",
            key=f.partition_by,
            features=s.features,
            ahead=ahead,
            ctes=join("", ctes),
            targets=join(", ", [sql("NULL::FLOAT AS {name}", name=one.name) for one in f.all_targets]),
            past=past,
            columns=join("", columns),
            joins=join("\n", joins),
        )

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        statement = sql("CREATE OR REPLACE TABLE {name} AS {query}", name=s.writes, query=self._query(ctx))
        every = self._features(ctx).settings.every
        return StepPlan(f"the next {s.horizon} {every.plural} of each series", (statement,))

    def run(self, ctx: RunContext) -> StepResult:
        require_columns(ctx, forecast_columns(self._features(ctx).settings))
        features = self._features(ctx).settings
        for other in features.exogenous:
            if isinstance(other.future, ForecastTable):
                check_exogenous(ctx, other.future.table, other, features.periods)
        self._require_values(ctx)
        rows = publish_table(ctx, self.settings.writes, self._query(ctx))
        return StepResult(rows=rows, message=f"{self.settings.horizon} {features.every.plural}")

    def _require_values(self, ctx: RunContext) -> None:
        """Check that every exogenous column has a value in each future period.

        Raises:
            StepError: it names the column, the number of periods without a value, and the settings to change.
        """
        plural = self._features(ctx).settings.every.plural
        columns = [
            (other, one.name) for other in self._features(ctx).settings.exogenous for one in other.features
        ]
        if not columns:
            return
        lacks = [
            sql("COUNT(DISTINCT IFF({column} IS NULL, DATE, NULL))", column=column) for _, column in columns
        ]
        found = ctx.execute(
            sql("SELECT {lacks} FROM ({query})", lacks=join(", ", lacks), query=self._query(ctx))
        )[0]
        for (other, column), lacking in zip(columns, found, strict=True):
            if lacking:
                raise StepError(
                    f"{column} of {other.table} has no value for {lacking} future {plural} under the policy "
                    f"{other.policy!r}: give `future` (climatology, last_year, last or the table of a forecast), or `fill`"
                )
