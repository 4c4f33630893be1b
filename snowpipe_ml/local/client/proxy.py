"""A connection whose statements run in another process.

:class:`ProxyConnection` represents a session of the process that has the warehouse open. It is used by
stored procedures and by other processes that share the warehouse. That process runs the requests
with :func:`snowpipe_ml.local.core.exchange.answer`.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Unpack

import pyarrow as pa

from snowpipe_ml.local.client.base import ClientConnection
from snowpipe_ml.local.core import connector, errors
from snowpipe_ml.local.core.exchange import Exchange, Request, State
from snowpipe_ml.local.core.messages import Header, Message
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Params


class ProxyConnection(ClientConnection):
    """Implements the part of ``SnowflakeConnection`` that Snowpark uses, for a session in another process.

    Args:
        exchange: sends a request and returns the answer.
        state: the state of the session, from :func:`session_state`.
        on_close: called once when the connection is closed.
    """

    def __init__(self, exchange: Exchange, state: State, on_close: Callable[[], None] | None = None) -> None:
        self._exchange = exchange
        self._on_close = on_close
        self.lock = threading.RLock()
        self.listeners: list[Callable[[str], None]] = []
        self.failures: dict[str, connector.Error] = {}
        self.texts: dict[str, list[str]] = {}
        self._set_state(state)

    def _set_state(self, state: State) -> None:
        self.session_id = state["session_id"]
        self.database, self.schema = state["database"], state["schema"]
        self.warehouse, self.role = state["warehouse"], state["role"]

    def _ask(self, **request: Unpack[Request]) -> Message:
        with self.lock:
            answered, table = self._exchange(request)
        if "raised" in answered:
            unsupported, text, errno, sqlstate, query_id = answered["raised"]
            if unsupported:
                raise errors.UnsupportedError.of(text)
            raise connector.ProgrammingError(text, errno=errno, sqlstate=sqlstate, sfqid=query_id)
        self._set_state(answered["state"])
        return answered, table

    def perform(
        self,
        command: str,
        params: Params,
        query_id: str,
        file_stream: IO[bytes] | None,
        settings: Mapping[str, object],
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
            settings=dict(settings),
            cwd=os.getcwd(),
        )
        return Result(_columns(answered), table if table is not None else pa.table({}), answered["rowcount"])

    def perform_many(
        self,
        command: str,
        rows: Sequence[Sequence[object]],
        query_id: str,
        settings: Mapping[str, object] | None = None,
    ) -> Result:
        """Run an INSERT for many rows."""
        packed = pickle.dumps(rows).hex()
        answered, table = self._ask(
            call="executemany",
            command=command,
            packed=packed,
            query_id=query_id,
            settings=dict(settings or {}),
        )
        return Result(_columns(answered), table if table is not None else pa.table({}), answered["rowcount"])

    def describe(self, command: str, params: Params) -> list[Column]:
        """Return the columns of a statement's result without running it."""
        answered, _ = self._ask(call="describe", command=command, packed=pickle.dumps(params).hex())
        return _columns(answered)

    def result(self, query_id: str) -> tuple[list[Column], pa.Table]:
        """Return the result of an earlier statement."""
        answered, table = self._ask(call="result", query_id=query_id)
        return _columns(answered), table if table is not None else pa.table({})

    def translated(self, raised: Exception) -> connector.ProgrammingError | None:
        """Return None: the process that runs the statements has translated the errors already."""
        return None

    def close(self, retry: bool = True) -> None:
        """Close the connection. The session of a procedure stays open: it belongs to the caller."""
        if not self._closed:
            self._closed = True
            if self._on_close is not None:
                self._on_close()


def _columns(answered: Header) -> list[Column]:
    return [Column(*column) for column in answered["columns"]]
