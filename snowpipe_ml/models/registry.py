"""Forecasters by the path of their class, which the settings of a model contain."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from snowpipe_ml.models.base import Forecaster, Settings
from snowpipe_ml.models.panel import Feature


def make_forecaster(settings: Settings, features: Sequence[Feature]) -> Forecaster:
    """Create the forecaster that the settings of a model name.

    Args:
        settings: the model's settings; ``class`` is its implementation as ``module:Class``. It is imported
            on first use, because torch and lightgbm take seconds to import.
        features: the columns of the model's input.

    Raises:
        TypeError: the custom class is not a Forecaster.
    """
    made: Forecaster = forecaster_class(settings)(settings, features)
    return made


def forecaster_class(settings: Settings) -> type[Forecaster]:
    """Return the class that the settings of a model name.

    Raises:
        TypeError: the custom class is not a Forecaster.
    """
    place = settings["class"]
    module, _, name = place.partition(":")
    cls = getattr(importlib.import_module(module), name)
    if not issubclass(cls, Forecaster):
        raise TypeError(
            f"{place} is not a Forecaster: derive it from snowpipe_ml.models.base.Forecaster or RowForecaster"
        )
    found: type[Forecaster] = cls
    return found
