"""The checklist of a run: live on a terminal, a line an event elsewhere."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from snowpipe_ml.engine.events import (
    Event,
    RunFinished,
    RunStarted,
    Status,
    StepFinished,
    StepProgress,
    StepRetried,
    StepStarted,
)
from snowpipe_ml.spec.fanout import base_name, is_object
from snowpipe_ml.ui.tree import LiveTree, seconds_text

_MARKS = {Status.SUCCESS: ("✓", "green"), Status.FAILED: ("✗", "red"), Status.SKIPPED: ("-", "yellow"),
          Status.REUSED: ("=", "green"), Status.OMITTED: ("○", "dim")}  # fmt: skip


def finished_line(event: StepFinished, width: int) -> Text:
    """One ended step."""
    mark, color = _MARKS[event.status]
    line = Text.assemble((f" {mark} ", color), f"{event.step:<{width}}")
    if event.status is Status.SUCCESS:
        rows = f"{event.rows:>12,} rows" if event.rows is not None else " " * 17
        line.append(f" {seconds_text(event.seconds):>9} {rows}", "dim")
        if event.message:
            line.append(f"  {event.message}")
    elif event.status is Status.REUSED:
        line.append(f"  {event.message}", "dim")
    elif event.status is Status.OMITTED:
        line.append(f"  left out: {event.message}", "dim")
    elif event.status is Status.SKIPPED:
        line.append(f"  skipped: {event.message}", "yellow")
    else:
        line.append(f" {seconds_text(event.seconds):>9}  failed", "red")
    return line


@dataclass
class _Fan:
    """The nodes of a step with a ``foreach``, which have one line together."""

    total: int
    ended: list[StepFinished] = field(default_factory=list)

    def line(self, name: str) -> StepFinished:
        """The line, once all have ended and none went wrong."""
        worked = [event for event in self.ended if event.status is Status.SUCCESS]
        if not worked:
            return dataclasses.replace(self.ended[0], step=name)
        rows = [event.rows for event in worked if event.rows is not None]
        unchanged = len(self.ended) - len(worked)
        message = f"{len(worked)} items" + (f", {unchanged} more unchanged or left out" if unchanged else "")
        seconds = sum(event.seconds for event in worked)
        return StepFinished(name, Status.SUCCESS, sum(rows) if rows else None, seconds, message)


class Checklist:
    """Listens to a run: a line a step, one for all the nodes of a ``foreach``.

    Use it as a context; on a terminal it then also draws what runs, and below that what waits for it.

    Args:
        console: where to write.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._width = 20
        self._tree = LiveTree()
        self._fans: dict[str, _Fan] = {}
        self._live: Live | None = None
        self._failures: list[StepFinished] = []
        self._warnings: list[tuple[str, str]] = []

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(
                get_renderable=lambda: self._tree, console=self.console, refresh_per_second=5, transient=True
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case RunStarted():
                steps = [name for name in event.steps if not is_object(name)]
                self._fans = {name: _Fan(n) for name, n in Counter(map(base_name, steps)).items() if n > 1}
                names = [name for name in steps if base_name(name) not in self._fans]
                self._width = max(map(len, [*names, *self._fans]), default=20) + 1
                self._tree = LiveTree(event.steps, event.needs)
                self.console.print(f"run {event.run_id} of {event.pipeline} on {event.target}", highlight=False)
            case StepStarted():
                self._tree.started(event.step)
            case StepProgress():
                self._tree.progressed(event)
            case StepRetried():
                text = f"{event.step}: {event.message.splitlines()[0]}; again in {event.delay:.0f} s"
                self.console.print(Text.assemble(("retry ", "yellow"), text), soft_wrap=True)
            case StepFinished():
                self._tree.finished(event.step)
                if event.status is Status.FAILED:
                    self._failures.append(event)
                self._warnings += [(event.step, warning) for warning in event.warnings]
                if is_object(event.step):
                    shown = [] if event.status.good else [event]
                else:
                    shown = self._folded(event)
                for line in shown:
                    self.console.print(finished_line(line, self._width), highlight=False, soft_wrap=True)
            case RunFinished():
                self._summary(event)

    def _folded(self, event: StepFinished) -> list[StepFinished]:
        """The lines that an ended step leads to: its own, none yet, or that of all its siblings."""
        name = base_name(event.step)
        fan = self._fans.get(name)
        if fan is None:
            return [event]
        if not event.status.good:
            fan.total -= 1  # it is not among those that the line of all is of
        else:
            fan.ended.append(event)
        own = [] if event.status.good else [event]
        return own + ([fan.line(name)] if fan.ended and len(fan.ended) == fan.total else [])

    def _summary(self, event: RunFinished) -> None:
        for step, warning in self._warnings:
            self.console.print(Text.assemble(("warning ", "yellow"), f"{step}: {warning}"), soft_wrap=True)
        for failure in self._failures:
            self.console.print(Text.assemble(("error ", "red"), f"{failure.step}: {failure.message}"), soft_wrap=True)
        color = "green" if event.status is Status.SUCCESS else "red"
        self.console.print(Text.assemble((event.status.value, color), f" in {seconds_text(event.seconds)}"))
