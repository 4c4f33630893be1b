"""The terminal display during a run."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.events import Event, RunFinished, RunStarted, StepProgress, StepStarted
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


class Watched(Checklist):
    """A display that records its tree whenever a step starts, and at the end."""

    def __init__(self) -> None:
        super().__init__(Console(width=100, file=io.StringIO()))
        self.seen: dict[str, list[str]] = {}

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        match event:
            case RunStarted():
                self.seen["before"] = drawn(self._tree)
            case StepStarted():
                self.seen[event.step] = drawn(self._tree)
            case RunFinished():
                self.seen["after"] = drawn(self._tree)


def test_what_runs_has_what_waits_for_it_below(tmp_path: Path) -> None:
    watched = Watched()
    assert Pipeline.from_yaml(write_spec(tmp_path, SPEC)).run(listeners=[watched], threads=1).ok
    assert watched.seen["before"] == watched.seen["after"] == []
    lines = watched.seen["base"]
    assert re.fullmatch(r"… base +0\.\d s", lines[0])
    assert lines[1:] == ["└── load", "    └── all", "        └── last", "apart"]
    first, *_, end = watched.seen["load[south]"]
    assert first.split()[1] == "load"
    assert first.endswith("1/3 1 running")
    assert end == "apart"
    assert [line.split()[:2] for line in watched.seen["last"]] in (
        [["…", "last"]],
        [["…", "last"], ["apart"]],
    )


def test_what_waits_for_an_object_is_below_it() -> None:
    tree = LiveTree(["stages.s", "load", "last"], {"load": ("stages.s",), "last": ("load", "stages.s")})
    tree.started("stages.s")
    first, *others = drawn(tree)
    assert first.startswith("… stages.s")
    assert others == ["└── load", "    └── last"]


def test_a_long_queue_is_counted() -> None:
    steps = [f"s{number}" for number in range(40)]
    tree = LiveTree(steps, dict.fromkeys(steps[1:], ("s0",)))
    tree.started("s0")
    lines = drawn(tree)
    assert len(lines) == 15
    assert lines[-1] == "26 more waiting"


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
    written = stream.getvalue()
    # On a terminal, the tree is redrawn in place and finally erased line by line, from its first line on.
    assert ("\x1b[1A" in written) is terminal
    plain = re.sub(r"\x1b\[[0-9;]*m", "", written)
    assert ("… base" in plain) is terminal
    assert "…" not in plain.rpartition("\x1b[2K")[2]
    ended = re.findall(r"✓\S* (\w+)", console.export_text())
    assert sorted(ended) == ["all", "apart", "base", "last", "load"]
