"""The outcomes of steps and runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from snowpipe_ml.engine.events import Status
from snowpipe_ml.engine.plan.decisions import Success
from snowpipe_ml.engine.plan.versions import Stored
from snowpipe_ml.engine.retry import NO_WAREHOUSE, is_transient, number_of
from snowpipe_ml.errors import SnowpipeMLError, StepError
from snowpipe_ml.plugins import RunInfo
from snowpipe_ml.text.redaction import redact

# Snowpark adds this to an error about a column, with the columns of earlier statements.
_COLUMN_NOTE = re.compile(r"\s*There are existing quoted column identifiers: .*", re.S)


@dataclass(frozen=True)
class StepOutcome:
    """The outcome of a step.

    Attributes:
        rows: the number of rows that it wrote; of an unchanged step, those of its last success.
        seconds: how long it ran.
        blamed: the failed step that caused it to be skipped.
        metrics: the numbers that it recorded; of an unchanged step, those of its last success.
        work: the details for the state store: its fingerprint, and the versions of its inputs and outputs.
        has_outputs: whether an omitted step has all of its outputs from earlier runs.
        parts: the outcomes of the nodes of a task that has several.
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
    has_outputs: bool = False
    parts: tuple[StepOutcome, ...] = ()

    @property
    def outputs(self) -> tuple[Stored, ...]:
        """The versions of what it wrote, each as kind, name, token and number of rows."""
        return _versions(self, "outputs")

    @property
    def transient(self) -> bool:
        """Return whether the step failed for a reason that may disappear by itself, so that a retry can help."""
        failed = [part for part in self.parts or (self,) if part.status is Status.FAILED]
        return bool(failed) and all(part.error is not None and is_transient(part.error) for part in failed)

    def to_dict(self) -> dict[str, object]:
        """Return the outcome as plain data: texts, numbers, lists and dicts."""
        error = self.error
        return {
            "name": self.name,
            "status": self.status.value,
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "message": self.message,
            "warnings": list(self.warnings),
            "error": None if error is None else redact(f"{type(error).__name__}: {error}"),
            "transient": self.transient,
            "blamed": self.blamed,
            "metrics": {name: float(value) for name, value in self.metrics.items()},
            "inputs": [list(version) for version in _versions(self, "inputs")],
            "outputs": [list(version) for version in self.outputs],
            "parts": [part.to_dict() for part in self.parts],
        }


def _versions(outcome: StepOutcome, which: str) -> tuple[Stored, ...]:
    found = [part.work.get(which) for part in outcome.parts or (outcome,)]
    return tuple((a, b, c, d) for versions in found if isinstance(versions, list) for a, b, c, d in versions)


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


def unchanged(name: str, known: Success, run_id: str) -> StepOutcome:
    """Return the outcome of a step that is not run since it is unchanged: the result of its last success."""
    here = known.run_id == run_id
    message = "done earlier in this run" if here else f"unchanged since {known.run_id}"
    metrics = known.details.get("metrics") or {}
    work: Mapping[str, object] = {**known.details}
    return StepOutcome(name, Status.REUSED, known.rows, 0.0, message, (), None, None, metrics, work)


def recorded_outcome(row: Mapping[str, Any]) -> StepOutcome:
    """Return the outcome of a step from its record in the state store."""
    details, error = row["DETAILS"], row["ERROR"]
    return StepOutcome(
        row["STEP"],
        Status(row["STATUS"]),
        row["ROW_COUNT"],
        row["SECONDS"] or 0.0,
        row["MESSAGE"] or "",
        tuple(details.get("warnings") or ()),
        None if error is None else StepError(error),
        details.get("blamed"),
        details.get("metrics") or {},
        details,
    )


def skipped(name: str, why: str, blamed: str | None = None) -> StepOutcome:
    """Return the outcome of a step that is not run since a step that it needs failed, or the run was stopped."""
    return StepOutcome(name, Status.SKIPPED, None, 0.0, why, (), None, blamed)


def failed(name: str, why: str) -> StepOutcome:
    """Return the outcome of a step that was not started, for a reason that fails the run."""
    return StepOutcome(name, Status.FAILED, None, 0.0, why, (), StepError(why), None)


def together(name: str, parts: Sequence[StepOutcome]) -> StepOutcome:
    """Return the outcome of a task with several nodes."""
    worst = next(
        (status for status in _BY_WEIGHT if any(part.status is status for part in parts)), Status.OMITTED
    )
    first = next((part for part in parts if part.status is worst), None)
    rows = [part.rows for part in parts if part.rows is not None]
    return StepOutcome(
        name,
        worst,
        sum(rows) if rows else None,
        sum(part.seconds for part in parts),
        first.message if first is not None and not worst.good else "",
        tuple(warning for part in parts for warning in part.warnings),
        first.error if first is not None else None,
        first.blamed if first is not None else None,
        {f"{part.name}.{key}": value for part in parts for key, value in part.metrics.items()},
        parts=tuple(parts),
    )


_BY_WEIGHT = (Status.FAILED, Status.SKIPPED, Status.SUCCESS, Status.REUSED, Status.OMITTED)


def ended(outcomes: Iterable[StepOutcome]) -> Status:
    """Return how a run ended whose steps have these outcomes."""
    return Status.SUCCESS if all(outcome.status.good for outcome in outcomes) else Status.FAILED


def omitted_because(name: str, why: str, *, has_outputs: bool = False) -> StepOutcome:
    """Return the outcome of a step that is omitted: its condition, or that of a step it needs, is false."""
    return StepOutcome(name, Status.OMITTED, None, 0.0, why, (), None, None, has_outputs=has_outputs)


def cause(error: BaseException) -> str:
    """Return the text of an error for users, without Snowpark's wrapper and notes, query id and secrets."""
    message = getattr(error, "message", None) if not isinstance(error, SnowpipeMLError) else None
    text = redact(_COLUMN_NOTE.sub("", str(message or error)).strip())
    if number_of(error) == NO_WAREHOUSE:
        text += "\nSet `warehouse` for the step, or a default warehouse for its target"
    return text or type(error).__name__
