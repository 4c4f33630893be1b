"""Download files from an http(s) server, completely or not at all."""

from __future__ import annotations

import base64
import hashlib
import http.client
import ipaddress
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from snowpipe_ml.backoff import retrying
from snowpipe_ml.errors import SourceFileError
from snowpipe_ml.text.redaction import redact

_CHUNK = 2**20
_LEGAL = "/%:@!$&'()*+,;=~"  # characters of a path: https://www.rfc-editor.org/rfc/rfc3986#section-3.3
_TIMEOUT = 60  # seconds without data
_ATTEMPTS = 4
# Transient responses, which a retry may resolve: https://www.rfc-editor.org/rfc/rfc9110#section-15
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
# `sha-256=:...:` of RFC 9530, `SHA-256=...` of the older RFC 3230, `md5=...` of Google's x-goog-hash.
_DIGEST = re.compile(r"(sha-512|sha-256|md5)=:?([A-Za-z0-9+/]+={0,2}):?", re.I)
_ALGORITHMS = {"sha-512": "sha512", "sha-256": "sha256", "md5": "md5"}


class _Truncated(Exception):
    """The received bytes are not the ones that the server announced."""


class _Redirected(Exception):
    """The server redirects to a place that it must not choose."""


class _NotWritten(Exception):
    """The file could not be written locally; the cause of this exception says why."""


_FAILURES = (OSError, http.client.HTTPException, _Truncated, _Redirected)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects with the scheme of the request, from http to https too, and not into a private network.

    A server in a private network may redirect within it.
    """

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
            _Redirected: to another scheme, or to a private address.
        """
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if after.scheme not in {before.scheme, "https"}:
            raise _Redirected(f"the server redirects from {before.scheme} to {after.scheme or newurl}")
        if _is_private(after.hostname) and not _is_private(before.hostname):
            raise _Redirected(f"the server redirects to {after.hostname}, an address of a private network")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_private(host: str | None) -> bool:
    """Return whether a host has an address that is not reachable from everywhere."""
    found = socket.getaddrinfo(host or "", None, type=socket.SOCK_STREAM)
    return any(not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_global for *_, address in found)


def url_of(base: str, name: str) -> str:
    """Return the URL of a file below a base URL.

    The query of the base, usually a signature, is placed after the path and before the query of the name.
    In the name, only characters that a URL cannot contain are quoted.
    """
    parts = urlsplit(base)
    path, _, query = name.partition("?")
    return urlunsplit(
        parts._replace(
            path=f"{parts.path.rstrip('/')}/{quote(path, safe=_LEGAL)}",
            query="&".join(filter(None, [parts.query, quote(query, safe=_LEGAL + "?")])),
        )
    )


def download(base: str, name: str, target: Path, wait: Callable[[float], None] = time.sleep) -> None:
    """Download one file, and check that it is complete.

    The length is compared with ``Content-Length``, and the content with each digest that the server sends
    (``Content-MD5``, ``Repr-Digest``, ``Digest``, ``x-goog-hash``). Broken connections, incomplete
    responses and responses of an overloaded server are retried.

    Args:
        base: the URL of the folder.
        name: the file in the folder, with its own query if the server needs one.
        target: the new file; it exists only once it is complete.
        wait: called with the seconds between two attempts.

    Raises:
        SourceFileError: the server does not have the file, cannot be reached, or sends only part of it.
        OSError: the file cannot be written.
    """
    url = url_of(base, name)
    aside = target.with_name(f".{target.name}.part")
    try:
        retrying(_ATTEMPTS - 1, _is_transient, wait)(_fetch, url, aside)
    except _NotWritten as error:
        raise error.__cause__ from None  # type: ignore[misc]
    except _FAILURES as error:
        raise SourceFileError(f"cannot be downloaded: {_reason(error)}", file=redact(url)) from error
    else:
        aside.rename(target)
    finally:
        aside.unlink(missing_ok=True)


def _request(url: str) -> urllib.request.Request:
    """Return a request with the user and password of the URL; a redirect does not get them."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(urlunsplit(parts._replace(netloc=host)))  # noqa: S310
    if at:
        request.add_unredirected_header(
            "Authorization", "Basic " + base64.b64encode(unquote(user).encode()).decode()
        )
    return request


def _fetch(url: str, target: Path) -> None:
    opener = urllib.request.build_opener(_Redirects)
    with opener.open(_request(url), timeout=_TIMEOUT) as response, target.open("wb") as out:
        hashes = [(hashlib.new(_ALGORITHMS[name]), given) for name, given in _digests(response.headers)]
        size = 0
        while chunk := response.read(_CHUNK):
            try:
                out.write(chunk)
            except OSError as error:
                raise _NotWritten from error
            size += len(chunk)
            for digest, _ in hashes:
                digest.update(chunk)
    # http.client returns the data so far, without an error, when a connection closes early.
    announced = response.headers.get("Content-Length")
    if announced is not None and announced.isdigit() and int(announced) != size:
        raise _Truncated(f"{size:,} of {int(announced):,} bytes arrived")
    for digest, given in hashes:
        if digest.digest() != given:
            raise _Truncated(f"its {digest.name.upper()} differs from the one that the server announced")


def _digests(headers: Message[str, str]) -> Iterator[tuple[str, bytes]]:
    """Yield (algorithm, digest) of the content from the headers."""
    if headers.get("Content-Encoding", "identity") != "identity":
        return  # digests may be of the decoded content
    given = [f"md5={value}" for value in headers.get_all("Content-MD5", [])]
    for header in ("Repr-Digest", "Content-Digest", "Digest", "x-goog-hash"):
        given += headers.get_all(header, [])
    for text in given:
        for name, value in _DIGEST.findall(text):
            decoded = _decoded(value)
            if len(decoded) == hashlib.new(_ALGORITHMS[name.lower()]).digest_size:
                yield name.lower(), decoded


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _is_transient(error: Exception) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code in _TRANSIENT_STATUS
    return isinstance(error, _FAILURES) and not isinstance(error, _Redirected)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, http.client.HTTPException) else str(error)


__all__ = ["download", "url_of"]
