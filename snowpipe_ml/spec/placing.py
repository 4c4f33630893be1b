"""A spec in an environment: with the schemas of the environment, and without effects outside of them."""

from __future__ import annotations

from dataclasses import replace

from snowpipe_ml.plugins import Step, StepSettings
from snowpipe_ml.spec.environments import Environment
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.spec.models import Warehouse
from snowpipe_ml.spec.templates import TargetNamespace


def placed(spec: Spec, environment: Environment) -> Spec:
    """Return a spec in an environment.

    Warehouses, roles and what hooks do are shared with the target: a missing warehouse is created, but none is
    changed, no privileges are granted, and no hooks run.
    """
    schema = environment.named(spec.target.schema_)
    pipeline = spec.pipeline.model_copy(
        update={
            "targets": {
                **spec.pipeline.targets,
                spec.target_name: spec.target.model_copy(update={"schema_": schema}),
            },
            "state": environment.named(spec.pipeline.state),
            "warehouses": {name: _unchanged(each) for name, each in spec.pipeline.warehouses.items()},
            "sources": {name: environment.moved(each) for name, each in spec.pipeline.sources.items()},
            "streams": {name: environment.moved(each) for name, each in spec.pipeline.streams.items()},
            "roles": {},
            "grants": {},
            "on_success": (),
            "on_failure": (),
        }
    )
    target = TargetNamespace({**spec.scope["target"], "schema": schema.sql}, environment.renamed)
    return replace(
        spec,
        pipeline=pipeline,
        steps={name: _moved(step, environment) for name, step in spec.steps.items()},
        scope={**spec.scope, "target": target},
        environment=environment,
    )


def in_base(spec: Spec) -> Spec:
    """Return a spec in an environment with the target of the environment, to connect to it."""
    environment = spec.environment
    if environment is None:
        return spec
    targets = {**spec.pipeline.targets, spec.target_name: environment.target}
    update = {"targets": targets, "state": environment.state}
    return replace(spec, pipeline=spec.pipeline.model_copy(update=update), environment=None)


def _unchanged(warehouse: Warehouse) -> Warehouse:
    """Return a warehouse that is created if it is missing, and of which no setting is changed if it exists."""
    if warehouse.type == "adaptive":  # it is created with the settings that the spec names
        return warehouse.model_copy(update={"managed": "elsewhere"})
    values = {name: getattr(warehouse, name) for name in type(warehouse).model_fields}
    return Warehouse.model_construct(_fields_set=set(), **values)


def _moved(step: Step[StepSettings], environment: Environment) -> Step[StepSettings]:
    settings = environment.moved(step.settings)
    if settings is step.settings:
        return step
    made = type(step)(step.name, settings)
    made.item = step.item
    return made
