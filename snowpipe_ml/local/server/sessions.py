"""The sessions of the server's clients."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeAlias

from snowpipe_ml.local.client.connection import Connection

Answer: TypeAlias = dict[str, object]
"""An answer, to be encoded as JSON."""

DETACHED_AFTER = 300.0
"""Seconds after which a client that sends no requests counts as gone, if ABORT_DETACHED_QUERY is true."""


class ClientSession:
    """The session of a client: its connection and its running statements.

    A client waits for a long statement with one request after the other, so a client that sends none is gone. Its
    statements run on, unless ABORT_DETACHED_QUERY is true:
    https://docs.snowflake.com/en/sql-reference/parameters#abort-detached-query
    """

    def __init__(self, connection: Connection, *, as_json: bool = False) -> None:
        self.connection = connection
        self.as_json = as_json  # whether the client reads no Arrow
        self.pending: dict[str, Future[Answer]] = {}
        self.executor = ThreadPoolExecutor(16, thread_name_prefix="statement")
        self._requests = 0
        self._heard = time.monotonic()
        self._lock = threading.Lock()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Answer a request of the client."""
        with self._lock:
            self._requests += 1
        try:
            yield
        finally:
            with self._lock:
                self._requests -= 1
                self._heard = time.monotonic()

    def abort_if_detached(self, after: float) -> None:
        """Cancel the running statement if the client has sent no request for a time and the session wants it."""
        wanted = str(self.connection.session.parameters.get("ABORT_DETACHED_QUERY", False)).lower() == "true"
        with self._lock:
            gone = not self._requests and time.monotonic() - self._heard > after
        if wanted and gone and any(not future.done() for future in list(self.pending.values())):
            self.connection.session.interrupt()

    def close(self) -> None:
        """Cancel what runs, and end the session."""
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.connection.session.interrupt()
        self.connection.close()
