"""OpenLineage events of runs, emitted by OpenLineage's own client to a file and to a server."""

from __future__ import annotations

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.integrations.openlineage import OpenLineage
from tests.conftest import write_spec
from tests.test_cli import invoke

SPEC = """\
steps:
  base: {type: transform, query: "SELECT SEQ4() AS ID FROM TABLE(GENERATOR(ROWCOUNT => 12))", writes: base}
  high: {type: transform, query: "SELECT * FROM {{ ref('base') }} WHERE ID > 5", writes: high}
  bad: {type: transform, query: "SELECT 1 / 0 AS X FROM {{ ref('high') }}", writes: bad}
"""


def told(events: list[dict[str, Any]]) -> list[tuple[str, str, list[str], list[str]]]:
    return [
        (
            e["eventType"],
            e["job"]["name"],
            [d["name"] for d in e["inputs"]],
            [d["name"] for d in e["outputs"]],
        )
        for e in events
    ]


WANTED = [
    ("START", "demo", [], []),
    ("START", "demo.base", [], ["DEMO.PUBLIC.BASE"]),
    ("COMPLETE", "demo.base", [], ["DEMO.PUBLIC.BASE"]),
    ("START", "demo.high", ["DEMO.PUBLIC.BASE"], ["DEMO.PUBLIC.HIGH"]),
    ("COMPLETE", "demo.high", ["DEMO.PUBLIC.BASE"], ["DEMO.PUBLIC.HIGH"]),
    ("START", "demo.bad", ["DEMO.PUBLIC.HIGH"], ["DEMO.PUBLIC.BAD"]),
    ("FAIL", "demo.bad", ["DEMO.PUBLIC.HIGH"], ["DEMO.PUBLIC.BAD"]),
    ("FAIL", "demo", [], []),
]


def test_a_run_as_lines_of_a_file(tmp_path: Path) -> None:
    path, file = write_spec(tmp_path, SPEC), tmp_path / "lineage.jsonl"
    assert invoke("run", str(path), "--openlineage", str(file)).exit_code == 1
    events = [json.loads(line) for line in file.read_text().splitlines()]
    assert told(events) == WANTED
    whole, base = events[0]["run"]["runId"], events[2]
    assert base["run"]["facets"]["parent"]["run"]["runId"] == whole == events[-1]["run"]["runId"]
    assert base["run"]["runId"] == events[1]["run"]["runId"] != whole
    assert base["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 12
    assert base["outputs"][0]["namespace"] == f"file://{tmp_path / 'warehouse'}"
    assert "Division by zero" in events[6]["run"]["facets"]["errorMessage"]["message"]


def test_a_run_sent_to_a_server(tmp_path: Path) -> None:
    received: list[dict[str, Any]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
        pipeline.run(listeners=[OpenLineage.to(f"http://127.0.0.1:{server.server_port}", pipeline)])
        server.shutdown()
    assert told(received) == WANTED


def test_a_server_that_is_not_there_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
    with caplog.at_level(logging.WARNING, "snowpipe_ml"):
        result = pipeline.run(listeners=[OpenLineage.to("http://127.0.0.1:9", pipeline)])
    assert result.steps["high"].status.value == "success"
    assert [r.message.split(":")[0] for r in caplog.records if "OpenLineage" in r.message] == ["OpenLineage"]
