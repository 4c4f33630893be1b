"""Serve the requests of another process: a stored procedure, or a process that shares the open warehouse."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any, Required, TypeAlias, TypedDict

import pyarrow as pa

from snowpipe_ml.local.core import connector, errors
from snowpipe_ml.local.core.connector_errors import connector_errors
from snowpipe_ml.local.core.messages import Header, Message, Sent
from snowpipe_ml.local.core.session import Client, Session
from snowpipe_ml.local.core.types import Column


class Request(TypedDict, total=False):
    """A request of a proxy connection: which of its methods is called, and the arguments."""

    call: Required[str]
    command: str
    packed: str
    query_id: str
    settings: dict[str, object]
    cwd: str


class State(TypedDict):
    """The session state that the other process's proxy connection shows."""

    session_id: int
    database: str | None
    schema: str | None
    warehouse: str | None
    role: str | None


Exchange: TypeAlias = Callable[[Mapping[str, object]], Message]


def session_state(session: Session) -> State:
    """Return the state of a session."""
    return {
        "session_id": session.session_id,
        "database": session.database,
        "schema": session.schema,
        "warehouse": session.warehouse,
        "role": session.role,
    }


def answer(client: Client, request: Header) -> Sent:
    """Run the request of a proxy connection and return the response; errors are part of the response."""
    try:
        with connector_errors(client.translated):
            columns, table, rowcount = _perform(client, request)
    except connector.Error as raised:
        return _raised(raised, request)
    answered = {
        "columns": [
            [
                column.name,
                column.duckdb,
                column.nullable,
                column.length,
                column.structure,
                column.output,
                column.scale,
            ]
            for column in columns
        ],
        "rowcount": rowcount,
        "state": session_state(client.session),
    }
    return answered, table


def _perform(client: Client, request: Header) -> tuple[list[Column], pa.Table | None, int | None]:
    # The other process belongs to the same user. Its pickles are as trusted as its statements, which can
    # create and call Python functions.
    def packed() -> Any:
        return pickle.loads(bytes.fromhex(request["packed"]))  # noqa: S301

    match request["call"]:
        case "execute":
            params, data = packed()
            stream = io.BytesIO(data) if data is not None else None
            for listener in client.listeners:
                listener(request["command"])
            session = client.session
            before = session.folder, session.worker_folder
            session.folder, session.worker_folder = request["cwd"], request.get("worker_folder")
            try:
                result = client.perform(
                    request["command"], params, request["query_id"], stream, request["settings"]
                )
            finally:
                session.folder, session.worker_folder = before
            return result.columns, result.table, result.rowcount
        case "executemany":
            result = client.perform_many(
                request["command"], packed(), request["query_id"], request["settings"]
            )
            return result.columns, result.table, result.rowcount
        case "describe":
            return client.describe(request["command"], packed()), None, None
        case "result":
            columns, table = client.result(request["query_id"])
            return columns, table, None
    raise AssertionError(request["call"])


def _raised(raised: connector.Error, request: Header) -> Sent:
    text = raised.raw_msg if isinstance(raised, connector.ProgrammingError) else str(raised)
    unsupported = isinstance(raised, errors.UnsupportedError)
    return {
        "raised": [unsupported, text, raised.errno, raised.sqlstate, raised.sfqid or request.get("query_id")]
    }, None
