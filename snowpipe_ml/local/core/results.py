"""A cache of the latest query results, for RESULT_SCAN and for clients that fetch results later."""

from __future__ import annotations

import threading
from collections import OrderedDict

import pyarrow as pa

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.types import Column

_KEPT_RESULTS = 64


_KEPT_RESULT_BYTES = 256 * 2**20


class Results:
    """The results of the latest statements by query id."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[list[Column], pa.Table]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def keep(self, query_id: str, columns: list[Column], table: pa.Table) -> None:
        """Store a result and evict the oldest ones while the cache exceeds its limits."""
        with self._lock:
            if query_id in self._kept:
                self._size -= self._kept.pop(query_id)[1].nbytes
            self._kept[query_id] = (columns, table)
            self._size += table.nbytes
            while len(self._kept) > _KEPT_RESULTS or (
                self._size > _KEPT_RESULT_BYTES and len(self._kept) > 1
            ):
                _, (_, old) = self._kept.popitem(last=False)
                self._size -= old.nbytes

    def get(self, query_id: str) -> tuple[list[Column], pa.Table]:
        """Return a stored result.

        Raises:
            ProgrammingError: the result was evicted, or the query id is unknown.
        """
        with self._lock:
            if query_id not in self._kept:
                raise errors.error(709, "02000", f"Statement {query_id} not found")
            return self._kept[query_id]
