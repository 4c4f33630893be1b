"""The graph of steps as a drawing: boxes in rows from top to bottom, and curves between them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snowpipe_ml.engine.records.history import StepRecord
from snowpipe_ml.spec.fanout import is_object
from snowpipe_ml.text.durations import seconds_text

if TYPE_CHECKING:
    import networkx as nx

HEIGHT = 40
"""The height of a box in pixels."""
_GAP, _BETWEEN, _PAD = 28, 14, 4
_NAME, _FACT = 7.2, 6.6  # pixels of a letter in the two lines of a box
_SIDES = 20
_SWEEPS = 4
_SHORTEST = 0.05  # seconds; less would be written as 0.0 s


@dataclass(frozen=True)
class Box:
    """A step in the drawing; ``facts`` is the line below its name."""

    name: str
    facts: str
    status: str
    title: str
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Edge:
    """A part of a line as a path of SVG; ``arrives`` if it ends at a step."""

    path: str
    arrives: bool


@dataclass(frozen=True)
class Drawing:
    """The boxes and the edges."""

    nodes: list[Box]
    edges: list[Edge]
    width: float
    height: float


NOT_RUN = "not in this run"


def is_drawn(node: str) -> bool:
    """Return whether a node of the graph is shown: a step or a source, and no other declared object."""
    return not is_object(node) or node.startswith("sources.")


def draw_graph(dag: nx.DiGraph[str], records: Mapping[str, StepRecord], abreast: int) -> Drawing:
    """Lay out the steps in rows from top to bottom, each below its dependencies.

    Args:
        dag: the graph of the pipeline.
        records: the results of the run by step.
        abreast: how many steps are beside each other at most.
    """
    import networkx as nx

    steps = nx.transitive_reduction(nx.DiGraph(dag.subgraph(node for node in dag if is_drawn(node))))
    if not steps:
        return Drawing([], [], 0, 0)
    rows = rows_of(_ordered(steps), list(steps.edges), abreast)
    routed, layers = _routed(steps, rows)
    facts = {name: step_facts(records.get(name)) for name in steps}
    widths = {
        name: max(len(name) * _NAME, len(facts[name]) * _FACT) + _SIDES if name in facts else 0.0
        for name in routed
    }
    middles = _middles(routed, layers, widths)
    left = min(middles[name] - widths[name] / 2 for name in middles) - _PAD
    middles = {name: middle - left for name, middle in middles.items()}
    tops = {name: _PAD + row * (HEIGHT + _GAP) for row, layer in enumerate(layers) for name in layer}
    boxes = []
    for name in steps:
        record = records.get(name)
        boxes.append(
            Box(
                name,
                facts[name],
                record.status if record else "none",
                record.message if record else "",
                round(middles[name] - widths[name] / 2, 1),
                tops[name],
                round(widths[name], 1),
            )
        )
    edges = [
        Edge(
            _curve((middles[above], tops[above]), (middles[below], tops[below]), through=below not in facts),
            below in facts,
        )
        for above, below in routed.edges
    ]
    width = max(middles[name] + widths[name] / 2 for name in middles) + _PAD
    return Drawing(boxes, edges, round(width), _PAD + len(layers) * (HEIGHT + _GAP) - _GAP + _PAD)


def duration_text(seconds: float) -> str:
    """Format the duration of a step, which is never ``0.0 s``."""
    return seconds_text(seconds) if seconds >= _SHORTEST else "<0.1 s"


def step_facts(record: StepRecord | None) -> str:
    """Return the state of a step unless it ran, its time and its rows on one line."""
    return NOT_RUN if record is None else " · ".join(facts(record.status, record.seconds, record.rows))


def facts(status: str, seconds: float | None, rows: int | None) -> list[str]:
    """Return what the box of a step says: its state unless it ran, its time and its rows."""
    told = [] if status == "success" else [status]
    if seconds is not None and status not in ("reused", "skipped", "omitted"):
        told.append(duration_text(seconds))
    if rows is not None:
        told.append(f"{rows:,} row{'' if rows == 1 else 's'}")
    return told


def rows_of(names: Sequence[str], edges: Iterable[tuple[str, str]], most: int) -> list[list[str]]:
    """Put each node into the first row below its dependencies that has a place.

    A node without dependencies is moved down to the last row above all nodes that depend on it.

    Args:
        names: the nodes, each after those that it depends on.
        edges: the dependencies.
        most: the number of places in a row.
    """
    above: dict[str, list[str]] = {name: [] for name in names}
    below: dict[str, list[str]] = {name: [] for name in names}
    for one, other in edges:
        above[other].append(one)
        below[one].append(other)
    rows: list[list[str]] = []
    row_of: dict[str, int] = {}
    for name in names:
        row = max((row_of[one] + 1 for one in above[name] if one in row_of), default=0)
        while row < len(rows) and len(rows[row]) >= most:
            row += 1
        if row == len(rows):
            rows.append([])
        rows[row].append(name)
        row_of[name] = row
    for name in names:
        if above[name] or not below[name]:
            continue
        last = min(row_of[one] for one in below[name]) - 1
        for row in range(last, row_of[name], -1):
            if len(rows[row]) < most:
                rows[row_of[name]].remove(name)
                rows[row].append(name)
                row_of[name] = row
                break
    return [row for row in rows if row]


def _ordered(steps: nx.DiGraph[str]) -> list[str]:
    """Return the steps by their distance from the beginning, and those that need nothing just before their readers."""
    import networkx as nx

    depth = {
        name: number
        for number, generation in enumerate(nx.topological_generations(steps))
        for name in generation
    }
    for name in steps:
        if not steps.in_degree(name):
            depth[name] = min((depth[one] - 1 for one in steps.successors(name)), default=0)
    return sorted(steps, key=lambda name: (depth[name], name))


def _routed(steps: nx.DiGraph[str], rows: Sequence[Sequence[str]]) -> tuple[nx.DiGraph[str], list[list[str]]]:
    """Add a waypoint in each row that an edge crosses, so that no line is drawn through a step.

    Lines to one step share their waypoints, and so do lines from one step to steps that need nothing else.
    """
    import networkx as nx

    layers = [list(row) for row in rows]
    row_of = {name: number for number, row in enumerate(rows) for name in row}
    routed: nx.DiGraph[str] = nx.DiGraph()
    routed.add_nodes_from(steps)
    for above, below in steps.edges:
        shared = f"to {below}" if steps.in_degree(below) > 1 else f"from {above}"
        before = above
        for row in range(row_of[above] + 1, row_of[below]):
            waypoint = f"{shared}, row {row}"
            if waypoint not in routed:
                layers[row].append(waypoint)
            routed.add_edge(before, waypoint)
            before = waypoint
        routed.add_edge(before, below)
    return routed, layers


def _middles(
    routed: nx.DiGraph[str], layers: Sequence[Sequence[str]], widths: Mapping[str, float]
) -> dict[str, float]:
    """Return the middle of each node on the x axis, near its neighbours in the rows above and below.

    The drawing is as wide as its widest row.
    """
    whole = max(sum(widths[name] + _BETWEEN for name in layer) for layer in layers) - _BETWEEN
    found: dict[str, float] = {}

    def place(layer: Iterable[str], neighbours: Callable[[str], Iterable[str]]) -> None:
        wanted = {}
        for name in layer:
            middles = [found[one] for one in neighbours(name)]
            wanted[name] = sum(middles) / len(middles) if middles else found.get(name, whole / 2)
        found.update(_placed(wanted, widths, whole))

    for layer in layers:
        place(layer, routed.predecessors)
    for _ in range(_SWEEPS):
        for layer in reversed(layers[:-1]):
            place(layer, routed.successors)
        for layer in layers[1:]:
            place(layer, routed.predecessors)
    return found


def _placed(wanted: Mapping[str, float], widths: Mapping[str, float], whole: float) -> dict[str, float]:
    """Place the nodes of a row as near as possible to where they are wanted, without overlaps.

    This is an isotonic regression: nodes that would overlap form a block around their common mean.
    """
    names = sorted(wanted, key=lambda name: (wanted[name], name))
    offsets = [0.0]
    for one, other in itertools.pairwise(names):
        offsets.append(offsets[-1] + (widths[one] + widths[other]) / 2 + _BETWEEN)
    blocks: list[tuple[float, int]] = []
    for name, offset in zip(names, offsets, strict=True):
        mean, count = wanted[name] - offset, 1
        while blocks and blocks[-1][0] > mean:
            before, size = blocks.pop()
            mean, count = (before * size + mean * count) / (size + count), size + count
        blocks.append((mean, count))
    least, most = widths[names[0]] / 2, whole - widths[names[-1]] / 2 - offsets[-1]
    starts = [max(least, min(most, mean)) for mean, count in blocks for _ in range(count)]
    return {name: start + offset for name, start, offset in zip(names, starts, offsets, strict=True)}


def _curve(start: tuple[float, float], end: tuple[float, float], through: bool) -> str:
    """Return a path from below a node to the top of another, and on to below it if it is a waypoint."""
    (x1, y1), (x2, y2) = start, end
    y1 += HEIGHT
    middle = (y1 + y2) / 2
    curve = f"M{x1:.0f},{y1:.0f} C{x1:.0f},{middle:.0f} {x2:.0f},{middle:.0f} {x2:.0f},{y2:.0f}"
    return f"{curve} V{y2 + HEIGHT:.0f}" if through else curve
