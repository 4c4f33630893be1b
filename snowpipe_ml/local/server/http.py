"""The embedded warehouse over HTTP on loopback, in the protocol of Snowflake's own clients.

The Snowflake connector, Snowpark and the Snowflake CLI connect with an ordinary entry of
``connections.toml``. Clients can create and run Python functions, so the server listens on loopback
alone and asks for a token.
"""

from __future__ import annotations

import gzip
import hmac
import json
import logging
import os
import secrets
import threading
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import duckdb
from snowflake.connector.errors import Error, ProgrammingError

from snowpipe_ml.local.client.connect import connect
from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.server import wire
from snowpipe_ml.local.server.filetransfer import transfer

log = logging.getLogger("snowpipe_ml.local.server.http")

# Clients give up on a silent answer after a minute, so a long statement is answered "still running"
# and asked for again.
_PATIENCE = 40.0
_RUNNING, _RUNNING_ASYNC = "333333", "333334"


class _Session:
    """A client's session: its connection, and the statements it has under way."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.pending: dict[str, Future[dict[str, Any]]] = {}
        self.executor = ThreadPoolExecutor(16, thread_name_prefix="statement")

    def close(self) -> None:
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.connection.close()


class WarehouseServer:
    """Serves one warehouse.

    Args:
        path: the warehouse's folder.
        port: where to listen on 127.0.0.1; 0 for any free port.
        token: what clients must show; see :func:`token_of`.
        database: the database of a client that names none.
        schema: the schema of such a client.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self, path: Path, port: int, token: str, database: str | None = None, schema: str | None = "PUBLIC"
    ) -> None:
        self._path = path
        self._token = token
        self._defaults = database, schema
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()
        # It holds the warehouse for as long as it serves, also while no client is there.
        holder = connect(path, database, schema, timeout=10)
        if not isinstance(holder, Connection):
            # A server of a guest would end with its host.
            name = holder.holder
            holder.close()
            raise errors.WarehouseLockedError(path, name)
        self._holder = holder
        try:
            self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        except BaseException:
            self._holder.close()
            raise
        self._http.daemon_threads = True
        self.port: int = self._http.server_address[1]
        self._serving = False

    @property
    def entry(self) -> str:
        """The entry of ``connections.toml`` by which clients reach it."""
        database, schema = self._defaults
        lines = [
            "[embedded]",
            'account = "local"',
            'user = "local"',
            f'password = "{self._token}"',
            'host = "127.0.0.1"',
            f"port = {self.port}",
            'protocol = "http"',
        ]
        lines += [f'database = "{database}"'] if database else []
        lines += [f'schema = "{schema}"'] if database and schema else []
        return "\n".join(lines)

    def serve_forever(self) -> None:
        """Answer clients until :meth:`close`."""
        self._serving = True
        self._http.serve_forever(poll_interval=0.1)

    def close(self) -> None:
        """Stop, roll open transactions back, and let the warehouse go."""
        if self._serving:
            self._http.shutdown()
        self._http.server_close()
        with self._lock:
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for session in sessions:
            session.close()
        self._holder.close()

    def login(self, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        """Open a session."""
        data = body.get("data", {})
        shown = str(data.get("TOKEN") or data.get("PASSWORD") or "")
        if not hmac.compare_digest(shown, self._token):
            return _failed("390100", "Incorrect username or password was specified.", "08001")
        try:
            named = query.get("databaseName"), query.get("schemaName")
            opened = connect(self._path, *(named if named[0] else self._defaults))
            assert isinstance(opened, Connection)
        except Error as raised:
            return _failed(f"{raised.errno or 0:06d}", str(raised.msg), raised.sqlstate)
        settings = dict(data.get("SESSION_PARAMETERS") or {})
        if settings.get("QUERY_TAG"):
            opened.session.parameters["QUERY_TAG"] = settings["QUERY_TAG"]
        if query.get("warehouse"):
            opened.session.warehouse = query["warehouse"].upper()
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[token] = _Session(opened)
        known = {
            "TIMEZONE": "America/Los_Angeles",
            "AUTOCOMMIT": True,
            "CLIENT_SESSION_KEEP_ALIVE": False,
            "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD": 0,
            "CLIENT_TELEMETRY_ENABLED": False,
            **opened._session_parameters,
            **settings,
        }
        return _done(
            {
                "token": token,
                "masterToken": token,
                "validityInSeconds": 86400,
                "masterValidityInSeconds": 86400,
                "serverVersion": "embedded",
                "sessionId": opened.session_id,
                "parameters": [{"name": name, "value": value} for name, value in known.items()],
                "sessionInfo": {
                    "databaseName": opened.database,
                    "schemaName": opened.schema,
                    "warehouseName": opened.warehouse,
                    "roleName": opened.role,
                },
            }
        )

    def session(self, authorization: str) -> _Session | None:
        """The session of a request's token."""
        token = authorization.partition('Token="')[2].rstrip('"')
        with self._lock:
            return self._sessions.get(token)

    def logout(self, session: _Session) -> dict[str, Any]:
        """End a session."""
        with self._lock:
            for token in [token for token, known in self._sessions.items() if known is session]:
                del self._sessions[token]
        session.close()
        return _done(None)

    def query(self, session: _Session, body: dict[str, Any]) -> dict[str, Any]:
        """Run or describe a statement; a long one is answered with where to ask again."""
        query_id = str(uuid.uuid4())
        session.pending[query_id] = session.executor.submit(_run, session.connection, body, query_id)
        if body.get("asyncExec"):
            return _in_progress(query_id, _RUNNING_ASYNC)
        return self.result(session, query_id)

    def result(self, session: _Session, query_id: str) -> dict[str, Any]:
        """The answer to a statement that was begun, or a kept result."""
        future = session.pending.get(query_id)
        if future is None:
            return _kept(session.connection, query_id)
        try:
            answer = future.result(_PATIENCE)
        except NotYetError:
            return _in_progress(query_id, _RUNNING)
        session.pending.pop(query_id, None)
        return answer

    def status(self, session: _Session, query_id: str) -> dict[str, Any]:
        """Return whether a statement runs, and how it ended."""
        known = [row for row in session.connection.storage.history.rows() if row["QUERY_ID"] == query_id]
        shown = [
            {
                "id": query_id,
                "status": row["EXECUTION_STATUS"],
                "errorMessage": row["ERROR_MESSAGE"],
                "errorCode": None,
            }
            for row in known
        ]
        return _done({"queries": shown})


def _run(connection: Connection, body: dict[str, Any], query_id: str) -> dict[str, Any]:
    text = str(body["sqlText"])
    type_id = wire.statement_type(text)
    # Before the lock, which the statement that it cancels holds.
    if not body.get("describeOnly") and (aside := connection.aside(text)) is not None:
        return _done({**wire.result_data(aside, type_id), "queryId": query_id, "parameters": []})
    try:
        with connection.lock:
            values, rows = wire.parameters(body.get("bindings"))
            if body.get("describeOnly"):
                data = wire.description_data(connection.describe(text, values), type_id)
            elif (files := transfer(connection, text)) is not None:
                return _done({**files, "queryId": query_id})
            elif rows is not None:
                data = wire.result_data(connection.perform_many(text, rows, query_id), type_id)
            else:
                settings = dict(body.get("parameters") or {})
                data = wire.result_data(connection.perform(text, values, query_id, None, settings), type_id)
    except duckdb.Error as raised:
        return _refused(connection.translated(raised) or errors.translate(raised), query_id)
    except NotImplementedError as raised:
        return _refused(errors.UnsupportedError(str(raised) or "this use of a function"), query_id)
    except Error as raised:
        return _refused(raised, query_id)
    except Exception as raised:
        # An answer of 500 would be asked for again and again, and say nothing to who asked.
        log.exception("the statement failed by a mistake of the embedded warehouse: %s", text[:200])
        return _failed("000603", f"{type(raised).__name__}: {raised}", "XX000", {"queryId": query_id})
    return _done(
        {
            **data,
            "queryId": query_id,
            "parameters": [],
            "finalDatabaseName": connection.database,
            "finalSchemaName": connection.schema,
            "finalWarehouseName": connection.warehouse,
            "finalRoleName": connection.role,
            "version": 1,
        }
    )


def _kept(connection: Connection, query_id: str) -> dict[str, Any]:
    try:
        columns, table = connection.result(query_id)
    except Error as raised:
        return _refused(raised, query_id)
    return _done({**wire.result_data(Result(columns, table), 0x1000), "queryId": query_id, "parameters": []})


def _done(data: Any) -> dict[str, Any]:
    return {"data": data, "code": None, "message": None, "success": True}


def _failed(
    code: str, message: str, sqlstate: str | None, more: dict[str, Any] | None = None
) -> dict[str, Any]:
    data = {"errorCode": code, "sqlState": sqlstate, **(more or {})}
    return {"data": data, "code": code, "message": message, "success": False}


def _refused(raised: Error, query_id: str) -> dict[str, Any]:
    text = raised.raw_msg if isinstance(raised, ProgrammingError) else str(raised)
    return _failed(f"{raised.errno or 0:06d}", str(text), raised.sqlstate, {"queryId": query_id})


def _in_progress(query_id: str, code: str) -> dict[str, Any]:
    data = {"queryId": query_id, "getResultUrl": f"/queries/{query_id}/result", "queryAbortsAfterSecs": 86400}
    return {"data": data, "code": code, "message": "Query execution in progress.", "success": True}


def _handler(server: WarehouseServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Reads a request's JSON and hands it on."""

        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Everything but results and statuses."""
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            self._answer(json.loads(body or b"{}"))

        def do_GET(self) -> None:
            """Results and statuses."""
            self._answer({})

        def _answer(self, body: Any) -> None:
            data = json.dumps(self._route(body), default=str).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _route(self, body: Any) -> dict[str, Any]:
            url = urlparse(self.path)
            parts = [part for part in url.path.split("/") if part]
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            if url.path == "/session/v1/login-request":
                return server.login(query, body)
            if url.path == "/telemetry/send":
                return _done(None)
            session = server.session(self.headers.get("Authorization") or "")
            if session is None:
                return _failed("390104", "The session is not known here: log in again.", "08003")
            match parts:
                case ["queries", "v1", "query-request"]:
                    return server.query(session, body)
                case ["queries", "v1", "abort-request"]:
                    session.connection.session.interrupt()
                    return _done(None)
                case ["queries", query_id, "result"]:
                    return server.result(session, query_id)
                case ["monitoring", "queries", query_id]:
                    return server.status(session, query_id)
                case ["session"] if query.get("delete") == "true":
                    return server.logout(session)
                case ["session", "heartbeat"] | ["session"]:
                    return _done(None)
                case ["session", "token-request"]:
                    token = (self.headers.get("Authorization") or "").partition('Token="')[2].rstrip('"')
                    return _done(
                        {
                            "sessionToken": token,
                            "masterToken": token,
                            "validityInSecondsST": 86400,
                            "validityInSecondsMT": 86400,
                        }
                    )
            return _failed("390400", f"the embedded warehouse does not serve {url.path}", "0A000")

        def log_message(self, format: str, *args: Any) -> None:
            """To the log, not to stderr."""
            log.debug(format, *args)

    return Handler


def token_of(path: Path) -> str:
    """The token of a warehouse: made once, kept in its folder for its user alone."""
    file = path / "server.token"
    path.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    with os.fdopen(handle, "w") as out:
        token = secrets.token_urlsafe(24)
        try:
            out.write(token + "\n")
            out.flush()
        except OSError:
            file.unlink()  # an empty one would be taken for the token later
            raise
    return token
