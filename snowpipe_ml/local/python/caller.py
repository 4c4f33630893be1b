"""The Session of a stored procedure: it hands each statement to the connection of the caller.

Imported in worker processes only, before the sandbox closes. What a procedure does happens in the
caller's session and transaction: its temporary tables, its database, its warehouse.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Sequence
from typing import IO, Any

import pyarrow as pa
from snowflake.connector.errors import ProgrammingError

from snowpipe_ml.local.cursor import Cursor
from snowpipe_ml.local.statements import Result
from snowpipe_ml.local.types import Column

Exchange = Callable[[dict[str, Any]], tuple[dict[str, Any], pa.Table | None]]


class CallerConnection:
    """Stands for the caller's connection in the process of the procedure.

    Args:
        exchange: sends a request to the warehouse and waits for the answer.
        state: the caller's session, as :func:`session_state` tells it.
    """

    def __init__(self, exchange: Exchange, state: dict[str, Any]) -> None:
        self._exchange = exchange
        self.lock = threading.RLock()
        self.listeners: list[Callable[[str], None]] = []
        self.account, self.user, self.host = "LOCAL", "LOCAL", "localhost"
        self.expired = False
        self._telemetry = None
        self._paramstyle = "qmark"
        self._closed = False
        self._take(state)

    def _take(self, state: dict[str, Any]) -> None:
        self.session_id = state["session_id"]
        self.database, self.schema = state["database"], state["schema"]
        self.warehouse, self.role = state["warehouse"], state["role"]
        self._session_parameters = state["session_parameters"]

    def _ask(self, **request: Any) -> tuple[dict[str, Any], pa.Table | None]:
        with self.lock:
            answer, table = self._exchange(request)
        if "raised" in answer:
            text, errno, sqlstate, query_id = answer["raised"]
            raise ProgrammingError(text, errno=errno, sqlstate=sqlstate, sfqid=query_id)
        self._take(answer["state"])
        return answer, table

    # ----------------------------------------------------------------------- what Cursor asks

    def perform(
        self, command: str, params: Any, query_id: str, file_stream: IO[bytes] | None, tag: str | None
    ) -> Result:
        """Run a statement in the caller's session."""
        data = file_stream.read() if file_stream is not None else None
        packed = pickle.dumps((params, data)).hex()
        answer, table = self._ask(call="execute", command=command, packed=packed, query_id=query_id, tag=tag)
        return Result(_columns(answer), table if table is not None else pa.table({}), answer["rowcount"])

    def perform_many(self, command: str, rows: Sequence[Sequence[Any]], query_id: str) -> Result:
        """Run an INSERT for many rows."""
        packed = pickle.dumps(rows).hex()
        answer, table = self._ask(call="executemany", command=command, packed=packed, query_id=query_id)
        return Result(_columns(answer), table if table is not None else pa.table({}), answer["rowcount"])

    def describe(self, command: str, params: Any) -> list[Column]:
        """The columns a statement would return."""
        answer, _ = self._ask(call="describe", command=command, packed=pickle.dumps(params).hex())
        return _columns(answer)

    def result(self, query_id: str) -> tuple[list[Column], pa.Table]:
        """The result of an earlier statement."""
        answer, table = self._ask(call="result", query_id=query_id)
        return _columns(answer), table if table is not None else pa.table({})

    def translated(self, raised: Exception) -> ProgrammingError | None:
        """Errors come translated from the warehouse."""
        return None

    # ----------------------------------------------------------------------- what Snowpark asks

    def cursor(self, cursor_class: type | None = None) -> Cursor:
        """A cursor on the caller's session."""
        return Cursor(self, as_dict=cursor_class is not None and "Dict" in cursor_class.__name__)

    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def get_query_status(self, query_id: str) -> Any:
        """Statements are done when ``execute`` returns."""
        from snowflake.connector.constants import QueryStatus

        self.result(query_id)
        return QueryStatus.SUCCESS

    get_query_status_throw_if_error = get_query_status

    @staticmethod
    def is_still_running(status: Any) -> bool:
        """Whether a status says that a statement runs."""
        return False

    @staticmethod
    def is_an_error(status: Any) -> bool:
        """Whether a status says that a statement failed."""
        return False

    def close(self, retry: bool = True) -> None:
        """The session goes on: it is the caller's."""
        self._closed = True


def _columns(answer: dict[str, Any]) -> list[Column]:
    return [Column(*column) for column in answer["columns"]]


def open_session(exchange: Exchange, state: dict[str, Any]) -> Any:
    """The Snowpark Session that is a procedure's first argument."""
    from snowflake.snowpark import Session

    return Session.builder.configs({"connection": CallerConnection(exchange, state)}).create()


def run_table(result: Any) -> str:
    """Run the DataFrame that a procedure returns; the id of the query that gives its rows."""
    return str(result._execute_and_get_query_id())
