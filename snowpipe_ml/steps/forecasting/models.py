"""The settings of the models that a ``deploy_forecaster`` step can train."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Union
from typing import Literal as Choice

from pydantic import BaseModel, ConfigDict, Field, model_validator

from snowpipe_ml.errors import StepError
from snowpipe_ml.models.frequencies import DAY, Frequency
from snowpipe_ml.packages.channel import distribution_name, parse_package
from snowpipe_ml.plugins import PlanContext
from snowpipe_ml.plugins.forecaster import FORECASTERS, ForecasterSettings
from snowpipe_ml.steps.forecasting.forecasters import (
    MSTL,
    GlobalNetwork,
    GlobalTrees,
    MovingAverage,
    SeasonalNaive,
    StatsForecast,
)
from snowpipe_ml.steps.models.bundle import BundleSettings, import_step, package_archive

_MANY = 24  # periods of a season, of which a moving average takes one


class PythonForecaster(ForecasterSettings):
    """A custom class: a Forecaster of ``snowpipe_ml.models.base`` in a file beside the spec."""

    uses_features: ClassVar[bool] = False  # it may or may not

    type: Choice["python"]
    class_: str = Field(
        alias="class",
        pattern=r"^[A-Za-z_]\w*:[A-Za-z_]\w*$",
        description="module:Class, where module.py is beside the spec",
    )
    settings: dict[str, str | int | float | bool | None] = Field(
        {}, description="Additional settings for the class"
    )

    @property
    def implementation(self) -> str:
        """The class beside the spec, as ``module:Class``."""
        return self.class_

    @model_validator(mode="after")
    def _settings_are_its_own(self) -> PythonForecaster:
        taken = sorted(
            self.settings.keys()
            & {"type", "class", "name", "seed", "lower_bound", "upper_bound", "max_growth"}
        )
        if taken:
            raise ValueError(f"reserved settings, which every model receives: {', '.join(taken)}")
        return self


_Settings = (*dict.fromkeys(FORECASTERS.values()), PythonForecaster)
if TYPE_CHECKING:
    Candidate = ForecasterSettings
else:  # a union of the registered forecasters, by their type
    Candidate = Annotated[Union[_Settings], Field(discriminator="type")]  # noqa: UP007


def name_of(candidate: ForecasterSettings) -> str:
    """Return a model's name in forecasts and the leaderboard: its name, its custom class or its type."""
    if candidate.name is not None:
        return str(candidate.name)
    return (
        candidate.class_.partition(":")[2] if isinstance(candidate, PythonForecaster) else str(candidate.type)
    )


def _refuse_twice(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two models are named {', '.join(twice)}: give each a `name`")


class Ensemble(ForecasterSettings):
    """Several models combined, halfway between weighted median and mean; ``best_of`` is the older name.

    The weights start equal, and move by as much as the origins of the backtest agree on. Without a backtest, or
    for a series that is too short for it, they stay equal.
    """

    type: Choice["ensemble", "best_of"]
    candidates: tuple[Candidate, ...] = Field(
        default_factory=lambda: (
            StatsForecast(type="auto_ets", form="auto", history="auto"),
            StatsForecast(type="dynamic_theta", history="auto"),
            MSTL(type="mstl", history="auto"),
            GlobalTrees(type="lightgbm_recursive", rounds=200, num_leaves=31),
            GlobalTrees(type="lightgbm_direct", min_data_in_leaf=30),
            GlobalNetwork(type="mlp_global"),
        ),
        min_length=2,
        description="The members",
    )
    metric: Choice["mae", "rmse"] = Field(
        "mae",
        description="The error that weighs the members, and that those with this setting are trained for: `mae` "
        "forecasts the median, `rmse` the mean, whose totals are right",
    )
    average: int | None = Field(
        None, ge=1, description="Combine only this many of the best members, at equal weights"
    )
    shrinkage: float = Field(
        3.0, ge=0, description="Weight of the other series in the weights of a series; 0 ignores them"
    )
    time_budget: float | None = Field(
        None,
        gt=0,
        description="Seconds for the backtest and the training of a partition. If they are too few, auto_arima, "
        "auto_ces and auto_ets are skipped, then older origins, then the members that cost most, those over all series "
        "last; the leaderboard says which",
    )

    @model_validator(mode="after")
    def _names_differ(self) -> Ensemble:
        _refuse_twice([name_of(candidate) for candidate in self.candidates])
        return self


if TYPE_CHECKING:
    Model = ForecasterSettings
else:
    Model = Annotated[Union[(*_Settings, Ensemble)], Field(discriminator="type")]


class Backtest(BaseModel):
    """A backtest with rolling origins: forecasts from past origins are compared with the actual values."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    origins: int = Field(3, ge=1, le=50)
    horizon: int = Field(14, ge=1, description="Periods to forecast from each origin")
    step: int | None = Field(
        None, ge=1, description="Periods from one origin to the next; by default the horizon"
    )
    compare: tuple[Candidate, ...] = Field(
        default_factory=lambda: (SeasonalNaive(type="seasonal_naive"), MovingAverage(type="moving_average")),
        description="Models that are backtested for comparison only",
    )

    @model_validator(mode="after")
    def _origins_are_apart(self) -> Backtest:
        if self.step is not None and self.step < self.horizon:
            raise ValueError(
                f"step ({self.step}) is less than horizon ({self.horizon}): "
                "the horizons of consecutive origins would overlap"
            )
        _refuse_twice([name_of(candidate) for candidate in self.compare])
        return self


def named(models: Iterable[ForecasterSettings]) -> dict[str, ForecasterSettings]:
    """Return models by name."""
    return {name_of(model): model for model in models}


def candidates_of(model: ForecasterSettings) -> dict[str, ForecasterSettings]:
    """Return the models that are trained, by name: for an ensemble, its members."""
    if isinstance(model, Ensemble):
        return {name_of(candidate): candidate for candidate in model.candidates}
    return {name_of(model): model}


def as_json(model: ForecasterSettings, every: Frequency = DAY, **common: object) -> dict[str, object]:
    """Return a model's settings as the function reads them.

    Args:
        model: any of the models.
        every: the length of the periods, which decides the season where the settings do not.
        common: settings of the step that apply to all models.
    """
    if isinstance(model, Ensemble):
        inner = {
            name: as_json(candidate, every, **common, **_inherited(candidate, model))
            for name, candidate in candidates_of(model).items()
        }
        return {
            **model.model_dump(exclude={"candidates"}),
            **common,
            "name": name_of(model),
            "candidates": inner,
        }
    settings: dict[str, object] = {**model.model_dump(by_alias=True), "name": name_of(model)}
    if isinstance(model, PythonForecaster):
        settings.pop("settings")
        settings |= model.settings
    settings["class"] = model.implementation
    usual = {"season": every.season, "window": 2 * max(every.season, 3)}
    if every.name != DAY.name and "window" in settings:
        usual["window"] = every.season if every.season > _MANY else 2 * max(every.season, 2)
    for name, value in usual.items():
        if name in settings and settings[name] is None:
            settings[name] = value
    if "season" in settings and settings["season"] == every.season and len(every.seasons) > 1:
        settings["long_season"] = every.seasons[1]
    if settings.get("form") == "auto":
        settings["form"] = "ZNZ" if every.within_a_day or every.noun.endswith("day") else "ZZZ"
    if settings.get("history") == "auto":
        settings["history"] = every.history
    return {**settings, **common}


def _inherited(candidate: ForecasterSettings, model: Ensemble) -> dict[str, object]:
    """Return the settings of the ensemble that a member does not have itself."""
    return {
        name: getattr(model, name)
        for name in ("seed", "metric")
        if name in type(candidate).model_fields and name not in candidate.model_fields_set
    }


def check_packages(ctx: PlanContext, bundled: BundleSettings, models: Iterable[ForecasterSettings]) -> None:
    """Check that the package of each forecaster is declared or imported, or it would fail in the warehouse.

    Raises:
        StepError: it names the model, the package, and the list that lacks it.
    """
    listed = {
        distribution_name(parse_package(text).name) for text in ctx.package_list(bundled.packages).packages
    }
    imported = {name for one in bundled.imports for name in import_step(ctx, one).distributions(ctx)}
    for model in models:
        needs = model.required_packages
        if needs and distribution_name(needs[0]) in listed:
            continue  # a listed package brings its requirements; a wheel does not
        for need in needs:
            if distribution_name(need) not in listed | imported:
                raise StepError(
                    f"the model {model.type} needs the package {need}, and packages.{bundled.packages} does not list it"
                )


def own_files(ctx: PlanContext, models: Iterable[ForecasterSettings]) -> dict[str, bytes]:
    """Return the files that are deployed with the function: custom classes, and packages of forecasters.

    Raises:
        StepError: the file or class does not exist, or the class cannot be a forecaster. It is parsed,
            not imported.
    """
    files: dict[str, bytes] = {}
    for model in models:
        if isinstance(model, PythonForecaster):
            module, _, name = model.class_.partition(":")
            text = ctx.read_text(f"{module}.py")
            _check_class(ctx.path(f"{module}.py"), text, name)
            files[f"{module}.py"] = text.encode()
        for package in model.ships:
            files[f"{package}.zip"] = package_archive(package)
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
            f"{path.name}:{classes[name].lineno}: {name} has no base class; a forecaster derives from "
            "RowForecaster or Forecaster of snowpipe_ml.models.base"
        )
