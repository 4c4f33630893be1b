"""What every connection here shows to the connector's clients, whether the session is in this process or another."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import IO, Any, Self

import pyarrow as pa
from snowflake.connector.constants import QueryStatus
from snowflake.connector.errors import ProgrammingError

from snowpipe_ml.local.client.cursor import Cursor
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.syntax.script import split


class ClientConnection(ABC):
    """The part of ``SnowflakeConnection`` that Snowpark and ordinary clients use.

    Attributes:
        listeners: called with each statement's text, before it is read.
    """

    lock: threading.RLock
    listeners: list[Callable[[str], None]]
    account = user = "LOCAL"
    host = "localhost"
    expired = False
    _paramstyle = "qmark"
    _telemetry = None
    _closed = False

    @property
    def _session_parameters(self) -> dict[str, Any]:
        """What Snowpark asks of a server's parameters. Thread-safe sessions give each thread a cursor."""
        return {
            "PYTHON_SNOWPARK_ENABLE_THREAD_SAFE_SESSION": True,
            "PYTHON_SNOWPARK_USE_SCOPED_TEMP_OBJECTS": True,
        }

    @abstractmethod
    def perform(
        self,
        command: str,
        params: Any,
        query_id: str,
        file_stream: IO[bytes] | None,
        settings: dict[str, Any],
    ) -> Result:
        """Run a statement."""

    @abstractmethod
    def perform_many(self, command: str, rows: Sequence[Sequence[Any]], query_id: str) -> Result:
        """Run an INSERT for many rows."""

    @abstractmethod
    def describe(self, command: str, params: Any) -> list[Column]:
        """The columns a statement would return; it is not run."""

    @abstractmethod
    def result(self, query_id: str) -> tuple[list[Column], pa.Table]:
        """The result of an earlier statement."""

    @abstractmethod
    def translated(self, raised: Exception) -> ProgrammingError | None:
        """The error behind one that DuckDB carried, if it is known."""

    @abstractmethod
    def close(self, retry: bool = True) -> None:
        """End the session."""

    def aside(self, command: str) -> Result | None:
        """The result of a statement that need not wait for the one that runs in this session; None for others."""
        return None

    def cursor(self, cursor_class: type | None = None) -> Cursor:
        """A cursor; with the connector's DictCursor class, its rows are dicts."""
        if self._closed:
            raise errors.error(250002, "08003", "Connection is closed")
        return Cursor(self, as_dict=cursor_class is not None and "Dict" in cursor_class.__name__)

    def execute_string(self, sql_text: str, **_: Any) -> list[Cursor]:
        """Run several statements, one after the other."""
        return [self.cursor().execute(text) for text in split(sql_text)]

    def commit(self) -> None:
        """Commit an open transaction."""
        self.cursor().execute("COMMIT")

    def rollback(self) -> None:
        """Roll an open transaction back."""
        self.cursor().execute("ROLLBACK")

    def autocommit(self, mode: bool) -> None:
        """Only True, the default, is supported."""
        if not mode:
            raise errors.UnsupportedError("AUTOCOMMIT = FALSE", "Begin a transaction with BEGIN")

    def is_closed(self) -> bool:
        """Return whether it was closed."""
        return self._closed

    def get_query_status(self, query_id: str) -> Any:
        """Statements are done when ``execute`` returns, so a known one has succeeded."""
        self.result(query_id)
        return QueryStatus.SUCCESS

    get_query_status_throw_if_error = get_query_status

    @staticmethod
    def is_still_running(status: Any) -> bool:
        """Return whether a status says that a statement runs."""
        return False

    @staticmethod
    def is_an_error(status: Any) -> bool:
        """Return whether a status says that a statement failed."""
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
