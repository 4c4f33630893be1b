"""The built-in forecasters: their settings, and the classes in ``snowpipe_ml.models`` that implement them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, ClassVar
from typing import Literal as Choice

from pydantic import ConfigDict, Field, field_serializer, model_validator

from snowpipe_ml.plugins import StageLocation
from snowpipe_ml.plugins.forecaster import ForecasterSettings, register_forecaster
from snowpipe_ml.sql import StagePath

_SEASON = (
    "Periods of a season; 1 if there is none. By default as `frequency` has it: 24 hours, 7 days, 5 business days, 52 "
    "weeks, 12 months, 4 quarters"
)
_HISTORY = (
    "Periods at the end of the history that are fitted on, by default all; `auto` are 504 hours, 400 days or weeks, "
    "180 months"
)
_SEEDS = "Networks with different seeds whose forecasts are averaged"


class _Attentive(ForecasterSettings):
    """Settings of all TabNets."""

    patience: int = Field(
        10, ge=0, description="Epochs without improvement before training stops; 0 never stops"
    )
    learning_rate: float = Field(0.02, gt=0)
    n_d: int = Field(8, ge=1)
    n_a: int = Field(8, ge=1)
    n_steps: int = Field(3, ge=1)
    gamma: float = Field(1.3, ge=1)


@register_forecaster
class TabNet(_Attentive):
    """One TabNet network per series; a partition is trained together: https://arxiv.org/abs/1908.07442."""

    implementations: ClassVar[Mapping[str, str]] = {
        "tabnet": "snowpipe_ml.models.tabnet.forecaster:TabNetForecaster",
        "tabnet_reference": "snowpipe_ml.models.tabnet.forecaster:TabNetReferenceForecaster",
    }
    requires: ClassVar[Mapping[str, str]] = {"tabnet": "pytorch", "tabnet_reference": "pytorch"}
    unsaved: ClassVar[Collection[str]] = ("tabnet_reference",)

    type: Choice["tabnet", "tabnet_reference"]
    max_epochs: int = Field(10, ge=1)
    batch_size: int = Field(64, ge=2)
    virtual_batch_size: int = Field(64, ge=2)
    seeds: int = Field(
        1,
        ge=1,
        le=20,
        description=f"{_SEEDS}; five take about a tenth off the error, and five times the time",
    )
    models_together: int | None = Field(
        None,
        ge=1,
        description="Networks per computation, by default 32 on a CPU and 512 on a GPU; results differ only by rounding",
    )


@register_forecaster
class TabNetGlobal(_Attentive):
    """One TabNet over all series of a partition, on scaled logarithms: https://arxiv.org/abs/1908.07442."""

    implementations: ClassVar[Mapping[str, str]] = {
        "tabnet_global": "snowpipe_ml.models.tabnet.over_all:TabNetGlobalForecaster",
    }
    requires: ClassVar[Mapping[str, str]] = {"tabnet_global": "pytorch"}

    type: Choice["tabnet_global"]
    max_epochs: int = Field(20, ge=1)
    batch_size: int = Field(512, ge=2)
    virtual_batch_size: int = Field(256, ge=2)
    seeds: int = Field(3, ge=1, le=20, description=_SEEDS)


@register_forecaster
class Ridge(ForecasterSettings):
    """Ridge regression: linear, with a penalty, and one model per series."""

    implementations: ClassVar[Mapping[str, str]] = {
        "ridge": "snowpipe_ml.models.forecasters.linear:RidgeForecaster",
    }

    type: Choice["ridge"]
    alpha: float = Field(
        10.0, gt=0, description="Penalty; with a small one, forecasts from a short history may diverge"
    )


@register_forecaster
class LightGBM(ForecasterSettings):
    """Gradient-boosted trees: one model per series, or one for all series of a partition."""

    implementations: ClassVar[Mapping[str, str]] = {
        "lightgbm": "snowpipe_ml.models.forecasters.boosting:LightGBMForecaster",
        "lightgbm_global": "snowpipe_ml.models.forecasters.boosting:GlobalLightGBMForecaster",
    }
    requires: ClassVar[Mapping[str, str]] = {"lightgbm": "lightgbm", "lightgbm_global": "lightgbm"}

    type: Choice["lightgbm", "lightgbm_global"]
    objective: Choice["regression", "regression_l1", "poisson", "tweedie"] = "regression"
    rounds: int = Field(200, ge=1)
    num_leaves: int = Field(7, ge=2)
    learning_rate: float = Field(0.05, gt=0)
    min_data_in_leaf: int = Field(10, ge=1)


@register_forecaster
class SeasonalNaive(ForecasterSettings):
    """The value one season earlier."""

    implementations: ClassVar[Mapping[str, str]] = {
        "seasonal_naive": "snowpipe_ml.models.forecasters.statistical:SeasonalNaiveForecaster",
    }
    uses_features: ClassVar[bool] = False

    type: Choice["seasonal_naive"]
    season: int | None = Field(None, ge=1, description=_SEASON)


@register_forecaster
class MovingAverage(ForecasterSettings):
    """The mean of the last ``window`` periods."""

    implementations: ClassVar[Mapping[str, str]] = {
        "moving_average": "snowpipe_ml.models.forecasters.statistical:MovingAverageForecaster",
    }
    uses_features: ClassVar[bool] = False

    type: Choice["moving_average"]
    window: int | None = Field(
        None,
        ge=1,
        description="Periods; by default two seasons: 14 days, or 24 months. One of hours or weeks",
    )


@register_forecaster
class GlobalTrees(ForecasterSettings):
    """Boosted trees over all series of a partition, on features of the target that they make themselves."""

    implementations: ClassVar[Mapping[str, str]] = {
        "lightgbm_recursive": "snowpipe_ml.models.forecasters.global_trees:RecursiveForecaster",
        "lightgbm_direct": "snowpipe_ml.models.forecasters.global_trees:DirectForecaster",
    }
    requires: ClassVar[Mapping[str, str]] = dict.fromkeys(implementations, "lightgbm")
    uses_features: ClassVar[bool] = False

    type: Choice["lightgbm_recursive", "lightgbm_direct"] = Field(
        description="`lightgbm_recursive` learns the next period, on logarithms, and feeds its forecasts back; "
        "`lightgbm_direct` learns each period ahead, as a difference to a smoothed level with its season"
    )
    season: int | None = Field(None, ge=1, description=_SEASON)
    metric: Choice["mae", "rmse"] = Field(
        "mae", description="`mae` forecasts the median, `rmse` the mean, whose totals are right"
    )
    rounds: int = Field(150, ge=1)
    num_leaves: int = Field(8, ge=2)
    learning_rate: float = Field(0.05, gt=0)
    min_data_in_leaf: int = Field(20, ge=1)


@register_forecaster
class GlobalNetwork(ForecasterSettings):
    """A small neural network over all series of a partition: it forecasts all periods ahead at once, with quantiles."""

    implementations: ClassVar[Mapping[str, str]] = {
        "mlp_global": "snowpipe_ml.models.forecasters.network:NetworkForecaster"
    }
    uses_features: ClassVar[bool] = False

    type: Choice["mlp_global"]
    season: int | None = Field(None, ge=1, description=_SEASON)
    metric: Choice["mae", "rmse"] = Field(
        "mae", description="`mae` forecasts the median, `rmse` the mean, whose totals are right"
    )
    steps: int = Field(600, ge=1, description="Steps of the training, each of 256 windows")
    learning_rate: float = Field(0.002, gt=0)
    seeds: int = Field(1, ge=1, le=20, description=_SEEDS)


_STATSFORECAST = "snowpipe_ml.models.forecasters.statsforecast_models"


@register_forecaster
class StatsForecast(ForecasterSettings):
    """Exponential smoothing, ARIMA or the theta method, selected for each series by statsforecast."""

    implementations: ClassVar[Mapping[str, str]] = {
        "auto_ets": f"{_STATSFORECAST}:AutoForecaster",
        "auto_arima": f"{_STATSFORECAST}:AutoForecaster",
        "auto_theta": f"{_STATSFORECAST}:ThetaForecaster",
        "dynamic_theta": f"{_STATSFORECAST}:ThetaForecaster",
        "auto_ces": f"{_STATSFORECAST}:ComplexForecaster",
    }
    requires: ClassVar[Mapping[str, str]] = dict.fromkeys(implementations, "statsforecast")
    uses_features: ClassVar[bool] = False

    type: Choice["auto_ets", "auto_arima", "auto_theta", "dynamic_theta", "auto_ces"]
    season: int | None = Field(None, ge=1, description=_SEASON)
    history: Annotated[int, Field(ge=30)] | Choice["auto"] | None = Field(None, description=_HISTORY)
    form: str = Field(
        "ZZZ",
        pattern=r"^([ZAM][ZNAM][ZNAM]|auto)$",
        description="For `auto_ets`: error, trend and season, each N (none), A (additive), M (multiplicative) or "
        "Z (selected). ZNZ, without a trend, takes a sixth of the time; `auto` is ZNZ for days and less, and ZZZ for more",
    )

    @model_validator(mode="after")
    def _form_is_of_ets(self) -> StatsForecast:
        if self.type != "auto_ets" and "form" in self.model_fields_set:
            raise ValueError(f"form is a setting of auto_ets, not of {self.type}")
        return self


@register_forecaster
class Intermittent(ForecasterSettings):
    """Demand with many periods of zero: its size and the time between two, smoothed, by statsforecast."""

    implementations: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("croston", "croston_sba", "tsb", "adida", "imapa"),
        "snowpipe_ml.models.forecasters.intermittent:IntermittentForecaster",
    )
    requires: ClassVar[Mapping[str, str]] = dict.fromkeys(implementations, "statsforecast")
    uses_features: ClassVar[bool] = False

    type: Choice["croston", "croston_sba", "tsb", "adida", "imapa"] = Field(
        description="`croston` (optimized), `croston_sba` with the correction of Syntetos and Boylan, `tsb` after "
        "Teunter, Syntetos and Babai, `adida` and `imapa` by aggregation"
    )


@register_forecaster
class MSTL(ForecasterSettings):
    """A season found by local regression, and exponential smoothing of the rest, by statsforecast."""

    implementations: ClassVar[Mapping[str, str]] = {"mstl": f"{_STATSFORECAST}:MSTLForecaster"}
    requires: ClassVar[Mapping[str, str]] = {"mstl": "statsforecast"}
    uses_features: ClassVar[bool] = False

    type: Choice["mstl"]
    season: int | None = Field(
        None,
        ge=2,
        description="Periods of a season, of which a series needs two; by default as `frequency` has it",
    )
    history: Annotated[int, Field(ge=30)] | Choice["auto"] | None = Field(None, description=_HISTORY)


# The code, and what it imports to forecast. Their other requirements are for training and downloading.
_LIBRARIES = {
    "chronos": ("chronos-forecasting", "pytorch", "transformers", "einops"),
    "fracast": ("fracast", "pytorch", "safetensors"),
}


@register_forecaster
class Pretrained(ForecasterSettings):
    """A model that was trained on many other series: it forecasts without training, from the target's past."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)
    implementations: ClassVar[Mapping[str, str]] = {
        "pretrained": "snowpipe_ml.models.forecasters.pretrained:PretrainedForecaster"
    }
    uses_features: ClassVar[bool] = False
    unsaved: ClassVar[Collection[str]] = ("pretrained",)

    type: Choice["pretrained"]
    library: Choice["chronos", "fracast"] = Field(
        "fracast",
        description="The code of the model: `chronos` is chronos-forecasting, for weights of Chronos, Chronos-Bolt and "
        "Chronos-2; `fracast` has weights in its wheel",
    )
    weights: StageLocation | None = Field(
        None,
        description="Folder on a stage with config.json and the weights as .safetensors, each uncompressed. `fracast` "
        "needs none",
    )
    metric: Choice["mae", "rmse"] = Field(
        "mae", description="`mae` forecasts the median, `rmse` the mean of nine quantiles"
    )

    @model_validator(mode="after")
    def _has_weights(self) -> Pretrained:
        if self.weights is None and self.library == "chronos":
            raise ValueError("`library: chronos` comes without weights: give `weights`, a folder on a stage")
        return self

    @field_serializer("weights")
    def _as_text(self, place: StagePath | None) -> str | None:
        return None if place is None else place.text

    @property
    def required_packages(self) -> tuple[str, ...]:
        """The packages of the library."""
        return _LIBRARIES[self.library]

    @property
    def imports_from(self) -> StagePath | None:
        """The folder with the weights."""
        return self.weights
