"""When the root task of an exported graph runs: by a schedule, or when a stream has changes.

https://docs.snowflake.com/en/user-guide/tasks-triggered
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.plugins import Kind
from snowpipe_ml.plugins.step import StreamTrigger
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.spec.models import Schedule
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.text.problems import Path, Problem, did_you_mean


@dataclass(frozen=True)
class Start:
    """When the root task runs.

    Attributes:
        schedule: the schedule of the spec.
        streams: the streams of which one must have changes; empty if the graph runs in any case.
        minutes: how often the streams are looked at; None if their changes start the graph, or the schedule has times.
    """

    schedule: Schedule
    streams: tuple[QualifiedName, ...] = ()
    minutes: int | None = None

    def options(self) -> Iterator[Sql]:
        """The options of the root task."""
        schedule = self.schedule
        if schedule.cron is not None:
            yield sql("SCHEDULE = {text}", text=Literal(f"USING CRON {schedule.cron} {schedule.timezone}"))
        elif self.minutes is not None:
            yield sql("SCHEDULE = {text}", text=Literal(f"{self.minutes} MINUTE"))
        else:
            yield Sql(f"USER_TASK_MINIMUM_TRIGGER_INTERVAL_IN_SECONDS = {schedule.min_interval}")
            if schedule.warehouse is None:  # a triggered task that is serverless must have it
                yield Sql("TARGET_COMPLETION_INTERVAL = '10 MINUTES'")

    def condition(self) -> Sql:
        """The condition of the root task; empty if it has none."""
        if not self.streams:
            return Sql("")
        calls = [sql("SYSTEM$STREAM_HAS_DATA({name})", name=Literal(name.sql)) for name in self.streams]
        return sql(" WHEN {calls}", calls=join(" OR ", calls))

    @property
    def text(self) -> str:
        """The start in words."""
        cron = self.schedule.cron
        at = "" if cron is None else f"USING CRON {cron} {self.schedule.timezone}"
        if self.minutes is not None:
            at = "every minute" if self.minutes == 1 else f"every {self.minutes} minutes"
        names = ", ".join(name.name.name for name in self.streams)
        changes = f"when {names} {'has' if len(self.streams) == 1 else 'have'} changes" if names else ""
        return " ".join(part for part in (at, changes) if part)


def start_of(spec: Spec, graph: Graph, schedule: Schedule) -> tuple[Start, list[Problem]]:
    """Return when the graph of a pipeline runs, and what is wrong with its triggers.

    Triggers name the streams; without one, `on_changes` means all streams that steps consume.
    """
    triggers = dict(_triggers(spec, graph))
    problems = [problem for path, one in triggers.items() for problem in _problems(spec, schedule, path, one)]
    consumed = {str(r.name) for node in graph.nodes.values() for r in node.reads if r.kind is Kind.STREAM}
    if triggers:
        streams = {one.stream for one in triggers.values()}
    elif schedule.on_changes:
        streams = {Identifier.parse(name) for name in consumed}
        if not streams:
            hint = "add a step of the type merge, or give cron"
            problems.append(
                spec.document.problem("no step consumes a stream", ("schedule", "on_changes"), hint=hint)
            )
    else:
        streams = set()
    place = (spec.target.database, spec.target.schema_)
    names = [QualifiedName((*place, stream)) for stream in sorted(streams, key=str)]
    minutes = min((one.minutes for one in triggers.values() if one.minutes is not None), default=None)
    return Start(schedule, tuple(names), minutes), problems


def _triggers(spec: Spec, graph: Graph) -> Iterator[tuple[Path, StreamTrigger]]:
    if spec.pipeline.trigger is not None:
        yield ("trigger",), spec.pipeline.trigger
    for node in graph.nodes.values():
        if not node.declared and node.step.settings.trigger is not None:
            yield (*node.path[:2], "trigger"), node.step.settings.trigger


def _problems(spec: Spec, schedule: Schedule, path: Path, one: StreamTrigger) -> Iterator[Problem]:
    declared = {Identifier.parse(name): name for name in spec.pipeline.streams}
    if one.stream not in declared:
        hint = did_you_mean(str(one.stream), declared.values()) or "declare it under streams"
        yield spec.document.problem(f"the stream {one.stream} is not declared", (*path, "stream"), hint=hint)
    if one.minutes is not None and schedule.cron is not None:
        yield spec.document.problem(
            "schedule.cron says when the graph looks for changes",
            (*path, "minutes"),
            hint="remove one of them",
        )
