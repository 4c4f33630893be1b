"""Handling of Ctrl-C and SIGTERM during a run."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Schedulers, containers and service managers end a process with SIGTERM.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STACK = b"Stack (most recent call first)"  # the first line of what faulthandler writes


@contextmanager
def interrupts(requested: threading.Event | None = None) -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C or SIGTERM sets; a second one ends the run at once.

    Args:
        requested: the event, which the caller may set as well; a new one if None.

    In the main thread, the second signal raises KeyboardInterrupt. It may be raised between any two lines, and could
    leave a record half written or lose a step; the event is checked only where that is safe. For other threads see
    :class:`_Watch`. A signal that is ignored, such as SIGINT under nohup, is left alone.
    """
    requested = requested or threading.Event()
    if threading.current_thread() is not threading.main_thread():
        with _WATCH.telling(requested):
            yield requested
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()
        _WATCH.tell()

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
        _WATCH.again()


@contextmanager
def until_recorded(requested: threading.Event | None) -> Iterator[threading.Event]:
    """Yield the event that stops a run, and let no signal end the process before the block has ended.

    It encloses the opening of the target and the recording of the run's end, during which the main thread is left
    alone: there, Ctrl-C raises KeyboardInterrupt.
    """
    requested = requested or threading.Event()
    if threading.current_thread() is threading.main_thread():
        yield requested
        return
    with _WATCH.telling(requested):
        yield requested


class _Watch:
    """Tells runs outside of the main thread of signals, for which Python installs handlers only in the main thread.

    The standard library's faulthandler can write to a file when a signal arrives, whichever thread asks for it. Here
    the file is a pipe, which a thread reads: https://docs.python.org/3/library/faulthandler.html#faulthandler.register

    A handler of the program is called too: at Ctrl-C, the main thread gets its KeyboardInterrupt. Where SIGTERM would
    have ended the process, it ends the process when the runs have recorded their end, or when it arrives again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[threading.Event] = []
        self._pipes: dict[int, int] = {}  # the end that is written to, by signal
        self._ends: set[int] = set()  # signals that have arrived, and would have ended the process

    @contextmanager
    def telling(self, event: threading.Event) -> Iterator[None]:
        """Set the event when a signal arrives during the block."""
        with self._lock:
            self._events.append(event)
            if len(self._events) == 1:
                self._begin()
        try:
            yield
        finally:
            with self._lock:
                self._events.remove(event)
                if not self._events:
                    self._finish()

    def tell(self) -> None:
        """Set the events of all runs."""
        for event in list(self._events):
            event.set()

    def again(self) -> None:
        """Watch the signals again whose handlers were replaced and restored meanwhile."""
        with self._lock:
            for number, pipe in self._pipes.items():
                self._register(number, pipe)

    def _begin(self) -> None:
        self._ends.clear()
        for number in _SIGNALS:
            if signal.getsignal(number) == signal.SIG_IGN:
                continue
            reader, writer = os.pipe()
            self._pipes[number] = writer
            self._register(number, writer)
            threading.Thread(target=self._read, args=(number, reader), name="signals", daemon=True).start()

    def _register(self, number: int, pipe: int) -> None:
        faulthandler.unregister(number)
        chain = signal.getsignal(number) != signal.SIG_DFL
        faulthandler.register(number, file=pipe, all_threads=False, chain=chain)

    def _finish(self) -> None:
        for number, pipe in self._pipes.items():
            faulthandler.unregister(number)
            os.close(pipe)
        self._pipes.clear()
        for number in self._ends:
            os.kill(os.getpid(), number)

    def _read(self, number: int, pipe: int) -> None:
        """Read a pipe until it is closed; each signal writes a stack, in several pieces."""
        written = b""
        with open(pipe, "rb", buffering=0) as reader:
            while piece := reader.read(65_536):
                written += piece
                if signal.getsignal(number) == signal.SIG_DFL:
                    self._ends.add(number)
                    if written.count(_STACK) > 1:
                        faulthandler.unregister(number)
                        os.kill(os.getpid(), number)
                self.tell()


_WATCH = _Watch()
