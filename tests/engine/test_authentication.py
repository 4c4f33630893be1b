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
targets:
TARGETSsteps:
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


# The answers to a login and to a push, the words that the error has, and the requests that are expected.
REFUSALS: dict[str, tuple[Answer, Answer | None, str, list[str]]] = {
    "push denied": (NEEDS_A_PUSH, DENIED, "denied", ["login", "push"]),
    "push not answered": (
        NEEDS_A_PUSH,
        (200, {**DENIED[1], "message": "Duo Security authentication timed out."}),
        "timed out",
        ["login", "push"],
    ),
    "password": (
        refused(390100, "Incorrect username or password was specified."),
        None,
        "Incorrect username",
        ["login"],
    ),
    "key": (refused(390144, "JWT token is invalid."), None, "JWT token", ["login"]),
    "token": (refused(394400, "Programmatic access token is invalid."), None, "Programmatic", ["login"]),
    "second factor": (
        refused(394507, "Multi-factor authentication failed."),
        None,
        "Multi-factor",
        ["login"],
    ),
    "account": ((403, {}), None, "account name", ["login"]),
}
# The connector reads connections.toml once per process, when it is imported. So that it is imported once for
# all targets, each run is a fork of a process that has imported it and done nothing else.
FORKS = """
import os, sys
import snowflake.snowpark, snowpipe_ml.engine.run.run, snowpipe_ml.targets.snowflake
from snowpipe_ml.cli.main import main
for target in sys.argv[2:]:
    if os.fork():
        with open(f"{target}.status", "w") as file:
            file.write(str(os.waitstatus_to_exitcode(os.wait()[1])))
        continue
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{target}.{name}", os.O_WRONLY | os.O_CREAT), number)
    sys.argv = ["snowpipe-ml", "run", sys.argv[1], "--target", target]
    main()
"""


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, list[str]]]:
    """The exit status, the errors and the requests of ``snowpipe-ml run`` for each kind of refusal."""
    folder = tmp_path_factory.mktemp("accounts")
    entry = {"account": "a", "user": "u", "password": "wrong", "host": "127.0.0.1", "protocol": "http"}
    connections, targets, requests = "", "", {}
    with contextlib.ExitStack() as servers:
        for number, (name, (first, push, *_)) in enumerate(REFUSALS.items()):
            port, requests[name] = servers.enter_context(account(first, push))
            connections += f"[prod{number}]\nport = {port}\n"
            connections += "".join(f'{key} = "{value}"\n' for key, value in entry.items())
            targets += f"  prod{number}: {{type: snowflake, connection: prod{number}, database: D}}\n"
        (folder / "connections.toml").write_text(connections)
        (folder / "connections.toml").chmod(0o600)
        (folder / "spec.yaml").write_text(SPEC.replace("TARGETS", targets))
        names = [f"prod{number}" for number in range(len(REFUSALS))]
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", FORKS, "spec.yaml", *names],
            cwd=folder,
            check=True,
            timeout=300,
            env={**os.environ, "SNOWFLAKE_HOME": str(folder), "SF_TELEMETRY_ENABLED": "false"},
        )
    return {
        name: (
            int((folder / f"prod{number}.status").read_text()),
            (folder / f"prod{number}.err").read_text(),
            requests[name],
        )
        for number, name in enumerate(REFUSALS)
    }


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_login_is_asked_for_once(
    refusals: dict[str, tuple[int, str, list[str]]], name: str
) -> None:
    *_, said, expected = REFUSALS[name]
    status, errors, asked = refusals[name]
    assert status == 3, errors
    assert said in errors
    assert "Traceback" not in errors
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
