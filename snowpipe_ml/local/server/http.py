"""Serve the embedded warehouse over HTTP on loopback, in the protocol of Snowflake's own clients.

The Snowflake connector, Snowpark and the Snowflake CLI connect with an ordinary entry in
``connections.toml``. Clients can create and run Python functions, so the server listens on loopback
only and requires a token.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import TimeoutError as NotYetError
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from snowflake.connector.errors import Error

from snowpipe_ml.local.client.connect import connect
from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.connector_errors import connector_errors
from snowpipe_ml.local.core.values import Options
from snowpipe_ml.local.server import answers, requests, wire
from snowpipe_ml.local.server.logins import Logins
from snowpipe_ml.local.server.scheduler import Scheduler
from snowpipe_ml.local.server.sessions import DETACHED_AFTER, Answer, ClientSession
from snowpipe_ml.local.statements.access import ADMINISTRATOR
from snowpipe_ml.local.statements.session import is_honoured, set_parameters
from snowpipe_ml.local.statements.users import public_keys
from snowpipe_ml.text.redaction import redact
from snowpipe_ml.version import __version__

# The names under which clients log in that read results as JSON only: https://www.npmjs.com/package/snowflake-sdk
_WITHOUT_ARROW = frozenset({"JavaScript"})

log = logging.getLogger("snowpipe_ml.local.server.http")

# Seconds before a long statement is answered with "still running". Clients time out after a minute without
# an answer; after this one they ask for the result again.
_ANSWER_SECONDS = 40.0
_RUNNING, _RUNNING_ASYNC = "333333", "333334"


ODD_PARAMETERS: Options = {
    "AUTOCOMMIT": False,
    "DATE_INPUT_FORMAT": "DD/MM/YYYY",
    "DATE_OUTPUT_FORMAT": "DD/MM/YYYY",
    "TIMESTAMP_INPUT_FORMAT": "DD/MM/YYYY HH24:MI:SS",
    "TIMEZONE": "Asia/Tokyo",
    "WEEK_START": 7,
}
"""Parameters that an account may have. A session that does not set those that are not supported is refused."""


class WarehouseServer:
    """The HTTP server of one warehouse.

    Args:
        path: the folder of the warehouse.
        port: the port on 127.0.0.1; 0 for any free port.
        token: the token that clients must send; see :func:`snowpipe_ml.local.server.token_of`.
        database: the database of clients that do not name one.
        schema: the schema of such clients.
        detached_after: seconds after which a client that sends no requests counts as gone.
        strict: whether queries and DML need a warehouse, each statement needs its privileges, and sessions have the
            odd parameters of ODD_PARAMETERS unless they set others. A login without a role has ACCOUNTADMIN.
        second_factor: confirms a login by password; see :class:`snowpipe_ml.local.server.logins.Logins`.
        tasks: run the tasks of the warehouse by their schedules and streams.

    Raises:
        OSError: the port is in use.
    """

    def __init__(
        self,
        path: Path,
        port: int,
        token: str,
        database: str | None = None,
        schema: str | None = "PUBLIC",
        *,
        detached_after: float = DETACHED_AFTER,
        second_factor: Callable[[], bool] | None = None,
        strict: bool = False,
        tasks: bool = False,
    ) -> None:
        self._path = path
        self._token = token
        self._defaults = database, schema
        self._sessions: dict[str, ClientSession] = {}
        self._lock = threading.Lock()
        # The server holds the warehouse open for as long as it runs, even without clients.
        holder = connect(path, database, schema, timeout=10)
        if not isinstance(holder, Connection):
            # Another process holds the warehouse; this server would end with it.
            name = holder.holder
            holder.close()
            raise errors.WarehouseLockedError(path, name)
        self._holder = holder
        self._parameters: Options = dict(ODD_PARAMETERS) if strict else {}
        holder.storage.strict = strict
        self.logins = Logins(token, partial(public_keys, holder.session), second_factor)
        try:
            self._http = requests.BoundedServer(("127.0.0.1", port), _handler(self))
        except BaseException:
            self._holder.close()
            raise
        self.port: int = self._http.server_address[1]
        self._serving = False
        self._closed = threading.Event()
        self._detached_after = detached_after
        threading.Thread(target=self._watch, name="detached-clients", daemon=True).start()
        self._scheduler = Scheduler(holder.storage) if tasks else None
        if self._scheduler is not None:
            self._scheduler.start()

    @property
    def entry(self) -> str:
        """The entry in ``connections.toml`` with which clients connect."""
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
        """Answer clients until :meth:`close` is called."""
        self._serving = True
        self._http.serve_forever(poll_interval=0.1)

    def _watch(self) -> None:
        """Cancel the statements of clients that are gone, in sessions with ABORT_DETACHED_QUERY."""
        while not self._closed.wait(self._detached_after / 10):
            with self._lock:
                sessions = list(self._sessions.values())
            for session in sessions:
                session.abort_if_detached(self._detached_after)

    def close(self) -> None:
        """Stop, roll back open transactions and release the warehouse."""
        self._closed.set()
        if self._serving:
            self._http.shutdown()
        self._http.server_close()
        if self._scheduler is not None:
            self._scheduler.close()
        with self._lock:
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for session in sessions:
            session.close()
        self._holder.close()

    def login(self, query: dict[str, str], body: wire.LoginRequest) -> Answer:
        """Open a session."""
        data = body.get("data") or wire.LoginData()
        if (refused := self.logins.refused(data)) is not None:
            return refused
        with self._lock:
            if len(self._sessions) >= requests.MOST_SESSIONS:
                many = f"the embedded warehouse has {requests.MOST_SESSIONS} sessions: close some"
                return answers.failed("390503", many, "08004")
        try:
            named = query.get("databaseName"), query.get("schemaName")
            opened = connect(self._path, *(named if named[0] else self._defaults))
            assert isinstance(opened, Connection)
        except Error as raised:
            return answers.failed(f"{raised.errno or 0:06d}", str(raised.msg), raised.sqlstate)
        settings = {**self._parameters, **(data.get("SESSION_PARAMETERS") or {})}
        try:
            with connector_errors(opened.translated):
                set_parameters(
                    opened.session, {key: value for key, value in settings.items() if is_honoured(key)}
                )
        except Error as raised:
            opened.close()
            return answers.failed(f"{raised.errno or 0:06d}", str(raised.msg), raised.sqlstate)
        if self._holder.storage.strict:  # the first user of an account is an administrator
            opened.session.role = (query.get("roleName") or ADMINISTRATOR).upper()
        if query.get("warehouse"):
            opened.session.warehouse = query["warehouse"].upper()
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[token] = ClientSession(opened, as_json=data.get("CLIENT_APP_ID") in _WITHOUT_ARROW)
        known = {
            "TIMEZONE": "America/Los_Angeles",
            "AUTOCOMMIT": True,
            "CLIENT_SESSION_KEEP_ALIVE": False,
            "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD": 0,
            "CLIENT_TELEMETRY_ENABLED": False,
            **opened._session_parameters,
            **settings,
        }
        return answers.done(
            {
                "token": token,
                "masterToken": token,
                "mfaToken": self.logins.new_token(data),
                "validityInSeconds": 86400,
                "masterValidityInSeconds": 86400,
                "serverVersion": __version__,
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

    def session(self, authorization: str) -> ClientSession | None:
        """Return the session that belongs to the token of a request."""
        token = authorization.partition('Token="')[2].rstrip('"')
        with self._lock:
            return self._sessions.get(token)

    def logout(self, session: ClientSession) -> Answer:
        """End a session."""
        with self._lock:
            for token in [token for token, known in self._sessions.items() if known is session]:
                del self._sessions[token]
        session.close()
        return answers.done(None)

    def query(self, session: ClientSession, body: wire.QueryRequest) -> Answer:
        """Run or describe a statement; for a long one, return the URL at which to ask for the result."""
        query_id = str(uuid.uuid4())
        session.pending[query_id] = session.executor.submit(
            answers.run, session.connection, body, query_id, as_json=session.as_json
        )
        if body.get("asyncExec"):
            return answers.in_progress(query_id, _RUNNING_ASYNC)
        return self.result(session, query_id)

    def result(self, session: ClientSession, query_id: str) -> Answer:
        """Return the answer to a statement that was started, or a kept result."""
        future = session.pending.get(query_id)
        if future is None:
            return answers.kept(session.connection, query_id, as_json=session.as_json)
        try:
            answer = future.result(_ANSWER_SECONDS)
        except NotYetError:
            return answers.in_progress(query_id, _RUNNING)
        session.pending.pop(query_id, None)
        return answer

    def status(self, session: ClientSession, query_id: str) -> Answer:
        """Return whether a statement is running, and how it ended."""
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
        return answers.done({"queries": shown})


def _handler(server: WarehouseServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Reads the JSON of a request and passes it to the server."""

        protocol_version = "HTTP/1.1"
        # The head and the body of an answer are two writes. Nagle's algorithm would hold the second one back
        # until the client's delayed acknowledgement, 40 ms later.
        disable_nagle_algorithm = True
        timeout = requests.IDLE_SECONDS
        error_content_type = "text/plain;charset=utf-8"
        error_message_format = "%(code)d %(message)s\n"

        def do_POST(self) -> None:
            """Answer all requests except those for results and statuses."""
            self._respond()

        def do_GET(self) -> None:
            """Answer requests for results and statuses."""
            self._respond()

        def _respond(self) -> None:
            """Read a request and answer it; what goes wrong is an answer too."""
            status = HTTPStatus.OK
            try:
                requests.check_host(self.headers.get("Host"))
                session = server.session(self.headers.get("Authorization") or "")
                limit = requests.LOGIN_BYTES if session is None else requests.BODY_BYTES
                body = requests.read_body(self.headers, self.rfile, limit)
                answer = self._route(session, body)
            except requests.BadRequest as refused:
                status, self.close_connection = refused.status, True
                answer = answers.failed("390400", refused.message, "08000")
            except TimeoutError:
                raise  # the client sends nothing more; the connection is closed
            except Exception as raised:
                status, self.close_connection = HTTPStatus.INTERNAL_SERVER_ERROR, True
                log.exception("internal error of the server in the request %s", redact(self.path)[:200])
                answer = answers.failed("000603", f"{type(raised).__name__}: {raised}", "XX000")
            data = json.dumps(answer, default=str).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                if self.close_connection:
                    self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(data)
            except (BrokenPipeError, ConnectionResetError):
                log.debug("a client is gone and does not read the answer to %s", self.path)
                self.close_connection = True

        def _route(self, session: ClientSession | None, body: dict[str, object]) -> Answer:
            try:
                url = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(url.query).items()}
            except ValueError as raised:
                raise requests.BadRequest(HTTPStatus.BAD_REQUEST, f"the path is no URL: {raised}") from raised
            parts = [part for part in url.path.split("/") if part]
            if url.path == "/session/v1/login-request":
                return server.login(query, requests.login_request(body))
            if url.path == "/telemetry/send":
                return answers.done(None)
            if session is None:
                return answers.failed("390104", "Unknown session: log in again.", "08003")
            with session.request():
                return self._of_session(session, parts, query, body)

        def _of_session(
            self, session: ClientSession, parts: list[str], query: dict[str, str], body: dict[str, object]
        ) -> Answer:
            match parts:
                case ["queries", "v1", "query-request"]:
                    return server.query(session, requests.query_request(body))
                case ["queries", "v1", "abort-request"]:
                    session.connection.session.interrupt()
                    return answers.done(None)
                case ["queries", query_id, "result"]:
                    return server.result(session, query_id)
                case ["monitoring", "queries", query_id]:
                    return server.status(session, query_id)
                case ["session"] if query.get("delete") == "true":
                    return server.logout(session)
                case ["session", "heartbeat"] | ["session"]:
                    return answers.done(None)
                case ["session", "token-request"]:
                    token = (self.headers.get("Authorization") or "").partition('Token="')[2].rstrip('"')
                    return answers.done(
                        {
                            "sessionToken": token,
                            "masterToken": token,
                            "validityInSecondsST": 86400,
                            "validityInSecondsMT": 86400,
                        }
                    )
            path = urlsplit(self.path).path
            return answers.failed("390400", f"the embedded warehouse does not serve {path}", "0A000")

        def log_message(self, format: str, *args: object) -> None:
            """Write to the log instead of stderr."""
            log.debug(format, *args)

    return Handler
