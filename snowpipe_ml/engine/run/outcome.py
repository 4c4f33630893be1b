"""How steps and runs end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from snowpipe_ml.engine.run.events import Status
from snowpipe_ml.engine.run.retry import NO_WAREHOUSE, number_of
from snowpipe_ml.errors import SnowpipeMLError
from snowpipe_ml.plugins import RunInfo
from snowpipe_ml.text.redaction import redact

# Snowpark adds this to an error about a column, with whatever columns the statements before had.
_OF_OTHERS = re.compile(r"\s*There are existing quoted column identifiers: .*", re.S)


@dataclass(frozen=True)
class StepOutcome:
    """How a step ended.

    Attributes:
        seconds: how long it ran.
        blamed: the failed step because of which it was skipped.
        work: what it did, as the records keep it: its fingerprint, and the versions of what it read and wrote.
        stands: whether, though it was left out, all that it writes is there from before.
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
    work: Mapping[str, Any] = field(default_factory=dict, repr=False)
    stands: bool = False


@dataclass(frozen=True)
class RunResult:
    """How a run ended; ``steps`` in the order in which they ended."""

    run: RunInfo
    status: Status
    seconds: float
    steps: dict[str, StepOutcome]
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Return whether every step succeeded."""
        return self.status is Status.SUCCESS


def left_out_because(name: str, why: str, *, stands: bool = False) -> StepOutcome:
    """The outcome of a step whose condition, or that of a step that it needs, is false."""
    return StepOutcome(name, Status.OMITTED, None, 0.0, why, (), None, None, stands=stands)


def cause(error: BaseException) -> str:
    """The text of an error for people, without Snowpark's wrapping and hints, the query id and known secrets."""
    message = getattr(error, "message", None) if not isinstance(error, SnowpipeMLError) else None
    text = redact(_OF_OTHERS.sub("", str(message or error)).strip())
    if number_of(error) == NO_WAREHOUSE:
        text += "\nGive the step a `warehouse`, or its target a default one"
    return text or type(error).__name__
