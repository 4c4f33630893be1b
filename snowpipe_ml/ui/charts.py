"""Line charts as SVG, drawn from the run metadata."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from snowpipe_ml.plugins.results import ShownChart

WIDTH, HEIGHT = 520, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 10, 24


@dataclass(frozen=True)
class Drawing:
    """A chart in SVG coordinates.

    Attributes:
        lines: (name, path) of each line; a path has gaps where there is no value.
        band: the outline of the band; empty if there is none.
        across: (y, text) of the horizontal grid lines.
        along: (x, text, anchor) of the labels below.
    """

    title: str
    lines: list[tuple[str, str]]
    band: str
    across: list[tuple[float, str]]
    along: list[tuple[float, str, str]]


def draw_chart(chart: ShownChart) -> Drawing:
    """Draw a chart of the run metadata."""
    x, lines = chart["x"], chart["lines"]
    low, high = chart.get("low") or (), chart.get("high") or ()
    values = [value for line in (*lines.values(), low, high) for value in line if value is not None]
    steps = _steps(min(values, default=0.0), max(values, default=1.0))
    bottom, span = steps[0], steps[-1] - steps[0]

    def across(index: int) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * index / max(1, len(x) - 1)

    def up(value: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (value - bottom) / span

    def path(line: Sequence[float | None]) -> str:
        parts, drawing = [], False
        for index, value in enumerate(line):
            if value is not None:
                parts.append(f"{'L' if drawing else 'M'}{across(index):.1f},{up(value):.1f}")
            drawing = value is not None
        return " ".join(parts)

    pairs = [
        (i, a, b) for i, (a, b) in enumerate(zip(low, high, strict=True)) if a is not None and b is not None
    ]
    edge = [f"{across(i):.1f},{up(b):.1f}" for i, _, b in pairs]
    edge += [f"{across(i):.1f},{up(a):.1f}" for i, a, _ in reversed(pairs)]
    ends = [(across(0), x[0], "start"), (across(len(x) - 1), x[-1], "end")] if len(x) > 1 else []
    return Drawing(
        chart["title"],
        [(name, path(line)) for name, line in lines.items()],
        f"M{' L'.join(edge)} Z" if edge else "",
        [(up(step), f"{step:g}") for step in steps],
        ends,
    )


def _steps(low: float, high: float) -> list[float]:
    """Three to six round numbers that enclose the lowest and highest values, and zero if it is near."""
    if 0 < low < high / 2:
        low = 0.0
    rough = max(high - low, abs(high) / 10, 1e-9) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    width = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    first, last = math.floor(low / width), math.ceil(high / width)
    return [round(step * width, 10) for step in range(first, max(last, first + 1) + 1)]
