"""Connections for downloads: where a redirect may lead, and how long all of them may take together."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any
from urllib.parse import urlsplit


class Redirected(Exception):
    """The server redirects to a place that it must not choose."""


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects with the scheme of the request, from http to https too, and not to private addresses.

    The address of the given URL is allowed, since the user chose it.

    Args:
        given: the URL that the user gave.
        private: allow redirects to private addresses.
    """

    def __init__(self, given: str, *, private: bool = False) -> None:
        self._given = urlsplit(given).hostname
        self._private = private

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Check where a redirect leads.

        Raises:
            Redirected: to another scheme, or to a private address.
        """
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if after.scheme not in {before.scheme, "https"}:
            raise Redirected(f"the server redirects from {before.scheme} to {after.scheme or newurl}")
        if not self._private and after.hostname != self._given:
            private = {address for address in _addresses(after.hostname) if not address.is_global}
            if private and not private <= _addresses(self._given):
                raise Redirected(
                    f"the server redirects to {after.hostname}, an address of a private network; "
                    "`downloads: {private_redirects: true}` allows this"
                )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _addresses(host: str | None) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Return the addresses of a host. One of IPv4 that is written as one of IPv6 is the former."""
    found = set()
    for *_, address in socket.getaddrinfo(host or "", None, type=socket.SOCK_STREAM):
        parsed = ipaddress.ip_address(str(address[0]).partition("%")[0])
        found.add(getattr(parsed, "ipv4_mapped", None) or parsed)
    return found


class Deadline:
    """The time at which all connections of a download are closed, whatever they are doing.

    Args:
        seconds: the time from now.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        self._closed = False
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """The seconds that are left; not positive once the sockets are closed."""
        return 0.0 if self._closed else self._end - time.monotonic()

    def watch(self, opened: socket.socket) -> None:
        """Close a socket at the deadline."""
        with self._lock:
            self._sockets.append(opened)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Close the watched sockets when the time is over."""
        timer = threading.Timer(max(0.0, self.left), self._close)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _close(self) -> None:
        self._closed = True
        with self._lock:
            for opened in self._sockets:
                with suppress(OSError):  # closed already
                    opened.shutdown(socket.SHUT_RDWR)


class WatchedHttp(urllib.request.HTTPHandler):
    """Opens http connections that end at a deadline."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Open a connection."""
        return self.do_open(_watched(http.client.HTTPConnection, self._deadline), req)


class WatchedHttps(urllib.request.HTTPSHandler):
    """Opens https connections that end at a deadline."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Open a connection."""
        return self.do_open(_watched(http.client.HTTPSConnection, self._deadline), req)


def _watched(kind: type[http.client.HTTPConnection], deadline: Deadline) -> Any:
    # mypy knows no base class that is chosen when the program runs.
    class Watched(kind):  # type: ignore[valid-type, misc]
        def connect(self) -> None:
            super().connect()
            deadline.watch(self.sock)

    return Watched
