"""The signature of a model, and its manifest on a stage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from snowpipe_ml.errors import StepError
from snowpipe_ml.models.tabular.archive import Manifest
from snowpipe_ml.plugins import PlanContext, RunContext, stage
from snowpipe_ml.sql import DataType, Identifier, Sql, StagePath, join, sql
from snowpipe_ml.temporary import TemporaryFolder


@dataclass(frozen=True)
class ModelSignature:
    """A model's name, its features and their types in order, its target, and its problem type."""

    name: str
    features: Mapping[str, DataType]
    target: Identifier
    problem_type: str

    @property
    def columns(self) -> list[Identifier]:
        """The names of the features."""
        return [Identifier.parse(name) for name in self.features]

    @property
    def arguments(self) -> Sql:
        """``AGE NUMBER, SEX VARCHAR``: the arguments of a function."""
        pairs = zip(self.columns, self.features.values(), strict=True)
        return join(", ", [sql("{name} {kind}", name=name, kind=kind) for name, kind in pairs])

    @property
    def returns(self) -> Sql:
        """The type of a prediction: a number, or the name of a class."""
        return Sql("FLOAT" if self.problem_type == "regression" else "VARCHAR")


def model_name(place: StagePath) -> str:
    """Return a model's name, which is the last folder of its place."""
    parts = [part for part in place.path.split("/") if part]
    if not parts:
        raise StepError(f"{place} is not the folder of a model: write '@stage/models/NAME/'")
    return parts[-1]


def signature_at(ctx: PlanContext, place: StagePath) -> ModelSignature:
    """Return the signature of the model that a step of this pipeline writes to a place.

    Raises:
        StepError: no step writes a model there.
    """
    step = ctx.producer(stage(place))
    signature = getattr(step, "signature", None)
    if signature is None:
        raise StepError(f"no step of this pipeline writes a model at {place}")
    found = signature(ctx)
    assert isinstance(found, ModelSignature)
    return found


def read_manifest(ctx: RunContext, place: StagePath, holds: str = "archive") -> Manifest:
    """Return the manifest of the models at a place.

    Args:
        ctx: the context of the step.
        place: the folder.
        holds: a key that the manifest must contain.

    Raises:
        StepError: there is no such manifest.
    """
    from snowflake.connector.errors import Error
    from snowflake.snowpark.exceptions import SnowparkClientException

    name = place.child("manifest.json")
    # Not get_stream(): outside a procedure it uses one fixed file name for all processes.
    with TemporaryFolder("manifest") as folder:
        try:
            manifest = json.loads(ctx.get(name, folder).read_text(encoding="utf-8"))
        except (SnowparkClientException, Error, OSError, ValueError) as error:
            raise StepError(f"no model at {place}: its manifest.json cannot be read ({error})") from error
    if not isinstance(manifest, dict) or holds not in manifest:
        raise StepError(f"{name} is not the manifest of a model")
    return manifest
