"""``forecast``: predict with saved models, without training; also saves the models of a run to a stage."""

from __future__ import annotations

import json
from collections.abc import Iterable

from pydantic import Field

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import (
    ColumnName,
    FunctionName,
    PlanContext,
    Resource,
    RunContext,
    StageLocation,
    Step,
    StepPlan,
    StepResult,
    TableName,
    function,
    register,
    stage,
    table,
)
from snowpipe_ml.sql import Sql, StagePath, sql
from snowpipe_ml.steps.data.publish import publish_table
from snowpipe_ml.steps.declared.imports import staged_files
from snowpipe_ml.steps.forecasting.charts import Forecasts, forecast_charts
from snowpipe_ml.steps.forecasting.features import Features
from snowpipe_ml.steps.forecasting.forecast_history import keep_forecasts, planned_history
from snowpipe_ml.steps.forecasting.models import candidates_of, check_packages, own_files
from snowpipe_ml.steps.forecasting.panels import AUTO, PanelCall, create_function, result_columns
from snowpipe_ml.steps.forecasting.train import TrainForecasters
from snowpipe_ml.steps.models.bundle import Bundle, BundleSettings, bundle
from snowpipe_ml.steps.models.signature import read_manifest

_HANDLER = "snowpipe_ml.models.udtf.ForecastSaved"


@register("forecast")
class ForecastFromSaved(Step["ForecastFromSaved.Settings"]):
    """Forecast with models that a ``train_forecasters`` step has saved; no model is trained.

    The history may have grown since the training. A series without a saved model gets a row that says so.
    """

    example = """
forecast_series:
  type: forecast
  models: "@model_stage/forecasters/"
  function: forecast_saved
  features: features
  future: future_features
  stage: model_stage
  packages: forecasting
  writes: forecasts
"""

    class Settings(BundleSettings):
        """Settings of ``forecast``."""

        models: StageLocation = Field(description="Folder where a `train_forecasters` step saves its models")
        model_id: str | None = Field(None, description="Id of the saved models; by default the latest")
        function: FunctionName = Field(description="Function to create, which loads the saved models")
        features: TableName = Field(
            description="Table written by a `features` step, with the same features as in training"
        )
        target: ColumnName | None = Field(
            None, description="The column to forecast, if the `features` step has several `targets`"
        )
        future: TableName
        writes: TableName
        forecast_history: TableName | None = Field(
            None,
            description="Table to which the forecasts of each run are appended, for `monitor` and `anomalies`",
        )

    settings: ForecastFromSaved.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        s = self.settings
        yield stage(s.models, "models")
        yield table(s.features, "features")
        yield table(s.future, "future")
        yield from s.bundle_reads()

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield function(self.settings.function, "function")
        yield table(self.settings.writes, "writes")
        if self.settings.forecast_history is not None:
            yield table(self.settings.forecast_history, "forecast_history", adds=True)

    def features(self, ctx: PlanContext) -> Features:
        """Return the step that writes the features."""
        step = ctx.producer_of(table(self.settings.features), Features).resolved(ctx)
        return step.of_target(self.settings.target)

    def trained(self, ctx: PlanContext) -> TrainForecasters | None:
        """Return the step that saves the models; None if it is in another spec."""
        found = ctx.producer(stage(self.settings.models))
        return found if isinstance(found, TrainForecasters) else None

    def forecasts(self, ctx: PlanContext) -> Forecasts:
        """Return the output table, which does not contain the history."""
        features = self.features(ctx).settings
        return Forecasts(
            self.settings.writes,
            features.partition_by,
            (self.settings.features, features.target),
            features.target.name,
            features.every.noun,
        )

    def _bundle(self, ctx: PlanContext, staged: Iterable[StagePath], *, offline: bool) -> Bundle:
        s = self.settings
        features = self.features(ctx)
        told = {
            "features": features.described(),
            "quantiles": self._quantiles(ctx),
            "clock": features.settings.periods.config,
        }
        config = json.dumps(told, sort_keys=True).encode()
        trained = self.trained(ctx)
        own: dict[str, bytes] = {}
        if trained is not None:
            own = own_files(ctx, list(candidates_of(trained.deployed(ctx).settings.model).values()))
        return bundle(
            ctx,
            name=s.function.name,
            stage=s.stage,
            packages=s.packages,
            imports=s.imports,
            staged=staged,
            offline=offline,
            files={"forecaster.json": config, **own},
        )

    def _quantiles(self, ctx: PlanContext) -> tuple[float, ...]:
        """Return the quantiles that the models of this spec are calibrated for; none of models from elsewhere."""
        trained = self.trained(ctx)
        return trained.deployed(ctx).settings.quantiles if trained is not None else ()

    def _statements(self, ctx: PlanContext, made: Bundle) -> tuple[Sql, Sql]:
        s, features = self.settings, self.features(ctx)
        names = [name for name, _ in result_columns(features, quantiles=self._quantiles(ctx))]
        call = PanelCall(s.function, features, s.features, s.future, AUTO, names)
        create = create_function(s.function, features, made.options(_HANDLER), quantiles=self._quantiles(ctx))
        return create, call.query()

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        trained = self.trained(ctx)
        if trained is not None:
            check_packages(ctx, s, candidates_of(trained.deployed(ctx).settings.model).values())
        files = [s.models.child(f"{s.model_id or '<model_id>'}/models-<number>.npz")]
        made = self._bundle(ctx, files, offline=True)
        create, query = self._statements(ctx, made)
        filled = sql("CREATE OR REPLACE TABLE {name} AS {query}", name=s.writes, query=query)
        kept = []
        if s.forecast_history is not None:
            f = self.features(ctx).settings
            kept = [planned_history(s.forecast_history, s.writes, f.partition_by, f.periods)]
        return StepPlan(f"forecast with the models of {s.models}", (*made.puts(), create, filled, *kept))

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        model_id, files = self._saved(ctx)
        self._check_features(ctx, model_id)
        made = self._bundle(ctx, files, offline=False)
        made.upload(ctx)
        create, query = self._statements(ctx, made)
        ctx.execute(create)
        rows = publish_table(ctx, s.writes, query)
        if s.forecast_history is not None:
            f = self.features(ctx).settings
            keep_forecasts(ctx, s.forecast_history, s.writes, f.partition_by, f.periods)
        lacking = ctx.scalar(sql("SELECT COUNT(*) FROM {name} WHERE PART = 'untrained'", name=s.writes))
        warnings = (
            (f"{lacking} series have no forecast: the rows with PART = 'untrained' give the reason",)
            if lacking
            else ()
        )
        charts, lost = forecast_charts(ctx, self.forecasts(ctx))
        return StepResult(
            rows=rows,
            message=f"models of {model_id}",
            warnings=(*warnings, *lost),
            charts=charts,
        )

    def _check_features(self, ctx: RunContext, model_id: str) -> None:
        """Check that the features are those that the models were trained on.

        Raises:
            StepError: it names the missing and the new features.
        """
        s = self.settings
        then = read_manifest(ctx, s.models.child(f"{model_id}/"), "features")["features"]
        now = self.features(ctx).described()
        if then != now:
            known, given = ([str(one["name"]) for one in features] for features in (then, now))
            lost = [name for name in known if name not in given]
            new = [name for name in given if name not in known]
            said = [
                *([f"without {', '.join(new)}"] if new else []),
                *([f"with {', '.join(lost)}"] if lost else []),
            ]
            raise StepError(
                f"the models {model_id} were trained on other features than {s.features} has"
                f"{': ' + ' and '.join(said) if said else ', or in another order'}; train them again, "
                "or select others by model_id"
            )

    def _saved(self, ctx: RunContext) -> tuple[str, list[StagePath]]:
        """Return the id of the saved models, and their files.

        Raises:
            StepError: there are no models, or not those that were requested.
        """
        s = self.settings
        base = s.models.path if not s.models.path or s.models.path.endswith("/") else s.models.path + "/"
        paths = sorted(staged_files(ctx, s.models))
        # The manifest is uploaded last: models without one are incomplete.
        whole = [
            path.removeprefix(base).partition("/")[0] for path in paths if path.endswith("/manifest.json")
        ]
        if not whole or s.model_id not in (None, *whole):
            which = f"no models of {s.model_id}" if s.model_id else "no models"
            raise StepError(f"{which} at {s.models}; there are: {', '.join(whole) or 'none'}")
        model_id = s.model_id or max(whole)
        files = [path for path in paths if path.startswith(f"{base}{model_id}/") and path.endswith(".npz")]
        return model_id, [StagePath(s.models.stage, path) for path in files]
