"""Cancellation of a running statement: by another session, its time limit, or the statement around it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from snowflake.connector.errors import ProgrammingError

from snowpipe_ml.local.core import errors

_PAUSE = 0.03  # seconds between two attempts to stop work that may not have heard the last one


class Cancellation:
    """A request to stop a statement, and the ways to end the work that it waits for.

    Work that does not look at :meth:`check` by itself (a query in DuckDB, a worker process) says how it is ended with
    :meth:`stopping`.
    """

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._reason: ProgrammingError = errors.canceled()
        self._stops: list[Callable[[], None]] = []
        self._insistent: list[Callable[[], None]] = []  # those of them that may have to be called again
        self._lock = threading.Lock()

    @property
    def requested(self) -> bool:
        """Return whether the statement is to stop."""
        return self._requested.is_set()

    def cancel(self, reason: ProgrammingError | None = None) -> None:
        """Stop the statement. It fails with the reason, by default that it was canceled."""
        with self._lock:
            first = not self.requested
            if first and reason is not None:
                self._reason = reason
            self._requested.set()
            if first and self._insistent:  # none is added once the statement is to stop
                threading.Thread(target=self._insist, name="cancellation", daemon=True).start()
            # Under the lock: whoever takes a way to stop off the list knows that it will not be used any more.
            for stop in self._stops:
                stop()

    def _insist(self) -> None:
        while True:
            time.sleep(_PAUSE)
            with self._lock:
                if not self._insistent:
                    return
                for stop in self._insistent:
                    stop()

    def check(self) -> None:
        """Go on, unless the statement is to stop.

        Raises:
            ProgrammingError: it is.
        """
        if self.requested:
            raise self.error()

    def error(self) -> ProgrammingError:
        """The error with which the statement ends."""
        return self._reason

    def wait(self, seconds: float) -> None:
        """Wait, but not longer than the statement may run.

        Raises:
            ProgrammingError: the statement is to stop.
        """
        self._requested.wait(seconds)
        self.check()

    @contextmanager
    def stopping(self, stop: Callable[[], None], *, again: bool = False) -> Iterator[None]:
        """Have ``stop`` called if the statement is canceled in the meantime; it must not block.

        Work that has come to its end all the same has succeeded: who cannot use it then has to :meth:`check`.

        Args:
            stop: ends the work.
            again: whether to call it until the work ends, because work that just begins does not hear it.

        Raises:
            ProgrammingError: the statement is to stop, and the work was not begun.
        """
        with self._lock:
            self.check()
            self._stops.append(stop)
            if again:
                self._insistent.append(stop)
        try:
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)
                if again:
                    self._insistent.remove(stop)

    @contextmanager
    def within(self, seconds: float | None) -> Iterator[None]:
        """Cancel what takes longer than a time limit; None is no limit."""
        if seconds is None:
            yield
            return
        timer = threading.Timer(seconds, self.cancel, [errors.timed_out(seconds)])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def canceled_queries(number: int) -> str:
    """The answer of SYSTEM$CANCEL_ALL_QUERIES."""
    return f"{number} queries cancelled."
