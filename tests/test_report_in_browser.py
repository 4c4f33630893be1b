"""The report in a real browser, offline, at the widths of a desktop and a phone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.ui.report import report_html
from tests.conftest import write_spec
from tests.steps.test_forecasting import spec as forecasting
from tests.steps.test_plots import PLOTTED

SPEC = """\
steps:
  base: {type: transform, query: "SELECT SEQ4() AS ID, SEQ4() * 2 AS N FROM TABLE(GENERATOR(ROWCOUNT => 1234))", writes: base}
  a_step_with_a_rather_long_name_that_says_what_it_is_for: {type: transform, query: "SELECT * FROM {{ ref('base') }}", writes: long}
  scored: {type: evaluate, predictions: base, actual: ID, prediction: N, writes: scores}
  checked: {type: expect, table: base, min_rows: 1, ranges: {ID: [0, 5]}, severity: warn}
  bad: {type: transform, query: "SELECT 1 / 0 AS X FROM {{ ref('long') }}", writes: bad}
  after: {type: transform, query: "SELECT * FROM {{ ref('bad') }}", writes: after}
"""
# A script with which the page measures itself, and writes the results where --dump-dom shows them.
PROBE = """<script>
const wide = [...document.querySelectorAll('body *')].filter(
  e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.wide') && !e.closest('pre'));
document.body.dataset.probe = JSON.stringify({
  overflow: document.documentElement.scrollWidth - innerWidth, wide: wide.map(e => e.outerHTML.slice(0, 80)),
  loaded: performance.getEntriesByType('resource').map(e => e.name.slice(0, 80)),
  images: [...document.images].map(e => e.naturalWidth),
  sections: [...document.querySelectorAll('section')].filter(e => e.offsetHeight > 20).map(e => e.id)});
</script>"""


@pytest.fixture(scope="module")
def chromium() -> str:
    """The path of Chromium, which is installed if the machine allows it."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(
            "apt-get update -qq && apt-get install -y -qq chromium",
            shell=True,
            check=False,
            capture_output=True,
        )
        found = shutil.which("chromium")
    if found is None:
        pytest.skip("there is no Chromium here, and none can be installed")
    return found


@pytest.fixture(scope="module")
def failed(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A pipeline whose run failed."""
    pipeline = Pipeline.from_yaml(write_spec(tmp_path_factory.mktemp("failed"), SPEC))
    assert not pipeline.run().ok
    return pipeline


@pytest.fixture(scope="module")
def plotted(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A pipeline with forecasts and plots, after a run."""
    pipeline = forecasting(tmp_path_factory.mktemp("plotted"), **PLOTTED)
    assert pipeline.run().ok
    return pipeline


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_cut_off(chromium: str, failed: Pipeline, tmp_path: Path, width: int) -> None:
    found = read_in(chromium, failed, tmp_path, width)
    assert found["sections"] == [
        "errors",
        "warnings",
        "graph",
        "timeline",
        "steps",
        "checks",
        "metrics",
        "spec",
    ]


@pytest.mark.parametrize("width", [1280, 390])
def test_forecasts_and_plots_are_drawn(chromium: str, plotted: Pipeline, tmp_path: Path, width: int) -> None:
    found = read_in(chromium, plotted, tmp_path, width)
    assert found["sections"] == [
        "warnings",
        "graph",
        "timeline",
        "steps",
        "charts",
        "plots",
        "metrics",
        "spec",
    ]
    assert len(found["images"]) == 4
    assert all(natural > 300 for natural in found["images"])


def read_in(chromium: str, pipeline: Pipeline, tmp_path: Path, width: int) -> dict[str, Any]:
    """Measure the last run's report in a browser of a width; nothing may be cut off or loaded."""
    with pipeline.history() as history:
        page = report_html(history, pipeline.graph().dag)
    path = tmp_path / "report.html"
    # Headless Chromium has no windows narrower than 500 pixels, so a frame has the width of a phone.
    path.write_text(page.replace("</body>", PROBE + "</body>"))
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe id="f" src="report.html" style="width:{width}px;height:900px;border:0"></iframe><script>'
        "f.onload = () => document.body.dataset.probe = f.contentDocument.body.dataset.probe</script>"
    )
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    )
    flags += (
        " --disable-component-update --disable-sync --allow-file-access-from-files --virtual-time-budget=3000"
    )
    done = subprocess.run(
        [
            chromium,
            *flags.split(),
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1400,1000",
            "--enable-logging=stderr",
            "--dump-dom",
            frame.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    probe = re.search(r'data-probe="([^"]*)"', done.stdout)
    assert probe is not None, done.stdout
    found = json.loads(probe[1].replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">"))
    assert found["overflow"] <= 0
    assert found["wide"] == []
    assert [url for url in found["loaded"] if not url.startswith("data:")] == []
    return dict(found)
