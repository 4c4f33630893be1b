"""The report of a run: one self-contained HTML file."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.engine.records.history import History, RunRecord, StepRecord
from snowpipe_ml.spec.fanout import is_object
from snowpipe_ml.ui.charts import draw_chart
from snowpipe_ml.ui.tree import seconds_text

if TYPE_CHECKING:
    import networkx as nx


_ROW, _GAP, _PAD = 48, 56, 12
_LETTER = 7.4  # pixels of a letter in the drawing


@dataclass(frozen=True)
class _Box:
    """A node of the drawing."""

    name: str
    status: str
    title: str
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class _Drawing:
    nodes: list[_Box]
    edges: list[str]
    width: float
    height: float


@dataclass(frozen=True)
class _Bar:
    """A step on the timeline; ``left`` and ``width`` are percentages of the run's duration."""

    step: str
    status: str
    left: float
    width: float
    seconds: float


@dataclass(frozen=True)
class _Metric:
    """A metric over the runs; ``points`` are the points of an SVG polyline of 200 by 44."""

    step: str
    name: str
    last: str
    low: str
    high: str
    count: int
    points: str


def report_path(pipeline: Pipeline, run_id: str) -> Path:
    """Return the path of the report of a run: ``.snowpipe/reports/RUN.html`` beside the spec."""
    return pipeline.path.resolve().parent / ".snowpipe" / "reports" / f"{run_id}.html"


def last_report(pipeline: Pipeline, target: str | None, run: str | None, output: Path | None = None) -> Path:
    """Write the report of a run, the last one if none is given, and return its path."""
    with pipeline.history(target) as history:
        name = history.run(run).id
        path = output or report_path(pipeline, name)
        return write_report(history, pipeline.graph(target).dag, path, name)


def write_report(history: History, dag: nx.DiGraph[str], path: Path, run_id: str | None = None) -> Path:
    """Write the report of a run.

    Args:
        history: the run metadata.
        dag: the graph of the pipeline; nodes without a record in the run are drawn without a result.
        path: the file.
        run_id: the run; the last one if None.

    Returns:
        The file's path.

    Raises:
        UsageError: the run does not exist, or there is no run yet.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report_html(history, dag, run_id), encoding="utf-8")
    return path


def report_html(history: History, dag: nx.DiGraph[str], run_id: str | None = None) -> str:
    """Render the report of a run as HTML; see :func:`write_report`."""
    import jinja2

    run = history.run(run_id)
    records = history.steps(run.id)
    standing = history.standing(run.id)
    shown = [
        record for record in records if not is_object(record.step) or record.status in ("failed", "skipped")
    ]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("snowpipe_ml.ui", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        run={
            "id": run.id,
            "pipeline": history.pipeline,
            "target": history.target,
            "status": run.status,
            "started_at": run.started_at,
            "seconds": run.seconds,
            "counts": sorted(run.steps.items()),
        },
        steps=shown,
        errors=[record for record in records if record.status == "failed"],
        warnings=[(record.step, text) for record in records for text in record.details.get("warnings") or ()],
        drawing=_draw(dag, {record.step: record for record in records}),
        bars=_bars(run, shown),
        metrics=_metrics(history.metrics(run.id)),
        spec=run.spec,
        duration=seconds_text,
        checks=[(record.step, check) for record in standing for check in record.checks],
        pictures=[
            (record.step, item["title"], _data_url(item["svg"]))
            for record in standing
            for item in record.pictures
        ],
        charts=[(record.step, draw_chart(chart)) for record in standing for chart in record.charts],
    )


def _data_url(svg: str) -> str:
    """Encode an SVG as an image URL: as an image it cannot run scripts or load resources."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _draw(dag: nx.DiGraph[str], records: Mapping[str, StepRecord]) -> _Drawing:
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
    boxes: dict[str, _Box] = {}
    for name, column in columns.items():
        record = records.get(name)
        boxes[name] = _Box(
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
    return _Drawing(list(boxes.values()), edges, round(width), round(height))


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


def _bars(run: RunRecord, records: Sequence[StepRecord]) -> list[_Bar]:
    """The bars of the steps with a duration, in the order in which the steps started."""
    timed = [
        (record, record.at - timedelta(seconds=record.seconds or 0)) for record in records if record.seconds
    ]
    if not timed:
        return []
    first = min(begin for _, begin in timed)
    whole = max((max(record.at for record, _ in timed) - first).total_seconds(), 0.001)
    return [
        _Bar(
            record.step,
            record.status,
            round((begin - first).total_seconds() * 100 / whole, 2),
            round((record.seconds or 0) * 100 / whole, 2),
            record.seconds or 0,
        )
        for record, begin in sorted(timed, key=lambda item: item[1])
    ]


def _metrics(values: Iterable[tuple[str, str, list[float]]]) -> list[_Metric]:
    return [_metric(step, name, series) for step, name, series in values if series]


def _metric(step: str, name: str, series: list[float]) -> _Metric:
    low, high = min(series), max(series)
    span = (high - low) or 1.0
    wide = max(1, len(series) - 1)
    points = [(200 * i / wide, 40 - 36 * (value - low) / span) for i, value in enumerate(series)]
    if len(points) == 1:
        points = [(0, 22), (200, 22)]
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return _Metric(step, name, _number(series[-1]), _number(low), _number(high), len(series), text)


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"
