"""``train_automl``: train AutoGluon on a table, in a stored procedure or in the client."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Literal as Choice

from pydantic import Field

from snowpipe_ml.models.tabular.archive import Manifest
from snowpipe_ml.models.tabular.automl import Config, publish, read_rows, train_and_pack
from snowpipe_ml.plugins import (
    ColumnKey,
    ColumnName,
    ColumnType,
    PlanContext,
    Resource,
    RunContext,
    StageLocation,
    Step,
    StepPlan,
    StepResult,
    TableName,
    register,
    stage,
    table,
)
from snowpipe_ml.sql import DataType, Identifier, Sql, sql
from snowpipe_ml.steps.models.bundle import Bundle, BundleSettings, bundle
from snowpipe_ml.steps.models.signature import ModelSignature, model_name
from snowpipe_ml.temporary import TemporaryFolder

_HANDLER = "snowpipe_ml.models.tabular.automl.train_procedure"


@register("train_automl")
class TrainAutoml(Step["TrainAutoml.Settings"]):
    """Train an AutoGluon TabularPredictor on a table, and write the best model to a stage.

    Training runs in a stored procedure, so that the data does not leave Snowflake, or in the client. The
    model's manifest lists the candidate models and their scores; an `evaluate` step writes them to a table.
    """

    class Settings(BundleSettings):
        """Settings of ``train_automl``."""

        table: TableName = Field(description="Training rows; rows without a target value are ignored")
        target: ColumnName
        target_type: ColumnType | None = Field(
            None, description="Data type of the target; by default FLOAT, or VARCHAR for classes"
        )
        features: dict[ColumnKey, ColumnType] = Field(
            min_length=1, description="Column: data type of the function's argument"
        )
        problem_type: Choice["regression", "binary", "multiclass"] = "regression"
        metric: str | None = Field(None, description="Metric to select models by, as AutoGluon names it")
        models: tuple[Choice["RF", "XT", "KNN", "LR", "GBM", "CAT", "XGB", "NN_TORCH", "FASTAI"], ...] = (
            Field(
                ("RF", "XT", "KNN"),
                min_length=1,
                description="Model families, as AutoGluon names them; some require additional packages",
            )
        )
        presets: str | None = Field(None, description="Presets of AutoGluon, such as good_quality")
        time_limit: int = Field(600, ge=1, description="Seconds for training all models together")
        seed: int = 0
        where: Choice["procedure", "client"] = Field("procedure", description="Where the training runs")
        writes: StageLocation = Field(description="Folder of the trained model")

    settings: TrainAutoml.Settings

    def needs_client(self, ctx: PlanContext) -> str | None:
        return "`where: client` trains in the client's process" if self.settings.where == "client" else None

    def imports_here(self) -> Mapping[str, str]:
        return {"autogluon": "automl"} if self.settings.where == "client" else {}

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        s = self.settings
        yield table(s.table, "table")
        yield from s.bundle_reads()

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield stage(self.settings.writes, "writes")

    def signature(self, ctx: PlanContext) -> ModelSignature:
        """Return the signature of the model."""
        s = self.settings
        return ModelSignature(model_name(s.writes), dict(s.features), s.target, s.problem_type)

    def _config(self) -> Config:
        s = self.settings
        columns = [Identifier.parse(name) for name in s.features]
        target_type = s.target_type or DataType.parse(
            "FLOAT" if s.problem_type == "regression" else "VARCHAR"
        )
        # Cast as in `predict`: a model must see the same values in training as in the function.
        kinds = [*s.features.values(), target_type]
        return {
            "name": model_name(s.writes),
            "table": s.table.sql,
            "into": s.writes.text,
            "columns": [
                sql("{name}::{kind}", name=name, kind=kind).text
                for name, kind in zip((*columns, s.target), kinds, strict=True)
            ],
            "features": {
                name.name: str(kind) for name, kind in zip(columns, s.features.values(), strict=True)
            },
            "target": s.target.name,
            "target_type": str(target_type),
            "problem_type": s.problem_type,
            "metric": s.metric,
            "models": list(s.models),
            "presets": s.presets,
            "time_limit": s.time_limit,
            "seed": s.seed,
            "trained_on": {"table": str(s.table)},
        }

    @property
    def _procedure(self) -> Identifier:
        return Identifier(f"TRAIN_{self.name.upper()}")

    def _bundle(self, ctx: PlanContext, *, offline: bool) -> Bundle:
        s = self.settings
        files = {"training.json": json.dumps(self._config(), indent=1).encode()}
        return bundle(
            ctx,
            name=self._procedure,
            stage=s.stage,
            files=files,
            packages=s.packages,
            imports=s.imports,
            more=["snowflake-snowpark-python"],
            offline=offline,
        )

    def _statements(self, made: Bundle) -> tuple[Sql, Sql]:
        create = sql(
            "CREATE OR REPLACE TEMPORARY PROCEDURE {name} () RETURNS VARCHAR {options} EXECUTE AS CALLER",
            name=self._procedure,
            options=made.options(_HANDLER),
        )
        return create, sql("CALL {name}()", name=self._procedure)

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        summary = f"train {', '.join(s.models)} on {s.table} in the {s.where}, for at most {s.time_limit} s"
        if s.where == "client":
            return StepPlan(summary)
        made = self._bundle(ctx, offline=True)
        return StepPlan(summary, (*made.puts(), *self._statements(made)))

    def run(self, ctx: RunContext) -> StepResult:
        if self.settings.where == "procedure":
            made = self._bundle(ctx, offline=False)
            made.upload(ctx)
            create, call = self._statements(made)
            ctx.execute(create)
            manifest = json.loads(ctx.scalar(call))
        else:
            manifest = self._train_here(ctx)
        board = manifest["leaderboard"]
        (name, score), *_ = manifest["metrics"].items()
        return StepResult(
            message=f"{manifest['model']} of {len(board)} models, {name} {score:.4g}", metrics={name: score}
        )

    def _train_here(self, ctx: RunContext) -> Manifest:
        config = self._config()
        with TemporaryFolder("model") as folder:
            frame = read_rows(ctx.session, config["columns"], config["table"])
            archive, manifest = train_and_pack(frame, config, folder)
            publish(ctx.session, archive, manifest, config["into"])
        return manifest
