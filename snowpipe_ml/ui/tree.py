"""The live part of a run's display: the running steps and the steps that wait for them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text
from rich.tree import Tree

from snowpipe_ml.engine.events import StepProgress
from snowpipe_ml.spec.fanout import base_name, is_object
from snowpipe_ml.text.durations import seconds_text
from snowpipe_ml.text.printable import one_line, visible

_LINES = 14  # more lines would push the ended steps off a small terminal


class LiveTree:
    """A rich renderable: each running step with its duration and progress, above the steps that wait for it.

    A step that waits for several steps is shown below the last of them; a step that waits only for
    a free thread is shown at the top level. The nodes of a ``foreach`` share one line. The methods
    are thread-safe.

    Args:
        steps: the nodes of the run in the order of the graph.
        needs: the nodes that each node depends on.
    """

    def __init__(self, steps: Sequence[str] = (), needs: Mapping[str, Sequence[str]] | None = None) -> None:
        shown = [name for name in steps if not is_object(name)]
        self._totals = Counter(map(base_name, shown))
        self._open = Counter(self._totals)
        self._needs: dict[str, set[str]] = {name: set() for name in self._totals}
        for name in shown:
            self._needs[base_name(name)] |= {base_name(other) for other in (needs or {}).get(name, ())}
        self._running: dict[str, tuple[float, StepProgress | None]] = {}
        self._lock = threading.Lock()

    def started(self, step: str) -> None:
        """Add a step that has started."""
        with self._lock:
            self._running[step] = (time.monotonic(), None)

    def progressed(self, event: StepProgress) -> None:
        """Update the progress of a step."""
        with self._lock:
            if event.step in self._running:
                self._running[event.step] = (self._running[event.step][0], event)

    def finished(self, step: str) -> None:
        """Remove a step that has ended or will not run."""
        with self._lock:
            self._running.pop(step, None)
            self._open[base_name(step)] -= 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._lock:
            running = dict(self._running)
            opened = [name for name in self._totals if self._open[name] > 0]
            ended = {name: self._totals[name] - self._open[name] for name in opened}
        if not running:
            return
        now = time.monotonic()
        at_once = Counter(map(base_name, running))
        width = max((len(name) for name in at_once), default=0) + 1
        root = Tree("", hide_root=True, guide_style="bright_black")
        branches: dict[str, Tree] = {}
        for step, (start, progress) in running.items():
            name = base_name(step)
            if name in branches:
                continue
            if self._totals[name] > 1:
                progress = StepProgress(name, ended[name], self._totals[name], f"{at_once[name]} running")
            branches[name] = root.add(_running_line(name, width, now - start, progress))
        left = _LINES - len(branches)
        waiting = [name for name in opened if name not in branches]
        for name in waiting[: max(left, 0)]:
            above = [other for other in branches if other in self._needs[name]]
            branches[name] = (branches[above[-1]] if above else root).add(Text(visible(name), "dim"))
        if len(waiting) > max(left, 0):
            root.add(Text(f"{len(waiting) - max(left, 0)} more waiting", "dim"))
        yield root


def _running_line(name: str, width: int, seconds: float, progress: StepProgress | None) -> Text:
    line = Text.assemble(("… ", "cyan"), f"{visible(name):<{width}}", (f" {seconds_text(seconds):>9}", "dim"))
    if progress is not None and progress.total:
        done = round(20 * progress.done / progress.total)
        line.append(f"  {'━' * done}", "cyan")
        line.append("━" * (20 - done), "bright_black")
        line.append(f" {progress.done}/{progress.total} {one_line(progress.note)}", "dim")
    return line
