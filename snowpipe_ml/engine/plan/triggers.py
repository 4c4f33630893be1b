"""Changes of sources that do not start the steps which read them: the setting ``trigger`` of a source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.plugins import Kind, PlanContext, Resource
from snowpipe_ml.spec.sources import Source, Trigger

# From the most to the least frequent.
_ORDER: tuple[Trigger, ...] = ("change", "daily", "weekly", "monthly", "never")


@dataclass(frozen=True)
class Triggers:
    """How often the changes of tables and views start the steps that read them.

    Attributes:
        of: the tables and views that do not start them by each change.
        today: the date of the run, UTC.
    """

    of: Mapping[Resource, Trigger]
    today: date

    @classmethod
    def read(cls, graph: Graph, ctx: PlanContext) -> Triggers:
        """Read the triggers of the sources of a graph, and of the views that read only such sources."""
        found: dict[Resource, Trigger] = {}
        for node in graph.nodes.values():
            trigger = _of_node(node, found)
            if trigger != "change":
                found |= dict.fromkeys(_tables(node), trigger)
        started = ctx.scope["run"]["started_at"]
        assert isinstance(started, datetime)
        return cls(found, started.astimezone(UTC).date())

    def waits(self, resource: Resource, since: datetime) -> bool:
        """Return whether a change of a resource does not start a step that has last succeeded at a time."""
        trigger = self.of.get(resource, "change")
        return trigger == "never" or (
            trigger != "change" and _period(trigger, since.date()) >= _period(trigger, self.today)
        )

    def said(self, resource: Resource) -> str:
        """Return the name of a resource that waits, with its setting."""
        return f"{resource.name} (trigger: {self.of[resource]})"


def _of_node(node: Node, known: Mapping[Resource, Trigger]) -> Trigger:
    """The trigger of what a node writes."""
    model = getattr(node.step, "model", None)
    if isinstance(model, Source):
        return model.trigger
    written = list(_tables(node))
    read = [resource for resource in node.reads if resource.kind is Kind.TABLE]
    if not (written and read and all(resource.view for resource in written)):
        return "change"
    return min((known.get(resource, "change") for resource in read), key=_ORDER.index)


def _tables(node: Node) -> Iterator[Resource]:
    return (resource for resource in node.writes if resource.kind is Kind.TABLE)


def _period(trigger: Trigger, day: date) -> tuple[int, ...]:
    """The day, week or month of a date, so that periods can be compared."""
    if trigger == "weekly":
        return tuple(day.isocalendar())[:2]
    return (day.year, day.month) if trigger == "monthly" else (day.year, day.month, day.day)
