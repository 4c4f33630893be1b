"""Edges of streams: a stream must exist before its table changes, and has its changes after that."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import networkx as nx

from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.plugins import Kind, Resource
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.sql import QualifiedName, StagePath
from snowpipe_ml.steps.declared.streams import StreamStep
from snowpipe_ml.text.problems import Problem

Writers = Mapping[tuple[Kind, QualifiedName | StagePath], Sequence[str]]


def made_before(writers: Collection[str], nodes: Mapping[str, Node]) -> list[str]:
    """Return the writers of a table that must run before a stream on it is created.

    The declaration of the table suffices. If there is none, the step that creates the table runs first, and the
    stream has its first rows only with ``show_initial_rows``.
    """
    declared = [name for name in writers if nodes[name].declared]
    return declared or list(writers)


def connect_streams(
    spec: Spec, nodes: Mapping[str, Node], writers: Writers, dag: nx.DiGraph[str]
) -> Iterator[Problem]:
    """Add the edges of the streams: table or stage, stream, steps that change it, step that consumes the stream.

    Yields:
        A problem for each stream that two steps consume, as each would get only a part of the changes, and for each
        step that changes what it consumes.
    """
    for stream in nodes.values():
        if not isinstance(stream.step, StreamStep):
            continue
        of = _writers_of(stream, writers)
        changing = [name for name in of if not nodes[name].declared]
        if len(changing) < len(of):  # its table is declared
            dag.add_edges_from((stream.name, name) for name in changing)
        own = Resource(Kind.STREAM, QualifiedName((stream.step.object,)))
        consumers = [node for node in nodes.values() if own in node.reads]
        dag.add_edges_from((name, node.name) for node in consumers for name in changing if name != node.name)
        for node in consumers:
            if node.name in changing:
                yield spec.document.problem(
                    f"{node.name!r} changes the table whose changes it consumes, so that it has changes again",
                    (*node.path, "into"),
                    hint="merge them into another table",
                )
        for node in consumers[1:]:
            yield spec.document.problem(
                f"{own} is consumed by {consumers[0].name!r} already",
                (*node.path, "from", "stream"),
                hint="declare a second stream on the same table: each has all changes",
            )


def _writers_of(stream: Node, writers: Writers) -> list[str]:
    """Return the nodes that create or change what a stream tracks."""
    found: dict[str, None] = {}
    tracked = [resource for resource in stream.reads if resource.kind is not Kind.WAREHOUSE]
    for resource in tracked:
        for (kind, name), names in writers.items():
            of = name.stage if isinstance(name, StagePath) else name
            if kind is resource.kind and of == resource.name:
                found |= dict.fromkeys(names)
    return list(found)
