"""``deploy_forecaster`` and ``train_forecasters``: models of many series, inside a table function."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Literal as Choice

from pydantic import Field, model_validator

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
from snowpipe_ml.sql import Identifier, Literal, Sql, join, sql
from snowpipe_ml.steps.bundle import Bundle, BundleSettings, bundle
from snowpipe_ml.steps.charts import forecast_charts
from snowpipe_ml.steps.features import Features
from snowpipe_ml.steps.forecasters import NEEDS, Backtest, BestOf, Model, as_json, candidates_of, own_files
from snowpipe_ml.steps.publish import publish_table

_HANDLER = "snowpipe_ml.models.udtf.ForecastPartition"
_AUTO, _WHOLE = 16, 1_000_000_000


# --------------------------------------------------------------------------- deploy


@register("deploy_forecaster")
class DeployForecaster(Step["DeployForecaster.Settings"]):
    """Create the forecaster as a permanent vectorized table function.

    Its code, its settings and the staged wheels are imported from a stage; the packages it declares
    come from Snowflake's channel. It takes the histories and the days to come of many series, and returns a
    row a series and day with prediction, interval, features and explanations.
    """

    class Settings(BundleSettings):
        """Settings of ``deploy_forecaster``."""

        function: FunctionName
        features: TableName = Field(description="The table of a `features` step: its columns are the arguments")
        model: Model
        backtest: Backtest | None = Field(None, description="Rolling origins; `best_of` and intervals need them")
        interval: float = Field(0.8, gt=0, lt=1, description="The part of the days that should lie in the intervals")
        validation_fraction: float = Field(
            0.2, gt=0, lt=0.9, description="The last part of the history, predicted by a model that did not see it"
        )
        min_train_rows: int = Field(32, ge=8, description="Fewer days give a row that says so, and no forecast")
        refit: bool = Field(True, description="Forecast with a model of the whole history, the validation part too")
        lower_bound: float | None = Field(0.0, description="Predictions are not below this")
        max_growth: float | None = Field(
            2.0, gt=0, description="Forecasts are not above this times the highest day of the history"
        )

        @model_validator(mode="after")
        def _choice_needs_a_backtest(self) -> DeployForecaster.Settings:
            if isinstance(self.model, BestOf) and (self.backtest is None or self.backtest.origins < 2):
                raise ValueError("best_of chooses by a backtest: give `backtest`, with two origins or more")
            return self

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
        fixed = {"SERIES": "VARCHAR", "DATE": "DATE", "PART": "VARCHAR", "MODEL": "VARCHAR", "ORIGIN": "DATE"}
        numbers = ("ACTUAL", "PREDICTION", "LOW", "HIGH", "BASE", "FOLD", "SCALE", "SQUARED_SCALE")
        return [
            *((Identifier(name), kind) for name, kind in fixed.items()),
            *((Identifier(name), "FLOAT") for name in numbers), *((name, "FLOAT") for name in names),
            *((explanation_column(name), "FLOAT") for name in names), (Identifier("MESSAGE"), "VARCHAR"),
        ]  # fmt: skip

    def _statement(self, ctx: PlanContext, made: Bundle) -> Sql:
        features = self.features(ctx)
        arguments = [Sql("SERIES VARCHAR"), Sql("DATE DATE"), sql("{target} FLOAT", target=features.settings.target)]
        arguments += [sql("{name} FLOAT", name=name) for name in features.feature_columns]
        returned = [sql("{name} {kind}", name=name, kind=Sql(kind)) for name, kind in self.result_columns(ctx)]
        return sql(
            "CREATE OR REPLACE FUNCTION {name} ({arguments}) RETURNS TABLE ({returned}) {options}",
            name=self.settings.function, arguments=join(", ", arguments), returned=join(", ", returned),
            options=made.options(_HANDLER),
        )  # fmt: skip

    def _config(self, ctx: PlanContext) -> bytes:
        s = self.settings
        common = {"lower_bound": s.lower_bound, "max_growth": s.max_growth}
        plan = None
        if s.backtest is not None:
            compare = [as_json(candidate, **common) for candidate in s.backtest.compare]
            plan = {**s.backtest.model_dump(exclude={"compare"}), "compare": compare}
        train = {"validation_fraction": s.validation_fraction, "min_train_rows": s.min_train_rows, "refit": s.refit}
        config = {
            "model": {**as_json(s.model, **common), **train}, "backtest": plan, "interval": s.interval,
            "features": self.features(ctx).described(),
        }  # fmt: skip
        return json.dumps(config, sort_keys=True).encode()

    def _bundle(self, ctx: PlanContext, *, offline: bool) -> Bundle:
        s = self.settings
        models = [*candidates_of(s.model).values(), *(s.backtest.compare if s.backtest else ())]
        return bundle(
            ctx, name=s.function.name, stage=s.stage, packages=s.packages, imports=s.imports, offline=offline,
            files={"forecaster.json": self._config(ctx), **own_files(ctx, models)},
        )  # fmt: skip

    def _check_packages(self, ctx: PlanContext) -> None:
        """What a model imports must be declared or imported, or it would fail in the warehouse."""
        s = self.settings
        given = " ".join(ctx.package_list(s.packages).packages).lower()
        given += " ".join(str(name).lower().replace("_", "-") for name in s.imports)
        models = [*candidates_of(s.model), *(item.type for item in (s.backtest.compare if s.backtest else ()))]
        for name in models:
            need = NEEDS.get(name)
            if need is not None and need not in given:
                raise StepError(
                    f"the model {name} needs the package {need}, and packages.{s.packages} does not list it"
                )

    def plan(self, ctx: PlanContext) -> StepPlan:
        self._check_packages(ctx)
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
    """Backtest, train, validate, forecast and explain the series, in parallel partitions of the function.

    The series column of the table is text.
    """

    class Settings(StepSettings):
        """Settings of ``train_forecasters``."""

        function: FunctionName = Field(description="The function of a `deploy_forecaster` step")
        features: TableName
        future: TableName
        series_per_partition: int | Choice["auto"] = Field(
            "auto",
            description="How many series a call of the function gets: all of them at once for a lightgbm_global, else 16",
        )
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

    def _partitions(self, ctx: PlanContext) -> Sql:
        """The number of a series' partition: as even as can be, and by a hash, so that neighbours are apart."""
        size = self.settings.series_per_partition
        if size == "auto":
            whole = "lightgbm_global" in candidates_of(self.deployed(ctx).settings.model)
            size = _WHOLE if whole else _AUTO
        key = self.key(ctx)
        return sql(
            "SELECT {key}, MOD(ROW_NUMBER() OVER (ORDER BY MD5({key}::VARCHAR), {key}), "
            "GREATEST(1, CEIL(COUNT(*) OVER () / {size}))) "
            "AS BUCKET FROM (SELECT DISTINCT {key} FROM {features})",
            key=key, size=Literal(size), features=self.settings.features,
        )  # fmt: skip

    def _query(self, ctx: PlanContext) -> Sql:
        s, deployed = self.settings, self.deployed(ctx)
        features = deployed.features(ctx)
        columns = [features.settings.target, *features.feature_columns]
        key = self.key(ctx)
        listed = join(", ", [key, Identifier("DATE"), *columns])
        taken = join(", ", [sql("A.{key}::VARCHAR AS SERIES", key=key), Sql("A.DATE"), Sql("P.BUCKET"),
                            *(sql("A.{name}::FLOAT AS {name}", name=name) for name in columns)])  # fmt: skip
        arguments = join(
            ", ", [sql("T.{name}", name=name) for name in (Identifier("SERIES"), Identifier("DATE"), *columns)]
        )
        returned = join(", ", [sql("F.{name}", name=name) for name, _ in deployed.result_columns(ctx)[1:]])
        return sql(
            "WITH PARTITIONS AS (\n  {partitions}\n), DAYS AS (\n"
            "  SELECT {listed} FROM {features}\n  UNION ALL\n  SELECT {listed} FROM {future}\n), T AS (\n"
            "  SELECT {taken}\n  FROM DAYS A JOIN PARTITIONS P ON P.{key} = A.{key}\n)\n"
            "SELECT F.SERIES AS {key}, {returned}\n"
            "FROM T, TABLE({function}({arguments}) OVER (PARTITION BY T.BUCKET ORDER BY T.SERIES, T.DATE)) AS F",
            key=key, returned=returned, listed=listed, features=s.features, future=s.future, taken=taken,
            partitions=self._partitions(ctx), function=s.function, arguments=arguments,
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
            sql("SELECT COUNT(DISTINCT IFF(PART = 'forecast', {key}, NULL)), "
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
