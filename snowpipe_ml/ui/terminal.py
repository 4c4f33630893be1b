"""The checklist of a run: a live display on a terminal, one line per event elsewhere."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

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
from snowpipe_ml.text.durations import seconds_text
from snowpipe_ml.text.printable import one_line, visible
from snowpipe_ml.text.redaction import RedactedStream
from snowpipe_ml.ui.tree import LiveTree
from snowpipe_ml.ui.wrapping import hanging

_MARKS = {
    Status.SUCCESS: ("✓", "green"),
    Status.FAILED: ("✗", "red"),
    Status.SKIPPED: ("-", "yellow"),
    Status.REUSED: ("=", "green"),
    Status.OMITTED: ("○", "dim"),
}
_NOT_RUN = {
    Status.REUSED: ("", "dim"),
    Status.OMITTED: ("omitted: ", "dim"),
    Status.SKIPPED: ("skipped: ", "yellow"),
}


def finished_line(event: StepFinished, width: int) -> tuple[Text, Text]:
    """The line of an ended step, as its lead and its message."""
    mark, color = _MARKS[event.status]
    line = Text.assemble((f" {mark} ", color), f"{visible(event.step):<{width}}")
    message = visible(event.message)
    if event.status is Status.SUCCESS:
        rows = f"{event.rows:>12,} rows" if event.rows is not None else " " * 17
        line.append(f" {seconds_text(event.seconds):>9} {rows}  ", "dim")
        return line, Text(message)
    if event.status is Status.FAILED:
        line.append(f" {seconds_text(event.seconds):>9}  failed", "red")
        return line, Text()
    before, style = _NOT_RUN[event.status]
    line.append(f"  {before}", style)
    return line, Text(message, style)


@dataclass
class _Fan:
    """The nodes of a ``foreach`` step, which share one line."""

    total: int
    ended: list[StepFinished] = field(default_factory=list)

    def line(self, name: str) -> StepFinished:
        """The event for the shared line, after all of its nodes have ended without failure."""
        worked = [event for event in self.ended if event.status is Status.SUCCESS]
        if not worked:
            return dataclasses.replace(self.ended[0], step=name)
        rows = [event.rows for event in worked if event.rows is not None]
        unchanged = len(self.ended) - len(worked)
        message = f"{len(worked)} items" + (f", {unchanged} more unchanged or omitted" if unchanged else "")
        seconds = sum(event.seconds for event in worked)
        return StepFinished(name, Status.SUCCESS, sum(rows) if rows else None, seconds, message)


class Checklist:
    """Listens to a run and prints one line per step; the nodes of a ``foreach`` share one line.

    Use it as a context manager; on a terminal it then also draws the running steps, with the
    waiting steps below.

    Args:
        console: the console to write to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._width = 20
        self._tree = LiveTree()
        self._fans: dict[str, _Fan] = {}
        self._live: Live | None = None
        self._streams = sys.stdout, sys.stderr
        self._failures: list[StepFinished] = []
        self._warnings: list[tuple[str, str]] = []

    def __enter__(self) -> Self:
        self._streams = sys.stdout, sys.stderr
        if self.console.is_terminal:
            self._live = Live(
                get_renderable=lambda: self._tree, console=self.console, refresh_per_second=5, transient=True
            )
            self._live.start()
            # While the display is live, rich intercepts all output and interprets style codes in
            # it, such as in a value.
            out: Any = RedactedStream(sys.stdout)
            err: Any = RedactedStream(sys.stderr)
            sys.stdout, sys.stderr = out, err
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            sys.stdout, sys.stderr = self._streams

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case RunStarted():
                steps = [name for name in event.steps if not is_object(name)]
                self._fans = {name: _Fan(n) for name, n in Counter(map(base_name, steps)).items() if n > 1}
                names = [name for name in steps if base_name(name) not in self._fans]
                self._width = max(map(len, [*names, *self._fans]), default=20) + 1
                self._tree = LiveTree(event.steps, event.needs)
                self._print(Text(visible(f"run {event.run_id} of {event.pipeline} on {event.target}")))
            case StepStarted():
                self._tree.started(event.step)
                if self._live is not None:
                    self._live.refresh()  # show also a step that ends before the next regular refresh
            case StepProgress():
                self._tree.progressed(event)
            case StepRetried():
                first = event.message.strip().partition("\n")[0]
                self._print_message(
                    ("retry ", "yellow"), event.step, f"{first}; again in {event.delay:.0f} s"
                )
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
                    self._print(*finished_line(line, self._width))
            case RunFinished():
                self._summary(event)

    def _print(self, lead: Text, body: Text | None = None) -> None:
        """Print a line; on a terminal, the body is wrapped in the column where it starts."""
        if body is None or not body.plain.strip():
            lead.rstrip()
            line = lead
        elif self.console.is_terminal:
            line = hanging(self.console, lead, body)
        else:
            line = Text.assemble(lead, (one_line(body.plain), body.style))
        self.console.print(line, highlight=False, soft_wrap=True)

    def _print_message(self, label: tuple[str, str], step: str, message: str) -> None:
        self._print(Text.assemble(label, f"{visible(step)}: "), Text(visible(message.strip())))

    def _folded(self, event: StepFinished) -> list[StepFinished]:
        """The lines to print for an ended step: its own, the shared line of its ``foreach``, or none yet."""
        name = base_name(event.step)
        fan = self._fans.get(name)
        if fan is None:
            return [event]
        if not event.status.good:
            fan.total -= 1  # it has its own line and is not counted in the shared line
        else:
            fan.ended.append(event)
        own = [] if event.status.good else [event]
        return own + ([fan.line(name)] if fan.ended and len(fan.ended) == fan.total else [])

    def _summary(self, event: RunFinished) -> None:
        for step, warning in self._warnings:
            self._print_message(("warning ", "yellow"), step, warning)
        for failure in self._failures:
            self._print_message(("error ", "red"), failure.step, failure.message)
        color = "green" if event.status is Status.SUCCESS else "red"
        self.console.print(Text.assemble((event.status.value, color), f" in {seconds_text(event.seconds)}"))
