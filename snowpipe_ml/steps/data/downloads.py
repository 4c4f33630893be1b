"""Download files from an http(s) server, completely or not at all."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.message import Message
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field

from snowpipe_ml.backoff import retrying
from snowpipe_ml.errors import SourceFileError
from snowpipe_ml.steps.data.connections import Deadline, Redirected, Redirects, WatchedHttp, WatchedHttps
from snowpipe_ml.text.redaction import redact

_CHUNK = 2**20
_LEGAL = "/%:@!$&'()*+,;=~"  # characters of a path: https://www.rfc-editor.org/rfc/rfc3986#section-3.3
_ATTEMPTS = 4
# Transient responses, which a retry may resolve: https://www.rfc-editor.org/rfc/rfc9110#section-15
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_PARTIAL, _NO_SUCH_RANGE = 206, 416
# `sha-256=:...:` of RFC 9530, `SHA-256=...` of the older RFC 3230, `md5=...` of Google's x-goog-hash.
_DIGEST = re.compile(r"(sha-512|sha-256|md5)=:?([A-Za-z0-9+/]+={0,2}):?", re.I)
_ALGORITHMS = {"sha-512": "sha512", "sha-256": "sha256", "md5": "md5"}
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class Downloads(BaseModel):
    """Limits on the files at a URL; a file that exceeds one is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    size_mb: int = Field(16_384, ge=1, description="Megabytes of one file")
    seconds: int = Field(21_600, ge=1, description="Seconds for one file, with all attempts")
    idle_seconds: int = Field(60, ge=1, description="Seconds without data, after which an attempt ends")
    private_redirects: bool = Field(
        False, description="Follow redirects to private addresses other than that of the URL"
    )


class _Truncated(Exception):
    """The received bytes are not the ones that the server announced."""


class _Refused(Exception):
    """The file exceeds a limit."""


class _NotWritten(Exception):
    """The file could not be written locally; the cause of this exception says why."""


_FAILURES = (OSError, http.client.HTTPException, _Truncated, _Refused, Redirected)


@dataclass
class _Part:
    """The part of a file that has arrived.

    Attributes:
        path: where it is.
        validator: what says that the server still has the same content; without one, nothing is resumed.
        total: the size of the whole file, if the server has announced it.
        digests: (algorithm, digest) of the whole file.
    """

    path: Path
    validator: str | None = None
    total: int | None = None
    digests: tuple[tuple[str, bytes], ...] = ()

    @property
    def size(self) -> int:
        """The number of bytes that were downloaded so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def begin(self, headers: Message[str, str]) -> None:
        """Forget what is there; a new content begins, with these headers."""
        self.validator = _validator(headers)
        length = headers.get("Content-Length")
        self.total = int(length) if length is not None and length.isdigit() else None
        self.digests = tuple(_digests(headers))

    def discard(self) -> None:
        """Begin again at the next attempt."""
        self.validator = None
        self.path.unlink(missing_ok=True)


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


def download(
    base: str,
    name: str,
    target: Path,
    limits: Downloads,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Download one file, and check that it is complete.

    The length is compared with ``Content-Length``, and the content with each digest that the server sends
    (``Content-MD5``, ``Repr-Digest``, ``Digest``, ``x-goog-hash``). Broken connections, incomplete
    responses and responses of an overloaded server are retried. The part that has arrived is kept if the server
    confirms, by ``If-Range``, that the content is the same.

    Args:
        base: the URL of the folder.
        name: the file in the folder, with its own query if the server needs one.
        target: the new file; it exists only once it is complete.
        limits: the size, the times and the redirects that are allowed.
        wait: called with the seconds between two attempts.

    Raises:
        SourceFileError: the server does not have the file, cannot be reached, or sends only part of it.
        OSError: the file cannot be written.
    """
    url = url_of(base, name)
    aside = target.with_name(f".{target.name}.part")
    deadline = Deadline(limits.seconds)
    try:
        retrying(_ATTEMPTS - 1, _is_transient, wait)(_attempt, url, _Part(aside), limits, deadline)
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


def _attempt(url: str, part: _Part, limits: Downloads, deadline: Deadline) -> None:
    """Fetch what is missing of a file.

    Raises:
        _Refused: the time is over, or the file exceeds another limit.
    """
    try:
        if deadline.left <= 0:
            raise _Refused(_too_slow(limits))
        with deadline.running():
            _fetch(url, part, limits, deadline)
        if deadline.left <= 0:  # what a closed connection had sent can look complete
            raise _Truncated
    except (OSError, http.client.HTTPException, _Truncated) as error:
        if deadline.left <= 0:
            raise _Refused(_too_slow(limits)) from error
        raise


def _too_slow(limits: Downloads) -> str:
    return f"it has not arrived after {limits.seconds:,} seconds (`downloads: {{seconds: ...}}`)"


def _fetch(url: str, part: _Part, limits: Downloads, deadline: Deadline) -> None:
    request = _request(url)
    start = part.size if part.validator is not None else 0
    if start and part.validator is not None:
        request.add_header("Range", f"bytes={start}-")
        request.add_header("If-Range", part.validator)
    opener = urllib.request.build_opener(
        Redirects(url, private=limits.private_redirects), WatchedHttp(deadline), WatchedHttps(deadline)
    )
    try:
        response = opener.open(request, timeout=min(limits.idle_seconds, max(deadline.left, 0.001)))
    except urllib.error.HTTPError as error:
        if error.code == _NO_SUCH_RANGE and start:
            part.discard()
            raise _Truncated("the server no longer has the rest of the file") from error
        raise
    with response:
        if response.status == _PARTIAL:
            _check_rest(response.headers, part, start)
        else:
            start = 0
            part.begin(response.headers)
        _check_size(part.total or 0, limits)
        _receive(response, part, start, limits)
    _check_whole(part)


def _receive(response: http.client.HTTPResponse, part: _Part, start: int, limits: Downloads) -> None:
    size = start
    try:
        out = part.path.open("ab" if start else "wb")
    except OSError as error:
        raise _NotWritten from error
    with out:
        # One read of the socket at a time: a server that sends a byte a minute does not keep a read waiting.
        while chunk := response.read1(_CHUNK):
            size += len(chunk)
            _check_size(size, limits)
            try:
                out.write(chunk)
            except OSError as error:
                raise _NotWritten from error
        try:
            out.flush()
        except OSError as error:
            raise _NotWritten from error


def _check_size(size: int, limits: Downloads) -> None:
    if size > limits.size_mb * 10**6:
        raise _Refused(
            f"it is larger than {limits.size_mb:,} MB: increase `downloads: {{size_mb: ...}}` if this is right"
        )


def _check_rest(headers: Message[str, str], part: _Part, start: int) -> None:
    """Check that a partial response continues the part that is there.

    Raises:
        _Truncated: it does not; the next attempt begins again.
    """
    found = _RANGE.fullmatch(headers.get("Content-Range", ""))
    same = _validator(headers) in (None, part.validator)
    if found is None or not start or int(found[1]) != start or not same:
        part.discard()
        raise _Truncated("the server sent another part of the file than the one that was asked for")
    if found[2] != "*":
        if part.total not in (None, int(found[2])):
            part.discard()
            raise _Truncated("the size of the file has changed during the download")
        part.total = int(found[2])


def _check_whole(part: _Part) -> None:
    """Check the length and the digests of a file.

    Raises:
        _Truncated: it is not the announced content.
    """
    # http.client returns the data so far, without an error, when a connection closes early, even inside of the headers.
    if part.total is None and not part.size:
        raise _Truncated("nothing arrived")
    if part.total is not None and part.total != part.size:
        size = part.size
        if size > part.total:
            part.discard()
        raise _Truncated(f"{size:,} of {part.total:,} bytes arrived")
    for name, given in part.digests:
        with part.path.open("rb") as file:
            digest = hashlib.file_digest(file, _ALGORITHMS[name]).digest()
        if digest != given:
            part.discard()
            raise _Truncated(
                f"its {_ALGORITHMS[name].upper()} differs from the one that the server announced"
            )


def _validator(headers: Message[str, str]) -> str | None:
    """Return what identifies a content for sure: a strong ETag, or a time that is older than the response.

    https://www.rfc-editor.org/rfc/rfc9110#section-13.1.5
    """
    if headers.get("Content-Encoding", "identity") != "identity":
        return None
    etag = headers.get("ETag", "")
    if etag:
        return etag if etag.startswith('"') else None
    changed, sent = headers.get("Last-Modified"), headers.get("Date")
    if changed is None or sent is None:
        return None
    try:
        age = email.utils.parsedate_to_datetime(sent) - email.utils.parsedate_to_datetime(changed)
    except (ValueError, TypeError):  # no dates, or only one has a time zone
        return None
    return changed if age >= timedelta(seconds=1) else None


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
    return isinstance(error, _FAILURES) and not isinstance(error, _Refused | Redirected)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, http.client.HTTPException) else str(error)


__all__ = ["Downloads", "download", "url_of"]
