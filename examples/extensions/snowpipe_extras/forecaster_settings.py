"""The settings of a forecaster, read by the spec; the class that runs in the function is in ``drift.py``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from snowpipe_ml.plugins.forecaster import ForecasterSettings


class Drift(ForecasterSettings):
    """The last value plus the mean change over the last days."""

    implementations: ClassVar[Mapping[str, str]] = {"drift": "snowpipe_extras.drift:DriftForecaster"}
    ships: ClassVar[tuple[str, ...]] = ("snowpipe_extras",)
    uses_features: ClassVar[bool] = False

    type: Literal["drift"]
    days: int = Field(14, ge=2, description="Days over which the mean change is computed")
