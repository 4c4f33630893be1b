"""Forecasting: deploy a forecaster as a table function, train with it, evaluate, flatten."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any
from typing import Literal as Choice

from pydantic import BaseModel, ConfigDict, Field

from snowpipe_ml.plugins import (
    FunctionName,
    Kind,
    ObjectName,
    PlanContext,
    Resource,
    RunContext,
    Step,
    StepPlan,
    StepResult,
    StepSettings,
    TableName,
    declared,
    function,
    register,
    table,
)
from snowpipe_ml.sql import Fragment, Identifier, Literal, QualifiedName, Sql, StagePath, join, sql
from snowpipe_ml.steps.features import Features
from snowpipe_ml.steps.publish import publish_table

_RUNTIME = "3.11"
_HANDLER = "snowpipe_ml.models.udtf.Forecast"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    validation_fraction: float = Field(0.2, gt=0, lt=0.9, description="The last part of the history, kept for validation")
    min_train_rows: int = Field(32, ge=2, description="Fewer rows give a row that says so, and no forecast")
    lower_bound: float | None = Field(0.0, description="Predictions are not below this")


class TabNet(_Model):
    """One TabNet network a series: https://arxiv.org/abs/1908.07442, as pytorch-tabnet has it."""

    type: Choice["tabnet"]
    max_epochs: int = Field(10, ge=1)
    patience: int = Field(10, ge=0, description="Epochs without improvement before training stops; 0 never stops")
    batch_size: int = Field(256, ge=2)
    virtual_batch_size: int = Field(128, ge=2)
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

    class Settings(StepSettings):
        """Settings of ``deploy_forecaster``."""

        function: FunctionName
        features: TableName = Field(description="The table of a `features` step: its columns are the arguments")
        model: Model
        stage: ObjectName = Field(description="The stage for the function's code")
        packages: str = Field(description="A declared list of packages")
        imports: tuple[ObjectName, ...] = Field((), description="Declared imports")

    settings: DeployForecaster.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        s = self.settings
        yield table(s.features, "features")
        yield Resource(Kind.STAGE, QualifiedName((s.stage,)), ("stage",))
        yield Resource(Kind.PACKAGES, QualifiedName.of(s.packages.upper()), ("packages",))
        for index, name in enumerate(s.imports):
            yield declared(Kind.IMPORT, name, "imports", index)

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

    def _statement(self, ctx: PlanContext, imports: list[StagePath]) -> Sql:
        features = self.features(ctx)
        arguments = [sql("DATE DATE"), sql("{target} FLOAT", target=features.settings.target)]
        arguments += [sql("{name} FLOAT", name=name) for name in features.feature_columns]
        returned = [sql("{name} {kind}", name=name, kind=Sql(kind)) for name, kind in self.result_columns(ctx)]
        return sql(
            "CREATE OR REPLACE FUNCTION {name} ({arguments}) RETURNS TABLE ({returned}) LANGUAGE PYTHON "
            "RUNTIME_VERSION = {runtime} PACKAGES = {packages} IMPORTS = {imports} HANDLER = {handler}",
            name=self.settings.function, arguments=join(", ", arguments), returned=join(", ", returned),
            runtime=Literal(_RUNTIME), packages=Literal(list(ctx.packages[self.settings.packages])),
            imports=Literal([place.text for place in imports]), handler=Literal(_HANDLER),
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

    def _files(self, ctx: PlanContext) -> tuple[StagePath, dict[str, bytes]]:
        """The folder on the stage, named by the content, and the files that go there."""
        files = {"snowpipe_models.zip": models_archive(), "forecaster.json": self._config(ctx)}
        digest = hashlib.sha256(b"".join(name.encode() + data for name, data in sorted(files.items()))).hexdigest()[:16]
        name = self.settings.function.name.name.lower()
        return StagePath(QualifiedName((self.settings.stage,)), f"functions/{name}/{digest}/"), files

    def plan(self, ctx: PlanContext) -> StepPlan:
        folder, files = self._files(ctx)
        statement = self._statement(ctx, [folder.child(name) for name in files])
        wheels = f", and the wheels of {', '.join(map(str, self.settings.imports))}" if self.settings.imports else ""
        return StepPlan(f"create {self.settings.function} ({self.settings.model.type}) from {folder}{wheels}", (statement,))

    def run(self, ctx: RunContext) -> StepResult:
        folder, files = self._files(ctx)
        for name, data in files.items():
            ctx.session.file.put_stream(io.BytesIO(data), folder.child(name).text, auto_compress=False, overwrite=True)
        imports = [folder.child(name) for name in files]
        for name in self.settings.imports:
            imports += self._wheels(ctx, name)
        ctx.execute(self._statement(ctx, imports))
        return StepResult(message=str(self.settings.function))

    def _wheels(self, ctx: RunContext, name: Identifier) -> list[StagePath]:
        from snowpipe_ml.steps.declared import ImportStep

        folder = ctx.producer_of(declared(Kind.IMPORT, name), ImportStep).folder
        rows = ctx.execute(sql("LIST {folder}", folder=folder))
        return [folder.child(row["name"].rsplit("/", 1)[-1]) for row in rows]


def explanation_column(name: Identifier) -> Identifier:
    """The column that says how much a feature counted in a prediction; they sum to 1."""
    return Identifier(f"{name.name}_EXPLANATION")


def models_archive() -> bytes:
    """``snowpipe_ml.models`` as a zip: the same bytes for the same code, on every machine."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, data: bytes) -> None:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)

        add("snowpipe_ml/__init__.py", b"")
        folder = resources.files("snowpipe_ml") / "models"
        for file in sorted(folder.iterdir(), key=lambda item: item.name):
            if Path(file.name).suffix == ".py":
                add(f"snowpipe_ml/models/{file.name}", file.read_bytes())
    return buffer.getvalue()


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
            "SELECT T.{key}, {returned}\nFROM (\n  SELECT {listed} FROM {features}\n  UNION ALL\n  SELECT {listed} FROM {future}\n) AS T,\n"
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
            sql("SELECT COUNT(DISTINCT IFF(PART <> 'untrained', {key}, NULL)), COUNT(DISTINCT IFF(PART = 'untrained', {key}, NULL)) "
                "FROM {name}", key=key, name=s.writes)
        )[0]  # fmt: skip
        warnings = ()
        if untrained:
            first = ctx.execute(sql("SELECT {key}, MESSAGE FROM {name} WHERE PART = 'untrained' ORDER BY {key} LIMIT 1", key=key, name=s.writes))[0]
            warnings = (f"{untrained} series were not trained; {first[0]}: {first[1]}",)
        return StepResult(rows=rows, message=f"{trained} models", warnings=warnings, metrics={"trained": trained, "untrained": untrained})


# --------------------------------------------------------------------------- evaluate


_METRICS = ("RMSE", "MAE", "MAPE", "SMAPE", "MSE", "R2")


def _metric_columns(prediction: str, prefix: str) -> Sql:
    """The metrics of a prediction against ACTUAL, over the rows of a group.

    MAPE leaves out days whose actual is zero, where it is not defined; sMAPE is
    200 % * |a - p| / (|a| + |p|), 0 where both are zero; R2 is 1 - SSE / SST.
    """
    error = f"(ACTUAL - {prediction})"
    return Sql(
        f"SQRT(AVG(POWER({error}, 2))) AS {prefix}RMSE, AVG(ABS({error})) AS {prefix}MAE, "
        f"100 * AVG(IFF(ACTUAL = 0, NULL, ABS({error}) / NULLIF(ABS(ACTUAL), 0))) AS {prefix}MAPE, "
        f"200 * AVG(IFF(ACTUAL = 0 AND {prediction} = 0, 0::FLOAT, ABS({error}) / NULLIF(ABS(ACTUAL) + ABS({prediction}), 0))) AS {prefix}SMAPE, "
        f"AVG(POWER({error}, 2)) AS {prefix}MSE, "
        f"1 - SUM(POWER({error}, 2)) / NULLIF(VAR_POP(ACTUAL) * COUNT(ACTUAL), 0) AS {prefix}R2"
    )


@register("evaluate_forecasts")
class EvaluateForecasts(Step["EvaluateForecasts.Settings"]):
    """Metrics a series on the validation days, beside a seasonal-naive baseline, run after run.

    Both are scored on the same days: those on which the baseline's day is known.
    """

    class Settings(StepSettings):
        """Settings of ``evaluate_forecasts``."""

        forecasts: TableName = Field(description="The table of a `train_forecasters` step")
        season: int = Field(7, ge=1, description="The baseline is the value of so many days before")
        writes: TableName = Field(description="Rows are appended, a run's rows once")

    settings: EvaluateForecasts.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.forecasts, "forecasts")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")

    def key(self, ctx: PlanContext) -> Identifier:
        """The column that tells the series apart."""
        return ctx.producer_of(table(self.settings.forecasts), TrainForecasters).key(ctx)

    def _query(self, ctx: PlanContext, run: Fragment, date: Fragment) -> Sql:
        s = self.settings
        return sql(
            "WITH SCORED AS (\n  SELECT V.{key}, V.DATE, V.ACTUAL, V.PREDICTION, B.ACTUAL AS BASELINE\n"
            "  FROM {forecasts} V JOIN {forecasts} B ON B.{key} = V.{key} AND B.DATE = DATEADD(day, -{season}, V.DATE)\n"
            "  WHERE V.PART = 'validation' AND B.PART IN ('train', 'validation')\n)\n"
            "SELECT {run} AS RUN_ID, {date} AS RUN_DATE, {key}, COUNT(*) AS DAYS, {model}, {baseline}\nFROM SCORED GROUP BY {key}",
            key=self.key(ctx), forecasts=s.forecasts, season=Literal(s.season), run=run, date=date,
            model=_metric_columns("PREDICTION", ""), baseline=_metric_columns("BASELINE", "BASELINE_"),
        )  # fmt: skip

    def plan(self, ctx: PlanContext) -> StepPlan:
        statement = sql("INSERT INTO {name} {query}", name=self.settings.writes, query=self._query(ctx, Literal("RUN_ID"), Literal("RUN_DATE")))
        return StepPlan(f"evaluate {self.settings.forecasts} against seasonal-naive ({self.settings.season})", (statement,))

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        query = self._query(ctx, Literal(ctx.run.id), Literal(ctx.run.started_at.date()))
        if not ctx.exists(s.writes):
            ctx.execute(sql("CREATE TABLE IF NOT EXISTS {name} AS SELECT * FROM ({query}) WHERE FALSE", name=s.writes, query=query))
        with ctx.transaction():
            # Keyed by the run: a repeat replaces its own rows and nobody else's.
            ctx.execute(sql("DELETE FROM {name} WHERE RUN_ID = {run}", name=s.writes, run=Literal(ctx.run.id)))
            ctx.execute(sql("INSERT INTO {name} {query}", name=s.writes, query=query))
        row = ctx.execute(
            sql("SELECT COUNT(*), MEDIAN(RMSE), MEDIAN(BASELINE_RMSE), COUNT_IF(RMSE < BASELINE_RMSE) FROM {name} WHERE RUN_ID = {run}",
                name=s.writes, run=Literal(ctx.run.id))
        )[0]  # fmt: skip
        count, model, baseline, better = row
        if not count:
            return StepResult(rows=0, message="nothing to evaluate", warnings=("no series has validation days to score",))
        return StepResult(
            rows=count, message=f"median RMSE {model:.2f}, seasonal-naive {baseline:.2f}; better for {better} of {count}",
            metrics={"median_rmse": model, "median_baseline_rmse": baseline, "better": better},
        )  # fmt: skip


# --------------------------------------------------------------------------- flatten


@register("flatten_forecasts")
class FlattenForecasts(Step["FlattenForecasts.Settings"]):
    """Tables for dashboards: the forecast, the predictions of history, and the metrics one a row."""

    class Settings(StepSettings):
        """Settings of ``flatten_forecasts``."""

        forecasts: TableName = Field(description="The table of a `train_forecasters` step")
        metrics: TableName = Field(description="The table of an `evaluate_forecasts` step")
        forecast: TableName = Field(description="Written: series, day, forecast, features, explanations")
        predictions: TableName = Field(description="Written: series, day, actual, prediction")
        flat_metrics: TableName = Field(description="Written: series, run, metric, value, baseline")

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
        metrics = join(" UNION ALL ", [
            sql("SELECT {key}, RUN_ID, RUN_DATE, {label} AS METRIC, {value} AS VALUE, {baseline} AS BASELINE FROM {metrics}",
                key=key, label=Literal(metric), value=Identifier(metric), baseline=Identifier(f"BASELINE_{metric}"), metrics=s.metrics)
            for metric in _METRICS
        ])  # fmt: skip
        return [
            (s.forecast, sql("SELECT {key}, DATE, PREDICTION AS FORECAST, {shown} FROM {name} WHERE PART = 'forecast'",
                             key=key, shown=shown, name=s.forecasts)),
            (s.predictions, sql("SELECT {key}, DATE, PART, ACTUAL, PREDICTION, {shown} FROM {name} WHERE PART IN ('train', 'validation')",
                                key=key, shown=shown, name=s.forecasts)),
            (s.flat_metrics, metrics),
        ]  # fmt: skip

    def plan(self, ctx: PlanContext) -> StepPlan:
        statements = tuple(sql("CREATE OR REPLACE TABLE {name} AS {query}", name=n, query=q) for n, q in self._queries(ctx))
        return StepPlan(f"flatten {self.settings.forecasts}", statements)

    def run(self, ctx: RunContext) -> StepResult:
        counts: dict[Any, int] = {name: publish_table(ctx, name, query) for name, query in self._queries(ctx)}
        return StepResult(rows=sum(counts.values()), message=", ".join(f"{name} {count:,}" for name, count in counts.items()))
