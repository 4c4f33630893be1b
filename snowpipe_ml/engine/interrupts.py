"""Ctrl-C, heard wherever the main thread is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; a second one is a KeyboardInterrupt.

    A KeyboardInterrupt may be raised between any two lines, so that a record would be half written or a
    step forgotten; the event is looked at where that is safe. Elsewhere than in the main thread, and
    where interrupts are ignored, as under nohup, nothing is changed.
    """
    asked = threading.Event()
    before = signal.getsignal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None
    if before in (None, signal.SIG_IGN):
        yield asked
        return

    def hear(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    signal.signal(signal.SIGINT, hear)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
