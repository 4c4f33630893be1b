"""The tasks of a pipeline: the units that an orchestrator runs, each of one or several nodes of the graph."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import networkx as nx

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins import PlanContext, Resource
from snowpipe_ml.plugins.step import RunsIn
from snowpipe_ml.spec.fanout import base_name

SETUP = "setup"


class TaskKind(enum.StrEnum):
    """The kind of a task.

    SETUP: all declared objects that no step precedes. OBJECT: a declared object that a step precedes, such as a
    role with privileges on the step's output. SOURCE: a declared source. STEP: a step, with all of its items
    if it has a ``foreach``.
    """

    SETUP = "setup"
    OBJECT = "object"
    SOURCE = "source"
    STEP = "step"


@dataclass(frozen=True)
class Task:
    """A unit of work for an orchestrator.

    Attributes:
        name: the step's name in the spec, or that of the source or declared object.
        kind: what it runs.
        type: the type of the step or object; ``setup`` for the declared objects together.
        nodes: the nodes of the graph that it runs; one node represents all items of a ``foreach`` over a query.
        needs: the tasks that must end first.
        reads: the resources that it reads, by their names in the spec.
        writes: the resources that it creates or changes.
        runs_in: where it can run: ``client``, in the process that calls it only, or ``warehouse``, also in a
            procedure on the target.
        foreach: whether it is a step with ``foreach``.
        omitted: whether the ``when`` of the step is false, whatever the target holds.
        description: the purpose of the step.
        tags: the step's tags for selections.
        retries: how often the step is retried after a transient error.
    """

    name: str
    kind: TaskKind
    type: str
    nodes: tuple[str, ...]
    needs: tuple[str, ...]
    reads: tuple[Resource, ...]
    writes: tuple[Resource, ...]
    runs_in: RunsIn
    foreach: bool = False
    omitted: bool = False
    description: str = ""
    tags: tuple[str, ...] = ()
    retries: int = 0

    def to_dict(self) -> dict[str, object]:
        """Return the task as plain data."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "type": self.type,
            "nodes": list(self.nodes),
            "needs": list(self.needs),
            "reads": [str(resource.name) for resource in self.reads],
            "writes": [str(resource.name) for resource in self.writes],
            "runs_in": self.runs_in.value,
            "foreach": self.foreach,
            "omitted": self.omitted,
            "description": self.description,
            "tags": list(self.tags),
            "retries": self.retries,
        }


def task_names(graph: Graph) -> dict[str, str]:
    """Return the name of the task that runs each node, in the order of the graph."""
    setup = _setup_name(graph)
    late: set[str] = set()  # the declared objects that a step or a source precedes
    found: dict[str, str] = {}
    for name, node in graph.nodes.items():
        if not node.declared:
            found[name] = base_name(name)
        elif node.path[0] == "sources":
            found[name] = name
        else:
            if any(need in late or not _is_object(graph.nodes[need]) for need in graph.needs(name)):
                late.add(name)
            found[name] = name if name in late else setup
    return found


def tasks(graph: Graph, ctx: PlanContext, fanned: Mapping[str, Iterable[str]] = {}) -> list[Task]:
    """Return the tasks of a graph in an order in which they can run.

    Args:
        graph: the graph.
        ctx: the context for planning.
        fanned: the nodes of each step that has a ``foreach``.

    Raises:
        UsageError: the items of a ``foreach`` cannot be one task.
    """
    names = task_names(graph)
    members: dict[str, list[Node]] = {}
    for node, task in names.items():
        members.setdefault(task, []).append(graph.nodes[node])
    made = {task: _task(task, nodes, graph, ctx, names, task in fanned) for task, nodes in members.items()}
    # The first node of a task may come before the nodes that its other nodes need.
    order = {name: position for position, name in enumerate(made)}
    dag: nx.DiGraph[str] = nx.DiGraph()
    dag.add_nodes_from(made)
    dag.add_edges_from((need, task.name) for task in made.values() for need in task.needs)
    try:
        return [made[name] for name in nx.lexicographical_topological_sort(dag, key=lambda name: order[name])]
    except nx.NetworkXUnfeasible:
        edges = nx.find_cycle(dag)
        cycle = " -> ".join([edges[0][0], *(edge[1] for edge in edges)])
        raise UsageError(
            f"the steps {cycle} can only run item by item: a step between the items of a `foreach` needs some of them "
            "and is needed by others, so that they cannot be one task"
        ) from None


def _task(
    name: str, nodes: list[Node], graph: Graph, ctx: PlanContext, names: Mapping[str, str], foreach: bool
) -> Task:
    own = {node.name for node in nodes}
    needs = {names[need]: None for node in nodes for need in graph.needs(node.name) if need not in own}
    first = nodes[0]
    step = None if first.declared else first.step
    if step is not None:
        kind = TaskKind.STEP
    elif first.path[0] == "sources":
        kind = TaskKind.SOURCE
    else:
        kind = TaskKind.OBJECT if name == first.name else TaskKind.SETUP
    client = any(node.step.runs_in(ctx) is RunsIn.CLIENT for node in nodes)
    return Task(
        name=name,
        kind=kind,
        type=SETUP if kind is TaskKind.SETUP else first.step.type_name,
        nodes=tuple(node.name for node in nodes),
        needs=tuple(needs),
        reads=tuple(dict.fromkeys(r for node in nodes for r in node.reads)),
        writes=tuple(dict.fromkeys(r for node in nodes for r in node.writes)),
        runs_in=RunsIn.CLIENT if client else RunsIn.WAREHOUSE,
        foreach=foreach,
        omitted=step is not None and all(node.step.settings.when is False for node in nodes),
        description="" if step is None else step.settings.description,
        tags=() if step is None else step.settings.tags,
        retries=max(node.step.settings.retries for node in nodes),
    )


def _is_object(node: Node) -> bool:
    return node.declared and node.path[0] != "sources"


def _setup_name(graph: Graph) -> str:
    """``setup``, with underscores if a step has this name."""
    steps = {base_name(name) for name, node in graph.nodes.items() if not node.declared}
    name = SETUP
    while name in steps:
        name += "_"
    return name
