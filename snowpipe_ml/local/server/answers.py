"""The answers to clients: the results of statements, and errors."""

from __future__ import annotations

import logging

from snowflake.connector.errors import Error, ProgrammingError

from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.connector_errors import connector_errors
from snowpipe_ml.local.core.parameters import DEFAULTS
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.server import wire
from snowpipe_ml.local.server.filetransfer import transfer
from snowpipe_ml.local.server.sessions import Answer
from snowpipe_ml.text.redaction import redact

log = logging.getLogger("snowpipe_ml.local.server.http")


def run(connection: Connection, body: wire.QueryRequest, query_id: str, *, as_json: bool = False) -> Answer:
    """Run or describe a statement on a connection; ``as_json`` is whether the client reads no Arrow."""
    text = str(body["sqlText"])
    type_id = wire.statement_type(text)
    settings = dict(body.get("parameters") or {})
    try:
        values, rows = wire.parameters(body.get("bindings"))
    except (ValueError, ArithmeticError) as raised:
        return failed("390400", f"a bound value cannot be read: {raised}", "22000", {"queryId": query_id})
    # Before taking the lock: the statement to cancel holds it.
    if not body.get("describeOnly") and (aside := connection.aside(text)) is not None:
        return done(
            {**wire.result_data(aside, type_id, as_json=as_json), "queryId": query_id, "parameters": []}
        )
    try:
        with connection.lock, connector_errors(connection.translated):
            if body.get("describeOnly"):
                data = wire.description_data(connection.describe(text, values), type_id, as_json=as_json)
            elif (files := transfer(connection, text, query_id, settings)) is not None:
                return done({**files, "queryId": query_id})
            elif rows is not None:
                result = connection.perform_many(text, rows, query_id, settings)
                data = wire.result_data(result, type_id, as_json=as_json)
            else:
                result = connection.perform(text, values, query_id, None, settings)
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
