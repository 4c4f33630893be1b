"""The identity of a run, and the callback by which a step reports its progress."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The identity of a run.

    Attributes:
        id: the run's id; ids sort by time.
        started_at: when the run started.
        model_id: the id of the models trained in the run; it also labels the run's outputs.
        date: the run date, like a scheduler's logical date: RUN_DATE in the metrics.
    """

    id: str
    started_at: datetime
    model_id: str
    date: date


class Progress(Protocol):
    """A callback by which a step reports its progress."""

    def __call__(self, done: int, total: int | None = None, note: str = "") -> None:
        """Report that ``done`` of ``total`` items are finished; ``note`` names the last one."""
