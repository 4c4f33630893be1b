"""A component of Dagster for pipelines."""

from __future__ import annotations

from typing import Any

import dagster as dg
from pydantic import Field

from snowpipe_ml.errors import UsageError
from snowpipe_ml.integrations.dagster.assets import definitions, pipeline_assets


class PipelineComponent(dg.Component, dg.Model, dg.Resolvable):
    """A pipeline as a component of Dagster, declared in YAML.

    .. code-block:: yaml

        type: snowpipe_ml.integrations.dagster.PipelineComponent
        attributes: {spec: citibike.yaml, target: prod}

    Attributes:
        spec: the spec file; a relative path starts at the folder of the component.
        target: the target's name; the default target if None.
        vars: values of variables.
        select: the steps to show; all if empty.
        exclude: the steps to leave out.
        partitions: ``daily``, ``weekly`` or ``monthly`` with ``start``, such as ``monthly from 2026-01-01``.
        op_per_step: whether each step is a separate op.
    """

    spec: str
    target: str | None = None
    vars: dict[str, Any] = Field(default_factory=dict)
    select: list[str] = Field(default_factory=list)
    exclude: list[str] = Field(default_factory=list)
    partitions: str | None = None
    op_per_step: bool = False

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Build the assets and checks of the pipeline."""
        found = pipeline_assets(
            context.path / self.spec,
            self.target,
            vars=self.vars,
            select=self.select,
            exclude=self.exclude,
            partitions_def=_partitions(self.partitions),
            op_per_step=self.op_per_step,
        )
        return definitions(found)


_PARTITIONS = {
    "daily": dg.DailyPartitionsDefinition,
    "weekly": dg.WeeklyPartitionsDefinition,
    "monthly": dg.MonthlyPartitionsDefinition,
}


def _partitions(text: str | None) -> Any:
    """Read ``monthly from 2026-01-01``.

    Raises:
        UsageError: the text has another form.
    """
    if text is None:
        return None
    kind, _, start = text.partition(" from ")
    if kind not in _PARTITIONS or not start:
        raise UsageError(
            f"partitions: {text!r} is not of the form 'daily from 2026-01-01', nor weekly or monthly"
        )
    return _PARTITIONS[kind](start_date=start)
