"""The plan of the next run, and the lineage of tables, as rows of the page Runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from snowpipe_ml.dashboard.data.source import Source
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.records.history import Origin
from snowpipe_ml.engine.run.planned import PlannedStep
from snowpipe_ml.plugins import Kind
from snowpipe_ml.ui.graph_drawing import is_drawn


@dataclass(frozen=True)
class Planned:
    """A step of a plan.

    Attributes:
        step: its name.
        action: what the run would do with it.
        reason: why.
        changes: how an existing object differs.
    """

    step: str
    action: str
    reason: str
    changes: str


def plan(source: Source) -> list[Planned]:
    """Compare the spec with the target: what a run would do now, and why.

    Raises:
        SnowpipeMLError: the spec is invalid, or the target cannot be reached.
    """

    def compare(_: object) -> list[PlannedStep]:
        return source.pipeline.plan(source.spec.target_name, compare=True)

    # The plan opens its own connection, and is made again if the process that serves it ends.
    return [_planned(step) for step in source.reader.call(compare)]


def _planned(step: PlannedStep) -> Planned:
    decision = step.decision
    return Planned(
        step.name,
        "" if decision is None else decision.action.value,
        "" if decision is None else decision.reason,
        "" if step.changes is None else str(step.changes),
    )


def statements(source: Source, step: str) -> list[str]:
    """Return the statements that a step would send for outputs that do not exist yet.

    Raises:
        SnowpipeMLError: they depend on something that is missing.
    """
    return [f"{statement};" for statement in source.graph.nodes[step].step.plan(source.ctx).statements]


def tables(graph: Graph) -> list[str]:
    """Return the tables and views that the steps write, in the order of the graph."""
    return [
        str(resource.name)
        for node in graph.nodes.values()
        for resource in node.writes
        if resource.kind is Kind.TABLE
    ]


def shown_edges(graph: Graph) -> list[tuple[str, str]]:
    """Return the dependencies among the steps and sources, without those that others imply."""
    import networkx as nx

    steps = [name for name in graph.nodes if is_drawn(name)]
    reduced = nx.transitive_reduction(nx.DiGraph(graph.dag.subgraph(steps)))
    order = {name: number for number, name in enumerate(graph.nodes)}
    return sorted(reduced.edges, key=lambda edge: (order[edge[0]], order[edge[1]]))


def flat(origin: Origin) -> Iterator[tuple[Origin, Origin | None]]:
    """Yield each table of a lineage once, with the table that was made from it."""
    seen: set[tuple[str, str | None]] = set()
    waiting: list[tuple[Origin, Origin | None]] = [(origin, None)]
    while waiting:
        one, made = waiting.pop(0)
        edge = one.name, None if made is None else made.name
        if edge in seen:
            continue
        seen.add(edge)
        yield one, made
        waiting += [(source, one) for source in one.of]
