"""A refused login is not retried: a retry would send another push, or lock the account."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import (
    BadGatewayError,
    DatabaseError,
    ForbiddenError,
    OperationalError,
    ProgrammingError,
    ServiceUnavailableError,
)

from snowpipe_ml.engine.retry import again, is_transient
from snowpipe_ml.engine.run.sessions import Sessions
from snowpipe_ml.errors import TargetError

SPEC = """\
name: demo
targets: {prod: {type: snowflake, connection: prod, database: D}}
steps:
  one: {type: transform, query: SELECT 1 AS X, writes: one}
"""
Answer = tuple[int, dict[str, Any]]
NEEDS_A_PUSH: Answer = (
    200,
    {
        "data": {"nextAction": "EXT_AUTHN_DUO_ALL", "inFlightCtx": "x"},
        "code": "390120",
        "message": "Duo Security authentication is required",
        "success": False,
    },
)
DENIED: Answer = (
    200,
    {
        "data": {"nextAction": "RETURN_QUERY_RESULT"},
        "code": "390127",
        "message": "Duo Security authentication is denied.",
        "success": False,
    },
)


def refused(code: int, message: str) -> Answer:
    return 200, {"data": None, "code": str(code), "message": message, "success": False}


@contextlib.contextmanager
def account(first: Answer, push: Answer | None = None) -> Iterator[tuple[int, list[str]]]:
    """A server that answers logins like Snowflake; its port and its requests, ``login`` or ``push``."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data
            answer: Answer = (200, {"data": None, "code": None, "message": None, "success": True})
            if "login-request" in self.path:
                is_push = json.loads(body)["data"].get("EXT_AUTHN_DUO_METHOD") == "push"
                asked.append("push" if is_push else "login")
                answer = push if is_push and push is not None else first
            status, content = answer
            reply = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run(folder: Path, port: int) -> subprocess.CompletedProcess[str]:
    """Run ``snowpipe-ml run`` with a ``connections.toml``, which the connector reads once per process."""
    entry = {"account": "a", "user": "u", "password": "wrong", "host": "127.0.0.1", "protocol": "http"}
    text = "[prod]\n" + "".join(f'{key} = "{value}"\n' for key, value in entry.items()) + f"port = {port}\n"
    (folder / "connections.toml").write_text(text)
    (folder / "connections.toml").chmod(0o600)
    (folder / "spec.yaml").write_text(SPEC)
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "snowpipe_ml", "run", str(folder / "spec.yaml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "SNOWFLAKE_HOME": str(folder), "SF_TELEMETRY_ENABLED": "false"},
    )


@pytest.mark.parametrize(
    ("first", "push", "said", "expected"),
    [
        (NEEDS_A_PUSH, DENIED, "denied", ["login", "push"]),
        (
            NEEDS_A_PUSH,
            (200, {**DENIED[1], "message": "Duo Security authentication timed out."}),
            "timed out",
            ["login", "push"],
        ),
        (
            refused(390100, "Incorrect username or password was specified."),
            None,
            "Incorrect username",
            ["login"],
        ),
        (refused(390144, "JWT token is invalid."), None, "JWT token", ["login"]),
        (refused(394400, "Programmatic access token is invalid."), None, "Programmatic", ["login"]),
        (refused(394507, "Multi-factor authentication failed."), None, "Multi-factor", ["login"]),
        ((403, {}), None, "account name", ["login"]),
    ],
    ids=["push denied", "push not answered", "password", "key", "token", "second factor", "account"],
)
def test_a_refused_login_is_asked_for_once(
    tmp_path: Path, first: Answer, push: Answer | None, said: str, expected: list[str]
) -> None:
    with account(first, push) as (port, asked):
        done = run(tmp_path, port)
    assert done.returncode == 3, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert asked == expected


def wrapped(error: Exception) -> TargetError:
    """Wrap an error of the connector as the target does."""
    found = TargetError("cannot connect")
    found.__cause__ = error
    return found


MFA = "Failed to connect to DB. MFA authentication failed: x.snowflakecomputing.com:443. Duo Security authentication is denied."


@pytest.mark.parametrize(
    "error",
    [
        DatabaseError(msg=MFA, errno=250001, sqlstate="08001"),
        DatabaseError(
            msg="Failed to get authentication by OKTA: 401: Unauthorized", errno=250001, sqlstate="08004"
        ),
        ForbiddenError(
            msg="Failed to connect to DB. Verify the account name is correct", errno=250001, sqlstate="08001"
        ),
        DatabaseError(msg="Incorrect username or password was specified.", errno=390100, sqlstate="28000"),
        ProgrammingError(msg="ID Token is invalid.", errno=390195, sqlstate="08001"),
        ProgrammingError(msg="Invalid OAuth access token.", errno=390303, sqlstate="08001"),
        ProgrammingError(msg="OAuth access token expired.", errno=390318, sqlstate="08001"),
        DatabaseError(msg="JWT token is invalid.", errno=390144, sqlstate="28000"),
        DatabaseError(msg="Programmatic access token is invalid.", errno=394400, sqlstate="08001"),
        DatabaseError(msg="Multi-factor authentication failed.", errno=394507, sqlstate="08001"),
    ],
    ids=lambda error: f"{type(error).__name__} {error.errno}",
)
def test_errors_of_authentication_are_terminal(error: Exception) -> None:
    assert not is_transient(error)
    assert not is_transient(wrapped(error))


@pytest.mark.parametrize(
    "error",
    [
        OperationalError(
            msg="Could not connect to Snowflake backend after 3 attempt(s).Aborting", errno=250001
        ),
        ServiceUnavailableError(
            msg="Failed to connect to DB. Service is unavailable", errno=250001, sqlstate="08001"
        ),
        BadGatewayError(
            msg="Failed to connect to DB. Service is unavailable", errno=250001, sqlstate="08001"
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_service_that_was_not_reached_may_be_later(error: Exception) -> None:
    assert is_transient(error)
    assert is_transient(wrapped(error))


@pytest.mark.parametrize(
    ("before", "last"),
    [
        (
            OperationalError(msg="ConnectionTimeout occurred during login.", errno=251011),
            DatabaseError(msg="Incorrect username or password was specified.", errno=390100),
        ),
        (ConnectionResetError(), ProgrammingError(msg="Object 'X' does not exist", errno=2003)),
    ],
    ids=["refused after a time-out", "another error after a lost connection"],
)
def test_the_last_error_decides_and_not_what_came_before_it(before: Exception, last: Exception) -> None:
    """The connector retries while handling a timeout, and the retry may be refused."""
    last.__context__ = before
    assert not is_transient(last)
    assert not is_transient(wrapped(last))


def counted(error: Exception) -> tuple[Callable[[], Any], list[int]]:
    calls: list[int] = []

    def action() -> Any:
        calls.append(1)
        raise error

    return action, calls


def test_a_session_is_not_opened_again_after_a_refusal() -> None:
    """Each thread opens its own session; otherwise each would send a push."""
    action, calls = counted(wrapped(DatabaseError(msg=MFA, errno=250001, sqlstate="08001")))
    sessions = Sessions(action, sleep=lambda seconds: None)
    for _ in range(3):
        with pytest.raises(TargetError, match="cannot connect"), sessions.session():
            pass
    assert len(calls) == 1


def test_what_may_pass_is_tried_again_and_in_each_session() -> None:
    action, calls = counted(wrapped(OperationalError(msg="Could not connect", errno=250001)))
    with pytest.raises(TargetError):
        again(action, sleep=lambda seconds: None)
    assert len(calls) == 5
