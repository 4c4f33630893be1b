"""The registry of forecasters, by the ``type`` of a spec's model."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from snowpipe_ml.models.base import Forecaster
from snowpipe_ml.models.panel import Feature

# Type -> module and class. A module is imported on first use, because torch and lightgbm take seconds to
# import.
FORECASTERS = {
    "tabnet": "snowpipe_ml.models.tabnet.forecaster:TabNetForecaster",
    "tabnet_reference": "snowpipe_ml.models.tabnet.forecaster:TabNetReferenceForecaster",
    "ridge": "snowpipe_ml.models.forecasters.linear:RidgeForecaster",
    "lightgbm": "snowpipe_ml.models.forecasters.boosting:LightGBMForecaster",
    "lightgbm_global": "snowpipe_ml.models.forecasters.boosting:GlobalLightGBMForecaster",
    "seasonal_naive": "snowpipe_ml.models.forecasters.statistical:SeasonalNaiveForecaster",
    "moving_average": "snowpipe_ml.models.forecasters.statistical:MovingAverageForecaster",
    "auto_ets": "snowpipe_ml.models.forecasters.statistical:StatsForecastForecaster",
    "auto_arima": "snowpipe_ml.models.forecasters.statistical:StatsForecastForecaster",
}


def make_forecaster(settings: Mapping[str, Any], features: Sequence[Feature]) -> Forecaster:
    """Create the forecaster that the settings of a model name.

    Args:
        settings: the model's settings: its ``type`` and, for the type ``python``, its ``class``.
        features: the columns of the model's input.

    Raises:
        TypeError: the custom class is not a Forecaster.
    """
    place = settings["class"] if settings["type"] == "python" else FORECASTERS[settings["type"]]
    module, _, name = place.partition(":")
    cls = getattr(importlib.import_module(module), name)
    if not issubclass(cls, Forecaster):
        raise TypeError(
            f"{place} is not a Forecaster: derive it from snowpipe_ml.models.base.Forecaster or RowForecaster"
        )
    made: Forecaster = cls(settings, features)
    return made
