"""Cancellation of a running statement by another session, its timeout or the enclosing statement."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from snowpipe_ml.local.core import errors

if TYPE_CHECKING:
    from snowflake.connector.errors import ProgrammingError

_RETRY_INTERVAL = 0.03  # seconds between attempts to stop work that may have missed the last attempt


class Cancellation:
    """A request to stop a statement, and the callbacks that stop the work in progress.

    Work that does not call :meth:`check` itself (a DuckDB query, a worker process) registers a callback that
    stops it, with :meth:`stopping`.
    """

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._reason: ProgrammingError | None = None  # the error is made when it is raised
        self._stops: list[Callable[[], None]] = []
        self._repeated: list[Callable[[], None]] = []  # those of _stops that are called until the work ends
        self._lock = threading.Lock()

    @property
    def requested(self) -> bool:
        """Return whether the cancellation of the statement was requested."""
        return self._requested.is_set()

    def cancel(self, reason: ProgrammingError | None = None) -> None:
        """Stop the statement. It fails with the reason; by default with "SQL execution canceled"."""
        with self._lock:
            first = not self.requested
            if first and reason is not None:
                self._reason = reason
            self._requested.set()
            if first and self._repeated:  # after the request no callback is added
                threading.Thread(target=self._repeat, name="cancellation", daemon=True).start()
            # Under the lock, so that a callback is never called after stopping() has removed it.
            for stop in self._stops:
                stop()

    def _repeat(self) -> None:
        while True:
            time.sleep(_RETRY_INTERVAL)
            with self._lock:
                if not self._repeated:
                    return
                for stop in self._repeated:
                    stop()

    def check(self) -> None:
        """Raise an error if cancellation was requested.

        Raises:
            ProgrammingError: the statement is canceled.
        """
        if self.requested:
            raise self.error()

    def error(self) -> ProgrammingError:
        """Return the error with which the statement ends."""
        return self._reason or errors.canceled()

    def wait(self, seconds: float) -> None:
        """Wait for a number of seconds, or until the statement is canceled.

        Raises:
            ProgrammingError: the statement is canceled.
        """
        self._requested.wait(seconds)
        self.check()

    @contextmanager
    def stopping(
        self, stop: Callable[[], None], *, again: bool = False, late: bool = False
    ) -> Iterator[None]:
        """Call ``stop`` if the statement is canceled while the block runs; ``stop`` must not block.

        Work that completes in spite of the cancellation counts as successful. A caller that must not use its
        result then has to call :meth:`check`.

        Args:
            stop: stops the work.
            again: call ``stop`` repeatedly until the block ends, for work that can miss a call while it
                starts.
            late: run the block also if the statement was canceled before; ``stop`` is then called first.

        Raises:
            ProgrammingError: the statement was canceled before the block began.
        """
        with self._lock:
            if self.requested and late:
                stop()
            else:
                self.check()
            self._stops.append(stop)
            if again:
                self._repeated.append(stop)
        try:
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)
                if again:
                    self._repeated.remove(stop)

    @contextmanager
    def within(self, seconds: float | None) -> Iterator[None]:
        """Cancel the statement if the block takes longer than a time limit; None means no limit."""
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
    """Return the result text of SYSTEM$CANCEL_ALL_QUERIES."""
    return f"{number} cancelled."
