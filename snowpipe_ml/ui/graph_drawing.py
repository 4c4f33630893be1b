"""The graph of steps as a drawing: boxes in columns from left to right, and curves between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snowpipe_ml.engine.records.history import StepRecord
from snowpipe_ml.spec.fanout import is_object

if TYPE_CHECKING:
    import networkx as nx

_ROW, _GAP, _PAD = 48, 56, 12
_LETTER = 7.4  # pixels of a letter in the drawing


@dataclass(frozen=True)
class Box:
    """A step in the drawing."""

    name: str
    status: str
    title: str
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Drawing:
    """The boxes, and the edges as paths of SVG."""

    nodes: list[Box]
    edges: list[str]
    width: float
    height: float


def draw_graph(dag: nx.DiGraph[str], records: Mapping[str, StepRecord]) -> Drawing:
    """Lay out the steps in columns from left to right, each directly after the last of its dependencies."""
    import networkx as nx

    steps = nx.transitive_reduction(
        nx.DiGraph(dag.subgraph(n for n in dag if not is_object(n) or n.startswith("sources.")))
    )
    columns: dict[str, int] = {}
    for name in nx.lexicographical_topological_sort(steps):
        columns[name] = max((columns[above] + 1 for above in steps.predecessors(name)), default=0)
    by_column: dict[int, list[str]] = defaultdict(list)
    for name, column in columns.items():
        by_column[column].append(name)
    routed, waypoints = _routed(steps, columns)
    rows = _order(routed, columns, waypoints)
    widths = {column: max(len(name) for name in names) * _LETTER + 38 for column, names in by_column.items()}
    left = {column: _PAD + sum(widths[before] + _GAP for before in range(column)) for column in by_column}
    boxes: dict[str, Box] = {}
    for name, column in columns.items():
        record = records.get(name)
        boxes[name] = Box(
            name,
            record.status if record else "none",
            record.message if record else "",
            left[column],
            _PAD + rows[name] * _ROW,
            widths[column],
        )

    def middle(waypoint: str) -> tuple[float, float]:
        column = waypoints[waypoint]
        return left[column] + widths[column] / 2, _PAD + rows[waypoint] * _ROW + 15

    edges = []
    for above, below in routed.edges:
        start = (
            middle(above)
            if above in waypoints
            else (boxes[above].x + boxes[above].width, boxes[above].y + 15)
        )
        end = middle(below) if below in waypoints else (boxes[below].x, boxes[below].y + 15)
        edges.append(_curve(start, end))
    width = max((box.x + box.width for box in boxes.values()), default=0) + _PAD
    height = _PAD + max(rows.values(), default=0) * _ROW + 30 + _PAD
    return Drawing(list(boxes.values()), edges, round(width), round(height))


def _routed(steps: nx.DiGraph[str], columns: Mapping[str, int]) -> tuple[nx.DiGraph[str], dict[str, int]]:
    """Add a waypoint in each column that an edge crosses, so that no line is drawn through a step."""
    import networkx as nx

    routed: nx.DiGraph[str] = nx.DiGraph()
    routed.add_nodes_from(steps)
    waypoints: dict[str, int] = {}
    for above, below in steps.edges:
        before = above
        for column in range(columns[above] + 1, columns[below]):
            # The lines to one step share their waypoints.
            waypoint = f"{below} <- {column}"
            waypoints[waypoint] = column
            routed.add_edge(before, waypoint)
            before = waypoint
        routed.add_edge(before, below)
    return routed, waypoints


def _order(
    routed: nx.DiGraph[str], columns: Mapping[str, int], waypoints: Mapping[str, int]
) -> dict[str, float]:
    """Assign a row to each node, near the rows of its dependencies."""
    by_column: dict[int, list[str]] = defaultdict(list)
    for name in routed:
        by_column[waypoints[name] if name in waypoints else columns[name]].append(name)
    rows: dict[str, float] = {}
    for column in sorted(by_column):

        def wanted(name: str) -> float:
            above = [rows[other] for other in routed.predecessors(name)]
            return sum(above) / len(above) if above else 0.0

        at = -1.0
        for name in sorted(by_column[column], key=lambda name: (wanted(name), name)):
            at = max(at + 1, round(wanted(name)))
            rows[name] = at
    return rows


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = start, end
    middle = (x1 + x2) / 2
    return f"M{x1:.0f},{y1:.0f} C{middle:.0f},{y1:.0f} {middle:.0f},{y2:.0f} {x2:.0f},{y2:.0f}"
