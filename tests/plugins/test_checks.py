"""Our own step types, forecasters and targets keep the contracts that ``snowpipe_ml.testing`` checks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import snowpipe_ml.steps
from snowpipe_ml.errors import PluginError
from snowpipe_ml.plugins import STEP_TYPES, Step, StepSettings
from snowpipe_ml.plugins.forecaster import FORECASTERS
from snowpipe_ml.registry import Registry
from snowpipe_ml.testing import check_forecaster, check_step, check_target

# Settings that keep a check short.
SHORT = {
    "tabnet": {"max_epochs": 2},
    "tabnet_reference": {"max_epochs": 2},
    "lightgbm": {"rounds": 5},
    "lightgbm_global": {"rounds": 5},
}


@pytest.mark.parametrize("name", [name for name in STEP_TYPES if STEP_TYPES[name].example])
def test_each_step_type_keeps_the_contract(name: str) -> None:
    check_step(name)


@pytest.mark.parametrize("kind", sorted(set(FORECASTERS) - {"auto_arima"}))
def test_each_forecaster_keeps_the_contract(kind: str) -> None:
    check_forecaster(kind, **SHORT.get(kind, {}))


def test_the_local_target_keeps_the_contract(tmp_path: Path) -> None:
    check_target("local", tmp_path)


def test_a_broken_step_type_is_told() -> None:
    class Broken(Step[StepSettings]):
        """A step whose example is of another type."""

        Settings = StepSettings
        example = "a:\n  type: other\n"

        def run(self, ctx):
            raise NotImplementedError

    STEP_TYPES.add("broken_step", Broken)
    try:
        with pytest.raises(AssertionError, match="broken_step: the example has the type 'other'"):
            check_step("broken_step")
    finally:
        STEP_TYPES.discard("broken_step")


def test_a_name_is_registered_once_and_a_broken_package_is_a_warning() -> None:
    registry: Registry[object] = Registry("thing", "snowpipe_ml.nothing")
    thing = object()
    registry.add("one", thing)
    registry.add("one", thing)
    with pytest.raises(PluginError, match="the thing 'one' is registered twice"):
        registry.add("one", object())
    assert dict(registry) == {"one": thing}


def test_a_registry_that_could_not_be_loaded_says_so_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_builtin.py").write_text("raise ImportError('half installed')\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry: Registry[object] = Registry("thing", "snowpipe_ml.nothing", builtin=("broken_builtin",))
    for _ in range(2):
        with pytest.raises(ImportError, match="half installed"):
            registry.load()


def test_an_announced_module_is_imported_on_lookup_and_its_name_is_taken() -> None:
    registry: Registry[object] = Registry("thing", "snowpipe_ml.nothing")
    registry.announce({"late": "snowpipe_ml.no_such_module"})
    assert list(registry) == ["late"]
    assert len(registry) == 1
    assert "late" in registry
    assert "other" not in registry
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        registry["late"]
    with pytest.raises(PluginError, match="'late' is registered twice"):
        registry.add("late", Registry)


def test_every_module_of_step_types_registers_the_types_that_are_named_for_it() -> None:
    for name, cls in STEP_TYPES.items():
        assert cls.type_name == name
    modules = Path(snowpipe_ml.steps.__file__).parent.glob("*/*.py")
    registered = {
        name for path in modules for name in re.findall(r'^@register\("(\w+)"', path.read_text(), re.M)
    }
    assert registered <= set(STEP_TYPES)
