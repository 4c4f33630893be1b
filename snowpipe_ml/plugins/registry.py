"""The registry of step types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from snowpipe_ml.errors import PluginError
from snowpipe_ml.plugins.step import Step, StepSettings
from snowpipe_ml.registry import Registry

ENTRY_POINT_GROUP = "snowpipe_ml.steps"
_StepT = TypeVar("_StepT", bound=Step[StepSettings])


def _check(name: str, cls: type[Step[StepSettings]]) -> None:
    if not (isinstance(cls, type) and issubclass(cls, Step)):
        raise PluginError(f"the step type {name!r} is not a subclass of Step: {cls!r}")
    settings = getattr(cls, "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, StepSettings)):
        raise PluginError(f"the step type {name!r} has no Settings derived from StepSettings")
    cls.type_name = name


STEP_TYPES: Registry[type[Step[StepSettings]]] = Registry(
    "step type", ENTRY_POINT_GROUP, builtin=("snowpipe_ml.steps",), check=_check
)


def register(name: str) -> Callable[[type[_StepT]], type[_StepT]]:
    """Register the decorated class as a step type.

    Raises:
        PluginError: the name is taken, or the class has no ``Settings``.
    """
    return STEP_TYPES.register(name)


def step_types() -> Mapping[str, type[Step[StepSettings]]]:
    """All step types by name: the built-in ones and those of installed packages."""
    return STEP_TYPES
