"""A connection whose statements are run by another process: the two ends of it.

:class:`ProxyConnection` stands for the session in the process that has only the wire to it: a stored
procedure, or a second process that opens a warehouse which a first one holds. :func:`answer` runs
what it asks for, in the process that holds the warehouse.
"""

from __future__ import annotations

import io
import os
import pickle
import threading
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from snowflake.connector.errors import Error, ProgrammingError

from snowpipe_ml.local import errors
from snowpipe_ml.local.face import ConnectionFace
from snowpipe_ml.local.messages import Message
from snowpipe_ml.local.statements import Result
from snowpipe_ml.local.types import Column

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection

Exchange = Callable[[dict[str, Any]], Message]


def session_state(connection: Connection) -> dict[str, Any]:
    """What a proxy shows of the session."""
    return {
        "session_id": connection.session_id,
        "database": connection.database,
        "schema": connection.schema,
        "warehouse": connection.warehouse,
        "role": connection.role,
        "session_parameters": connection._session_parameters,
    }


class ProxyConnection(ConnectionFace):
    """Speaks the part of ``SnowflakeConnection`` that Snowpark uses, for a session in another process.

    Args:
        exchange: sends a request and waits for the answer.
        state: the session, as :func:`session_state` tells it.
        on_close: called once when it is closed.
    """

    def __init__(
        self, exchange: Exchange, state: dict[str, Any], on_close: Callable[[], None] | None = None
    ) -> None:
        self._exchange = exchange
        self._on_close = on_close
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

    def _ask(self, **request: Any) -> Message:
        with self.lock:
            answered, table = self._exchange(request)
        if "raised" in answered:
            unsupported, text, errno, sqlstate, query_id = answered["raised"]
            if unsupported:
                raise errors.UnsupportedError.of(text)
            raise ProgrammingError(text, errno=errno, sqlstate=sqlstate, sfqid=query_id)
        self._take(answered["state"])
        return answered, table

    def perform(
        self,
        command: str,
        params: Any,
        query_id: str,
        file_stream: IO[bytes] | None,
        settings: dict[str, Any],
    ) -> Result:
        """Run a statement in the session."""
        if file_stream is not None and file_stream.seekable():
            file_stream.seek(0)
        packed = pickle.dumps((params, file_stream.read() if file_stream is not None else None)).hex()
        answered, table = self._ask(
            call="execute",
            command=command,
            packed=packed,
            query_id=query_id,
            settings=settings,
            cwd=os.getcwd(),
        )
        return Result(_columns(answered), table if table is not None else pa.table({}), answered["rowcount"])

    def perform_many(self, command: str, rows: Sequence[Sequence[Any]], query_id: str) -> Result:
        """Run an INSERT for many rows."""
        packed = pickle.dumps(rows).hex()
        answered, table = self._ask(call="executemany", command=command, packed=packed, query_id=query_id)
        return Result(_columns(answered), table if table is not None else pa.table({}), answered["rowcount"])

    def describe(self, command: str, params: Any) -> list[Column]:
        """The columns a statement would return."""
        answered, _ = self._ask(call="describe", command=command, packed=pickle.dumps(params).hex())
        return _columns(answered)

    def result(self, query_id: str) -> tuple[list[Column], pa.Table]:
        """The result of an earlier statement."""
        answered, table = self._ask(call="result", query_id=query_id)
        return _columns(answered), table if table is not None else pa.table({})

    def translated(self, raised: Exception) -> ProgrammingError | None:
        """Errors come translated from the warehouse."""
        return None

    def close(self, retry: bool = True) -> None:
        """Let go of the session. A procedure's goes on: it is the caller's."""
        if not self._closed:
            self._closed = True
            if self._on_close is not None:
                self._on_close()


def _columns(answered: dict[str, Any]) -> list[Column]:
    return [Column(*column) for column in answered["columns"]]


def answer(connection: Connection, request: dict[str, Any]) -> Message:
    """Run what a proxy asks for; its errors go back to it."""
    try:
        columns, table, rowcount = _perform(connection, request)
    except duckdb.Error as raised:
        return _raised(connection.translated(raised) or errors.translate(raised), request)
    except NotImplementedError as raised:
        return _raised(errors.UnsupportedError(str(raised) or "this use of a function"), request)
    except Error as raised:
        return _raised(raised, request)
    answered = {
        "columns": [[column.name, column.duckdb, column.nullable, column.length] for column in columns],
        "rowcount": rowcount,
        "state": session_state(connection),
    }
    return answered, table


def _perform(
    connection: Connection, request: dict[str, Any]
) -> tuple[list[Column], pa.Table | None, int | None]:
    # The other process is the same user's: its pickles are no less trusted than its statements, which
    # can create and call Python functions.
    packed: Any = pickle.loads(bytes.fromhex(request["packed"])) if "packed" in request else None  # noqa: S301
    match request["call"]:
        case "execute":
            params, data = packed
            stream = io.BytesIO(data) if data is not None else None
            for listener in connection.listeners:
                listener(request["command"])
            connection.folder = request["cwd"]
            result = connection.perform(
                request["command"], params, request["query_id"], stream, request["settings"]
            )
            return result.columns, result.table, result.rowcount
        case "executemany":
            result = connection.perform_many(request["command"], packed, request["query_id"])
            return result.columns, result.table, result.rowcount
        case "describe":
            return connection.describe(request["command"], packed), None, None
        case "result":
            columns, table = connection.result(request["query_id"])
            return columns, table, None
    raise AssertionError(request["call"])


def _raised(raised: Error, request: dict[str, Any]) -> Message:
    text = raised.raw_msg if isinstance(raised, ProgrammingError) else str(raised)
    unsupported = isinstance(raised, errors.UnsupportedError)
    return {
        "raised": [unsupported, text, raised.errno, raised.sqlstate, raised.sfqid or request.get("query_id")]
    }, None
