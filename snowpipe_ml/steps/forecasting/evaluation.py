"""``evaluate_forecasts`` and ``flatten_forecasts``: score forecasts, and write tables for dashboards."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

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
from snowpipe_ml.sql import Fragment, Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.data.publish import append_run, publish_tables
from snowpipe_ml.steps.forecasting.feature_settings import FeatureSettings
from snowpipe_ml.steps.forecasting.panels import explanation_column
from snowpipe_ml.steps.forecasting.train import TrainForecasters
from snowpipe_ml.steps.models.metrics import REGRESSION, regression_metrics

_ACTUAL = Identifier("ACTUAL")


@register("evaluate_forecasts")
class EvaluateForecasts(Step["EvaluateForecasts.Settings"]):
    """Score each series on its validation days, against a seasonal-naive baseline, in each run.

    Both are scored on the same days: those for which the value of the baseline is known.
    """

    class Settings(StepSettings):
        """Settings of ``evaluate_forecasts``."""

        forecasts: TableName = Field(description="Table written by a `train_forecasters` step")
        season: int | None = Field(
            None, ge=1, description="The baseline is the value this many periods earlier; by default a season"
        )
        writes: TableName = Field(description="Output table, to which the rows of each run are appended once")

    dated = True
    settings: EvaluateForecasts.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.forecasts, "forecasts")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes", adds=True)

    def key(self, ctx: PlanContext) -> Identifier:
        """Return the column that identifies a series."""
        return ctx.producer_of(table(self.settings.forecasts), TrainForecasters).key(ctx)

    def season(self, ctx: PlanContext) -> int:
        """Return by how many periods the values of the baseline are earlier."""
        return self.settings.season or self._features(ctx).every.season

    def _features(self, ctx: PlanContext) -> FeatureSettings:
        return ctx.producer_of(table(self.settings.forecasts), TrainForecasters).features(ctx).settings

    def _query(self, ctx: PlanContext, run: Fragment, date: Fragment) -> Sql:
        s = self.settings
        return sql(
            "WITH SCORED AS (\n  SELECT V.{key}, V.DATE, V.ACTUAL, V.PREDICTION, B.ACTUAL AS BASELINE\n"
            "  FROM {forecasts} V JOIN {forecasts} B ON B.{key} = V.{key} AND B.DATE = {before}\n"
            "  WHERE V.PART = 'validation' AND B.PART IN ('train', 'validation')\n)\n"
            "SELECT {run} AS RUN_ID, {date} AS RUN_DATE, {key}, COUNT(*) AS DAYS, {model}, {baseline}\nFROM SCORED GROUP BY {key}",
            key=self.key(ctx),
            forecasts=s.forecasts,
            before=self._features(ctx).periods.plus(Sql("V.DATE"), Literal(-self.season(ctx))),
            run=run,
            date=date,
            model=regression_metrics(Identifier("PREDICTION"), actual=_ACTUAL),
            baseline=regression_metrics(Identifier("BASELINE"), actual=_ACTUAL, prefix="BASELINE_"),
        )

    def plan(self, ctx: PlanContext) -> StepPlan:
        statement = sql(
            "INSERT INTO {name} {query}",
            name=self.settings.writes,
            query=self._query(ctx, Literal("RUN_ID"), Literal("RUN_DATE")),
        )
        return StepPlan(
            f"evaluate {self.settings.forecasts} against seasonal-naive ({self.season(ctx)})",
            (statement,),
        )

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        query = self._query(ctx, Literal(ctx.run.id), Literal(ctx.run.date))
        append_run(ctx, s.writes, query)
        row = ctx.execute(
            sql(
                "SELECT COUNT(*), MEDIAN(RMSE), MEDIAN(BASELINE_RMSE), COUNT_IF(RMSE < BASELINE_RMSE) "
                "FROM {name} WHERE RUN_ID = {run}",
                name=s.writes,
                run=Literal(ctx.run.id),
            )
        )[0]
        count, model, baseline, better = row
        if not count:
            return StepResult(
                rows=0, message="nothing to evaluate", warnings=("no series has validation days to score",)
            )
        every, season = self._features(ctx).every, self.season(ctx)
        several = every.plural if season > 1 else every.noun
        measured = f"one {every.noun} ahead, given the actual values of earlier {every.plural}: median RMSE {model:.2f}"
        naive = f"the value {season} {several} earlier (seasonal naive) {baseline:.2f}"
        trained = ctx.producer_of(table(s.forecasts), TrainForecasters)
        if trained.deployed(ctx).settings.backtest is None:
            message = f"{measured}, better for {better} of {count} series than {naive}"
        else:  # the backtest, over whole horizons, shows whether the model is better
            message = f"{measured}; {naive}"
        return StepResult(
            rows=count,
            message=message,
            metrics={"median_rmse": model, "median_baseline_rmse": baseline, "better": better},
        )


@register("flatten_forecasts")
class FlattenForecasts(Step["FlattenForecasts.Settings"]):
    """Write tables for dashboards: the forecast, the predictions of the history, and one metric per row."""

    class Settings(StepSettings):
        """Settings of ``flatten_forecasts``."""

        forecasts: TableName = Field(description="Table written by a `train_forecasters` step")
        metrics: TableName = Field(description="Table written by an `evaluate_forecasts` step")
        forecast: TableName = Field(
            description="Output table: series, date, forecast, features, feature attributions"
        )
        predictions: TableName = Field(description="Output table: series, date, actual, prediction")
        flat_metrics: TableName = Field(description="Output table: series, run, metric, value, baseline")

    settings: FlattenForecasts.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.forecasts, "forecasts")
        yield table(self.settings.metrics, "metrics")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.forecast, "forecast")
        yield table(self.settings.predictions, "predictions")
        yield table(self.settings.flat_metrics, "flat_metrics")

    def _queries(self, ctx: PlanContext) -> list[tuple[QualifiedName, Sql]]:
        s = self.settings
        trained = ctx.producer_of(table(s.forecasts), TrainForecasters)
        key = trained.key(ctx)
        names = trained.deployed(ctx).features(ctx).feature_columns
        shown = join(", ", [*names, *map(explanation_column, names)])
        metrics = join(
            " UNION ALL ",
            [
                sql(
                    "SELECT {key}, RUN_ID, RUN_DATE, {label} AS METRIC, {value} AS VALUE, {baseline} AS BASELINE FROM {metrics}",
                    key=key,
                    label=Literal(metric),
                    value=Identifier(metric),
                    baseline=Identifier(f"BASELINE_{metric}"),
                    metrics=s.metrics,
                )
                for metric in REGRESSION
            ],
        )
        return [
            (
                s.forecast,
                sql(
                    "SELECT {key}, DATE, PREDICTION AS FORECAST, LOW, HIGH, MODEL, {shown} FROM {name} "
                    "WHERE PART = 'forecast'",
                    key=key,
                    shown=shown,
                    name=s.forecasts,
                ),
            ),
            (
                s.predictions,
                sql(
                    "SELECT {key}, DATE, PART, ACTUAL, PREDICTION, {shown} FROM {name} "
                    "WHERE PART IN ('train', 'validation')",
                    key=key,
                    shown=shown,
                    name=s.forecasts,
                ),
            ),
            (s.flat_metrics, metrics),
        ]

    def plan(self, ctx: PlanContext) -> StepPlan:
        statements = tuple(
            sql("CREATE OR REPLACE TABLE {name} AS {query}", name=n, query=q) for n, q in self._queries(ctx)
        )
        return StepPlan(f"flatten {self.settings.forecasts}", statements)

    def run(self, ctx: RunContext) -> StepResult:
        queries = list(self._queries(ctx))
        names = [name for name, _ in queries]
        counts = dict(zip(names, publish_tables(ctx, queries), strict=True))
        return StepResult(
            rows=sum(counts.values()),
            message=", ".join(f"{name} {count:,}" for name, count in counts.items()),
        )
