"""``deploy_forecaster`` and ``train_forecasters``: train models of many series in a table function."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated
from typing import Literal as Choice

from pydantic import Field

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import (
    FunctionName,
    PlanContext,
    Resource,
    RunContext,
    StageLocation,
    Step,
    StepPlan,
    StepResult,
    StepSettings,
    TableName,
    function,
    register,
    stage,
    table,
)
from snowpipe_ml.sql import Identifier, QualifiedName, Sql, sql
from snowpipe_ml.steps.data.publish import replace_rows
from snowpipe_ml.steps.forecasting.charts import Forecasts, forecast_charts
from snowpipe_ml.steps.forecasting.deploy import DeployForecaster
from snowpipe_ml.steps.forecasting.features import Features
from snowpipe_ml.steps.forecasting.forecast_history import keep_forecasts, planned_history
from snowpipe_ml.steps.forecasting.models import (
    candidates_of,
)
from snowpipe_ml.steps.forecasting.panels import AUTO, WHOLE, PanelCall, result_columns
from snowpipe_ml.steps.forecasting.saved import keep_models


@register("train_forecasters")
class TrainForecasters(Step["TrainForecasters.Settings"]):
    """Backtest, train, validate, forecast and explain the series, in parallel partitions of the function.

    The series column of the output table is text.
    """

    series: int | None = None
    """How many series are trained, for a comparison on a sample; None for all."""

    class Settings(StepSettings):
        """Settings of ``train_forecasters``."""

        function: FunctionName = Field(description="Function created by a `deploy_forecaster` step")
        features: TableName
        future: TableName
        series_per_partition: Annotated[int, Field(ge=1)] | Choice["auto"] = Field(
            "auto",
            description="Series per call of the function; by default all for lightgbm_global and tabnet_global, else 16",
        )
        writes: TableName
        models: StageLocation | None = Field(
            None, description="Folder to save the models in, for `forecast` steps"
        )
        forecast_history: TableName | None = Field(
            None,
            description="Table to which the forecasts of each run are appended, for `monitor` and `anomalies`",
        )

    settings: TrainForecasters.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        s = self.settings
        yield function(s.function, "function")
        yield table(s.features, "features")
        yield table(s.future, "future")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")
        if self.settings.forecast_history is not None:
            yield table(self.settings.forecast_history, "forecast_history", adds=True)
        if self.settings.models is not None:
            yield stage(self.settings.models, "models")

    def deployed(self, ctx: PlanContext) -> DeployForecaster:
        """Return the step that creates the function."""
        return ctx.producer_of(function(self.settings.function), DeployForecaster)

    def features(self, ctx: PlanContext) -> Features:
        """Return the step whose table the function reads."""
        return self.deployed(ctx).features(ctx)

    def key(self, ctx: PlanContext) -> Identifier:
        """Return the column that identifies a series."""
        return self.features(ctx).settings.partition_by

    def forecasts(self, ctx: PlanContext) -> Forecasts:
        """Return the output table."""
        features = self.features(ctx).settings
        return Forecasts(
            self.settings.writes,
            features.partition_by,
            value=features.target.name,
            noun=features.every.noun,
        )

    def _query(self, ctx: PlanContext) -> Sql:
        s, deployed = self.settings, self.deployed(ctx)
        size = s.series_per_partition
        if size == "auto":
            types = {m.type for m in candidates_of(deployed.settings.model).values()}
            size = WHOLE if types & {"lightgbm_global", "tabnet_global"} else AUTO
        features = deployed.features(ctx)
        if features.settings.hierarchy:
            size = WHOLE  # all series, as they must add up
        names = [
            name
            for name, _ in result_columns(
                features, artifacts=deployed.settings.keep_models, quantiles=deployed.settings.quantiles
            )
        ]
        sample = None if size == WHOLE else self.series  # models of all series are not those of some
        return PanelCall(s.function, features, s.features, s.future, size, names, sample).query()

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        if (s.models is not None) != self.deployed(ctx).settings.keep_models:
            raise StepError(
                f"`models` here requires `keep_models: true` in the step that deploys {s.function}, and vice "
                "versa: give both or neither"
            )
        query = self._query(ctx)
        if s.models is None:
            statements = [sql("CREATE OR REPLACE TABLE {name} AS {query}", name=s.writes, query=query)]
        else:
            statements = [
                sql("CREATE OR REPLACE TEMPORARY TABLE {name} AS {query}", name=self._trained, query=query),
                sql("CREATE OR REPLACE TABLE {name} AS {rows}", name=s.writes, rows=self._rows()),
            ]
        if s.forecast_history is not None:
            periods = self.features(ctx).settings.periods
            statements.append(planned_history(s.forecast_history, s.writes, self.key(ctx), periods))
        return StepPlan(f"train a model for each {self.key(ctx)}", tuple(statements))

    @property
    def _trained(self) -> QualifiedName:
        """The temporary table with all rows that the function returned, including the models."""
        *parts, name = self.settings.writes.parts
        return QualifiedName((*parts, Identifier(f"{name.name}_TRAINED")))

    def _rows(self) -> Sql:
        return sql("SELECT * EXCLUDE (ARTIFACT) FROM {name} WHERE PART <> 'model'", name=self._trained)

    def _beyond_backtest(self, ctx: PlanContext, furthest: int | None) -> tuple[str, ...]:
        """Return a warning if the forecasts reach further ahead than the backtest."""
        backtest = self.deployed(ctx).settings.backtest
        if backtest is None or furthest is None or furthest <= backtest.horizon:
            return ()
        plural = self.features(ctx).settings.every.plural
        return (
            f"forecasts reach {int(furthest)} {plural} ahead, but the backtest only {backtest.horizon}: the {plural} "
            f"beyond it have no interval; set backtest.horizon",
        )

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        key, query = self.key(ctx), self._query(ctx)
        metrics: dict[str, float] = {}
        if s.models is None:
            replace_rows(ctx, s.writes, query)
        else:
            deployed = self.deployed(ctx)
            ctx.execute(
                sql("CREATE OR REPLACE TEMPORARY TABLE {name} AS {query}", name=self._trained, query=query)
            )
            told = {
                "model": deployed.settings.model.model_dump(mode="json"),
                "features": deployed.features(ctx).described(),
            }
            ctx.before_publishing()
            metrics["model files"] = keep_models(ctx, self._trained, key, s.models, told)
            replace_rows(ctx, s.writes, self._rows())
            ctx.execute(sql("DROP TABLE {name}", name=self._trained))
        if s.forecast_history is not None:
            periods = self.features(ctx).settings.periods
            metrics["forecasts kept"] = keep_forecasts(ctx, s.forecast_history, s.writes, key, periods)
        rows, *_ = ctx.count_all([name for name in (s.writes, s.forecast_history) if name is not None])
        trained, simple, untrained, furthest = ctx.execute(
            sql(
                "SELECT COUNT(DISTINCT IFF(PART = 'forecast' AND MODEL <> 'simple', {key}, NULL)), "
                "COUNT(DISTINCT IFF(PART = 'forecast' AND MODEL = 'simple', {key}, NULL)), "
                "COUNT(DISTINCT IFF(PART = 'untrained', {key}, NULL)), MAX(IFF(PART = 'forecast', {ahead}, NULL)) "
                "FROM {name}",
                key=key,
                ahead=self.features(ctx).settings.periods.between(Sql("ORIGIN"), Sql("DATE")),
                name=s.writes,
            )
        )[0]
        warnings: tuple[str, ...] = ()
        if untrained:
            where = f"the rows of {s.writes} with PART = 'untrained' give the reason"
            warnings = (f"{untrained} series were not trained; {where}",)
        if simple:
            warnings += (
                f"{simple} series have a simple forecast, as no model could be trained; the rows of {s.writes} with "
                "MODEL = 'simple' give the reason",
            )
        warnings += self._beyond_backtest(ctx, furthest)
        if not trained and not simple:
            warnings += (f"no series has a forecast: {s.writes} has none",)
        charts, lost = forecast_charts(ctx, self.forecasts(ctx))
        return StepResult(
            rows=rows,
            message=f"{trained} models",
            warnings=(*warnings, *lost),
            metrics={"trained": trained, "simple": simple, "untrained": untrained, **metrics},
            charts=charts,
        )
