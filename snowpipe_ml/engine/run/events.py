"""What happens in a run, as typed events. The terminal, a log or a report each listen."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime


class Status(enum.StrEnum):
    """How a step, or a run, ended."""

    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    REUSED = "reused"
    OMITTED = "omitted"

    @property
    def good(self) -> bool:
        """Whether nothing went wrong: the step made what it makes, now or before, or its condition left it out."""
        return self in (Status.SUCCESS, Status.REUSED, Status.OMITTED)


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins.

    Attributes:
        steps: the nodes in the order of the graph.
        needs: of each, the nodes of the run that it needs.
    """

    run_id: str
    pipeline: str
    target: str
    at: datetime
    steps: tuple[str, ...]
    resumed: bool = False
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step begins."""

    step: str


@dataclass(frozen=True, slots=True)
class StepProgress:
    """How far a step is: ``done`` of ``total`` things, ``note`` saying which."""

    step: str
    done: int
    total: int | None
    note: str


@dataclass(frozen=True, slots=True)
class StepRetried:
    """A step met a transient error and is tried again after ``delay`` seconds, for the ``attempt``-th time."""

    step: str
    attempt: int
    delay: float
    message: str


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step ended, or was skipped because of ``blamed``, a step that it needs."""

    step: str
    status: Status
    rows: int | None = None
    seconds: float = 0.0
    message: str = ""
    warnings: tuple[str, ...] = ()
    error: BaseException | None = None
    blamed: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run ended."""

    run_id: str
    status: Status
    seconds: float


Event = RunStarted | StepStarted | StepProgress | StepRetried | StepFinished | RunFinished
Listener = Callable[[Event], None]
