"""Requests that no client of Snowflake sends: each gets an answer, and the server stays as it is."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml.local.server import http as server_http
from snowpipe_ml.local.server import requests
from snowpipe_ml.local.server.http import WarehouseServer
from tests.fuzz import wire

TOKEN = "a token"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarehouseServer]:
    server = WarehouseServer(tmp_path_factory.mktemp("served"), 0, TOKEN, "LOCAL")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.close()
    thread.join()


def ask(server: WarehouseServer, path: str, body: bytes = b"{}", **headers: str) -> tuple[int, Any]:
    return wire.ask(server.port, path, body, **headers)


def login(server: WarehouseServer) -> str:
    body = {"data": {"LOGIN_NAME": "local", "PASSWORD": TOKEN}}
    status, answer = ask(server, "/session/v1/login-request", json.dumps(body).encode())
    assert status == 200
    assert answer["success"], answer
    return f'Snowflake Token="{answer["data"]["token"]}"'


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "message"),
    [
        (wire.LOGIN, b"{", {}, 400, "not JSON"),
        (wire.LOGIN, b"[" * 100_000, {}, 400, "not JSON"),
        (wire.LOGIN, b"[1]", {}, 400, "not a JSON object"),
        (wire.LOGIN, b'{"data": 5}', {}, 400, "data is not an object"),
        (wire.LOGIN, b'{"data": {"PASSWORD": 5}}', {}, 400, "data.PASSWORD is not a text"),
        (wire.LOGIN, b'{"data": {"PASSWORD": "\xc3\xa4"}}', {}, 200, "Incorrect username or password"),
        (wire.LOGIN, b"{}", {"Content_Length": "-1"}, 400, "'-1' is not a number"),
        (wire.LOGIN, b"{}", {"Content_Length": str(2**40)}, 413, "longer than 1048576 bytes"),
        (wire.LOGIN, b"{}", {"Transfer_Encoding": "chunked"}, 411, "needs a Content-Length"),
        (wire.LOGIN, b"{}", {"Content_Encoding": "br"}, 415, "'br' is not supported"),
        (wire.LOGIN, b"{}", {"Content_Encoding": "gzip"}, 400, "not gzip"),
        (wire.LOGIN, gzip.compress(b"{}", mtime=0)[:-6], {"Content_Encoding": "gzip"}, 400, "ends too early"),
        (
            wire.LOGIN,
            gzip.compress(b" " * 2**24),
            {"Content_Encoding": "gzip"},
            413,
            "longer than 1048576 bytes",
        ),
        (wire.LOGIN, b"{}", {"Host": "evil.example"}, 421, "not as 'evil.example'"),
        (wire.QUERY, b"{}", {}, 200, "log in again"),
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
    found, answer = ask(server, wire.QUERY, json.dumps(body).encode(), Authorization=login(server))
    assert (found, answer["success"]) == (status, False)
    assert message in answer["message"]


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.stress)])
def test_random_requests(server: WarehouseServer, caplog: pytest.LogCaptureFixture, count: int) -> None:
    token = login(server)
    sessions = len(server._sessions)
    with caplog.at_level(logging.WARNING):
        found = wire.run(server.port, token, seed=count, seconds=600, most=count)
    assert (found.count.total(), found.faults) == (count, [])
    assert not caplog.records
    assert len(server._sessions) == sessions
    assert wire.works(server.port, token) is None


def test_slow_clients_leave_room(server: WarehouseServer) -> None:
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    for client in slow:
        client.sendall(
            b"POST /session/v1/login-request HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"
        )
    query = json.dumps({"sqlText": "SELECT 1"}).encode()
    assert ask(server, wire.QUERY, query, Authorization=login(server))[1]["success"]
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
    answer = ask(server, wire.LOGIN, body)[1]
    assert "close some" in answer["message"]


def test_an_unforeseen_failure_is_an_answer(
    server: WarehouseServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise OSError("no disk")

    monkeypatch.setattr(server_http.requests, "login_request", fail)
    status, answer = ask(server, wire.LOGIN)
    assert (status, answer["message"]) == (500, "OSError: no disk")
    assert "internal error of the server" in caplog.text
