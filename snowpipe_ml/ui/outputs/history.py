"""The outputs of the commands on runs: ``status``, ``runs``, ``logs``, ``diff``, ``lineage``, ``cost`` and ``cancel``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from snowpipe_ml.ui.outputs.common import Number, Output, RootOutput


class StepStatusOutput(Output):
    """The last record of a step."""

    run_id: str
    step: str
    status: str
    row_count: int | None
    seconds: Number
    message: str
    finished_at: datetime


class IntervalsOutput(Output):
    """The intervals of a step that `run --backfill` has done."""

    step: str
    done: list[str]
    gaps: list[str]


class StatusOutput(Output):
    """The output of ``status --json``."""

    steps: list[StepStatusOutput]
    intervals: list[IntervalsOutput]


class RunOutput(Output):
    """A run."""

    id: str
    started_at: datetime
    seconds: Number = Field(description="null if it was killed or still runs.")
    status: str | None = Field(description="null if it was killed or still runs.")
    steps: dict[str, int] = Field(description="How many steps have each status.")


class RunsOutput(RootOutput[list[RunOutput]]):
    """The output of ``runs --json``: the newest run first."""


class EnvironmentOutput(Output):
    """An environment of a target."""

    name: str = Field(description="The name, as it is written in SQL.")
    created_at: datetime | None
    finished: bool = Field(description="Whether it is complete; a run finishes one that is not.")
    schemas: list[str] = Field(description="The schemas that it has made, that of the run metadata first.")


class EnvironmentsOutput(RootOutput[list[EnvironmentOutput]]):
    """The output of ``env list --json``, by name."""


class StepRecordOutput(Output):
    """The record of a step in a run."""

    run_id: str
    step: str
    at: datetime
    status: str
    rows: int | None
    seconds: Number
    message: str
    error: str | None
    details: dict[str, Any] = Field(
        description="Settings, inputs, outputs, metrics, checks, charts and warnings."
    )


class LogsOutput(RootOutput[list[StepRecordOutput]]):
    """The output of ``logs --json``: the records in their order."""


class DiffOutput(Output):
    """The output of ``diff --json``."""

    spec: list[str] = Field(description="The lines of a unified diff of the specs as they were run.")
    rows: list[tuple[str, int | None, int | None]] = Field(description="Step, rows before, rows after.")
    metrics: list[tuple[str, str, Number, Number]] = Field(description="Step, metric, before, after.")


class LineageOutput(Output):
    """The output of ``lineage --json``: a table or stage, the step that wrote it, and that step's inputs."""

    name: str
    by: StepRecordOutput | None = Field(description="null if no recorded run wrote it.")
    rows: int | None
    as_left: bool | None = Field(
        description="Whether it is unchanged since that step; null if it was not compared."
    )
    of: list[LineageOutput]


class StepCostOutput(Output):
    """The credits of a step."""

    step: str
    credits: Number
    statements: int
    warehouses: list[str]
    seconds: Number
    outputs: list[str]


class WarehouseCostOutput(Output):
    """The credits of a warehouse in the hours in which the run used it."""

    name: str
    credits: Number = Field(description="Those of the run's statements.")
    used: Number = Field(description="Those of the warehouse, for all its users.")
    idle: Number


class CostOutput(Output):
    """The output of ``cost --json``."""

    run_id: str
    steps: list[StepCostOutput]
    warehouses: list[WarehouseCostOutput]
    credits: Number = Field(description="Those of all steps, without idle time.")
    advice: list[str]


class CancelOutput(Output):
    """The output of ``cancel --json``."""

    run_id: str | None = Field(description="null if there was nothing to cancel.")
    status: str | None
    canceled: bool = Field(description="false if the run had ended.")
    steps: dict[str, str] = Field(description="The status of each step.")
