"""The contract of a forecaster: its settings in a spec, and the class that runs inside the table function.

The two are apart because the class is shipped to Snowflake, where pydantic need not be, and because a spec
is checked without importing torch::

    @register_forecaster
    class Drift(ForecasterSettings):
        '''The last value plus the mean change so far.'''

        implementations = {"drift": "my_package.drift:DriftForecaster"}
        ships = ("my_package",)
        type: Literal["drift"]
        window: int = Field(14, ge=2)

The class named in ``implementations`` derives from :class:`snowpipe_ml.models.base.Forecaster`. Installed
packages name their settings class under the entry-point group ``snowpipe_ml.forecasters``, by its ``type``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from snowpipe_ml.errors import PluginError
from snowpipe_ml.registry import Registry
from snowpipe_ml.sql import StagePath


class ForecasterSettings(BaseModel):
    """Base of the settings of all forecasters.

    Attributes:
        implementations: by ``type``, the class that trains and forecasts, as ``module:Class``.
        requires: by ``type``, the package that it needs besides numpy and pandas, as Snowflake's Anaconda
            channel names it.
        ships: import packages whose source is deployed with the function; ``snowpipe_ml.models`` always is.
        uses_features: whether it learns from the features of the days, so that it needs some.
        unsaved: the types whose models cannot be saved on a stage.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    implementations: ClassVar[Mapping[str, str]]
    requires: ClassVar[Mapping[str, str]] = {}
    ships: ClassVar[tuple[str, ...]] = ()
    uses_features: ClassVar[bool] = True
    unsaved: ClassVar[Collection[str]] = ()

    type: str
    name: str | None = Field(
        None, pattern=r"^[A-Za-z][\w.-]*$", description="Name in the leaderboard; by default the type"
    )
    seed: int = 0

    @property
    def implementation(self) -> str:
        """The class of this model, as ``module:Class``."""
        return self.implementations[self.type]

    @property
    def can_be_saved(self) -> bool:
        """Return whether the models of this type can be saved on a stage."""
        return self.type not in self.unsaved

    @property
    def required_packages(self) -> tuple[str, ...]:
        """The packages that this model needs besides numpy and pandas."""
        return (self.requires[self.type],) if self.type in self.requires else ()

    @property
    def imports_from(self) -> StagePath | None:
        """A folder on a stage whose files the function imports, such as weights."""
        return None


_SettingsT = TypeVar("_SettingsT", bound=type[ForecasterSettings])


def _check(name: str, cls: type[ForecasterSettings]) -> None:
    if not (isinstance(cls, type) and issubclass(cls, ForecasterSettings)):
        raise PluginError(f"the forecaster {name!r} is not a subclass of ForecasterSettings: {cls!r}")
    if name not in getattr(cls, "implementations", {}):
        raise PluginError(f"the forecaster {name!r} is not among the implementations of {cls!r}")


FORECASTERS: Registry[type[ForecasterSettings]] = Registry(
    "forecaster",
    "snowpipe_ml.forecasters",
    builtin=("snowpipe_ml.steps.forecasting.forecasters",),
    check=_check,
)


def register_forecaster(cls: _SettingsT) -> _SettingsT:
    """Register the settings of a forecaster under each ``type`` of its implementations.

    Raises:
        PluginError: a type is taken, or the class is not a ForecasterSettings.
    """
    return FORECASTERS.register(*cls.implementations)(cls)
