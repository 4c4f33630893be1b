"""The typed events of a run. Listeners such as the terminal display receive them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime


class Status(enum.StrEnum):
    """How a step or a run ended.

    SKIPPED: a step that it needs failed, or the run was stopped. REUSED: the step is unchanged. OMITTED: its
    ``when`` is false, or it depends on an omitted step that has never produced its outputs. CANCELED: of a run
    only, one that was canceled before all of its steps had ended.
    """

    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    REUSED = "reused"
    OMITTED = "omitted"
    CANCELED = "canceled"

    @property
    def good(self) -> bool:
        """Return whether nothing went wrong: the step succeeded, is unchanged, or was omitted."""
        return self in (Status.SUCCESS, Status.REUSED, Status.OMITTED)


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run starts.

    Attributes:
        steps: the nodes in the order of the graph.
        needs: the nodes of the run that each node depends on.
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
    """A step starts."""

    step: str


@dataclass(frozen=True, slots=True)
class StepProgress:
    """The progress of a step: ``done`` of ``total`` items; ``note`` names the last one."""

    step: str
    done: int
    total: int | None
    note: str


@dataclass(frozen=True, slots=True)
class StepRetried:
    """A step had a transient error; retry number ``attempt`` follows after ``delay`` seconds."""

    step: str
    attempt: int
    delay: float
    message: str


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step ended, or was skipped because the step ``blamed`` failed.

    Attributes:
        rows: the number of rows that it wrote; of an unchanged step, those of its last success.
        outputs: the versions of what it wrote, each as kind, name, token and number of rows.
    """

    step: str
    status: Status
    rows: int | None = None
    seconds: float = 0.0
    message: str = ""
    warnings: tuple[str, ...] = ()
    error: BaseException | None = None
    blamed: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    outputs: tuple[tuple[str, str, str, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run ended."""

    run_id: str
    status: Status
    seconds: float


Event = RunStarted | StepStarted | StepProgress | StepRetried | StepFinished | RunFinished
Listener = Callable[[Event], None]
