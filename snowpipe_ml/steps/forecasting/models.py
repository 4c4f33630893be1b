"""The models that a ``deploy_forecaster`` step can train: their settings."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any
from typing import Literal as Choice

from pydantic import BaseModel, ConfigDict, Field, model_validator

from snowpipe_ml.errors import StepError
from snowpipe_ml.packages.channel import distribution_name, parse_package
from snowpipe_ml.plugins import PlanContext
from snowpipe_ml.steps.models.bundle import BundleSettings

# What each type needs beside numpy and pandas, as Snowflake's channel names it.
NEEDS = {
    "tabnet": "pytorch",
    "tabnet_reference": "pytorch",
    "lightgbm": "lightgbm",
    "lightgbm_global": "lightgbm",
    "auto_ets": "statsforecast",
    "auto_arima": "statsforecast",
}


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str | None = Field(
        None, pattern=r"^[A-Za-z][\w.-]*$", description="Its name in the leaderboard; its type if not given"
    )
    seed: int = 0


class TabNet(_Model):
    """A TabNet network a series, all of a partition trained together: https://arxiv.org/abs/1908.07442."""

    type: Choice["tabnet", "tabnet_reference"]
    max_epochs: int = Field(10, ge=1)
    patience: int = Field(
        10, ge=0, description="Epochs without improvement before training stops; 0 never stops"
    )
    batch_size: int = Field(64, ge=2)
    virtual_batch_size: int = Field(64, ge=2)
    learning_rate: float = Field(0.02, gt=0)
    n_d: int = Field(8, ge=1)
    n_a: int = Field(8, ge=1)
    n_steps: int = Field(3, ge=1)
    gamma: float = Field(1.3, ge=1)
    models_together: int = Field(
        32, ge=1, description="Networks in one computation; results differ by rounding only"
    )


class Ridge(_Model):
    """Linear regression with a penalty, a model a series."""

    type: Choice["ridge"]
    alpha: float = Field(
        10.0, gt=0, description="The penalty; a small one lets forecasts run away on short histories"
    )


class LightGBM(_Model):
    """Gradient boosted trees: a model a series, or one over all series of a partition."""

    type: Choice["lightgbm", "lightgbm_global"]
    objective: Choice["regression", "regression_l1", "poisson", "tweedie"] = "regression"
    rounds: int = Field(200, ge=1)
    num_leaves: int = Field(7, ge=2)
    learning_rate: float = Field(0.05, gt=0)
    min_data_in_leaf: int = Field(10, ge=1)


class SeasonalNaive(_Model):
    """The value of the same day a season ago."""

    type: Choice["seasonal_naive"]
    season: int = Field(7, ge=1)


class MovingAverage(_Model):
    """The mean of the last days."""

    type: Choice["moving_average"]
    window: int = Field(14, ge=1)


class StatsForecast(_Model):
    """Exponential smoothing or ARIMA, chosen for each series: statsforecast."""

    type: Choice["auto_ets", "auto_arima"]
    season: int = Field(7, ge=1)


class PythonForecaster(_Model):
    """A class of one's own: a Forecaster of ``snowpipe_ml.models.base`` in a file beside the spec."""

    type: Choice["python"]
    class_: str = Field(
        alias="class",
        pattern=r"^[A-Za-z_]\w*:[A-Za-z_]\w*$",
        description="module:Class; module.py is beside the spec",
    )
    settings: dict[str, str | int | float | bool | None] = Field(
        {}, description="Given to the class beside the others"
    )

    @model_validator(mode="after")
    def _settings_are_its_own(self) -> PythonForecaster:
        taken = sorted(self.settings.keys() & {"type", "class", "name", "seed", "lower_bound", "max_growth"})
        if taken:
            raise ValueError(f"settings of that name are given to every model: {', '.join(taken)}")
        return self


Candidate = Annotated[
    TabNet | Ridge | LightGBM | SeasonalNaive | MovingAverage | StatsForecast | PythonForecaster,
    Field(discriminator="type"),
]


def name_of(candidate: Any) -> str:
    """A model's name in forecasts and leaderboard: its own, the class of one's own, or the type."""
    if candidate.name is not None:
        return str(candidate.name)
    return (
        candidate.class_.partition(":")[2] if isinstance(candidate, PythonForecaster) else str(candidate.type)
    )


def _refuse_twice(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two models are named {', '.join(twice)}: give each a `name`")


class BestOf(_Model):
    """For each series the mean of the candidates that did best in the backtest."""

    type: Choice["best_of"]
    candidates: tuple[Candidate, ...] = Field(
        default_factory=lambda: (
            Ridge(type="ridge"),
            LightGBM(type="lightgbm_global", objective="poisson"),
            LightGBM(type="lightgbm"),
            SeasonalNaive(type="seasonal_naive"),
            MovingAverage(type="moving_average"),
        ),
        min_length=2,
    )
    average: int = Field(2, ge=1, description="How many of the best are averaged")
    shrinkage: float = Field(
        2.0, ge=0, description="How much the other series count in a series' choice; 0 is not at all"
    )

    @model_validator(mode="after")
    def _names_differ(self) -> BestOf:
        _refuse_twice([name_of(candidate) for candidate in self.candidates])
        return self


Model = Annotated[
    TabNet | Ridge | LightGBM | SeasonalNaive | MovingAverage | StatsForecast | PythonForecaster | BestOf,
    Field(discriminator="type"),
]


class Backtest(BaseModel):
    """Rolling origins: what would have been forecast some weeks ago, beside what came true."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    origins: int = Field(3, ge=1, le=50)
    horizon_days: int = Field(14, ge=1, description="Days that are forecast from each origin")
    step_days: int | None = Field(
        None, ge=1, description="Days between one origin and the next; as many as horizon_days if not given"
    )
    compare: tuple[Candidate, ...] = Field(
        default_factory=lambda: (SeasonalNaive(type="seasonal_naive"), MovingAverage(type="moving_average")),
        description="Models that are backtested beside the model, and not used",
    )

    @model_validator(mode="after")
    def _origins_are_apart(self) -> Backtest:
        if self.step_days is not None and self.step_days < self.horizon_days:
            raise ValueError(
                f"step_days ({self.step_days}) is less than horizon_days ({self.horizon_days}): an origin would lie among "
                "the days that the one before it is scored on"
            )
        _refuse_twice([name_of(candidate) for candidate in self.compare])
        return self


def named(models: Iterable[Any]) -> dict[str, Any]:
    """Models by name: the type, or the class of one's own."""
    return {name_of(model): model for model in models}


def candidates_of(model: Any) -> dict[str, Any]:
    """The models that are really trained, by name."""
    if isinstance(model, BestOf):
        return {name_of(candidate): candidate for candidate in model.candidates}
    return {name_of(model): model}


def as_json(model: Any, **common: Any) -> dict[str, Any]:
    """A model's settings as the function reads them.

    Args:
        model: any of the models.
        common: what the step says of all of them.
    """
    if isinstance(model, BestOf):
        # A seed of one's own is kept, another is handed down.
        inner = {
            name: as_json(
                candidate, **common, **({} if "seed" in candidate.model_fields_set else {"seed": model.seed})
            )
            for name, candidate in candidates_of(model).items()
        }
        return {
            **model.model_dump(exclude={"candidates"}),
            **common,
            "name": name_of(model),
            "candidates": inner,
        }
    settings: dict[str, Any] = {**model.model_dump(by_alias=True), "name": name_of(model)}
    if isinstance(model, PythonForecaster):
        settings |= settings.pop("settings")
    return {**settings, **common}


def check_packages(ctx: PlanContext, bundled: BundleSettings, models: Iterable[Any]) -> None:
    """What a model imports must be declared or imported, or it would fail in the warehouse.

    Raises:
        StepError: it names the model, the package, and the list that lacks it.
    """
    given = {
        distribution_name(parse_package(text).name) for text in ctx.package_list(bundled.packages).packages
    }
    given |= {distribution_name(str(name)) for name in bundled.imports}
    for model in models:
        need = NEEDS.get(model.type)
        if need is not None and distribution_name(need) not in given:
            raise StepError(
                f"the model {model.type} needs the package {need}, and packages.{bundled.packages} does not list it"
            )


def own_files(ctx: PlanContext, models: list[Any]) -> dict[str, bytes]:
    """The files of the classes of one's own, which are shipped with the function.

    Raises:
        StepError: there is no such file or class, or the class cannot be a forecaster. It is read and not imported.
    """
    files: dict[str, bytes] = {}
    for model in models:
        if isinstance(model, PythonForecaster):
            module, _, name = model.class_.partition(":")
            text = ctx.read_text(f"{module}.py")
            _check_class(ctx.path(f"{module}.py"), text, name)
            files[f"{module}.py"] = text.encode()
    return files


def _check_class(path: Path, text: str, name: str) -> None:
    try:
        tree = ast.parse(text, str(path))
    except SyntaxError as error:
        raise StepError(f"{path.name}:{error.lineno}: {error.msg}") from error
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if name not in classes:
        raise StepError(f"{path.name} has no class {name!r}; there are: {', '.join(classes) or 'none'}")
    bases = {ast.unparse(base).rpartition(".")[2] for base in classes[name].bases}
    methods = {node.name for node in classes[name].body if isinstance(node, ast.FunctionDef)}
    wanted = {"fit", "predict_rows"} if "RowForecaster" in bases else {"fit", "predict", "forecast"}
    wanted |= {"state", "restore"}
    if bases & {"Forecaster", "RowForecaster"} and (missing := wanted - methods):
        line = classes[name].lineno
        raise StepError(f"{path.name}:{line}: the forecaster {name} lacks {', '.join(sorted(missing))}")
    if not bases:
        raise StepError(
            f"{path.name}:{classes[name].lineno}: {name} derives from nothing; a forecaster derives from "
            "RowForecaster or Forecaster of snowpipe_ml.models.base"
        )
