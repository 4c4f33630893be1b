"""Random requests to ``snowpipe-ml serve``, before and after a login: each has an answer, and the server goes on."""

from __future__ import annotations

import http.client
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TOKEN = "a token"
LOGIN, QUERY = "/session/v1/login-request", "/queries/v1/query-request"
PATHS = (
    LOGIN,
    QUERY,
    "/queries/v1/abort-request",
    "/queries/x/result",
    "/monitoring/queries/%00",
    "/session/token-request",
    "/telemetry/send",
    "http://[",
    "/",
    "/../../etc/passwd",
    "*",
)
STATUSES = frozenset({200, 400, 404, 413, 415, 501})
_NAMES = (
    "data",
    "sqlText",
    "bindings",
    "parameters",
    "1",
    "type",
    "value",
    "SESSION_PARAMETERS",
    "CLIENT_APP_ID",
    "é",
)
_TEXTS = ("SELECT 1", "SELECT ?", "BEGIN", "\x00'\";--\ud7ff", "x" * 1000, "TEXT", "FIXED", "BINARY")
_QUERIES = ("databaseName=%27", "schemaName=a.b", "warehouse=%00", "roleName=%22", "&&=;", "requestId=%ff")

# A server in a separate process: it prints its port, and ends with its input.
_SERVE = """
import logging, sys, threading
from pathlib import Path
from snowpipe_ml.local.server.http import WarehouseServer
logging.basicConfig(level=logging.WARNING)
server = WarehouseServer(Path(sys.argv[1]), 0, sys.argv[2], "LOCAL")
print(server.port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
server.close()
"""


@dataclass
class Served:
    """A server in another process.

    Attributes:
        port: its port.
        process: its process id.
        errors: the file with what it writes to its standard error.
    """

    port: int
    process: int
    errors: Path

    def memory(self) -> int:
        """The memory of the process, in bytes; 0 where that is not known."""
        status = Path(f"/proc/{self.process}/statm")
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if status.exists() else 0

    def ask(
        self, path: str, body: bytes = b"{}", method: str = "POST", **headers: str
    ) -> tuple[int, dict[str, Any] | str]:
        """Send a request on a new connection; return the status and the answer."""
        return ask(self.port, path, body, method, **headers)

    def login(self) -> str:
        """Log in; return the header Authorization of the session."""
        body = {"data": {"LOGIN_NAME": "local", "PASSWORD": TOKEN}}
        status, answer = self.ask(LOGIN, json.dumps(body).encode())
        assert status == 200
        assert isinstance(answer, dict)
        assert answer["success"], answer
        return f'Snowflake Token="{answer["data"]["token"]}"'


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serve a warehouse in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    errors = folder / "errors"
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _SERVE, str(folder / "w"), TOKEN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=ROOT,
            text=True,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, errors.read_text()
        yield Served(int(line), process.pid, errors)
    finally:
        process.communicate(timeout=60)


def ask(
    port: int, path: str, body: bytes = b"{}", method: str = "POST", **headers: str
) -> tuple[int, dict[str, Any] | str]:
    """Send a request on a new connection; return the status and the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    usual = {"Host": f"127.0.0.1:{port}", "Content_Length": str(len(body))}
    for name, value in {**usual, **headers}.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(body)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, json.loads(text) if text.startswith(b"{") else text.decode()


def value(chance: random.Random, depth: int = 0) -> Any:
    """A random JSON value."""
    made = chance.randrange(9 if depth < 3 else 7)
    if made == 7:
        return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if made == 8:
        return {chance.choice(_NAMES): value(chance, depth + 1) for _ in range(chance.randrange(4))}
    return (None, True, 1e308, -1, 2**70, chance.choice(_TEXTS), "SELECT 1")[made]


@dataclass
class Requests:
    """What came of the requests.

    Attributes:
        count: how many were sent, before and after the login.
        statuses: how many had each status.
        faults: the requests that were answered wrongly, with why.
    """

    count: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[tuple[str, str]] = field(default_factory=list)


def run(port: int, authorization: str, seed: int, seconds: float, most: int = 10**9) -> Requests:
    """Send random requests for some seconds, or a number of them, half of them in a session."""
    chance = random.Random(seed)
    found = Requests()
    until = time.monotonic() + seconds
    while found.count.total() < most and time.monotonic() < until:
        path = chance.choice(PATHS)
        body = json.dumps(value(chance)).encode()
        if chance.random() < 0.3:
            body = chance.randbytes(chance.randrange(50))
        logged_in = chance.random() < 0.5
        headers = {"Authorization": authorization} if logged_in else {}
        if chance.random() < 0.2:
            headers["Content_Encoding"] = chance.choice(["gzip", "br", ""])
        if chance.random() < 0.2:
            path += "?" + chance.choice(_QUERIES)
        found.count["after login" if logged_in else "before login"] += 1
        method = chance.choice(["POST", "POST", "GET", "PUT"])
        try:
            status, answer = ask(port, path, body, method, **headers)
        except (OSError, http.client.HTTPException, ValueError) as raised:
            found.faults.append((f"{method} {path} {headers} {body!r}", f"{type(raised).__name__}: {raised}"))
            continue
        found.statuses[status] += 1
        if status not in STATUSES or "Traceback" in str(answer):
            found.faults.append((f"{method} {path} {headers} {body!r}", f"{status}: {answer}"))
    return found


def works(port: int, authorization: str) -> str | None:
    """Run a statement in the session; return what is wrong."""
    status, answer = ask(port, QUERY, b'{"sqlText": "SELECT 1"}', Authorization=authorization)
    return None if isinstance(answer, dict) and answer["success"] else f"{status}: {answer}"
