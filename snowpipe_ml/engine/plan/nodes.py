"""The nodes of the graph of a pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from snowpipe_ml.plugins import ColumnUse, Resource, Step, StepSettings
from snowpipe_ml.text.problems import Path


@dataclass(frozen=True)
class Node:
    """A step with its inputs, its outputs and the columns that it names. ``path`` is its path in the spec."""

    name: str
    step: Step[StepSettings]
    path: Path
    reads: tuple[Resource, ...]
    writes: tuple[Resource, ...]
    columns: tuple[ColumnUse, ...] = ()

    @property
    def declared(self) -> bool:
        """Return whether the node is a declared object and not a step of the spec."""
        return self.path[0] != "steps"
