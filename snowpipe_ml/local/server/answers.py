"""The answers to clients: the results of statements, and errors."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass, replace

import pyarrow as pa
from snowflake.connector.errors import Error, ProgrammingError

from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.connector_errors import connector_errors
from snowpipe_ml.local.core.parameters import DEFAULTS
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Params
from snowpipe_ml.local.server import wire
from snowpipe_ml.local.server.filetransfer import transfer
from snowpipe_ml.local.server.sessions import Answer
from snowpipe_ml.local.statements.several import several
from snowpipe_ml.text.redaction import redact

log = logging.getLogger("snowpipe_ml.local.server.http")

_DONE = "multiple statement execution"
_ALL_DONE = Result(
    [Column(_DONE, "VARCHAR")], pa.table({_DONE: ["Multiple statements executed successfully."]})
)


@dataclass(frozen=True)
class _Request:
    """A statement to run or to describe.

    Attributes:
        text: the statement.
        values: its bound values.
        rows: the bound values of many executions.
        settings: parameters of this statement only.
        describe_only: whether it is described, not run.
    """

    text: str
    values: Params
    rows: list[list[object]] | None
    settings: dict[str, object]
    describe_only: bool


def run(connection: Connection, body: wire.QueryRequest, query_id: str, *, as_json: bool = False) -> Answer:
    """Run or describe a statement on a connection; ``as_json`` is whether the client reads no Arrow.

    If its parameter MULTI_STATEMENT_COUNT is not 1, it has several statements, and each keeps its own result.
    """
    settings = dict(body.get("parameters") or {})
    try:
        wanted = int(str(settings.pop("MULTI_STATEMENT_COUNT", 1)))
        values, rows = wire.parameters(body.get("bindings"))
    except (ValueError, ArithmeticError) as raised:
        return failed(
            "390400", f"a bound value or a parameter cannot be read: {raised}", "22000", {"queryId": query_id}
        )
    request = _Request(str(body["sqlText"]), values, rows, settings, bool(body.get("describeOnly")))
    if wanted == 1 or request.describe_only:
        return _run_one(connection, request, query_id, as_json=as_json)
    return _run_several(connection, request, wanted, query_id, as_json=as_json)


def _run_several(
    connection: Connection, request: _Request, wanted: int, query_id: str, *, as_json: bool
) -> Answer:
    """Run the statements of a text up to the first that fails, and return the query ids of their results."""
    try:
        statements = several(request.text, request.values, wanted)
    except Error as raised:
        return refused(raised, query_id)
    if not statements:
        return _run_one(connection, request, query_id, as_json=as_json)
    ids = [str(uuid.uuid4()) for _ in statements]
    for own, (text, values) in zip(ids, statements, strict=True):
        answer = _run_one(connection, replace(request, text=text, values=values), own, as_json=as_json)
        if not answer["success"]:
            return answer
    types = ",".join(str(wire.statement_type(text)) for text, _ in statements)
    data = wire.result_data(_ALL_DONE, wire.SEVERAL, as_json=True)
    return done(
        {**data, "queryId": query_id, "resultIds": ",".join(ids), "resultTypes": types, "parameters": []}
    )


def _run_one(connection: Connection, request: _Request, query_id: str, *, as_json: bool) -> Answer:
    text, settings = request.text, request.settings
    type_id = wire.statement_type(text)
    # Before taking the lock: the statement to cancel holds it.
    if not request.describe_only and (aside := connection.aside(text)) is not None:
        return done(
            {**wire.result_data(aside, type_id, as_json=as_json), "queryId": query_id, "parameters": []}
        )
    try:
        with connection.lock, connector_errors(connection.translated):
            if request.describe_only:
                described = connection.describe(text, request.values)
                data = wire.description_data(described, type_id, as_json=as_json)
            elif (files := transfer(connection, text, query_id, settings)) is not None:
                return done({**files, "queryId": query_id})
            elif request.rows is not None:
                result = connection.perform_many(text, request.rows, query_id, settings)
                data = wire.result_data(result, type_id, as_json=as_json)
            else:
                result = connection.perform(text, request.values, query_id, None, settings)
                data = wire.result_data(result, type_id, as_json=as_json)
    except Error as raised:
        return refused(raised, query_id)
    except Exception as raised:
        # Clients would retry an answer with HTTP status 500, and would not show the cause.
        log.exception("internal error of the embedded warehouse in the statement: %s", redact(text)[:200])
        return refused(errors.InternalFaultError(raised), query_id)
    return done(
        {
            **data,
            "queryId": query_id,
            "parameters": _formats(connection) if as_json else [],
            "finalDatabaseName": connection.database,
            "finalSchemaName": connection.schema,
            "finalWarehouseName": connection.warehouse,
            "finalRoleName": connection.role,
            "version": 1,
        }
    )


def _formats(connection: Connection) -> list[dict[str, object]]:
    """Return the parameters by which clients write values that are sent as JSON."""
    names = [name for name in DEFAULTS if name.endswith("_OUTPUT_FORMAT")]
    given = connection.session.parameters
    usual = given.get("TIMESTAMP_OUTPUT_FORMAT") or DEFAULTS["TIMESTAMP_OUTPUT_FORMAT"]
    return [
        {"name": name, "value": given.get(name) or DEFAULTS[name] or usual} for name in (*names, "TIMEZONE")
    ]


def kept(connection: Connection, query_id: str, *, as_json: bool = False) -> Answer:
    """Return the result of an earlier statement."""
    try:
        columns, table = connection.result(query_id)
    except Error as raised:
        return refused(raised, query_id)
    data = wire.result_data(Result(columns, table), 0x1000, as_json=as_json)
    return done({**data, "queryId": query_id, "parameters": []})


def done(data: object) -> Answer:
    """Answer a request that succeeded."""
    return {"data": data, "code": None, "message": None, "success": True}


def failed(code: str, message: str, sqlstate: str | None, more: dict[str, object] | None = None) -> Answer:
    """Answer a request that failed, with Snowflake's code of six digits."""
    data = {"errorCode": code, "sqlState": sqlstate, **(more or {})}
    return {"data": data, "code": code, "message": message, "success": False}


def refused(raised: Error, query_id: str) -> Answer:
    """Answer a statement that failed."""
    text = raised.raw_msg if isinstance(raised, ProgrammingError) else str(raised)
    return failed(f"{raised.errno or 0:06d}", str(text), raised.sqlstate, {"queryId": query_id})


def in_progress(query_id: str, code: str) -> Answer:
    """Answer that a statement runs, with the URL at which to ask for its result."""
    data = {"queryId": query_id, "getResultUrl": f"/queries/{query_id}/result", "queryAbortsAfterSecs": 86400}
    return {"data": data, "code": code, "message": "Query execution in progress.", "success": True}
