"""Base class of all connections, whether the session runs in this process or in another one."""

from __future__ import annotations

import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

import pyarrow as pa

from snowpipe_ml.local.client.cursor import Cursor
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Params
from snowpipe_ml.local.syntax.script import split

if TYPE_CHECKING:
    from snowflake.connector.constants import QueryStatus
    from snowflake.connector.errors import Error, ProgrammingError


class ClientConnection(ABC):
    """The part of ``SnowflakeConnection`` that Snowpark and ordinary clients use.

    Attributes:
        listeners: called with the text of each statement before it is parsed.
        failures: the errors of the statements that failed after they were started without waiting for them.
        texts: the query ids of the statements of a text with several, by the query id of the text.
    """

    lock: threading.RLock
    listeners: list[Callable[[str], None]]
    failures: dict[str, Error]
    texts: dict[str, list[str]]
    account = user = "LOCAL"
    host = "localhost"
    expired = False
    is_pyformat = False
    _paramstyle = "qmark"
    _telemetry = None
    _closed = False
    _KEPT_TEXTS = 1000

    @property
    def _session_parameters(self) -> dict[str, bool]:
        """The server parameters that Snowpark reads. Thread-safe sessions give each thread a cursor."""
        return {
            "PYTHON_SNOWPARK_ENABLE_THREAD_SAFE_SESSION": True,
            "PYTHON_SNOWPARK_USE_SCOPED_TEMP_OBJECTS": True,
        }

    @abstractmethod
    def perform(
        self,
        command: str,
        params: Params,
        query_id: str,
        file_stream: IO[bytes] | None,
        settings: Mapping[str, object],
    ) -> Result:
        """Run a statement."""

    @abstractmethod
    def perform_many(
        self,
        command: str,
        rows: Sequence[Sequence[object]],
        query_id: str,
        settings: Mapping[str, object] | None = None,
    ) -> Result:
        """Run an INSERT for many rows."""

    @abstractmethod
    def describe(self, command: str, params: Params) -> list[Column]:
        """Return the columns of a statement's result without running it."""

    @abstractmethod
    def result(self, query_id: str) -> tuple[list[Column], pa.Table]:
        """Return the result of an earlier statement."""

    @abstractmethod
    def translated(self, raised: Exception) -> ProgrammingError | None:
        """Return the original error of a handler that DuckDB re-raised, if it is known."""

    def remember(self, query_ids: list[str]) -> str:
        """Keep the query ids of the statements of one text under a new query id, and return it."""
        own = str(uuid.uuid4())
        self.texts[own] = query_ids
        while len(self.texts) > self._KEPT_TEXTS:
            del self.texts[next(iter(self.texts))]
        return own

    @abstractmethod
    def close(self, retry: bool = True) -> None:
        """End the session."""

    def aside(self, command: str) -> Result | None:
        """Run a statement that need not wait for the running one; return None for any other statement."""
        return None

    def cursor(self, cursor_class: type | None = None) -> Cursor:
        """Return a cursor; with the connector's DictCursor class, its rows are dicts."""
        if self._closed:
            raise errors.error(250002, "08003", "Connection is closed")
        return Cursor(self, as_dict=cursor_class is not None and "Dict" in cursor_class.__name__)

    def execute_string(self, sql_text: str, **_: object) -> list[Cursor]:
        """Run several statements in order."""
        return [self.cursor().execute(text) for text in split(sql_text)]

    def commit(self) -> None:
        """Commit the open transaction."""
        self.cursor().execute("COMMIT")

    def rollback(self) -> None:
        """Roll back the open transaction."""
        self.cursor().execute("ROLLBACK")

    def autocommit(self, mode: bool) -> None:
        """Set the session parameter AUTOCOMMIT."""
        self.cursor().execute(f"ALTER SESSION SET AUTOCOMMIT = {'TRUE' if mode else 'FALSE'}")

    def is_closed(self) -> bool:
        """Return whether the connection was closed."""
        return self._closed

    def get_query_status(self, query_id: str) -> QueryStatus:
        """Return SUCCESS or FAILED_WITH_ERROR: ``execute`` returns only when the statement has finished."""
        from snowflake.connector.constants import QueryStatus

        if query_id in self.failures:
            return QueryStatus.FAILED_WITH_ERROR
        if query_id not in self.texts:
            self.result(query_id)
        return QueryStatus.SUCCESS

    def get_query_status_throw_if_error(self, query_id: str) -> QueryStatus:
        """Return SUCCESS.

        Raises:
            ProgrammingError: the statement failed.
        """
        if query_id in self.failures:
            raise self.failures[query_id]
        return self.get_query_status(query_id)

    @staticmethod
    def is_still_running(status: object) -> bool:
        """Return whether a status means that the statement is still running."""
        return False

    @staticmethod
    def is_an_error(status: object) -> bool:
        """Return whether a status means that the statement failed."""
        from snowflake.connector.constants import QueryStatus

        return status == QueryStatus.FAILED_WITH_ERROR

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
