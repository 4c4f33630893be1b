"""Requests of clients that are not trusted yet: limits of their number and size, and checks of their form."""

from __future__ import annotations

import json
import logging
import re
import threading
import zlib
from collections.abc import Mapping
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any, cast

from snowpipe_ml.local.server.wire import LoginRequest, QueryRequest

LOGIN_BYTES = 2**20
"""The longest body of a request without a session."""

BODY_BYTES = 2**28
"""The longest body of a request of a session: a statement and its bound values."""

IDLE_SECONDS = 300
"""How long a connection may take to send a request, or the next part of it."""

MOST_CONNECTIONS = 500
MOST_SESSIONS = 1000

log = logging.getLogger("snowpipe_ml.local.server.http")

_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_CREDENTIALS = ("AUTHENTICATOR", "LOGIN_NAME", "TOKEN", "PASSWORD", "EXT_AUTHN_DUO_METHOD", "CLIENT_APP_ID")


class BadRequest(Exception):
    """A request that is answered with an HTTP status and not passed on.

    Attributes:
        status: the HTTP status.
        message: what is wrong with it.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class BoundedServer(ThreadingHTTPServer):
    """A server with a thread for each connection, up to a number of them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread, or close it if there are too many."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            log.warning("a connection was closed: there are %d already", MOST_CONNECTIONS)
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection until it is closed."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Write to the log instead of stderr; mostly a client that has gone."""
        log.debug("a connection broke off", exc_info=True)


def check_host(host: str | None) -> None:
    """Check that a request names this machine as its host.

    A web page could otherwise reach the server through a host name that resolves to 127.0.0.1 (DNS rebinding).

    Raises:
        BadRequest: the header Host names another one.
    """
    if re.sub(r":\d+\Z", "", host or "") not in _HOSTS:
        raise BadRequest(
            HTTPStatus.MISDIRECTED_REQUEST,
            f"the embedded warehouse is served as 127.0.0.1 or localhost, not as {host!r}",
        )


def read_body(headers: Message, stream: BufferedIOBase, limit: int) -> dict[str, object]:
    """Read the JSON object in the body of a request; an empty body is an empty object.

    Args:
        headers: the headers.
        stream: what follows the headers.
        limit: the most bytes of the body, as it is sent and unpacked.

    Raises:
        BadRequest: it is too long, packed in an unknown way, or not a JSON object.
    """
    if headers.get("Transfer-Encoding"):
        raise BadRequest(HTTPStatus.LENGTH_REQUIRED, "a request needs a Content-Length")
    lengths = headers.get_all("Content-Length") or ["0"]
    length = lengths[0]
    if not (length.isascii() and length.isdigit()) or set(lengths) != {length}:
        raise BadRequest(HTTPStatus.BAD_REQUEST, f"the Content-Length {', '.join(lengths)!r} is not a number")
    if int(length) > limit:
        raise _too_long(limit)
    body = stream.read(int(length))
    if len(body) < int(length):
        raise BadRequest(HTTPStatus.BAD_REQUEST, f"the body ends after {len(body)} of {length} bytes")
    packed = headers.get("Content-Encoding")
    if packed == "gzip":
        body = _unpacked(body, limit)
    elif packed not in (None, "", "identity"):
        raise BadRequest(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the Content-Encoding {packed!r} is not supported"
        )
    if not body:
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as raised:
        raise BadRequest(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {raised}") from raised
    if not isinstance(found, dict):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
    return found


def login_request(body: dict[str, object]) -> LoginRequest:
    """Check the form of a login.

    Raises:
        BadRequest: a field has the wrong type.
    """
    data = _object(body, "data")
    for name in _CREDENTIALS:
        if not isinstance(data.get(name), str | None):
            raise BadRequest(HTTPStatus.BAD_REQUEST, f"data.{name} is not a text")
    _object(data, "SESSION_PARAMETERS")
    return cast(LoginRequest, body)


def query_request(body: dict[str, object]) -> QueryRequest:
    """Check the form of a request to run a statement.

    Raises:
        BadRequest: ``sqlText`` is missing, or a field has the wrong type.
    """
    if not isinstance(body.get("sqlText"), str):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "sqlText is not a text")
    _object(body, "parameters")
    for name, bound in _object(body, "bindings").items():
        if not (name.isascii() and name.isdigit()):
            raise BadRequest(HTTPStatus.BAD_REQUEST, f"bindings.{name} is not a number")
        if not isinstance(bound, dict) or not isinstance(bound.get("type"), str) or "value" not in bound:
            raise BadRequest(HTTPStatus.BAD_REQUEST, f"bindings.{name} has no type or no value")
        values = bound["value"] if isinstance(bound["value"], list) else [bound["value"]]
        if not all(isinstance(value, str | None) for value in values):
            raise BadRequest(HTTPStatus.BAD_REQUEST, f"bindings.{name}.value is not a text")
    return cast(QueryRequest, body)


def _object(parent: Mapping[str, object], name: str) -> dict[str, object]:
    found = parent.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadRequest(HTTPStatus.BAD_REQUEST, f"{name} is not an object")
    return found


def _unpacked(body: bytes, limit: int) -> bytes:
    """Unpack a gzip body, but never more than the limit: a kilobyte can hold a gigabyte."""
    unpacking = zlib.decompressobj(wbits=31)
    try:
        found = unpacking.decompress(body, limit + 1)
    except zlib.error as raised:
        raise BadRequest(HTTPStatus.BAD_REQUEST, f"the body is not gzip: {raised}") from raised
    if len(found) > limit:
        raise _too_long(limit)
    if not unpacking.eof:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the body is not gzip: it ends too early")
    return found


def _too_long(limit: int) -> BadRequest:
    return BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than {limit} bytes")
