"""The step that creates the table function for training and forecasting."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any
from typing import Literal as Choice

from pydantic import Field, model_validator

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import (
    ColumnName,
    Finding,
    FunctionName,
    PlanContext,
    Resource,
    RunContext,
    Step,
    StepPlan,
    StepResult,
    TableName,
    function,
    register,
    stage,
    table,
)
from snowpipe_ml.plugins.forecaster import ForecasterSettings
from snowpipe_ml.sql import Sql, StagePath
from snowpipe_ml.steps.data.publish import publish_functions
from snowpipe_ml.steps.forecasting.features import Features
from snowpipe_ml.steps.forecasting.models import (
    Backtest,
    Ensemble,
    Model,
    as_json,
    candidates_of,
    check_packages,
    named,
    own_files,
)
from snowpipe_ml.steps.forecasting.panels import argument_count, create_function, result_columns
from snowpipe_ml.steps.forecasting.weights import weight_files, weight_folders
from snowpipe_ml.steps.models.bundle import Bundle, BundleSettings, bundle, too_many

# The rows that a series needs for a model, where these are not 32.
_FEWEST = {"month": 24, "quarter": 12, "year": 8}
_HANDLER = "snowpipe_ml.models.udtf.ForecastPartition"


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
        target: ColumnName | None = Field(
            None, description="The column to forecast, if the `features` step has several `targets`"
        )
        model: Model = Field(description="Model to train for each series")
        backtest: Backtest | None = Field(
            None,
            description="Rolling origins; they weigh the members of an `ensemble` and calibrate the intervals",
        )
        interval: float = Field(
            0.8, gt=0, lt=1, description="Fraction of the actual values that the intervals should contain"
        )
        quantiles: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
            (),
            description="Probabilities such as 0.1, 0.5 and 0.9: the forecasts and the backtest get a column for each "
            "(Q10, Q50, Q90), calibrated like the intervals. They need `backtest`",
        )
        validation_fraction: float = Field(
            0.2,
            gt=0,
            lt=0.9,
            description="Last fraction of the history, predicted by a model that was not trained on it",
        )
        min_train_rows: int | None = Field(
            None,
            ge=8,
            description="A series with fewer rows to train on gets a simple forecast and the reason; by default 32, of "
            "months 24, of quarters 12 and of years 8",
        )
        refit: bool = Field(
            True, description="Forecast with a model of the whole history, including the validation part"
        )
        lower_bound: float | Choice["auto"] | None = Field(
            "auto",
            description="Lower bound of the predictions; `auto` is 0 for a series without negative values, and none "
            "for others",
        )
        upper_bound: float | None = Field(
            None, description="Upper bound of the predictions, such as a capacity"
        )
        max_growth: float | None = Field(
            2.0, gt=0, description="Upper bound of the forecasts, as a multiple of the history's maximum"
        )

        reconcile: Choice["mint", "bottom_up", "top_down"] = Field(
            "mint",
            description="How the forecasts of a `hierarchy` are made to add up: `mint` by the covariance of the errors in "
            "the backtest, with shrinkage; `bottom_up`; `top_down` by the shares of the history",
        )
        keep_models: bool = Field(
            False, description="Return the models too, so that `train_forecasters` can save them in `models`"
        )

        @model_validator(mode="after")
        def _choice_needs_a_backtest(self) -> DeployForecaster.Settings:
            picks = isinstance(self.model, Ensemble) and self.model.average is not None
            if picks and (self.backtest is None or self.backtest.origins < 2):
                raise ValueError(
                    "`average` selects models by a backtest: give `backtest`, with at least two origins"
                )
            if self.quantiles and self.backtest is None:
                raise ValueError("`quantiles` are calibrated on a backtest: give `backtest`")
            if list(self.quantiles) != sorted(set(self.quantiles)):
                raise ValueError("`quantiles` must be ascending and different")
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
        for folder in weight_folders(self.models):
            yield stage(folder, "model")

    @property
    def models(self) -> tuple[ForecasterSettings, ...]:
        """All models that the function trains: the members of an ensemble, and those of the comparison."""
        s = self.settings
        return (*candidates_of(s.model).values(), *(s.backtest.compare if s.backtest else ()))

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield function(self.settings.function, "function")

    def findings(self, ctx: PlanContext) -> Iterable[Finding]:
        return too_many(self.counts(ctx), "features")

    def counts(self, ctx: PlanContext) -> dict[str, int]:
        """Return the numbers of arguments and of result columns of the function."""
        features, s = self.features(ctx), self.settings
        returned = result_columns(features, artifacts=s.keep_models, quantiles=s.quantiles)
        return {"arguments": argument_count(features), "result columns": len(returned)}

    def features(self, ctx: PlanContext) -> Features:
        """Return the step whose table the function reads."""
        step = ctx.producer_of(table(self.settings.features), Features).resolved(ctx)
        return step.of_target(self.settings.target)

    def _statement(self, ctx: PlanContext, made: Bundle) -> Sql:
        s = self.settings
        return create_function(
            s.function,
            self.features(ctx),
            made.options(_HANDLER),
            artifacts=s.keep_models,
            quantiles=s.quantiles,
        )

    def config_of(self, features: Features) -> dict[str, Any]:
        """Return the function's settings for the features of a step."""
        s = self.settings
        every = features.settings.every
        common = {"lower_bound": s.lower_bound, "upper_bound": s.upper_bound, "max_growth": s.max_growth}
        plan = None
        if s.backtest is not None:
            compare = {
                name: as_json(candidate, every, **common)
                for name, candidate in named(s.backtest.compare).items()
            }
            plan = {
                "origins": s.backtest.origins,
                "horizon": s.backtest.horizon,
                "step": s.backtest.step or s.backtest.horizon,
                "compare": compare,
            }
        train = {
            "validation_fraction": s.validation_fraction,
            "min_train_rows": s.min_train_rows or _FEWEST.get(every.name, 32),
            "refit": s.refit,
        }
        return {
            "model": {**as_json(s.model, every, **common), **train},
            "backtest": plan,
            "interval": s.interval,
            "quantiles": s.quantiles,
            "features": features.described(),
            "hierarchy": s.reconcile if features.settings.hierarchy else None,
            "clock": features.settings.periods.config,
            "keep_models": s.keep_models,
        }

    def _bundle(self, ctx: PlanContext, weights: Iterable[StagePath], *, offline: bool) -> Bundle:
        s = self.settings
        config = json.dumps(self.config_of(self.features(ctx)), sort_keys=True).encode()
        return bundle(
            ctx,
            name=s.function.name,
            stage=s.stage,
            packages=s.packages,
            imports=s.imports,
            staged=weights,
            offline=offline,
            files={"forecaster.json": config, **own_files(ctx, self.models)},
        )

    def _check_features(self, ctx: PlanContext) -> None:
        """Check that a model that learns from features has some."""
        if not self.features(ctx).feature_columns:
            for name, model in candidates_of(self.settings.model).items():
                if model.uses_features:
                    raise StepError(
                        f"{name} learns from features, but the step that writes {self.settings.features} "
                        "has none"
                    )

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        check_packages(ctx, s, self.models)
        self._check_features(ctx)
        lost = [name for name, model in candidates_of(s.model).items() if not model.can_be_saved]
        if s.keep_models and lost:
            raise StepError(f"`keep_models` is set, but {', '.join(lost)} cannot be saved: use another model")
        if s.keep_models and self.features(ctx).settings.hierarchy:
            raise StepError("`keep_models` is set, but saved models do not add up over a `hierarchy`")
        weights = [folder.child("<file>") for folder in weight_folders(self.models)]
        made = self._bundle(ctx, weights, offline=True)
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
        made = self._bundle(ctx, weight_files(ctx, self.models), offline=False)
        made.upload(ctx)
        publish_functions(ctx, self.settings.function, [self._statement(ctx, made)])
        return StepResult(message=str(self.settings.function))
