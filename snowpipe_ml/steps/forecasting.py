"""``deploy_forecaster`` and ``train_forecasters``: a model a series, inside a table function."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated
from typing import Literal as Choice

from pydantic import BaseModel, ConfigDict, Field

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import (
    FunctionName,
    PlanContext,
    Resource,
    RunContext,
    Step,
    StepPlan,
    StepResult,
    StepSettings,
    TableName,
    function,
    register,
    table,
)
from snowpipe_ml.sql import Identifier, Sql, join, sql
from snowpipe_ml.steps.bundle import Bundle, BundleSettings, bundle
from snowpipe_ml.steps.charts import forecast_charts
from snowpipe_ml.steps.features import Features
from snowpipe_ml.steps.publish import publish_table

_HANDLER = "snowpipe_ml.models.udtf.Forecast"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    validation_fraction: float = Field(
        0.2, gt=0, lt=0.9, description="The last part of the history, kept for validation"
    )
    min_train_rows: int = Field(32, ge=2, description="Fewer rows give a row that says so, and no forecast")
    lower_bound: float | None = Field(0.0, description="Predictions are not below this")


class TabNet(_Model):
    """One TabNet network a series: https://arxiv.org/abs/1908.07442, as pytorch-tabnet has it."""

    type: Choice["tabnet"]
    max_epochs: int = Field(10, ge=1)
    patience: int = Field(10, ge=0, description="Epochs without improvement before training stops; 0 never stops")
    batch_size: int = Field(64, ge=2)
    virtual_batch_size: int = Field(64, ge=2)
    learning_rate: float = Field(0.02, gt=0)
    n_d: int = Field(8, ge=1)
    n_a: int = Field(8, ge=1)
    n_steps: int = Field(3, ge=1)
    gamma: float = Field(1.3, ge=1)
    seed: int = 0


class SeasonalNaive(_Model):
    """The value of the same day a season ago."""

    type: Choice["seasonal_naive"]
    season: int = Field(7, ge=1)


Model = Annotated[TabNet | SeasonalNaive, Field(discriminator="type")]


# --------------------------------------------------------------------------- deploy


@register("deploy_forecaster")
class DeployForecaster(Step["DeployForecaster.Settings"]):
    """Create the forecaster as a permanent vectorized table function.

    Its code, its settings and the staged wheels are imported from a stage; the packages it declares
    come from Snowflake's channel. It takes a series' history and the days to come, and returns a
    row a day with prediction, features and explanations.
    """

    class Settings(BundleSettings):
        """Settings of ``deploy_forecaster``."""

        function: FunctionName
        features: TableName = Field(description="The table of a `features` step: its columns are the arguments")
        model: Model

    settings: DeployForecaster.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        s = self.settings
        yield table(s.features, "features")
        yield from s.bundle_reads()

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield function(self.settings.function, "function")

    # ----------------------------------------------------------------------- signature

    def features(self, ctx: PlanContext) -> Features:
        """The step whose table the function reads."""
        return ctx.producer_of(table(self.settings.features), Features)

    def result_columns(self, ctx: PlanContext) -> list[tuple[Identifier, str]]:
        """The columns that the function returns."""
        names = self.features(ctx).feature_columns
        return [
            (Identifier("DATE"), "DATE"), (Identifier("PART"), "VARCHAR"), (Identifier("ACTUAL"), "FLOAT"),
            (Identifier("PREDICTION"), "FLOAT"), *((name, "FLOAT") for name in names),
            *((explanation_column(name), "FLOAT") for name in names), (Identifier("MESSAGE"), "VARCHAR"),
        ]  # fmt: skip

    def _statement(self, ctx: PlanContext, made: Bundle) -> Sql:
        features = self.features(ctx)
        arguments = [sql("DATE DATE"), sql("{target} FLOAT", target=features.settings.target)]
        arguments += [sql("{name} FLOAT", name=name) for name in features.feature_columns]
        returned = [sql("{name} {kind}", name=name, kind=Sql(kind)) for name, kind in self.result_columns(ctx)]
        return sql(
            "CREATE OR REPLACE FUNCTION {name} ({arguments}) RETURNS TABLE ({returned}) {options}",
            name=self.settings.function, arguments=join(", ", arguments), returned=join(", ", returned),
            options=made.options(_HANDLER),
        )  # fmt: skip

    def _config(self, ctx: PlanContext) -> bytes:
        features = self.features(ctx)
        return json.dumps(
            {
                "model": self.settings.model.model_dump(),
                "target": features.settings.target.name,
                "features": [name.name for name in features.feature_columns],
                "lags": list(features.settings.lags),
            },
            sort_keys=True,
        ).encode()

    def _bundle(self, ctx: PlanContext, *, offline: bool) -> Bundle:
        s = self.settings
        return bundle(
            ctx, name=s.function.name, stage=s.stage, files={"forecaster.json": self._config(ctx)},
            packages=s.packages, imports=s.imports, offline=offline,
        )  # fmt: skip

    def plan(self, ctx: PlanContext) -> StepPlan:
        model, lags = self.settings.model, self.features(ctx).settings.lags
        if isinstance(model, SeasonalNaive) and model.season not in lags:
            raise StepError(f"seasonal_naive looks back {model.season} days, which is not among the lags {list(lags)}")
        made = self._bundle(ctx, offline=True)
        wheels = f", and the wheels of {', '.join(map(str, self.settings.imports))}" if self.settings.imports else ""
        return StepPlan(
            f"create {self.settings.function} ({self.settings.model.type}) from {made.folder}{wheels}",
            (*made.puts(), self._statement(ctx, made)),
        )

    def run(self, ctx: RunContext) -> StepResult:
        made = self._bundle(ctx, offline=False)
        made.upload(ctx)
        ctx.execute(self._statement(ctx, made))
        return StepResult(message=str(self.settings.function))


def explanation_column(name: Identifier) -> Identifier:
    """The column that says how much a feature counted in a prediction; they sum to 1."""
    return Identifier(f"{name.name}_EXPLANATION")


# --------------------------------------------------------------------------- train


@register("train_forecasters")
class TrainForecasters(Step["TrainForecasters.Settings"]):
    """Train, validate, forecast and explain a model a series, in parallel partitions of the function."""

    class Settings(StepSettings):
        """Settings of ``train_forecasters``."""

        function: FunctionName = Field(description="The function of a `deploy_forecaster` step")
        features: TableName
        future: TableName
        writes: TableName

    settings: TrainForecasters.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        s = self.settings
        yield function(s.function, "function")
        yield table(s.features, "features")
        yield table(s.future, "future")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")

    def deployed(self, ctx: PlanContext) -> DeployForecaster:
        """The step that creates the function."""
        return ctx.producer_of(function(self.settings.function), DeployForecaster)

    def key(self, ctx: PlanContext) -> Identifier:
        """The column that tells the series apart."""
        return self.deployed(ctx).features(ctx).settings.partition_by

    def _query(self, ctx: PlanContext) -> Sql:
        s, deployed = self.settings, self.deployed(ctx)
        features = deployed.features(ctx)
        columns = [Identifier("DATE"), features.settings.target, *features.feature_columns]
        listed = join(", ", [self.key(ctx), *columns])
        arguments = join(", ", [
            sql("T.{name}", name=columns[0]),
            *(sql("T.{name}::FLOAT", name=name) for name in columns[1:]),
        ])  # fmt: skip
        returned = join(", ", [sql("F.{name}", name=name) for name, _ in deployed.result_columns(ctx)])
        return sql(
            "SELECT T.{key}, {returned}\nFROM (\n"
            "  SELECT {listed} FROM {features}\n  UNION ALL\n  SELECT {listed} FROM {future}\n) AS T,\n"
            "TABLE({function}({arguments}) OVER (PARTITION BY T.{key} ORDER BY T.DATE)) AS F",
            key=self.key(ctx), returned=returned, listed=listed, features=s.features, future=s.future,
            function=s.function, arguments=arguments,
        )  # fmt: skip

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        statement = sql("CREATE OR REPLACE TABLE {name} AS {query}", name=s.writes, query=self._query(ctx))
        return StepPlan(f"train a model for each {self.key(ctx)}", (statement,))

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        rows = publish_table(ctx, s.writes, self._query(ctx))
        key = self.key(ctx)
        trained, untrained = ctx.execute(
            sql("SELECT COUNT(DISTINCT IFF(PART <> 'untrained', {key}, NULL)), "
                "COUNT(DISTINCT IFF(PART = 'untrained', {key}, NULL)) FROM {name}", key=key, name=s.writes)
        )[0]  # fmt: skip
        warnings: tuple[str, ...] = ()
        if untrained:
            where = f"the rows of {s.writes} with PART = 'untrained' say why"
            warnings = (f"{untrained} series were not trained; {where}",)
        return StepResult(
            rows=rows,
            message=f"{trained} models",
            warnings=warnings,
            metrics={"trained": trained, "untrained": untrained},
            charts=forecast_charts(ctx, s.writes, key),
        )
