"""Handling of Ctrl-C and SIGTERM during a run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Schedulers, containers and service managers end a process with SIGTERM.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupts(requested: threading.Event | None = None) -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C or SIGTERM sets; a second one raises KeyboardInterrupt.

    Args:
        requested: the event, which the caller may set as well; a new one if None.

    A KeyboardInterrupt may be raised between any two lines, and could leave a record half written or lose
    a step; the event is checked only where that is safe. Outside the main thread no handler is installed,
    nor for a signal that is ignored, such as SIGINT under nohup.
    """
    requested = requested or threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()

    # None means a handler that was not installed from Python and cannot be restored.
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    replaced = {
        number: handler for number, handler in before.items() if handler not in (None, signal.SIG_IGN)
    }
    for number in replaced:
        signal.signal(number, handle)
    try:
        yield requested
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)
