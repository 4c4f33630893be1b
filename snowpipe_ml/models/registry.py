"""Forecasters by the path of their class, which the settings of a model contain."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from snowpipe_ml.models.base import Forecaster, Settings
from snowpipe_ml.models.panel import Feature
from snowpipe_ml.models.seeds import over_seeds


def make_forecaster(settings: Settings, features: Sequence[Feature]) -> Forecaster:
    """Create the forecaster that the settings of a model name; with ``seeds``, the mean of several.

    Args:
        settings: the model's settings; ``class`` is its implementation as ``module:Class``. It is imported
            on first use, because torch and lightgbm take seconds to import.
        features: the columns of the model's input.

    Raises:
        TypeError: the custom class is not a Forecaster.
    """
    cls = forecaster_class(settings)
    return over_seeds(settings, features, lambda own: cls(own, features))


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
