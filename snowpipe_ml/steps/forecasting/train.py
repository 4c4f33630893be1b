"""``deploy_forecaster`` and ``train_forecasters``: train models of many series in a table function."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated
from typing import Literal as Choice

from pydantic import Field, model_validator

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
from snowpipe_ml.steps.data.publish import publish_table
from snowpipe_ml.steps.forecasting.features import Features
from snowpipe_ml.steps.forecasting.models import (
    Backtest,
    BestOf,
    Model,
    as_json,
    candidates_of,
    check_packages,
    named,
    own_files,
)
from snowpipe_ml.steps.forecasting.panels import AUTO, WHOLE, PanelCall, create_function, result_columns
from snowpipe_ml.steps.models.bundle import Bundle, BundleSettings, bundle
from snowpipe_ml.steps.report.charts import Forecasts, forecast_charts

_HANDLER = "snowpipe_ml.models.udtf.ForecastPartition"
_OF_FEATURES = ("tabnet", "tabnet_reference", "lightgbm", "lightgbm_global")


@register("deploy_forecaster")
class DeployForecaster(Step["DeployForecaster.Settings"]):
    """Create the forecaster as a permanent vectorized table function.

    Its code, its settings and the staged wheels are imported from a stage; its declared packages come from
    Snowflake's Anaconda channel. The function takes the history and the future periods of many series, and
    returns a row per series and period with prediction, interval, features and feature attributions.
    """

    class Settings(BundleSettings):
        """Settings of ``deploy_forecaster``."""

        function: FunctionName
        features: TableName = Field(
            description="Table written by a `features` step; its columns are the arguments"
        )
        model: Model = Field(description="Model to train for each series")
        backtest: Backtest | None = Field(
            None, description="Rolling origins; required for `best_of` and for intervals"
        )
        interval: float = Field(
            0.8, gt=0, lt=1, description="Fraction of the actual values that the intervals should contain"
        )
        validation_fraction: float = Field(
            0.2,
            gt=0,
            lt=0.9,
            description="Last fraction of the history, predicted by a model that was not trained on it",
        )
        min_train_rows: int = Field(
            32, ge=8, description="A series with fewer rows gets a row that says so, and no forecast"
        )
        refit: bool = Field(
            True, description="Forecast with a model of the whole history, including the validation part"
        )
        lower_bound: float | None = Field(0.0, description="Lower bound of the predictions")
        max_growth: float | None = Field(
            2.0, gt=0, description="Upper bound of the forecasts, as a multiple of the history's maximum"
        )

        keep_models: bool = Field(
            False, description="Return the models too, so that `train_forecasters` can save them in `models`"
        )

        @model_validator(mode="after")
        def _choice_needs_a_backtest(self) -> DeployForecaster.Settings:
            if isinstance(self.model, BestOf) and (self.backtest is None or self.backtest.origins < 2):
                raise ValueError(
                    "best_of selects models by a backtest: give `backtest`, with at least two origins"
                )
            if self.backtest is not None and "compare" in self.backtest.model_fields_set:
                own, beside = candidates_of(self.model), named(self.backtest.compare)
                twice = sorted(name for name in own.keys() & beside.keys() if own[name] != beside[name])
                if twice:
                    raise ValueError(
                        f"`model` and `compare` have different models named {', '.join(twice)}: "
                        "give one a `name`"
                    )
            return self

    settings: DeployForecaster.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        s = self.settings
        yield table(s.features, "features")
        yield from s.bundle_reads()

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield function(self.settings.function, "function")

    def features(self, ctx: PlanContext) -> Features:
        """Return the step whose table the function reads."""
        return ctx.producer_of(table(self.settings.features), Features)

    def _statement(self, ctx: PlanContext, made: Bundle) -> Sql:
        s = self.settings
        return create_function(
            s.function, self.features(ctx), made.options(_HANDLER), artifacts=s.keep_models
        )

    def _config(self, ctx: PlanContext) -> bytes:
        s = self.settings
        common = {"lower_bound": s.lower_bound, "max_growth": s.max_growth}
        plan = None
        if s.backtest is not None:
            compare = {
                name: as_json(candidate, **common) for name, candidate in named(s.backtest.compare).items()
            }
            plan = {
                "origins": s.backtest.origins,
                "horizon_days": s.backtest.horizon_days,
                "step_days": s.backtest.step_days or s.backtest.horizon_days,
                "compare": compare,
            }
        train = {
            "validation_fraction": s.validation_fraction,
            "min_train_rows": s.min_train_rows,
            "refit": s.refit,
        }
        config = {
            "model": {**as_json(s.model, **common), **train},
            "backtest": plan,
            "interval": s.interval,
            "features": self.features(ctx).described(),
            "keep_models": s.keep_models,
        }
        return json.dumps(config, sort_keys=True).encode()

    def _bundle(self, ctx: PlanContext, *, offline: bool) -> Bundle:
        s = self.settings
        models = [*candidates_of(s.model).values(), *(s.backtest.compare if s.backtest else ())]
        return bundle(
            ctx,
            name=s.function.name,
            stage=s.stage,
            packages=s.packages,
            imports=s.imports,
            offline=offline,
            files={"forecaster.json": self._config(ctx), **own_files(ctx, models)},
        )

    def _check_features(self, ctx: PlanContext) -> None:
        """Check that a model that learns from features has some."""
        if not self.features(ctx).feature_columns:
            for name, model in candidates_of(self.settings.model).items():
                if model.type in _OF_FEATURES:
                    raise StepError(
                        f"{name} learns from features, but the step that writes {self.settings.features} "
                        "has none"
                    )

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        models = (*candidates_of(s.model).values(), *(s.backtest.compare if s.backtest else ()))
        check_packages(ctx, s, models)
        self._check_features(ctx)
        kinds = {model.type for model in candidates_of(self.settings.model).values()}
        if self.settings.keep_models and "tabnet_reference" in kinds:
            raise StepError(
                "tabnet_reference is for comparison only and cannot be saved: use tabnet, the same model"
            )
        made = self._bundle(ctx, offline=True)
        wheels = (
            f", and the wheels of {', '.join(map(str, self.settings.imports))}"
            if self.settings.imports
            else ""
        )
        return StepPlan(
            f"create {self.settings.function} ({self.settings.model.type}) from {made.folder}{wheels}",
            (*made.puts(), self._statement(ctx, made)),
        )

    def run(self, ctx: RunContext) -> StepResult:
        made = self._bundle(ctx, offline=False)
        made.upload(ctx)
        ctx.execute(self._statement(ctx, made))
        return StepResult(message=str(self.settings.function))


@register("train_forecasters")
class TrainForecasters(Step["TrainForecasters.Settings"]):
    """Backtest, train, validate, forecast and explain the series, in parallel partitions of the function.

    The series column of the output table is text.
    """

    class Settings(StepSettings):
        """Settings of ``train_forecasters``."""

        function: FunctionName = Field(description="Function created by a `deploy_forecaster` step")
        features: TableName
        future: TableName
        series_per_partition: Annotated[int, Field(ge=1)] | Choice["auto"] = Field(
            "auto",
            description="Series per call of the function; by default all for lightgbm_global, else 16",
        )
        writes: TableName
        models: StageLocation | None = Field(
            None, description="Folder to save the models in, for `forecast` steps"
        )

    settings: TrainForecasters.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        s = self.settings
        yield function(s.function, "function")
        yield table(s.features, "features")
        yield table(s.future, "future")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")
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
        return Forecasts(self.settings.writes, self.key(ctx))

    def _query(self, ctx: PlanContext) -> Sql:
        s, deployed = self.settings, self.deployed(ctx)
        size = s.series_per_partition
        if size == "auto":
            together = any(
                m.type == "lightgbm_global" for m in candidates_of(deployed.settings.model).values()
            )
            size = WHOLE if together else AUTO
        features = deployed.features(ctx)
        names = [name for name, _ in result_columns(features, artifacts=deployed.settings.keep_models)]
        return PanelCall(s.function, features, s.features, s.future, size, names).query()

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
        return StepPlan(f"train a model for each {self.key(ctx)}", tuple(statements))

    @property
    def _trained(self) -> QualifiedName:
        """The temporary table with all rows that the function returned, including the models."""
        *parts, name = self.settings.writes.parts
        return QualifiedName((*parts, Identifier(f"{name.name}_TRAINED")))

    def _rows(self) -> Sql:
        return sql("SELECT * EXCLUDE (ARTIFACT) FROM {name} WHERE PART <> 'model'", name=self._trained)

    def _beyond_backtest(self, ctx: RunContext) -> tuple[str, ...]:
        """Return a warning if the forecasts reach further ahead than the backtest."""
        backtest = self.deployed(ctx).settings.backtest
        if backtest is None:
            return ()
        furthest = ctx.scalar(
            sql(
                "SELECT MAX(DATEDIFF(day, ORIGIN, DATE)) FROM {name} WHERE PART = 'forecast'",
                name=self.settings.writes,
            )
        )
        if furthest is None or furthest <= backtest.horizon_days:
            return ()
        return (
            f"forecasts reach {furthest} days ahead, but the backtest only {backtest.horizon_days}: the days "
            f"beyond it have no interval; set backtest.horizon_days",
        )

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        key, query = self.key(ctx), self._query(ctx)
        metrics: dict[str, float] = {}
        if s.models is None:
            rows = publish_table(ctx, s.writes, query)
        else:
            from snowpipe_ml.steps.forecasting.forecast import keep_models

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
            rows = publish_table(ctx, s.writes, self._rows())
            ctx.execute(sql("DROP TABLE {name}", name=self._trained))
        trained, untrained = ctx.execute(
            sql(
                "SELECT COUNT(DISTINCT IFF(PART = 'forecast', {key}, NULL)), "
                "COUNT(DISTINCT IFF(PART = 'untrained', {key}, NULL)) FROM {name}",
                key=key,
                name=s.writes,
            )
        )[0]
        warnings: tuple[str, ...] = ()
        if untrained:
            where = f"the rows of {s.writes} with PART = 'untrained' give the reason"
            warnings = (f"{untrained} series were not trained; {where}",)
        warnings += self._beyond_backtest(ctx)
        if not trained:
            warnings += (f"no series has a forecast: {s.writes} has none",)
        return StepResult(
            rows=rows,
            message=f"{trained} models",
            warnings=warnings,
            metrics={"trained": trained, "untrained": untrained, **metrics},
            charts=forecast_charts(ctx, self.forecasts(ctx)),
        )
