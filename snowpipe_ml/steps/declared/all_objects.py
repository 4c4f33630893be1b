"""All declared objects of a spec as steps."""

from __future__ import annotations

from collections.abc import Iterator

from snowpipe_ml.plugins import Step, StepSettings
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.steps.declared.file_formats import FileFormatStep
from snowpipe_ml.steps.declared.imports import ImportStep
from snowpipe_ml.steps.declared.objects import RoleStep, StageStep, TableStep, TagStep
from snowpipe_ml.steps.declared.sources import SourceStep
from snowpipe_ml.steps.declared.step import DeclaredStep
from snowpipe_ml.steps.declared.streams import StreamStep
from snowpipe_ml.steps.declared.warehouses import WarehouseStep
from snowpipe_ml.text.problems import Path as SpecPath

_SECTIONS: dict[str, type[DeclaredStep]] = {
    "warehouses": WarehouseStep,
    "stages": StageStep,
    "file_formats": FileFormatStep,
    "tables": TableStep,
    "streams": StreamStep,
    "tags": TagStep,
    "imports": ImportStep,
}


def declared_steps(spec: Spec) -> Iterator[tuple[str, Step[StepSettings], SpecPath]]:
    """Yield (node name, step, path in the spec) for every declared object."""
    pipeline = spec.pipeline
    for section, cls in _SECTIONS.items():
        for name, model in getattr(pipeline, section).items():
            yield f"{section}.{name}", cls(f"{section}.{name}", name, model), (section, name)
    for name, source in pipeline.sources.items():
        step = SourceStep(f"sources.{name}", name, source, spec.target_name, spec.target.type)
        yield f"sources.{name}", step, ("sources", name)
    for name, role in pipeline.roles.items():
        section = "grants" if name in pipeline.grants else "roles"
        node = RoleStep(f"roles.{name}", name, role, dict(pipeline.grants.get(name, {})))
        yield f"roles.{name}", node, (section, name)
