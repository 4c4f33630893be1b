"""The differences of a pipeline between two commits, as they are found."""

from __future__ import annotations

from dataclasses import dataclass, field

from snowpipe_ml.comparison.commits import Commit
from snowpipe_ml.comparison.forecasts import ForecastChange
from snowpipe_ml.comparison.steps import StepChange
from snowpipe_ml.comparison.tables import TableChange


@dataclass(frozen=True)
class Failure:
    """A step that failed at a commit, or that was skipped since another one failed.

    Attributes:
        step: the step.
        error: the text of the error.
        at_base: whether it fails at the base too.
        skipped: the steps that were not run because of it.
    """

    step: str
    error: str
    at_base: bool
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """The time and the credits of the steps that change and that succeeded at both commits.

    Attributes:
        seconds: at the base and at the head.
        credits: those that their warehouses use in this time; None where they do not follow from their sizes.
    """

    seconds: tuple[float, float]
    credits: tuple[float, float] | None


@dataclass(frozen=True)
class Comparison:
    """The differences of a pipeline between two commits.

    Attributes:
        pipeline: its name.
        spec: the path of the spec in the repository.
        target: the target whose values were used.
        base: the one commit.
        head: the other commit.
        steps: the nodes that change.
        ran: whether the pipeline was run at both commits.
        series: how many series were forecast; None for all.
        failures: the steps that failed at the head.
        fixed: the steps that failed at the base only.
        warnings: the warnings of the steps at the head that they do not give at the base.
        tables: the tables of the steps that change.
        forecasts: the forecasts of the steps that change.
        cost: their time and credits; None if nothing ran.
        left_out: the steps that change and that were not run, as nothing of them can be compared.
    """

    pipeline: str
    spec: str
    target: str
    base: Commit
    head: Commit
    steps: list[StepChange]
    ran: bool
    series: int | None
    failures: list[Failure] = field(default_factory=list)
    fixed: list[str] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    tables: list[TableChange] = field(default_factory=list)
    forecasts: list[ForecastChange] = field(default_factory=list)
    cost: Cost | None = None
    left_out: list[str] = field(default_factory=list)
