"""Downloads that are resumed, bounded and redirected, from a real server."""

from __future__ import annotations

import base64
import hashlib
import http.server
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SourceFileError
from snowpipe_ml.steps.data.downloads import Downloads, download
from tests.conftest import write_spec

BODY = random.Random(22).randbytes(300_000)
CUT = 100_000
ETAG = {"ETag": '"one"'}
OLD = {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
Handler = http.server.BaseHTTPRequestHandler
Answer = Callable[[Handler], None]


class Server:
    """Gives one answer to each request, and keeps the headers of the requests."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.answers: list[Answer] = []
        self.asked: list[dict[str, str]] = []
        server = self

        class Answering(Handler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.asked.append({name.title(): value for name, value in self.headers.items()})
                self.close_connection = True
                server.answers.pop(0)(self)

            def log_message(self, *args: Any) -> None:
                """Log nothing."""

        self.http = http.server.ThreadingHTTPServer((address, 0), Answering)
        self.http.daemon_threads = True
        self.url = f"http://{address}:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def fetch(server: Server, tmp_path: Path) -> Callable[..., bytes]:
    """Download from the server with some limits; nothing is left where that fails."""

    def fetched(**limits: Any) -> bytes:
        target = tmp_path / "x"
        target.unlink(missing_ok=True)
        try:
            download(server.url, "x.csv", target, Downloads(**limits), wait=lambda seconds: None)
        except SourceFileError:
            assert list(tmp_path.iterdir()) == []
            raise
        return target.read_bytes()

    return fetched


def whole(headers: dict[str, str], body: bytes = BODY, cut: int | None = None) -> Answer:
    """The whole file, or its beginning, after which the connection breaks."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body[:cut])

    return answer


def rest(
    headers: dict[str, str], body: bytes = BODY, start: int | None = None, total: int | None = None
) -> Answer:
    """What the request asks for, or from another place on."""

    def answer(handler: Handler) -> None:
        asked = (
            int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-")) if start is None else start
        )
        handler.send_response(206)
        place = f"bytes {asked}-{len(body) - 1}/{total or len(body)}"
        for name, value in {
            "Content-Length": str(len(body) - asked),
            "Content-Range": place,
            **headers,
        }.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body[asked:])

    return answer


def status(code: int, **headers: str) -> Answer:
    """An answer without a body."""

    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()

    return answer


@pytest.mark.parametrize("headers", [ETAG, OLD], ids=["ETag", "Last-Modified"])
def test_a_broken_download_is_resumed(server: Server, fetch: Any, headers: dict[str, str]) -> None:
    server.answers = [whole(headers, cut=CUT), status(503), rest(headers)]
    assert fetch() == BODY
    assert "Range" not in server.asked[0]
    for asked in server.asked[1:]:
        assert asked["Range"] == f"bytes={CUT}-"
        assert asked["If-Range"] == next(iter(headers.values()))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ETag": 'W/"weak"'},
        {"Last-Modified": "Fri, 01 Jan 2100 00:00:00 GMT"},
        {"Last-Modified": "yesterday"},
        {**ETAG, "Content-Encoding": "gzip"},
    ],
)
def test_without_a_strong_validator_nothing_is_resumed(
    server: Server, fetch: Any, headers: dict[str, str]
) -> None:
    server.answers = [whole(headers, cut=CUT), whole(headers)]
    assert fetch() == BODY
    assert "Range" not in server.asked[1]


def test_a_file_that_changed_in_between_is_not_mixed(server: Server, fetch: Any) -> None:
    new = BODY[::-1] + b"longer"
    server.answers = [
        whole(ETAG, cut=CUT),
        whole({"ETag": '"two"'}, new, cut=CUT),
        rest({"ETag": '"two"'}, new),
    ]
    assert fetch() == new
    assert [asked.get("If-Range") for asked in server.asked] == [None, '"one"', '"two"']


@pytest.mark.parametrize(
    "wrong",
    [
        rest({"ETag": '"two"'}, BODY[::-1]),
        rest(ETAG, start=CUT + 1),
        rest(ETAG, start=0),
        rest(ETAG, BODY[:-5]),
        rest({**ETAG, "Content-Range": "bytes"}),
        status(416),
    ],
    ids=["another ETag", "a later part", "an earlier part", "another size", "no range", "416"],
)
def test_a_wrong_rest_is_dropped(server: Server, fetch: Any, wrong: Answer) -> None:
    server.answers = [whole(ETAG, cut=CUT), wrong, whole(ETAG)]
    assert fetch() == BODY
    assert "Range" in server.asked[1]
    assert "Range" not in server.asked[2]


def test_a_part_that_was_not_asked_for_is_refused(server: Server, fetch: Any) -> None:
    server.answers = [rest(ETAG, start=CUT)] * 4
    with pytest.raises(SourceFileError, match="another part of the file"):
        fetch()


def test_the_digest_of_the_whole_is_checked_after_a_resume(server: Server, fetch: Any) -> None:
    digest = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    headers = {**ETAG, "Repr-Digest": f"sha-256=:{digest}:"}
    server.answers = [whole(headers, cut=CUT), rest(ETAG, BODY[:-1] + b"?"), whole(headers)]
    assert fetch() == BODY
    assert "Range" not in server.asked[2]
    of_part = {
        "Content-MD5": base64.b64encode(hashlib.md5(BODY[CUT:], usedforsecurity=False).digest()).decode()
    }
    server.answers = [whole(headers, cut=CUT), rest({**ETAG, **of_part})]
    assert fetch() == BODY


def test_a_file_that_is_too_large_is_refused(server: Server, fetch: Any) -> None:
    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 100_000)
        except OSError:  # the client has enough
            return

    for answer in (whole({"Content-Length": "1000001"}, b""), endless):
        server.answers = [answer]  # there is no second attempt
        with pytest.raises(
            SourceFileError, match=r"larger than 1 MB: increase `downloads: \{size_mb: ...\}`"
        ):
            fetch(size_mb=1)
    server.answers = [whole({})]
    assert fetch(size_mb=1) == BODY


def _dripping(head: bool) -> Answer:
    def answer(handler: Handler) -> None:
        handler.wfile.write(
            b"HTTP/1.1 200 OK\r\n" if head else b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"
        )
        try:
            for _ in range(200):
                handler.wfile.write(b"x")
                time.sleep(0.05)
        except OSError:  # the client has gone
            return

    return answer


@pytest.mark.parametrize("head", [False, True], ids=["body", "head"])
def test_a_server_that_sends_byte_by_byte_is_given_up(server: Server, fetch: Any, head: bool) -> None:
    server.answers = [_dripping(head)]
    with pytest.raises(SourceFileError, match="not arrived after 1 seconds"):
        fetch(seconds=1)
    assert len(server.asked) == 1


def test_a_connection_that_breaks_inside_of_the_headers_is_no_empty_file(server: Server, fetch: Any) -> None:
    def broken(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nA: b\r\n")

    server.answers = [broken, whole({})]
    assert fetch() == BODY


def test_a_silent_server_is_asked_again(server: Server, fetch: Any) -> None:
    silence = threading.Event()

    def silent(handler: Handler) -> None:
        silence.wait(20)

    server.answers = [silent, whole({})]
    try:
        assert fetch(idle_seconds=1) == BODY
    finally:
        silence.set()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8 on its loopback")
def test_redirects_to_other_private_addresses_need_the_consent_of_the_spec(
    server: Server, fetch: Any
) -> None:
    other = Server("127.0.0.2")
    try:
        server.answers = [status(302, Location="/elsewhere.csv"), whole({})]
        assert fetch() == BODY
        server.answers = [status(302, Location=f"{other.url}/x.csv")]
        with pytest.raises(SourceFileError, match=r"redirects to 127\.0\.0\.2.*private_redirects: true"):
            fetch()
        assert other.asked == []
        other.answers = [whole({})]
        server.answers = [status(302, Location=f"{other.url}/x.csv")]
        assert fetch(private_redirects=True) == BODY
        server.answers = [status(302, Location="file:///etc/passwd")]
        with pytest.raises(SourceFileError, match="file:///etc/passwd"):
            fetch(private_redirects=True)
    finally:
        other.close()


def test_the_limits_are_settings_of_the_step(server: Server, tmp_path: Path) -> None:
    server.answers = [whole({"Content-Length": "3000000"}, b"")]
    text = f"""\
stages: {{load: {{}}}}
steps:
  extract:
    type: extract
    from: "{server.url}"
    months: ["2024-01"]
    url_file: "{{month}}.csv"
    into: "@load/files/"
    layouts: {{ab: {{columns: [a, b]}}}}
    downloads: {{size_mb: 2}}
    retries: 0
"""
    result = Pipeline.from_yaml(write_spec(tmp_path, text)).run()
    assert "202401.csv: cannot be downloaded: it is larger than 2 MB" in result.steps["extract"].message
