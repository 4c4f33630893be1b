"""What a person sees on a terminal while a run goes on."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.events import Event, RunStarted, StepFinished, StepProgress, StepStarted
from snowpipe_ml.ui.terminal import Checklist
from snowpipe_ml.ui.tree import LiveTree
from tests.conftest import write_spec

SPEC = """\
vars: {regions: [north, south, east]}
stages: {s: {}}
steps:
  base: {type: transform, query: SELECT 1 AS X, writes: base}
  load: {type: transform, foreach: "{{ vars.regions }}", writes: "load_{{ item }}",
         query: "SELECT X FROM {{ ref('base') }}"}
  all: {type: transform, query: "SELECT * FROM {{ ref('load_north') }} UNION ALL SELECT * FROM {{ ref('load_east') }}", writes: all_of_them}
  last: {type: transform, query: "SELECT A.X FROM {{ ref('base') }} A JOIN {{ ref('all_of_them') }} B ON A.X = B.X", writes: last}
  apart: {type: transform, query: SELECT 2 AS X, writes: apart}
"""


def drawn(tree: LiveTree) -> list[str]:
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(tree)
    return [line.rstrip() for line in console.export_text().splitlines()]


class Watched:
    """Draws the tree of a run whenever a step begins."""

    def __init__(self) -> None:
        self.seen: dict[str, list[str]] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self.tree = LiveTree(event.steps, event.needs)
                self.seen["before"] = drawn(self.tree)
            case StepStarted():
                self.tree.started(event.step)
                self.seen[event.step] = drawn(self.tree)
            case StepFinished():
                self.tree.finished(event.step)
                self.seen["after"] = drawn(self.tree)


def test_what_runs_has_what_waits_for_it_below(tmp_path: Path) -> None:
    watched = Watched()
    assert Pipeline.from_yaml(write_spec(tmp_path, SPEC)).run(listeners=[watched], threads=1).ok
    assert watched.seen["before"] == watched.seen["after"] == []
    lines = watched.seen["base"]
    assert re.fullmatch(r"… base +0\.\d s", lines[0])
    assert lines[1:] == ["└── load", "    └── all", "        └── last", "apart"]
    first, *_, end = watched.seen["load[south]"]
    assert first.split()[1] == "load"
    assert first.endswith("1/3 1 at once")
    assert end == "apart"
    assert [line.split()[:2] for line in watched.seen["last"]] in ([["…", "last"]], [["…", "last"], ["apart"]])


def test_a_long_queue_is_counted() -> None:
    steps = [f"s{number}" for number in range(40)]
    tree = LiveTree(steps, dict.fromkeys(steps[1:], ("s0",)))
    tree.started("s0")
    lines = drawn(tree)
    assert len(lines) == 15
    assert lines[-1] == "26 more wait"


def test_progress_is_a_bar() -> None:
    tree = LiveTree(["train"], {})
    tree.started("train")
    tree.progressed(StepProgress("train", 5, 10, "partitions"))
    (line,) = drawn(tree)
    assert line.count("━") == 20
    assert line.endswith("5/10 partitions")


@pytest.mark.parametrize("terminal", [True, False])
def test_what_ended_stays_and_the_tree_goes(tmp_path: Path, terminal: bool) -> None:
    stream = io.StringIO()
    console = Console(width=100, file=stream, force_terminal=terminal, record=True)
    with Checklist(console) as checklist:
        assert Pipeline.from_yaml(write_spec(tmp_path, SPEC)).run(listeners=[checklist]).ok
    ended = re.findall(r"✓\S* (\w+)", console.export_text())
    assert sorted(ended) == ["all", "apart", "base", "last", "load"]
    assert ("\x1b[" in stream.getvalue()) is terminal
