"""Incomplete downloads and files that were replaced at the source: no row is lost or loaded twice."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import io
import shutil
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.run.outcome import RunResult
from snowpipe_ml.errors import SourceFileError
from snowpipe_ml.steps.data.connections import Redirects
from snowpipe_ml.steps.data.downloads import Downloads
from snowpipe_ml.steps.data.downloads import download as download_file
from tests.conftest import ask, write_spec
from tests.trips import zipped

SPEC = """\
vars: {source: files, months: [], url_file: "x-{month}.csv"}
stages: {load: {}}
file_formats: {csv: {skip_header: 1}}
tables: {raw: {columns: {A: number, B: varchar}}}
steps:
  extract:
    type: extract
    from: "{{ vars.source }}"
    months: "{{ vars.months }}"
    url_file: "{{ vars.url_file }}"
    into: "@load/files/"
    layouts: {ab: {columns: [a, b]}}
    retries: 0
  load: {type: copy_into, from: "@load/files/ab/", into: raw, file_format: csv, loads: loads}
"""
TEXT = b"a,b\n" + b"".join(b"%d,x\n" % n for n in range(2000))
SHORT = TEXT.index(b"1500,x")


@dataclass
class Answer:
    """The server's response to one request.

    Attributes:
        body: the whole file.
        cut: how many bytes of it are sent before the connection closes; all if None.
        headers: sent beside Content-Length.
        chunked: whether it is sent in chunks, without its length.
    """

    body: bytes = TEXT
    cut: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False


class Server:
    """Sends the responses of a path, one per request, and then 404."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.url = ""

    def plan(self, month: str, *answers: Answer) -> None:
        self.answers[f"/x-{month}.csv"] = list(answers)

    def respond(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        waiting = self.answers.get(handler.path)
        if not waiting:
            handler.send_error(404)
            return
        answer = waiting.pop(0)
        part = answer.body[: answer.cut]
        handler.send_response(200)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if answer.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
        else:
            handler.send_header("Content-Length", str(len(answer.body)))
            handler.end_headers()
            handler.wfile.write(part)
        handler.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found.respond(self)

        def log_message(self, *args: Any) -> None:
            """Log nothing."""

    http_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http_server.daemon_threads = True
    thread = threading.Thread(target=http_server.serve_forever, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{http_server.server_port}"
    yield found
    http_server.shutdown()
    http_server.server_close()
    thread.join()


def told(result: RunResult) -> str:
    """All messages, errors and warnings of a run."""
    steps = result.steps.values()
    return "\n".join(f"{step.message}\n" + "\n".join(step.warnings) for step in steps)


def loaded(pipeline: Pipeline) -> int:
    return int(ask(pipeline, "SELECT COUNT(*) FROM raw")[0][0])


@pytest.fixture
def download(tmp_path: Path, server: Server) -> Callable[..., tuple[Pipeline, RunResult]]:
    """Run the pipeline on some months of the server."""
    path = write_spec(tmp_path, SPEC)

    def run(*months: str) -> tuple[Pipeline, RunResult]:
        pipeline = Pipeline.from_yaml(path, vars={"source": server.url, "months": list(months)})
        return pipeline, pipeline.run()

    return run


def test_a_download_that_ends_early_is_not_loaded(server: Server, download: Any) -> None:
    server.plan("202101", Answer(cut=SHORT))
    pipeline, result = download("2021-01")
    assert loaded(pipeline) == 0
    assert "x-202101.csv" in told(result)


@pytest.fixture
def fetch(tmp_path: Path, server: Server) -> Callable[[str], bytes]:
    """Download one file of the server, without the pipeline around it and without waiting between attempts."""

    def fetch(name: str) -> bytes:
        download_file(server.url, name, tmp_path / "fetched", Downloads(), wait=lambda seconds: None)
        return (tmp_path / "fetched").read_bytes()

    return fetch


def test_a_download_that_ends_early_is_tried_again(server: Server, fetch: Any) -> None:
    server.plan("202101", Answer(cut=SHORT), Answer())
    assert fetch("x-202101.csv") == TEXT


@pytest.mark.parametrize("chunked", [False, True])
def test_a_download_that_always_ends_early_is_an_error_and_leaves_no_file(
    server: Server, fetch: Any, tmp_path: Path, chunked: bool
) -> None:
    server.plan("202101", *[Answer(cut=SHORT, chunked=chunked)] * 4)
    with pytest.raises(SourceFileError, match=r"x-202101\.csv"):
        fetch("x-202101.csv")
    assert server.answers["/x-202101.csv"] == []
    assert list(tmp_path.iterdir()) == []


def digests(body: bytes) -> list[tuple[str, str]]:
    md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    sha = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return [
        ("Content-MD5", md5),
        ("x-goog-hash", f"md5={md5}"),
        ("Digest", f"SHA-256={sha}"),
        ("Repr-Digest", f"sha-256=:{sha}:"),
    ]


@pytest.mark.parametrize(("header", "value"), digests(TEXT), ids=[name for name, _ in digests(TEXT)])
def test_a_download_with_another_digest_is_an_error(
    server: Server, fetch: Any, header: str, value: str
) -> None:
    server.plan("202101", *[Answer(TEXT.replace(b"7,x", b"8,x"), headers={header: value})] * 4)
    with pytest.raises(SourceFileError, match=r"differs from the one that the server announced"):
        fetch("x-202101.csv")
    server.plan("202101", Answer(headers={header: value}))
    assert fetch("x-202101.csv") == TEXT


def test_a_file_that_the_server_lacks_does_not_stop_the_others(server: Server, download: Any) -> None:
    server.plan("202101", Answer())
    pipeline, result = download("2021-01", "2021-02")
    assert loaded(pipeline) == 2000, told(result)
    assert "x-202102.csv" in told(result)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("trips%20of%20202101.csv", "/trips%20of%20202101.csv"),
        ("trips of 202101.csv", "/trips%20of%20202101.csv"),
        ("get?file=202101", "/get?file=202101"),
        ("trips/x-202101.csv", "/trips/x-202101.csv"),
    ],
)
def test_the_name_at_a_url_is_asked_for_as_it_is_written(
    server: Server, fetch: Any, name: str, path: str
) -> None:
    server.answers[path] = [Answer()]
    assert fetch(name) == TEXT


def test_the_name_at_a_url_is_asked_for_as_the_spec_writes_it(tmp_path: Path, server: Server) -> None:
    server.answers["/get%20it?file=202101"] = [Answer()]
    variables = {"source": server.url, "months": ["2021-01"], "url_file": "get it?file={month}"}
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC), vars=variables)
    result = pipeline.run()
    assert result.ok, told(result)
    assert loaded(pipeline) == 2000


OLD = b"a,b\n1,old\n2,old\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "x.csv").write_bytes(OLD)
    return folder


def pipeline_of(folder: Path, on_changed: str | None = None) -> Pipeline:
    setting = "" if on_changed is None else f"    on_changed: {on_changed}\n"
    return Pipeline.from_yaml(
        write_spec(folder, SPEC.replace("    retries: 0\n", f"    retries: 0\n{setting}"))
    )


@pytest.fixture(scope="module")
def first_loads(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str | None], Path]:
    """The folder of the pipeline after it has loaded ``x.csv``, by its setting ``on_changed``; copy it."""

    @functools.cache
    def load(on_changed: str | None) -> Path:
        folder = tmp_path_factory.mktemp("loaded")
        (folder / "files").mkdir()
        (folder / "files" / "x.csv").write_bytes(OLD)
        assert pipeline_of(folder, on_changed).run().ok
        return folder

    return load


@pytest.fixture
def loaded_once(
    first_loads: Callable[[str | None], Path], tmp_path: Path
) -> Callable[[str | None], Pipeline]:
    """A pipeline that has loaded ``x.csv``, on a copy of its warehouse and its files."""

    def copy(on_changed: str | None = None) -> Pipeline:
        shutil.copytree(first_loads(on_changed), tmp_path, dirs_exist_ok=True)
        return pipeline_of(tmp_path, on_changed)

    return copy


def rows_of(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    return ask(pipeline, "SELECT A, B FROM raw ORDER BY A, B")


NEW = b"a,b\n1,new\n2,new\n3,new\n"


def test_a_replaced_file_is_refused_until_the_spec_says_what_to_do(
    tmp_path: Path, files: Path, loaded_once: Any
) -> None:
    pipeline = loaded_once()
    (files / "x.csv").write_bytes(NEW)
    for _ in range(2):  # the file is refused until the user decides
        result = pipeline.run(full_refresh=True)
        assert rows_of(pipeline) == [(1, "old"), (2, "old")]
        assert "x.csv" in told(result)
        assert "on_changed" in told(result)


def test_a_replaced_download_is_refused_until_the_spec_says_what_to_do(server: Server, download: Any) -> None:
    server.plan("202101", Answer(TEXT[:SHORT]), Answer())
    assert download("2021-01")[1].ok
    pipeline, result = download("2021-01")
    assert loaded(pipeline) == 1500
    assert "x-202101.csv" in told(result)
    assert "on_changed" in told(result)


def test_the_rows_of_a_replaced_file_are_replaced(tmp_path: Path, files: Path) -> None:
    (files / "y.csv").write_bytes(b"a,b\n9,kept\n")
    assert pipeline_of(tmp_path).run().ok
    (files / "x.csv").write_bytes(NEW)
    pipeline = pipeline_of(tmp_path, "replace")
    for _ in range(2):
        result = pipeline.run(full_refresh=True)
        assert result.ok, told(result)
        assert rows_of(pipeline) == [(1, "new"), (2, "new"), (3, "new"), (9, "kept")]


def test_a_file_that_was_refused_is_replaced_once_the_spec_says_so(
    tmp_path: Path, files: Path, loaded_once: Any
) -> None:
    loaded_once()
    (files / "x.csv").write_bytes(NEW)
    pipeline_of(tmp_path).run()
    pipeline = pipeline_of(tmp_path, "replace")
    result = pipeline.run()
    assert result.ok, told(result)
    assert rows_of(pipeline) == [(1, "new"), (2, "new"), (3, "new")]


def test_a_file_that_was_replaced_on_the_stage_is_replaced_in_the_table_by_a_later_run(
    tmp_path: Path, files: Path, loaded_once: Any
) -> None:
    pipeline = loaded_once("replace")
    (files / "x.csv").write_bytes(NEW)
    assert pipeline.run(select=["extract"]).ok
    result = pipeline.run()
    assert result.ok, told(result)
    assert rows_of(pipeline) == [(1, "new"), (2, "new"), (3, "new")]


def test_a_replaced_file_is_appended_where_the_spec_says_so(
    tmp_path: Path, files: Path, loaded_once: Any
) -> None:
    pipeline = loaded_once("append")
    (files / "x.csv").write_bytes(NEW)
    result = pipeline.run()
    assert result.ok, told(result)
    assert rows_of(pipeline) == [(1, "new"), (1, "old"), (2, "new"), (2, "old"), (3, "new")]


def test_the_good_members_of_an_archive_are_not_doubled_when_the_bad_one_is_mended(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    pipeline = pipeline_of(tmp_path)
    (files / "x.zip").write_bytes(zipped({"good.csv": b"a,b\n1,x\n2,x\n", "bad.csv": b"q\n1\n"}))
    assert "bad.csv" in told(pipeline.run())
    assert rows_of(pipeline) == [(1, "x"), (2, "x")]
    (files / "x.zip").write_bytes(zipped({"good.csv": b"a,b\n1,x\n2,x\n", "bad.csv": b"a,b\n3,x\n"}))
    result = pipeline.run()
    # The file is loaded, or refused until the user decides; the good files are never loaded twice.
    if rows_of(pipeline) != [(1, "x"), (2, "x"), (3, "x")]:
        assert rows_of(pipeline) == [(1, "x"), (2, "x")]
        assert "on_changed" in told(result)


@pytest.mark.parametrize("on_changed", [None, "replace"])
def test_a_file_with_another_name_is_not_loaded_again(
    tmp_path: Path, files: Path, loaded_once: Any, on_changed: str | None
) -> None:
    pipeline = loaded_once(on_changed)
    (files / "x.csv").rename(files / "y.csv")
    result = pipeline.run()
    assert rows_of(pipeline) == [(1, "old"), (2, "old")]
    assert "y.csv" in told(result)


@pytest.mark.parametrize("on_changed", [None, "replace"])
def test_a_file_whose_new_content_is_that_of_another_keeps_no_old_rows_in_silence(
    tmp_path: Path, files: Path, on_changed: str | None
) -> None:
    (files / "y.csv").write_bytes(NEW)
    pipeline = pipeline_of(tmp_path, on_changed)
    assert pipeline.run().ok
    (files / "x.csv").write_bytes(NEW)
    result = pipeline.run()
    if on_changed is None:
        assert "x.csv" in told(result)
        assert "on_changed" in told(result)
    else:
        assert not [row for row in rows_of(pipeline) if row[1] == "old"], told(result)


def test_files_that_are_rotated_keep_their_rows(tmp_path: Path, files: Path, loaded_once: Any) -> None:
    pipeline = loaded_once("replace")
    (files / "x.csv").rename(files / "previous.csv")
    (files / "x.csv").write_bytes(NEW)
    result = pipeline.run()
    assert result.ok, told(result)
    assert rows_of(pipeline) == [(1, "new"), (1, "old"), (2, "new"), (2, "old"), (3, "new")]


def test_an_archive_with_a_bad_member_and_another_name_is_not_loaded_again(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "x.zip").write_bytes(zipped({"good.csv": b"a,b\n1,x\n", "bad.csv": b"q\n1\n"}))
    pipeline = pipeline_of(tmp_path)
    pipeline.run()
    (files / "x.zip").rename(files / "y.zip")
    assert "y.zip" in told(pipeline.run())
    assert rows_of(pipeline) == [(1, "x")]


def test_what_was_loaded_by_a_step_of_another_name_is_not_doubled(
    tmp_path: Path, files: Path, loaded_once: Any
) -> None:
    pipeline = loaded_once("replace")
    (files / "x.csv").write_bytes(NEW)
    text = SPEC.replace("    retries: 0\n", "    retries: 0\n    on_changed: replace\n")
    assert "  load: {" in text
    result = Pipeline.from_yaml(write_spec(tmp_path, text.replace("  load: {", "  load_rows: {"))).run()
    assert rows_of(pipeline) == [(1, "old"), (2, "old")]
    assert "has 2 rows, of which this step loaded 0" in told(result)


def test_a_file_that_only_left_the_stage_keeps_its_rows(tmp_path: Path, files: Path) -> None:
    (files / "y.csv").write_bytes(b"a,b\n9,kept\n")
    pipeline = pipeline_of(tmp_path, "replace")
    assert pipeline.run().ok
    listed = [str(row[0]) for row in ask(pipeline, "LIST @load/files/ab/")]
    folder = next(name for name in listed if "/y.csv." in name).rpartition("/")[0]
    ask(pipeline, f"REMOVE @{folder}/")
    (files / "z.csv").write_bytes(b"a,b\n8,more\n")
    result = pipeline.run()
    assert result.ok, told(result)
    assert rows_of(pipeline) == [(1, "old"), (2, "old"), (8, "more"), (9, "kept")]
    (files / "x.csv").write_bytes(NEW)
    result = pipeline.run()
    assert "not on the stage any more" in told(result)
    assert (9, "kept") in rows_of(pipeline)


def test_a_header_may_begin_like_an_archive(tmp_path: Path, files: Path) -> None:
    (files / "x.csv").write_bytes(b"PK,b\n1,x\n")
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC.replace("columns: [a, b]", "columns: [PK, b]")))
    result = pipeline.run()
    assert result.ok, told(result)
    assert rows_of(pipeline) == [(1, "x")]


def test_the_rejected_rows_of_a_replaced_file_are_replaced(tmp_path: Path, files: Path) -> None:
    text = SPEC.replace("loads: loads}", "loads: loads, rejects: rejects, on_error: continue}")
    text = text.replace("    retries: 0\n", "    retries: 0\n    on_changed: replace\n")
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, text))
    (files / "x.csv").write_bytes(b"a,b\n1,old\nodd,old\n")
    assert pipeline.run().ok
    (files / "x.csv").write_bytes(b"a,b\n1,new\nodd,new\n")
    assert pipeline.run().ok
    assert rows_of(pipeline) == [(1, "new")]
    assert ask(pipeline, "SELECT REJECTED_RECORD FROM rejects") == [("odd,new",)]


EXTERNAL = """\
stages: {bucket: {url: "file://bucket"}}
file_formats: {csv: {skip_header: 1}}
tables: {raw: {columns: {A: number, B: varchar}}}
steps:
  load: {type: copy_into, from: "@bucket/", into: raw, file_format: csv, loads: loads}
"""


def replaced_in_a_bucket(folder: Path, spec: str) -> tuple[Pipeline, RunResult]:
    bucket = folder / "bucket"
    bucket.mkdir()
    (bucket / "x.csv").write_bytes(b"a,b\n1,old\n2,old\n")
    pipeline = Pipeline.from_yaml(write_spec(folder, spec))
    assert pipeline.run().ok
    (bucket / "x.csv").write_bytes(NEW)
    return pipeline, pipeline.run(full_refresh=True)


def test_a_replaced_file_of_an_external_stage_is_refused_until_the_spec_says_what_to_do(
    tmp_path: Path,
) -> None:
    pipeline, result = replaced_in_a_bucket(tmp_path, EXTERNAL)
    assert rows_of(pipeline) == [(1, "old"), (2, "old")]
    assert "x.csv" in told(result)
    assert "on_changed" in told(result)


def test_without_a_table_of_loads_a_replaced_file_is_not_loaded_beside_its_old_rows_in_silence(
    tmp_path: Path,
) -> None:
    pipeline, result = replaced_in_a_bucket(tmp_path, EXTERNAL.replace(", loads: loads", ""))
    if rows_of(pipeline) != [(1, "old"), (2, "old")]:
        assert "x.csv" in told(result)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("https://8.8.8.8/a", "http://8.8.8.8/a", "from https to http"),
        ("http://8.8.8.8/a", "ftp://8.8.8.8/a", "from http to ftp"),
        ("http://8.8.8.8/a", "file:///etc/passwd", "from http to file"),
        ("http://8.8.8.8/a", "http://127.0.0.1/a", "private network"),
        ("https://8.8.8.8/a", "https://169.254.169.254/latest", "private network"),
        ("http://8.8.8.8/a", "http://[::1]/a", "private network"),
        ("http://8.8.8.8/a", "http://[::ffff:10.0.0.1]/a", "private network"),
        ("http://10.0.0.1/a", "http://10.0.0.2/b", "private network"),
        ("http://10.0.0.1/a", "http://169.254.169.254/b", "private network"),
    ],
)
def test_a_redirect_to_another_scheme_or_a_private_address_is_refused(
    before: str, after: str, message: str
) -> None:
    request = urllib.request.Request(before)
    with pytest.raises(Exception, match=message):
        Redirects(before).redirect_request(request, io.BytesIO(), 302, "Found", HTTPMessage(), after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("http://8.8.8.8/a", "https://8.8.4.4/b"),
        ("http://127.0.0.1/a", "http://127.0.0.1/b"),
        ("http://10.0.0.1/a", "http://10.0.0.1:8080/b"),
        ("http://localhost/a", "http://127.0.0.1/b"),
    ],
)
def test_other_redirects_are_followed(before: str, after: str) -> None:
    request = urllib.request.Request(before)
    followed = Redirects(before).redirect_request(request, io.BytesIO(), 302, "Found", HTTPMessage(), after)
    assert followed is not None
    assert followed.full_url == after


def test_a_refused_redirect_is_not_retried(tmp_path: Path) -> None:
    class Redirecting(http.server.BaseHTTPRequestHandler):
        asked = 0

        def do_GET(self) -> None:
            Redirecting.asked += 1
            self.send_response(302)
            self.send_header("Location", "ftp://127.0.0.1/x")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Redirecting) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        with pytest.raises(SourceFileError, match="redirects from http to ftp"):
            download_file(f"http://127.0.0.1:{running.server_port}", "x.csv", tmp_path / "x.csv", Downloads())
        running.shutdown()
    assert Redirecting.asked == 1
