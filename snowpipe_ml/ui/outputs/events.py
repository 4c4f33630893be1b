"""The lines that ``run --json`` prints: one object for each event of a run."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from snowpipe_ml.ui.outputs.common import Number, Output, RootOutput


class EventOutput(Output):
    """An event."""

    at: datetime


class RunStartedOutput(EventOutput):
    """A run starts."""

    event: Literal["run_started"]
    run_id: str
    pipeline: str
    target: str
    steps: list[str] = Field(description="The nodes in the order of the graph.")
    resumed: bool
    needs: dict[str, list[str]] = Field(description="The nodes of the run that each node depends on.")


class StepStartedOutput(EventOutput):
    """A step starts."""

    event: Literal["step_started"]
    step: str


class StepProgressOutput(EventOutput):
    """A step has finished ``done`` of ``total`` items."""

    event: Literal["step_progress"]
    step: str
    done: int
    total: int | None
    note: str


class StepRetriedOutput(EventOutput):
    """A step had a transient error."""

    event: Literal["step_retried"]
    step: str
    attempt: int
    delay: float = Field(description="The seconds until the retry.")
    message: str


class ErrorOutput(Output):
    """An error."""

    type: str = Field(description="The class of the exception.")
    message: str


class StepFinishedOutput(EventOutput):
    """A step ended, or was skipped because the step ``blamed`` failed."""

    event: Literal["step_finished"]
    step: str
    status: str
    rows: int | None
    seconds: Number
    message: str
    warnings: list[str]
    error: ErrorOutput | None
    blamed: str | None
    metrics: dict[str, Number]
    outputs: list[tuple[str, str, str, int | None]] = Field(
        description="What it wrote: kind, name, version and number of rows."
    )


class RunFinishedOutput(EventOutput):
    """A run ended."""

    event: Literal["run_finished"]
    run_id: str
    status: str
    seconds: Number


class RunEventOutput(
    RootOutput[
        Annotated[
            RunStartedOutput
            | StepStartedOutput
            | StepProgressOutput
            | StepRetriedOutput
            | StepFinishedOutput
            | RunFinishedOutput,
            Field(discriminator="event"),
        ]
    ]
):
    """A line of ``run --json``."""
