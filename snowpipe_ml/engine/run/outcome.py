"""The outcomes of steps and runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from snowpipe_ml.engine.events import Status
from snowpipe_ml.engine.retry import NO_WAREHOUSE, number_of
from snowpipe_ml.errors import SnowpipeMLError
from snowpipe_ml.plugins import RunInfo
from snowpipe_ml.text.redaction import redact

# Snowpark adds this to an error about a column, with the columns of earlier statements.
_COLUMN_NOTE = re.compile(r"\s*There are existing quoted column identifiers: .*", re.S)


@dataclass(frozen=True)
class StepOutcome:
    """The outcome of a step.

    Attributes:
        seconds: how long it ran.
        blamed: the failed step that caused it to be skipped.
        work: the details for the state store: its fingerprint, and the versions of its inputs and outputs.
        stands: whether an omitted step has all of its outputs from earlier runs.
    """

    name: str
    status: Status
    rows: int | None
    seconds: float
    message: str
    warnings: tuple[str, ...]
    error: BaseException | None
    blamed: str | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    work: Mapping[str, object] = field(default_factory=dict, repr=False)
    stands: bool = False


@dataclass(frozen=True)
class RunResult:
    """The result of a run; ``steps`` has the steps in the order in which they ended."""

    run: RunInfo
    status: Status
    seconds: float
    steps: dict[str, StepOutcome]
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Return whether the run succeeded."""
        return self.status is Status.SUCCESS


def left_out_because(name: str, why: str, *, stands: bool = False) -> StepOutcome:
    """Return the outcome of a step that is omitted: its condition, or that of a step it needs, is false."""
    return StepOutcome(name, Status.OMITTED, None, 0.0, why, (), None, None, stands=stands)


def cause(error: BaseException) -> str:
    """Return the text of an error for users, without Snowpark's wrapper and notes, query id and secrets."""
    message = getattr(error, "message", None) if not isinstance(error, SnowpipeMLError) else None
    text = redact(_COLUMN_NOTE.sub("", str(message or error)).strip())
    if number_of(error) == NO_WAREHOUSE:
        text += "\nSet `warehouse` for the step, or a default warehouse for its target"
    return text or type(error).__name__
