"""The charts of the page Runs: the graph of a run as DOT, and its timeline."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snowpipe_ml.dashboard.charts.colors import GREEN, GREY, INK, ORANGE, RED
from snowpipe_ml.ui.graph_drawing import rows_of

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

STATES: Mapping[str, str] = {
    "success": GREEN,
    "failed": RED,
    "running": INK,
    "skipped": ORANGE,
    "reused": GREY,
    "omitted": GREY,
}
"""The states of a step, with their colours."""


@dataclass(frozen=True)
class Box:
    """A node of a graph.

    Attributes:
        name: its name.
        facts: what is written below the name, on one line where there is room.
        state: a key of :data:`STATES`, or anything else for a node without a state.
    """

    name: str
    facts: tuple[str, ...] = ()
    state: str = ""


def dot(boxes: Iterable[Box], edges: Sequence[tuple[str, str]], abreast: int | None = None) -> str:
    """Return a graph in the language of Graphviz, downwards.

    Args:
        boxes: the nodes, each after those that it depends on if ``abreast`` is given.
        edges: the dependencies.
        abreast: how many nodes are beside each other at most, for a narrow screen; as many as fit by default.
    """
    boxes = list(boxes)
    lines = [
        "digraph {",
        '  bgcolor="transparent"; nodesep=0.15; ranksep=0.3;',
        '  node [shape=box, style="rounded,filled", fillcolor="white", fontname="sans-serif", fontsize=11, height=0.3];',
        f'  edge [color="{GREY}", arrowsize=0.6];',
    ]
    for box in boxes:
        color = STATES.get(box.state, GREY)
        style = "rounded,filled,dashed" if box.state in ("reused", "omitted", "") else "rounded,filled"
        told = (" · ".join(box.facts),) if abreast is None else box.facts
        label = "\\n".join(_text(line) for line in (box.name, *told) if line)
        lines.append(
            f'  "{_text(box.name)}" [label="{label}", color="{color}", fontcolor="#1f2937", '
            f'style="{style}", penwidth={1.0 if style.endswith("dashed") else 1.8}];'
        )
    lines += [f'  "{_text(a)}" -> "{_text(b)}";' for a, b in edges]
    if abreast is not None:
        rows = rows_of([box.name for box in boxes], edges, abreast)
        for row in rows:
            names = "; ".join(f'"{_text(name)}"' for name in row)
            lines.append(f"  {{rank=same; {names};}}")
        # An edge that nobody sees keeps each row below the one before it.
        lines += [
            f'  "{_text(above[0])}" -> "{_text(row[0])}" [style=invis, weight=0];'
            for above, row in itertools.pairwise(rows)
        ]
    return "\n".join([*lines, "}"])


def _text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def timeline(steps: pd.DataFrame) -> alt.Chart:
    """Draw when each step ran: STEP, STATUS, BEGIN, END, SECONDS."""
    import altair as alt

    chart: alt.Chart = (
        alt.Chart(steps, height=alt.Step(20))
        .mark_bar()
        .encode(
            y=alt.Y(
                "STEP:N",
                sort=list(steps["STEP"]),
                title=None,
                axis=alt.Axis(labelLimit=220, labelFlush=False),
            ),
            x=alt.X("BEGIN:Q", title="seconds from the start"),
            x2="END:Q",
            color=alt.Color(
                "STATUS:N",
                title=None,
                scale=alt.Scale(domain=list(STATES), range=list(STATES.values())),
                legend=None,
            ),
            tooltip=[
                alt.Tooltip("STEP:N", title="step"),
                alt.Tooltip("STATUS:N", title="state"),
                alt.Tooltip("SECONDS:Q", title="seconds", format=",.1f"),
            ],
        )
    )
    return chart
