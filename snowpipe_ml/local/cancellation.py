"""How a running statement is stopped: from another session, by its time limit, or with the statement around it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from snowflake.connector.errors import ProgrammingError

from snowpipe_ml.local import errors


class Cancellation:
    """Whether a statement is to stop, and what ends the work that it waits for.

    Work that does not look at :meth:`check` by itself (a query in DuckDB, a worker process) says how it is ended with
    :meth:`stopping`.
    """

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._reason: ProgrammingError = errors.canceled()
        self._stops: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    @property
    def requested(self) -> bool:
        """Whether the statement is to stop."""
        return self._requested.is_set()

    def cancel(self, reason: ProgrammingError | None = None) -> None:
        """Stop the statement. It fails with the reason, by default that it was canceled."""
        with self._lock:
            if reason is not None and not self.requested:
                self._reason = reason
            self._requested.set()
            # Under the lock: whoever takes a way to stop off the list knows that it will not be used any more.
            for stop in self._stops:
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
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        """Have ``stop`` called if the statement is canceled in the meantime; it must not block.

        Raises:
            ProgrammingError: the statement is to stop.
        """
        with self._lock:
            self.check()
            self._stops.append(stop)
        try:
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)
        self.check()

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
