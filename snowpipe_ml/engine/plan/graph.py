"""The graph of a pipeline: its steps and declared objects, and their dependencies.

Edges are derived from inputs and outputs: a step that reads an output of another step runs after it.
The setting ``needs`` adds further edges.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path as FilePath
from typing import TypeVar

import networkx as nx

from snowpipe_ml.engine.plan.conditions import condition_reads
from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.engine.plan.stream_edges import connect_streams, made_before
from snowpipe_ml.errors import SnowpipeMLError, TemplateError
from snowpipe_ml.plugins import Kind, PlanContext, Resource, Step, StepSettings, table
from snowpipe_ml.spec.fanout import base_name
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.sql import Identifier, QualifiedName, StagePath
from snowpipe_ml.steps.declared.all_objects import declared_steps
from snowpipe_ml.steps.declared.streams import StreamStep
from snowpipe_ml.steps.forecasting.columns import column_fault
from snowpipe_ml.text.files import read_text
from snowpipe_ml.text.problems import Path, Position, Problem, did_you_mean

_T = TypeVar("_T")

# Objects that a step can only use if the spec declares them.
_DECLARED_ONLY = {
    Kind.WAREHOUSE: "warehouses",
    Kind.FILE_FORMAT: "file_formats",
    Kind.IMPORT: "imports",
    Kind.PACKAGES: "packages",
    Kind.TAG: "tags",
    Kind.STAGE: "stages",
    Kind.STREAM: "streams",
}


class Graph:
    """The nodes in an order in which they can run.

    Attributes:
        nodes: the nodes by name.
        dag: the networkx graph; an edge points from a node to a node that depends on it.
    """

    def __init__(self, nodes: Mapping[str, Node], dag: nx.DiGraph[str]) -> None:
        self.dag = dag
        order = {name: position for position, name in enumerate(nodes)}
        names = list(nx.lexicographical_topological_sort(dag, key=lambda name: order[name]))
        self.nodes = {name: nodes[name] for name in names}

    def needs(self, name: str) -> list[str]:
        """The direct dependencies of a node."""
        return sorted(self.dag.predecessors(name))

    def part(self, names: Collection[str]) -> Graph:
        """Return the graph of some nodes, with the dependencies among them."""
        nodes = {name: node for name, node in self.nodes.items() if name in names}
        return Graph(nodes, nx.DiGraph(self.dag.subgraph(nodes)))

    def ancestors(self, names: Iterable[str]) -> set[str]:
        """All nodes that some nodes depend on, directly or indirectly."""
        return set().union(*(nx.ancestors(self.dag, name) for name in names))

    def dependents(self, name: str) -> set[str]:
        """All nodes that depend on a node, directly or indirectly."""
        return set(nx.descendants(self.dag, name))


def build_graph(spec: Spec, ctx: PlanContext) -> tuple[Graph | None, PlanContext, list[Problem]]:
    """Build the graph of a spec.

    Returns:
        The graph, the context that can look up its producers, and the problems: unknown tables,
        undeclared objects, two writers of one table, a cycle. The graph is None if there is a
        cycle.
    """
    problems: list[Problem] = []
    steps = [(name, step, path) for name, step, path in declared_steps(spec)]
    steps += [(name, step, ("steps", base_name(name))) for name, step in spec.steps.items()]
    writers, writes = _writers(spec, steps, ctx, problems)

    def producer(resource: Resource) -> Step[StepSettings] | None:
        resource = _without_home(spec, resource)
        names = writers.get((resource.kind, resource.name), [])
        return next((step for name, step, _ in steps if name in names), None)

    full = dataclasses.replace(ctx, producer=producer)
    default = getattr(spec.target, "warehouse", None)
    nodes = {}
    for name, step, path in steps:
        reads = [
            _without_home(spec, r)
            for r in _call_or_report(spec, path, partial(_listed, step.reads, full), problems) or []
        ]
        if path[0] == "steps":
            of_condition = (
                _call_or_report(spec, (*path, "when"), partial(condition_reads, step, full), problems) or ()
            )
            reads += [_without_home(spec, resource) for resource in of_condition]
        warehouse = getattr(step.settings, "warehouse", None)
        if path[0] == "steps" and warehouse is not None:
            reads.append(Resource(Kind.WAREHOUSE, QualifiedName((warehouse,)), ("warehouse",)))
        elif default is not None and path[0] != "warehouses" and _declares(spec.pipeline.warehouses, default):
            reads.append(Resource(Kind.WAREHOUSE, QualifiedName((default,))))
        columns = _call_or_report(spec, path, partial(_listed, step.columns_read, full), problems) or ()
        nodes[name] = Node(name, step, path, tuple(reads), tuple(writes[name]), tuple(columns))
    problems += _column_problems(spec, nodes)
    dag: nx.DiGraph[str] = nx.DiGraph()
    dag.add_nodes_from(nodes)
    for node in nodes.values():
        _connect(spec, node, nodes, writers, dag, problems)
    problems += connect_streams(spec, nodes, writers, dag)
    for role in spec.pipeline.grants:
        if role not in spec.pipeline.roles:
            hint = did_you_mean(role, spec.pipeline.roles)
            message = f"the role {role!r} is not declared under `roles`"
            problems.append(spec.document.problem(message, ("grants", role), key=True, hint=hint))
    tags = [f"tags.{name}" for name, tag in spec.pipeline.tags.items() if tag.value is not None]
    for node in nodes.values():
        if not node.declared and any(resource.kind is Kind.TABLE for resource in node.writes):
            dag.add_edges_from((tag, node.name) for tag in tags)  # the tags are set on the step's outputs
    cycle = _cycle(spec, nodes, dag)
    if cycle:
        return None, full, [*problems, cycle]
    if not problems:
        # A step that cannot be planned cannot run: report it here and not halfway through a run.
        for node in nodes.values():
            _call_or_report(spec, node.path, partial(node.step.plan, full), problems)
    return Graph(nodes, dag), full, problems


def findings(spec: Spec, ctx: PlanContext, graph: Graph) -> list[Problem]:
    """Return the problems that steps find without a connection, such as missing files."""
    problems: list[Problem] = []
    for node in graph.nodes.values():
        for found in (
            _call_or_report(spec, node.path, partial(_listed, node.step.findings, ctx), problems) or ()
        ):
            path = (*node.path, *found.at)
            problems.append(spec.document.problem(found.message, path, key=found.key, hint=found.hint))
    return problems


def _column_problems(spec: Spec, nodes: Mapping[str, Node]) -> Iterator[Problem]:
    """Yield a problem for each column that is missing from the spec's declaration of its table."""
    known: dict[QualifiedName | StagePath, Mapping[str, str]] = {}
    for node in nodes.values():
        if node.step.declared_columns:
            known.update((resource.name, node.step.declared_columns) for resource in node.writes)
    for node in nodes.values():
        for use in node.columns:
            columns = known.get(_without_home(spec, table(use.table)).name)
            fault = None if columns is None else column_fault(use, columns)
            if fault is not None:
                yield spec.document.problem(fault[0], (*node.path, *use.at), key=use.key, hint=fault[1])


def _declares(section: Iterable[str], name: Identifier) -> bool:
    return any(Identifier.parse(text) == name for text in section)


def _without_home(spec: Spec, resource: Resource) -> Resource:
    """Drop the database and schema of the target from a resource's name: ``ML.TRIPS`` becomes ``TRIPS``."""
    if not isinstance(resource.name, QualifiedName):
        return resource
    parts = resource.name.parts
    home = (spec.target.database, spec.target.schema_)
    if (len(parts) == 3 and parts[:2] == home) or (len(parts) == 2 and parts[0] == home[1]):
        return dataclasses.replace(resource, name=QualifiedName(parts[-1:]))
    return resource


def _listed(ask: Callable[[PlanContext], Iterable[_T]], ctx: PlanContext) -> list[_T]:
    return list(ask(ctx))


def _call_or_report(spec: Spec, path: Path, call: Callable[[], _T], problems: list[Problem]) -> _T | None:
    """Call a method of a step; turn any exception into a problem at the step or in its SQL file."""
    try:
        return call()
    except TemplateError as error:
        if error.file is None:
            # The query or predicate of the step, or the query of its condition.
            where = next(
                (found for key in ("query", "predicate") if (found := (*path, key)) in spec.document), path
            )
            problems.append(spec.document.problem(error.message, where, hint=error.hint))
        else:
            lines = read_text(FilePath(error.file)).splitlines()
            snippet = lines[error.line - 1] if error.line <= len(lines) else ""
            width = len(snippet.strip()) or 1
            column = len(snippet) - len(snippet.lstrip()) + 1
            position = Position(error.file, error.line, column)
            problems.append(Problem(error.message, position, snippet, width, error.hint))
    except (SnowpipeMLError, ValueError) as error:
        problems.append(spec.document.problem(f"{path[-1]}: {error}", path, key=True))
    except Exception as error:  # a plugin's mistake must not look like one of ours
        problems.append(spec.document.problem(f"{path[-1]}: {type(error).__name__}: {error}", path, key=True))
    return None


def _writers(
    spec: Spec,
    steps: Iterable[tuple[str, Step[StepSettings], Path]],
    ctx: PlanContext,
    problems: list[Problem],
) -> tuple[dict[tuple[Kind, QualifiedName | StagePath], list[str]], dict[str, list[Resource]]]:
    writers: dict[tuple[Kind, QualifiedName | StagePath], list[str]] = defaultdict(list)
    writes: dict[str, list[Resource]] = {}
    for name, step, path in steps:
        found = _call_or_report(spec, path, partial(_listed, step.writes, ctx), problems) or []
        writes[name] = [_without_home(spec, resource) for resource in found]
        for resource in writes[name]:
            others = writers[(resource.kind, resource.name)]
            alone = any(not _may_share(resource, w, o) for o in others for w in writes[o] if w == resource)
            if alone and resource.kind in (Kind.TABLE, Kind.FUNCTION):
                problems.append(
                    spec.document.problem(
                        f"{resource} is written by {others[0]!r} already",
                        (*path, *resource.at),
                        hint="give one of them another name",
                    )
                )
            others.append(name)
    return writers, writes


def _may_share(new: Resource, other: Resource, writer: str) -> bool:
    """Return whether two steps may write the same object; the first is named, and may be its declaration."""
    declaration = writer.partition(".")[0] == "tables"
    return new.adds and other.adds and (declaration or not (new.alone or other.alone))


def _connect(
    spec: Spec,
    node: Node,
    nodes: Mapping[str, Node],
    writers: Mapping[tuple[Kind, QualifiedName | StagePath], list[str]],
    dag: nx.DiGraph[str],
    problems: list[Problem],
) -> None:
    # A declared table must exist before the steps that write it run.
    for resource in node.writes:
        if isinstance(resource.name, StagePath):
            _need_stage(spec, node, resource, writers, dag, problems)
        for name in writers[(resource.kind, resource.name)]:
            if name != node.name and nodes[name].declared:
                dag.add_edge(name, node.name)
    for resource in node.reads:
        if isinstance(resource.name, StagePath):
            _need_stage(spec, node, resource, writers, dag, problems)
            for (kind, place), names in writers.items():
                if kind is Kind.STAGE and isinstance(place, StagePath) and place.overlaps(resource.name):
                    dag.add_edges_from((name, node.name) for name in names if name != node.name)
            continue
        found = [name for name in writers.get((resource.kind, resource.name), []) if name != node.name]
        if isinstance(node.step, StreamStep):
            found = made_before(found, nodes)
        if found:
            dag.add_edges_from((name, node.name) for name in found)
        elif resource.kind is Kind.PACKAGES and resource.name.name.name in spec.pipeline.packages:
            continue
        else:
            problem = _unknown(spec, node, resource, writers)
            if problem:
                problems.append(problem)
    if node.declared:
        return
    for index, name in enumerate(node.step.settings.needs):
        if name in nodes or name in spec.fanned:
            dag.add_edges_from((needed, node.name) for needed in spec.fanned.get(name, [name]))
        else:
            steps = [n.name for n in nodes.values() if not n.declared]
            problems.append(
                spec.document.problem(
                    f"needs an unknown step {name!r}",
                    (*node.path, "needs", index),
                    hint=did_you_mean(name, steps),
                )
            )


def _need_stage(
    spec: Spec,
    node: Node,
    resource: Resource,
    writers: Mapping[tuple[Kind, QualifiedName | StagePath], list[str]],
    dag: nx.DiGraph[str],
    problems: list[Problem],
) -> None:
    assert isinstance(resource.name, StagePath)
    stage = resource.name.stage
    names = writers.get((Kind.STAGE, stage), [])
    if names:
        dag.add_edges_from((name, node.name) for name in names)
    elif len(stage.parts) == 1:
        known = [
            str(name) for kind, name in writers if kind is Kind.STAGE and isinstance(name, QualifiedName)
        ]
        problems.append(
            spec.document.problem(
                f"the stage {str(stage).lower()!r} is not declared under `stages`",
                (*node.path, *resource.at),
                hint=_lower_hint(str(stage), known),
            )
        )


def _unknown(
    spec: Spec,
    node: Node,
    resource: Resource,
    writers: Mapping[tuple[Kind, QualifiedName | StagePath], list[str]],
) -> Problem | None:
    if isinstance(resource.name, QualifiedName) and len(resource.name.parts) > 1:
        return None  # a qualified name: an object outside the pipeline
    known = [str(name) for (kind, name), by in writers.items() if kind is resource.kind and by != [node.name]]
    path = (*node.path, *resource.at)
    name = str(resource.name).lower()
    section = _DECLARED_ONLY.get(resource.kind)
    if resource.kind is Kind.PACKAGES:
        known = list(spec.pipeline.packages)
    if section:
        message = f"the {resource.kind.value} {name!r} is not declared under `{section}`"
    else:
        message = f"unknown {resource.kind.value} {name!r}: no step writes it, and neither `sources` nor `tables` declares it"
    return spec.document.problem(message, path, hint=_lower_hint(name, known))


def _lower_hint(name: str, known: Iterable[str]) -> str | None:
    return did_you_mean(name.lower(), [item.lower() for item in known])


def _cycle(spec: Spec, nodes: Mapping[str, Node], dag: nx.DiGraph[str]) -> Problem | None:
    try:
        edges = nx.find_cycle(dag)
    except nx.NetworkXNoCycle:
        return None
    names = [edge[0] for edge in edges]
    # Start with the node that is first in the file, so that the message is deterministic.
    first = min(names, key=lambda name: spec.document.position(nodes[name].path).line)
    names = names[names.index(first) :] + names[: names.index(first)]
    return spec.document.problem(
        "the steps wait for each other: " + " -> ".join([*names, names[0]]),
        nodes[names[0]].path,
        key=True,
        hint="an arrow points from a writer to a reader; remove one of them",
    )
