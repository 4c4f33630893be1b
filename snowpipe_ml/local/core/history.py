"""The query history that QUERY_HISTORY returns. It is kept in memory while the warehouse is open."""

from __future__ import annotations

import datetime as dt
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_KEPT = 10_000
COLUMNS = (
    "QUERY_ID",
    "QUERY_TEXT",
    "DATABASE_NAME",
    "SCHEMA_NAME",
    "QUERY_TYPE",
    "SESSION_ID",
    "USER_NAME",
    "ROLE_NAME",
    "WAREHOUSE_NAME",
    "QUERY_TAG",
    "EXECUTION_STATUS",
    "ERROR_CODE",
    "ERROR_MESSAGE",
    "START_TIME",
    "END_TIME",
    "TOTAL_ELAPSED_TIME",
)
"""The columns of QUERY_HISTORY that are served."""


@dataclass
class Query:
    """A finished or running statement. Times are in UTC."""

    query_id: str
    text: str
    session_id: int
    database: str | None
    schema: str | None
    warehouse: str | None
    role: str | None
    tag: str
    started: dt.datetime
    ended: dt.datetime | None = None
    status: str = "RUNNING"
    error: str | None = None
    code: int | None = None

    @property
    def kind(self) -> str:
        """QUERY_TYPE, derived from the first word or two of the statement."""
        words = self.text.split(None, 2)
        first = words[0].upper() if words else ""
        return (
            first
            if first not in ("CREATE", "ALTER", "DROP") or len(words) < 2
            else f"{first}_{words[1].upper()}"
        )


class History:
    """The latest statements of all sessions."""

    def __init__(self) -> None:
        self._queries: deque[Query] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()

    @contextmanager
    def running(self, query: Query) -> Iterator[None]:
        """Record a statement while it runs, and its outcome."""
        with self._lock:
            self._queries.append(query)
        try:
            yield
        except BaseException as raised:
            query.status, query.error = "FAILED_WITH_ERROR", str(raised)
            number = getattr(raised, "errno", None)
            query.code = number if isinstance(number, int) else None
            raise
        else:
            query.status = "SUCCESS"
        finally:
            query.ended = dt.datetime.now(dt.UTC)

    def queries(self) -> list[Query]:
        """Return the statements of all sessions, the earliest first."""
        with self._lock:
            return list(self._queries)

    def find(self, query_id: str) -> Query | None:
        """Return the statement with an id; None if there is none, or no longer."""
        with self._lock:
            return next((query for query in reversed(self._queries) if query.query_id == query_id), None)

    def rows(self, session_id: int | None = None) -> list[dict[str, object]]:
        """List the statements of one session or of all sessions, latest first."""
        with self._lock:
            queries = list(self._queries)
        return [
            {
                "QUERY_ID": q.query_id,
                "QUERY_TEXT": q.text,
                "DATABASE_NAME": q.database,
                "SCHEMA_NAME": q.schema,
                "QUERY_TYPE": q.kind,
                "SESSION_ID": q.session_id,
                "USER_NAME": "LOCAL",
                "ROLE_NAME": q.role,
                "WAREHOUSE_NAME": q.warehouse,
                "QUERY_TAG": q.tag,
                "EXECUTION_STATUS": q.status,
                "ERROR_CODE": q.code,
                "ERROR_MESSAGE": q.error,
                "START_TIME": q.started,
                "END_TIME": q.ended,
                "TOTAL_ELAPSED_TIME": None
                if q.ended is None
                else int((q.ended - q.started).total_seconds() * 1000),
            }
            for q in reversed(queries)
            if session_id in (None, q.session_id)
        ]
