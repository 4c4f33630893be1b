"""Requests that no client of Snowflake sends: each gets an answer, and the server stays as it is."""

from __future__ import annotations

import gzip
import http.client
import json
import logging
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml.local.server import http as server_http
from snowpipe_ml.local.server import requests
from snowpipe_ml.local.server.http import WarehouseServer

TOKEN = "a token"
PATHS = (
    "/session/v1/login-request",
    "/queries/v1/query-request",
    "/queries/v1/abort-request",
    "/queries/x/result",
    "/monitoring/queries/%00",
    "/session?delete=true",
    "/session/token-request",
    "/telemetry/send",
    "http://[",
    "/",
    "/../../etc/passwd",
    "*",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarehouseServer]:
    server = WarehouseServer(tmp_path_factory.mktemp("served"), 0, TOKEN, "LOCAL")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.close()
    thread.join()


def ask(
    server: WarehouseServer, path: str, body: bytes = b"{}", method: str = "POST", **headers: str
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    usual = {"Host": f"127.0.0.1:{server.port}", "Content_Length": str(len(body))}
    for name, value in {**usual, **headers}.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(body)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, json.loads(text) if text.startswith(b"{") else text.decode()


def login(server: WarehouseServer) -> str:
    body = {"data": {"LOGIN_NAME": "local", "PASSWORD": TOKEN}}
    status, answer = ask(server, "/session/v1/login-request", json.dumps(body).encode())
    assert status == 200
    assert answer["success"], answer
    return f'Snowflake Token="{answer["data"]["token"]}"'


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "message"),
    [
        (PATHS[0], b"{", {}, 400, "not JSON"),
        (PATHS[0], b"[" * 100_000, {}, 400, "not JSON"),
        (PATHS[0], b"[1]", {}, 400, "not a JSON object"),
        (PATHS[0], b'{"data": 5}', {}, 400, "data is not an object"),
        (PATHS[0], b'{"data": {"PASSWORD": 5}}', {}, 400, "data.PASSWORD is not a text"),
        (PATHS[0], b'{"data": {"PASSWORD": "\xc3\xa4"}}', {}, 200, "Incorrect username or password"),
        (PATHS[0], b"{}", {"Content_Length": "-1"}, 400, "'-1' is not a number"),
        (PATHS[0], b"{}", {"Content_Length": str(2**40)}, 413, "longer than 1048576 bytes"),
        (PATHS[0], b"{}", {"Transfer_Encoding": "chunked"}, 411, "needs a Content-Length"),
        (PATHS[0], b"{}", {"Content_Encoding": "br"}, 415, "'br' is not supported"),
        (PATHS[0], b"{}", {"Content_Encoding": "gzip"}, 400, "not gzip"),
        (PATHS[0], gzip.compress(b"{}", mtime=0)[:-6], {"Content_Encoding": "gzip"}, 400, "ends too early"),
        (
            PATHS[0],
            gzip.compress(b" " * 2**24),
            {"Content_Encoding": "gzip"},
            413,
            "longer than 1048576 bytes",
        ),
        (PATHS[0], b"{}", {"Host": "evil.example"}, 421, "not as 'evil.example'"),
        (PATHS[1], b"{}", {}, 200, "log in again"),
        ("http://[", b"{}", {}, 400, "no URL"),
    ],
)
def test_a_request_before_login(
    server: WarehouseServer, path: str, body: bytes, headers: dict[str, str], status: int, message: str
) -> None:
    found, answer = ask(server, path, body, **headers)
    assert (found, answer["success"]) == (status, False)
    assert message in answer["message"]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 400, "sqlText is not a text"),
        ({"sqlText": "SELECT 1", "bindings": [1]}, 400, "bindings is not an object"),
        (
            {"sqlText": "SELECT 1", "bindings": {"a": {"type": "TEXT", "value": "x"}}},
            400,
            "bindings.a is not",
        ),
        (
            {"sqlText": "SELECT 1", "bindings": {"1": {"type": "TEXT"}}},
            400,
            "bindings.1 has no type or no value",
        ),
        ({"sqlText": "SELECT ?", "bindings": {"1": {"type": "FIXED", "value": "x"}}}, 200, "cannot be read"),
        ({"sqlText": "SELECT", "parameters": 1}, 400, "parameters is not an object"),
        ({"sqlText": ""}, 200, "Empty SQL statement"),
    ],
)
def test_a_request_of_a_session(server: WarehouseServer, body: Any, status: int, message: str) -> None:
    found, answer = ask(server, PATHS[1], json.dumps(body).encode(), Authorization=login(server))
    assert (found, answer["success"]) == (status, False)
    assert message in answer["message"]


def _random_value(chance: random.Random, depth: int = 0) -> Any:
    made = chance.randrange(9 if depth < 3 else 7)
    if made == 7:
        return [_random_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if made == 8:
        names = ("data", "sqlText", "bindings", "parameters", "1", "type", "value", "SESSION_PARAMETERS", "é")
        return {chance.choice(names): _random_value(chance, depth + 1) for _ in range(chance.randrange(4))}
    return (None, True, 1e308, -1, "SELECT 1", "\x00'\";--\ud7ff", "x" * 1000)[made]


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.stress)])
def test_random_requests(server: WarehouseServer, caplog: pytest.LogCaptureFixture, count: int) -> None:
    chance = random.Random(count)
    token = login(server)
    sessions = len(server._sessions)
    with caplog.at_level(logging.WARNING):
        for _ in range(count):
            path = chance.choice(PATHS[:5] + PATHS[6:])  # all but the logout
            body = json.dumps(_random_value(chance)).encode()
            if chance.random() < 0.3:
                body = chance.randbytes(chance.randrange(50))
            headers = {"Authorization": token} if chance.random() < 0.5 else {}
            if chance.random() < 0.2:
                headers["Content_Encoding"] = chance.choice(["gzip", "br", ""])
            if chance.random() < 0.2:
                path += "?" + chance.choice(
                    ["databaseName=%27", "schemaName=a.b", "warehouse=%00", "roleName=%22", "&&=;"]
                )
            status, answer = ask(server, path, body, chance.choice(["POST", "POST", "GET", "PUT"]), **headers)
            assert status in (200, 400, 404, 413, 415, 501), (path, body, headers, answer)
    assert not caplog.records
    assert len(server._sessions) == sessions
    query = json.dumps({"sqlText": "SELECT 1"}).encode()
    assert ask(server, PATHS[1], query, Authorization=token)[1]["success"]


def test_slow_clients_leave_room(server: WarehouseServer) -> None:
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    for client in slow:
        client.sendall(
            b"POST /session/v1/login-request HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"
        )
    query = json.dumps({"sqlText": "SELECT 1"}).encode()
    assert ask(server, PATHS[1], query, Authorization=login(server))[1]["success"]
    for client in slow:
        client.close()


def test_connections_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MOST_CONNECTIONS", 1)
    small = WarehouseServer(tmp_path, 0, TOKEN)
    thread = threading.Thread(target=small.serve_forever)
    thread.start()
    with socket.create_connection(("127.0.0.1", small.port)) as first:
        first.sendall(b"GET /session HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert first.recv(8) == b"HTTP/1.1"
        with socket.create_connection(("127.0.0.1", small.port)) as second:
            assert second.recv(1) == b""
    small.close()
    thread.join()


def test_sessions_are_bounded(server: WarehouseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MOST_SESSIONS", len(server._sessions))
    body = json.dumps({"data": {"LOGIN_NAME": "local", "PASSWORD": TOKEN}}).encode()
    answer = ask(server, PATHS[0], body)[1]
    assert "close some" in answer["message"]


def test_an_unforeseen_failure_is_an_answer(
    server: WarehouseServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise OSError("no disk")

    monkeypatch.setattr(server_http.requests, "login_request", fail)
    status, answer = ask(server, PATHS[0])
    assert (status, answer["message"]) == (500, "OSError: no disk")
    assert "internal error of the server" in caplog.text
