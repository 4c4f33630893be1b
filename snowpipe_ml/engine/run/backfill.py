"""Backfills: the intervals that a run computes of each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from snowpipe_ml.engine.plan.decisions import has_outputs
from snowpipe_ml.engine.plan.fingerprint import Fingerprint
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.versions import Version
from snowpipe_ml.engine.records.intervals import Coverage, details_of
from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins import PlanContext, Resource, StepResult
from snowpipe_ml.plugins.intervals import UNITS, Interval, Unit


@dataclass(frozen=True)
class Backfill:
    """The options of a backfill.

    Attributes:
        over: the range to compute.
        by: the unit of the intervals that it is split into; None for one interval.
    """

    over: Interval
    by: Unit | None = None

    @classmethod
    def of(cls, text: str | None, by: str | None) -> Backfill | None:
        """Return the backfill of a text such as ``2022-01-01..2022-04-01`` and a unit; None without both.

        Raises:
            UsageError: the text is not an interval, or the unit is unknown or has no interval to split.
        """
        if text is None:
            if by is not None:
                raise UsageError("--by splits the interval of --backfill: give both")
            return None
        unit = next((unit for unit in UNITS if unit == by), None)
        if by is not None and unit is None:
            raise UsageError(f"--by must be one of {', '.join(UNITS)}, not {by!r}")
        try:
            return cls(Interval.parse(text), unit)
        except ValueError as error:
            raise UsageError(f"--backfill: {error}") from error

    @classmethod
    def recorded(cls, details: Mapping[str, Any]) -> Backfill | None:
        """Return the backfill of a run with these recorded details; None if it was none."""
        kept = details.get("backfill")
        return None if kept is None else cls.of(kept["over"], kept["by"])

    def __str__(self) -> str:
        return str(self.over) if self.by is None else f"{self.over} by {self.by}"

    def to_json(self) -> dict[str, object]:
        """Convert it to the form in which the state store keeps it."""
        return {"over": str(self.over), "by": self.by}


@dataclass(frozen=True)
class Filling:
    """The intervals of one step that a run computes.

    Attributes:
        over: the range that was asked for.
        pending: the intervals that are not done, in order.
        code: the digest of the settings and the code of the step.
        fresh: whether the table does not exist yet.
        again: whether intervals that are done are computed again.
    """

    over: Interval
    pending: tuple[Interval, ...]
    code: str
    fresh: bool
    again: bool

    @property
    def reason(self) -> str | None:
        """The reason that the step runs; None if all intervals are done."""
        if not self.pending:
            return None
        some = "1 interval" if len(self.pending) == 1 else f"{len(self.pending)} intervals"
        return f"backfill of {some} in {self.over}"

    @property
    def details(self) -> dict[str, object]:
        """The details of the record of its start."""
        return {**details_of(self.over, self.code), "fresh": self.fresh, "again": self.again}


def fillings(
    graph: Graph,
    ctx: PlanContext,
    backfill: Backfill,
    prints: Mapping[str, Fingerprint],
    known: Mapping[str, Coverage],
    now: Mapping[Resource, Version],
) -> dict[str, Filling]:
    """Return the intervals that a run computes, by the steps that can be computed by intervals.

    Args:
        graph: the selected nodes.
        ctx: the planning context.
        backfill: the options.
        prints: the fingerprints of the nodes.
        known: the intervals that are done.
        now: the versions of existing resources.

    Raises:
        UsageError: no selected step can be computed by intervals.
    """
    found = {}
    for name, node in graph.nodes.items():
        if node.declared or not node.step.fills_intervals(ctx):
            continue
        code, fresh = prints[name].own, not has_outputs(node, now)
        before = known.get(name, Coverage())
        after = before.started(backfill.over, code, fresh=fresh, again=ctx.full_refresh)
        pending = [
            part for interval in backfill.over.split(backfill.by) for part in interval.without(after.done)
        ]
        found[name] = Filling(backfill.over, tuple(pending), code, fresh, ctx.full_refresh)
    if not found:
        raise UsageError(
            "no selected step can be computed by intervals: --backfill is for transform steps with "
            "`materialized: incremental` and `since`"
        )
    return found


def together(results: Sequence[StepResult]) -> StepResult:
    """Return the result of a step from those of its intervals."""
    metrics: dict[str, float] = {}
    for result in results:
        for name, value in result.metrics.items():
            metrics[name] = metrics.get(name, 0) + value
    some = "1 interval" if len(results) == 1 else f"{len(results)} intervals"
    told = [f"{int(value):,} {name}" for name, value in metrics.items() if value]
    return StepResult(
        sum(result.rows or 0 for result in results),
        f"{some}: {', '.join(told) or 'nothing new'}",
        tuple(dict.fromkeys(warning for result in results for warning in result.warnings)),
        metrics,
    )
