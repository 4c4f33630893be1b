"""Measure the engine's overhead: time per no-op step, validation of a long spec, start of the command.

    python benchmarks/overhead.py [--steps 1000]

A thousand no-op steps run on an embedded warehouse on disk, each recorded durably through the Session. The
floor, measured in the same run, is a networkx loop with two SQLite writes per node.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import networkx as nx

from snowpipe_ml import Pipeline
from snowpipe_ml.plugins import Step, StepResult, StepSettings, register

HEAD = "name: overhead\ntargets: {local: {type: local, path: warehouse, database: BENCH}}\n"


@register("noop")
class NoOp(Step[Any]):
    """A step that does nothing."""

    Settings = StepSettings

    def run(self, ctx: Any) -> StepResult:
        """Do nothing."""
        return StepResult()


def floor(steps: int, folder: Path) -> float:
    """The milliseconds per node of a loop that writes the start and the end of each node to SQLite."""
    dag = nx.DiGraph((i - 1, i) for i in range(1, steps))
    with sqlite3.connect(folder / "floor.db") as connection:
        connection.execute("CREATE TABLE events (step INT, event TEXT)")
        begin = time.perf_counter()
        for node in nx.topological_sort(dag):
            for event in ("started", "finished"):
                connection.execute("INSERT INTO events VALUES (?, ?)", (node, event))
                connection.commit()
        return (time.perf_counter() - begin) * 1000 / steps


def run(steps: int, folder: Path) -> tuple[float, float]:
    """The total milliseconds per no-op step, and per step that a second run skips."""
    path = folder / "spec.yaml"
    lines = [f"  s{i}: {{type: noop{f', needs: [s{i - 1}]' if i else ''}}}\n" for i in range(steps)]
    path.write_text(HEAD + "steps:\n" + "".join(lines))
    pipeline = Pipeline.from_yaml(path)
    pipeline.session().close()  # import and open the warehouse before the measurement
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        result = pipeline.run()
        times.append((time.perf_counter() - begin) * 1000 / steps)
        assert result.ok
    return times[0], times[1]


def command(*arguments: str) -> float:
    """The seconds of a whole process, the median of five."""
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "snowpipe_ml", *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1000)
    steps = parser.parse_args().steps
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = floor(steps, folder)
        once, again = run(steps, folder)
        print(
            f"{steps} no-op steps: {once:.2f} ms per step, {again:.2f} ms when all are skipped; "
            f"bare loop {bare:.3f} ms"
        )
        query = "SELECT * FROM {{{{ ref('t{}') }}}}"
        lines = [
            f'  s{i}: {{type: transform, query: "{query.format(i - 1) if i else "SELECT 1 AS X"}", writes: t{i}}}\n'
            for i in range(steps)
        ]
        path = folder / "long.yaml"
        path.write_text(HEAD + "steps:\n" + "".join(lines))
        print(f"validate of {steps} steps: {command('validate', str(path)):.2f} s")
        print(f"--help: {command('--help'):.2f} s")


if __name__ == "__main__":
    main()
