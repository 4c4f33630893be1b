"""Ctrl-C and SIGTERM, heard wherever the main thread is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# A scheduler, a container and a service manager end a process with SIGTERM.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets; a second one is a KeyboardInterrupt.

    A KeyboardInterrupt may be raised between any two lines, so that a record would be half written or a
    step forgotten; the event is looked at where that is safe. Elsewhere than in the main thread, and
    where a signal is ignored, as SIGINT is under nohup, nothing is changed.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def hear(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    # None is a handler that was not installed from Python: it cannot be put back.
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    heard = {number: handler for number, handler in before.items() if handler not in (None, signal.SIG_IGN)}
    for number in heard:
        signal.signal(number, hear)
    try:
        yield asked
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)
