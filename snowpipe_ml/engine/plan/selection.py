"""Selection of steps in a graph, with dbt's selection grammar.

``train``        the step, with all its nodes if it has a ``foreach``; ``*`` and ``?`` are wildcards
``train+``       the step and its dependents; ``train+2`` at most two levels of them
``+train``       the step and its dependencies; ``2+train`` at most two levels of them
``type:expect``  the steps of a type
``tag:nightly``  the steps with a tag
``state:modified``  the steps whose fingerprint has changed since their last success
``a b``          the union; ``a,b`` the intersection

https://docs.getdbt.com/reference/node-selection/syntax
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Iterable

import networkx as nx

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.errors import UsageError
from snowpipe_ml.spec.fanout import base_name
from snowpipe_ml.sql import QualifiedName
from snowpipe_ml.text.problems import did_you_mean

_TERM = re.compile(r"^(?:(?P<up>\d*)\+)?(?P<what>[^+]+?)(?:\+(?P<down>\d*))?$")


def select(
    graph: Graph,
    chosen: Iterable[str],
    excluded: Iterable[str] = (),
    modified: Callable[[], Collection[str]] | None = None,
    also_read: Collection[QualifiedName] = (),
) -> Graph:
    """Return the selected part of a graph, with the declared objects and the sources that it needs.

    The order of two selected steps is kept, even if the steps between them are not selected.

    Args:
        graph: the whole graph.
        chosen: the selections, each a union of terms; everything if empty.
        excluded: the selections to exclude.
        modified: returns the names for ``state:modified``; called only if it is used.
        also_read: tables that hooks read whatever is selected; those that are declared are kept.

    Raises:
        UsageError: a term is invalid or matches nothing, or nothing is selected.
    """
    chosen, excluded = list(chosen), list(excluded)
    names = (
        _union(graph, chosen, modified)
        if chosen
        else {name for name in graph.nodes if _is_step(graph.nodes[name])}
    )
    left = _union(graph, excluded, modified)
    names -= left
    if not names:
        raise UsageError("nothing is selected")
    objects = {
        above
        for above in _ancestors(graph, names)
        if not _is_step(graph.nodes[above]) and not _is_source(above)
    }
    objects |= {
        name
        for name, node in graph.nodes.items()
        if node.declared
        and not _is_source(name)
        and any(written.name in also_read for written in node.writes)
    }
    # A source is kept for the selected steps that read it; a source of unselected steps need not
    # exist at all.
    sources = {above for name in names | objects for above in graph.needs(name) if _is_source(above)}
    kept = names | objects | (sources - left)
    dag: nx.DiGraph[str] = nx.DiGraph()
    dag.add_nodes_from(name for name in graph.nodes if name in kept)
    # The nearest kept nodes above each node: what it needs, directly or through nodes that are not kept.
    nearest: dict[str, frozenset[str]] = {}
    for name in nx.topological_sort(graph.dag):
        above = [
            frozenset({need}) if need in kept else nearest[need] for need in graph.dag.predecessors(name)
        ]
        nearest[name] = frozenset().union(*above)
        if name in kept:
            dag.add_edges_from((need, name) for need in sorted(nearest[name]))
    return Graph({name: node for name, node in graph.nodes.items() if name in kept}, dag)


def _ancestors(graph: Graph, names: Iterable[str]) -> set[str]:
    """Return all nodes that some of the names need, directly or not."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        for need in graph.dag.predecessors(waiting.pop()):
            if need not in found:
                found.add(need)
                waiting.append(need)
    return found


def _is_source(name: str) -> bool:
    return name.partition(".")[0] == "sources"


def _is_step(node: Node) -> bool:
    return not node.declared


def _union(graph: Graph, texts: Iterable[str], modified: Callable[[], Collection[str]] | None) -> set[str]:
    found: set[str] = set()
    for text in texts:
        for part in text.split():
            found |= set.intersection(*(_term(graph, term, modified) for term in part.split(",")))
    return found


def _term(graph: Graph, term: str, modified: Callable[[], Collection[str]] | None) -> set[str]:
    match = _TERM.match(term)
    if not match:
        raise UsageError(
            f"{term!r} is not a selection: write STEP, +STEP, STEP+, 2+STEP, type:TYPE, tag:TAG or state:modified"
        )
    base = _named(graph, match["what"], modified)
    found = set(base)
    for sign, direction in ((match["up"], graph.dag.reverse(copy=False)), (match["down"], graph.dag)):
        if sign is not None:
            depth = int(sign) if sign else None
            for name in base:
                found |= set(nx.single_source_shortest_path_length(direction, name, cutoff=depth))
    return {name for name in found if name in base or _is_step(graph.nodes[name])}


def _named(graph: Graph, what: str, modified: Callable[[], Collection[str]] | None) -> set[str]:
    method, colon, value = what.partition(":")
    steps = {name: node for name, node in graph.nodes.items() if _is_step(node)}
    if not colon:
        # The brackets in the name of a foreach node are not a character class.
        plain = what.replace("[", "[[]") if what.endswith("]") else what
        found = {
            name
            for name in graph.nodes
            if any(fnmatch.fnmatchcase(text, plain) for text in (name, base_name(name)))
        }
        if not found:
            hint = did_you_mean(what, graph.nodes)
            raise UsageError(f"no step {what!r}" + (f"; {hint}" if hint else ""))
        return found
    if method == "type":
        found = {name for name, node in steps.items() if fnmatch.fnmatchcase(node.step.type_name, value)}
    elif method == "tag":
        found = {name for name, node in steps.items() if value in node.step.settings.tags}
    elif method == "state" and value == "modified":
        if modified is None:
            raise UsageError(
                "state:modified needs the run metadata of the target, and `plan --offline` has no connection: use it with "
                "`run`, or with `plan` without --offline"
            )
        return set(modified()) & set(steps)
    else:
        raise UsageError(f"{what!r} is not a selection: the methods are type:, tag: and state:modified")
    if not found:
        by_type = {node.step.type_name for node in steps.values()}
        by_tag = {tag for node in steps.values() for tag in node.step.settings.tags}
        known = sorted(by_type if method == "type" else by_tag)
        raise UsageError(f"no step has the {method} {value!r}; there are: {', '.join(known) or 'none'}")
    return found
