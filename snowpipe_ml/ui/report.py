"""The report of a run: one self-contained HTML file."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.engine.records.history import History, StepRecord
from snowpipe_ml.plugins.results import ShownChart
from snowpipe_ml.spec.fanout import is_object
from snowpipe_ml.steps.forecasting.leaderboard import BASELINES
from snowpipe_ml.steps.forecasting.words import SCORES
from snowpipe_ml.steps.report.reported import Reported
from snowpipe_ml.text.durations import seconds_text
from snowpipe_ml.ui.graph_drawing import HEIGHT, draw_graph, duration_text, is_drawn
from snowpipe_ml.ui.pages import line_chart, render_page
from snowpipe_ml.ui.reported import read_forecasts_of

if TYPE_CHECKING:
    import networkx as nx

_WORST = 10
_ABREAST = {"broad": 5, "slim": 2}  # steps beside each other in the graph, on a desktop and on a phone
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)  # seconds
_TICKS = 5
_TILE = 130  # pixels
# The columns of a leaderboard that are shown, if the table has them.
_COLUMNS = (
    "MODEL",
    "RMSE",
    "MAE",
    "MASE",
    "RMSSE",
    "SMAPE",
    "BIAS",
    "TOTAL_BIAS",
    "PINBALL",
    "COVERAGE",
    "WQL",
    "WEIGHT",
    "SECONDS",
    "SERIES",
)


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
    """A metric over several runs; ``chart`` is the name of its chart."""

    step: str
    name: str
    last: str
    low: str
    high: str
    count: int
    chart: str


def report_path(pipeline: Pipeline, run_id: str) -> Path:
    """Return the path of the report of a run: ``.snowpipe/reports/RUN.html`` beside the spec."""
    return pipeline.path.resolve().parent / ".snowpipe" / "reports" / f"{run_id}.html"


def last_report(pipeline: Pipeline, target: str | None, run: str | None, output: Path | None = None) -> Path:
    """Write the report of a run, the last one if none is given, and return its path."""
    with pipeline.history(target) as history:
        name = history.run(run).id
        return write_report(history, pipeline, target, output or report_path(pipeline, name), name)


def write_report(
    history: History, pipeline: Pipeline, target: str | None, path: Path, run_id: str | None = None
) -> Path:
    """Write the report of a run, with the forecasts that the target still has from it.

    Args:
        history: the run metadata.
        pipeline: the pipeline; nodes without a record in the run are drawn without a result.
        target: the target's name; the default target if None.
        path: the file.
        run_id: the run; the last one if None.

    Returns:
        The file's path.

    Raises:
        UsageError: the run does not exist, or there is no run yet.
    """
    _, graph, ctx = pipeline.load(target)
    run = history.run(run_id).id
    forecasts, problem = read_forecasts_of(history, run, graph, ctx)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = report_html(history, graph.dag, run, forecasts, problem)
    path.write_text(text, encoding="utf-8")
    return path


def report_html(
    history: History,
    dag: nx.DiGraph[str],
    run_id: str | None = None,
    forecasts: Sequence[Reported] = (),
    problem: str = "",
) -> str:
    """Render the report of a run as HTML; see :func:`write_report`.

    Args:
        history: the run metadata.
        dag: the graph of the pipeline.
        run_id: the run; the last one if None.
        forecasts: the forecasts with all their series. Of others, the run metadata has a few charts.
        problem: why forecasts are missing here; empty if none are.
    """
    run = history.run(run_id)
    records = history.steps(run.id)
    standing = history.standing(run.id)
    shown = [record for record in records if is_drawn(record.step) or record.status in ("failed", "skipped")]
    by_step = {record.step: record for record in records}
    whole = {of.step for of in forecasts}
    recorded = [
        (record.step, chart, f"{record.step}:{place}")
        for record in standing
        if record.step not in whole
        for place, chart in enumerate(record.charts)
    ]
    metrics = list(_metrics(history.metrics(run.id)))
    bars, lasted = _bars(shown)
    charts = {name: _recorded(chart) for _, chart, name in recorded}
    charts |= {metric.chart: chart for metric, chart in metrics}
    return render_page(
        "report.html.j2",
        {"charts": charts, "forecasts": [_embedded(of) for of in forecasts]},
        ("charts.js", "report.js"),
        run={
            "id": run.id,
            "pipeline": history.pipeline,
            "target": history.target,
            "status": run.status,
            "started_at": run.started_at,
            "seconds": run.seconds,
            "counts": list(_counts(records)),
        },
        steps=shown,
        errors=[record for record in records if record.status == "failed"],
        warnings=[(record.step, text) for record in records for text in record.details.get("warnings") or ()],
        drawings=[(layout, draw_graph(dag, by_step, abreast)) for layout, abreast in _ABREAST.items()],
        height=HEIGHT,
        bars=bars,
        ticks=_ticks(lasted),
        metrics=[metric for metric, _ in metrics],
        spec=run.spec,
        duration=duration_text,
        checks=[(record.step, check) for record in standing for check in record.checks],
        pictures=[
            (record.step, item["title"], _data_url(item["svg"]))
            for record in standing
            for item in record.pictures
        ],
        charts=[(step, chart["title"], name) for step, chart, name in recorded],
        why_recorded=f": {problem}" if problem else "",
        forecasts=[_shown(of) for of in forecasts],
        baselines=BASELINES,
    )


def _embedded(of: Reported) -> dict[str, object]:
    """Return forecasts as ``report.js`` reads them; short names keep the file small."""
    return {
        "key": of.key,
        "value": of.value,
        "noun": of.noun,
        "dates": of.dates,
        "curves": [
            {
                "k": one.key,
                "s": one.start,
                "a": one.actual,
                "p": one.ahead,
                "u": one.future,
                "f": one.forecast,
                "l": one.low,
                "h": one.high,
                "m": one.model,
                "n": one.note,
                "t": one.total,
            }
            for one in of.curves
        ],
        "scores": [
            {"k": one.key, "m": one.mase, "e": one.mae, "n": one.baseline, "b": one.baseline_mae}
            for one in of.scores
        ],
    }


def _shown(of: Reported) -> dict[str, Any]:
    """Return what the template shows of forecasts."""
    present = [name for name in _COLUMNS if any(row.get(name) is not None for row in of.board)]
    compared = [one for one in of.scores if one.baseline_mae is not None]
    beaten = sum(one.mae < (one.baseline_mae or 0.0) for one in compared)
    highest = max((share for *_, share in of.importance), default=0.0) or 1.0
    return {
        "table": of.table,
        "step": of.step,
        "noun": of.noun,
        "key": of.key,
        "curves": of.curves,
        "series": of.series,
        "more": of.series > len(of.curves),
        "scores": of.scores,
        "worst": [one for one in of.scores if one.mase is not None][:_WORST],
        "beaten": f"By mean absolute error, {of.used} beats the best baseline for {beaten:,} of {len(compared):,} series."
        if compared
        else "",
        "without": of.without,
        "unlisted": of.unlisted,
        "board": of.board,
        "used": of.used,
        "columns": [(name, SCORES.get(name, "")) for name in present],
        "importance": [
            (name, words, f"{100 * share:.1f} %", round(100 * share / highest, 1))
            for name, words, share in of.importance
        ],
    }


def _recorded(chart: ShownChart) -> dict[str, object]:
    """Return a chart of the run metadata as ``charts.js`` draws it."""
    low, high = chart.get("low") or [], chart.get("high") or []
    found = line_chart(
        chart["title"],
        chart["x"],
        chart.get("x_title") or "period",
        chart.get("y_title") or "value",
        chart["lines"],
    )
    if any(value is not None for value in low):
        found["band"] = {"name": "interval", "low": low, "high": high}
    return found


def _data_url(svg: str) -> str:
    """Encode an SVG as an image URL: as an image it cannot run scripts or load resources."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _counts(records: Sequence[StepRecord]) -> Iterator[tuple[int, str, str]]:
    """Yield how many steps and how many declared objects there are, of which kind, and their states."""
    drawn = [record for record in records if is_drawn(record.step)]
    sources = any(is_object(record.step) for record in drawn)
    others = [record for record in records if not is_drawn(record.step)]
    for found, noun in (
        (drawn, "steps and sources" if sources else "steps"),
        (others, "other declared objects" if sources else "declared objects"),
    ):
        states = Counter(record.status for record in found)
        told = ", ".join(f"{count} {status}" for status, count in sorted(states.items()))
        if found:
            yield len(found), noun, told if len(states) > 1 else f"all {next(iter(states))}"


def _bars(records: Sequence[StepRecord]) -> tuple[list[_Bar], float]:
    """Return the bars of the steps with a duration, in the order in which they started, and the seconds of all."""
    timed = [
        (record, record.at - timedelta(seconds=record.seconds or 0)) for record in records if record.seconds
    ]
    if not timed:
        return [], 0.0
    first = min(begin for _, begin in timed)
    whole = max((max(record.at for record, _ in timed) - first).total_seconds(), 0.001)
    bars = [
        _Bar(
            record.step,
            record.status,
            round((begin - first).total_seconds() * 100 / whole, 2),
            round((record.seconds or 0) * 100 / whole, 2),
            record.seconds or 0,
        )
        for record, begin in sorted(timed, key=lambda item: item[1])
    ]
    return bars, whole


def _ticks(whole: float) -> list[tuple[float, str]]:
    """Return the ticks of the time axis of so many seconds: (percent, text)."""
    step = next((step for step in _STEPS if whole / step <= _TICKS), whole / _TICKS)
    return (
        [
            (
                round(100 * number * step / whole, 2),
                f"{number * step:g} s" if step < 60 else seconds_text(number * step),
            )
            for number in range(int(whole / step) + 1)
        ]
        if whole
        else []
    )


def _metrics(
    values: Iterable[tuple[str, str, Sequence[tuple[datetime, float]]]],
) -> Iterator[tuple[_Metric, dict[str, object]]]:
    """Yield each metric that several runs have recorded, with its chart."""
    for step, name, points in values:
        if len(points) < 2:
            continue
        numbers = [value for _, value in points]
        chart = f"metric:{step}:{name}"
        yield (
            _Metric(
                step,
                name,
                _number(numbers[-1]),
                _number(min(numbers)),
                _number(max(numbers)),
                len(numbers),
                chart,
            ),
            line_chart(
                f"{name} of {step}",
                [f"{at:%m-%d %H:%M}" for at, _ in points],
                "run",
                name.partition(" ")[0],
                {name: numbers},
                height=_TILE,
            ),
        )


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"
