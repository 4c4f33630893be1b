"""A pipeline as a graph of Snowflake's tasks: their names and links, and Snowflake's limits on both.

https://docs.snowflake.com/en/user-guide/tasks-graphs
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import networkx as nx

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.tasks import Task
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.sql import Identifier
from snowpipe_ml.text.problems import Problem

MOST_TASKS, MOST_LINKS, LONGEST_NAME = 1000, 100, 255


@dataclass(frozen=True)
class Linked:
    """A task of the pipeline as one of Snowflake's.

    Attributes:
        task: the task.
        name: its name on Snowflake.
        after: the tasks that it follows, without those that these follow; the root task if empty.
    """

    task: Task
    name: Identifier
    after: tuple[Identifier, ...]


def prefix_of(spec: Spec) -> str:
    """Return the name of the root task of a pipeline, with which the names of its other tasks begin."""
    return _folded(spec.pipeline.name)


def _folded(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", text).upper()


def linked(spec: Spec, tasks: Sequence[Task]) -> list[Linked]:
    """Name and link the tasks of a pipeline, in an order in which they can be created.

    An edge that others imply is omitted: a task follows what the tasks before it follow.
    """
    names = {task.name: Identifier(f"{prefix_of(spec)}__{_folded(task.name)}") for task in tasks}
    edges: nx.DiGraph[str] = nx.DiGraph()
    edges.add_nodes_from(names)
    edges.add_edges_from((need, task.name) for task in tasks for need in task.needs)
    reduced = nx.transitive_reduction(edges)
    return [
        Linked(
            task,
            names[task.name],
            tuple(names[need] for need in task.needs if reduced.has_edge(need, task.name)),
        )
        for task in tasks
    ]


def limit_problems(spec: Spec, graph: Graph, found: Iterable[Linked]) -> list[Problem]:
    """Return why a pipeline cannot be a graph of Snowflake's tasks: too many tasks or links, or bad names."""
    found = list(found)
    problems: list[Problem] = []

    def report(message: str, one: Linked | None) -> None:
        path = ("schedule",) if one is None else graph.nodes[one.task.nodes[0]].path[:2]
        problems.append(spec.document.problem(message, path, key=True))

    # With the root task and the finalizer.
    if len(found) + 2 > MOST_TASKS:
        report(
            f"the pipeline has {len(found)} tasks, and a task graph has at most {MOST_TASKS - 2} besides its root task "
            "and its finalizer",
            None,
        )
    children = Counter(name for one in found for name in one.after)
    first = sum(not one.after for one in found)
    if first > MOST_LINKS:
        report(
            f"{first} steps need no other, and a task has at most {MOST_LINKS} child tasks: let some of them `needs` "
            "another",
            None,
        )
    taken: dict[Identifier, Linked] = {}
    for one in found:
        if len(one.after) > MOST_LINKS:
            report(
                f"{one.task.name} needs {len(one.after)} others, and a task has at most {MOST_LINKS} predecessors",
                one,
            )
        if children[one.name] > MOST_LINKS:
            report(
                f"{children[one.name]} steps need {one.task.name}, and a task has at most {MOST_LINKS} child tasks",
                one,
            )
        if len(one.name.name) > LONGEST_NAME:
            report(f"the name of the task {one.name.name} has more than {LONGEST_NAME} characters", one)
        other = taken.setdefault(one.name, one)
        if other is not one:
            report(f"{other.task.name} and {one.task.name} would both be the task {one.name.name}", one)
    return problems
