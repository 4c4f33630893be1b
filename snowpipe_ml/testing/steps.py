"""The check of a step type."""

from __future__ import annotations

from pathlib import Path

import yaml

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import STEP_TYPES, PlanContext, Resource, StepPlan, StepSettings
from snowpipe_ml.sql import Sql
from snowpipe_ml.text.problems import did_you_mean


def check_step(name: str) -> None:
    """Check that a registered step type keeps the contract, with the step of its ``example``.

    Raises:
        AssertionError: it says which part of the contract is broken.
    """
    assert name in STEP_TYPES, f"no step type {name!r} is registered; {did_you_mean(name, STEP_TYPES)}"
    cls = STEP_TYPES[name]
    assert cls.__doc__, f"{name}: the class needs a docstring; `snowpipe-ml steps` shows its first line"
    assert cls.Settings.model_json_schema()["properties"], f"{name}: Settings must have a JSON Schema"
    assert issubclass(cls.Settings, StepSettings), f"{name}: Settings must derive from StepSettings"
    assert cls.example, f"{name}: `example` must be a step of the type in YAML"
    ((step_name, given),) = yaml.safe_load(cls.example).items()
    assert given.get("type") == name, f"{name}: the example has the type {given.get('type')!r}"
    settings = cls.Settings.model_validate(given)
    step = cls(step_name, settings)
    ctx = PlanContext(base_dir=Path(), cache_dir=Path(".snowpipe"), target="test", scope={})
    for method in (step.reads, step.writes):
        try:
            resources = list(method(ctx))
        except StepError:  # it needs other steps of a pipeline, and says so
            continue
        for resource in resources:
            assert isinstance(resource, Resource), f"{name}: {method.__name__}() must yield Resources"
        assert resources == list(method(ctx)), f"{name}: {method.__name__}() must return the same each time"
    try:
        plan = step.plan(ctx)
    except StepError:  # it needs other steps of a pipeline, and says so
        return
    assert isinstance(plan, StepPlan), f"{name}: plan() must return a StepPlan"
    assert plan.summary, f"{name}: plan() must say what the step would do"
    assert all(isinstance(text, Sql) for text in plan.statements), f"{name}: statements must be Sql"
