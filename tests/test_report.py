"""The report of a run: its content, and that it is self-contained."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import networkx as nx
import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.ui.graph_drawing import HEIGHT, draw_graph
from snowpipe_ml.ui.report import report_html
from tests.conftest import write_spec
from tests.test_cli import invoke

SPEC = """\
steps:
  base: {type: transform, query: "SELECT SEQ4() AS ID FROM TABLE(GENERATOR(ROWCOUNT => 1234))", writes: base}
  high: {type: transform, query: "SELECT * FROM {{ ref('base') }} WHERE ID > 5", writes: high}
  scored: {type: evaluate, predictions: base, actual: ID, prediction: ID, writes: scores}
  far: {type: transform, query: "SELECT A.ID FROM {{ ref('high') }} A JOIN {{ ref('base') }} B ON A.ID = B.ID", writes: far}
  bad: {type: transform, query: "SELECT '<script>alert(1)</script>'::INT AS X FROM {{ ref('far') }}", writes: bad}
  after: {type: transform, query: "SELECT * FROM {{ ref('bad') }}", writes: after}
"""
_VOID = {"meta", "br", "rect", "circle", "path", "input"}


class Balance(HTMLParser):
    """Collects unclosed tags and references to external resources."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)
        self.loaded += [
            str(value) for name, value in attrs if name in ("src", "href") or tag in ("link", "iframe")
        ]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass  # self-closing tags load nothing: those of the drawings have no address

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A spec that was run, with a failed step."""
    path = write_spec(tmp_path, SPEC)
    assert not Pipeline.from_yaml(path).run().ok
    return path


def html(path: Path) -> str:
    pipeline = Pipeline.from_yaml(path)
    with pipeline.history() as history:
        return report_html(history, pipeline.graph().dag)


def test_what_happened_is_there(path: Path) -> None:
    text = html(path)
    assert re.search(r'<b>base</b>.*?<span class="badge success">success</span>.*?1,234', text, re.S)
    assert re.search(r'<b>after</b>.*?<span class="badge skipped">', text, re.S)
    wide, narrow = re.findall(r"<svg viewBox.*?</svg>", text, re.S)
    assert wide.count('<g class="node ') == narrow.count('<g class="node ') == 6
    assert re.search(r'>base</text><text class="fact"[^>]*>[^<]+ s · 1,234 rows</text>', narrow)
    assert re.search(r"<b>6</b> steps, 1 failed, 1 skipped, 4 success<", text)
    assert "WHERE ID &gt; 5" in text, "the spec as it was run"
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text
    assert 'id="metrics"' not in text, "one run has no history"


def test_metrics_are_shown_from_the_second_run_on(path: Path) -> None:
    Pipeline.from_yaml(path).run(full_refresh=True)
    text = html(path)
    assert re.search(r'<section id="metrics">.*?<figcaption>rmse <span>scored</span>', text, re.S)
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
    chart = data["charts"]["metric:scored:rmse"]
    assert len(chart["x"]["values"]) == len(chart["series"][0]["values"]) == 2
    assert (chart["x"]["title"], chart["y"]["title"]) == ("run", "rmse")


def test_only_its_own_scripts_run(path: Path) -> None:
    """The Content-Security-Policy of the page names its scripts by their hashes."""
    text = html(path)
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
    scripts = re.findall(r"<script>(.*?)</script>", text, re.S)
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    assert policy.endswith("script-src " + " ".join(f"&#39;sha256-{one}&#39;" for one in hashes))
    assert policy.startswith("default-src 'none'")


def test_it_is_whole_and_needs_nothing_else(path: Path) -> None:
    found = Balance(html(path))
    assert found.open == []
    assert found.loaded == []
    assert "http:" not in html(path)
    assert "https:" not in re.sub(r"<pre>.*?</pre>", "", html(path), flags=re.S)


def test_no_line_of_the_graph_runs_through_a_step(path: Path) -> None:
    for drawing in re.findall(r"<svg viewBox.*?</svg>", html(path), re.S):
        _check_lines(
            [
                tuple(float(v) for v in found)
                for found in re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"', drawing)
            ],
            re.findall(r'class="edge" d="([^"]+)"', drawing),
        )


@pytest.mark.parametrize("abreast", [2, 3, 5])
def test_no_line_of_a_dense_graph_runs_through_a_step(abreast: int) -> None:
    """Twelve steps that share an input, three more that skip them, and sources that only the last step reads."""
    many = [f"load[{number}]" for number in range(12)]
    edges = [("extract", one) for one in many] + [(one, "joined") for one in many]
    edges += [
        ("extract", "kept"),
        ("kept", "last"),
        ("joined", "last"),
        ("sources.a", "last"),
        ("sources.b", "last"),
    ]
    drawing = draw_graph(nx.DiGraph(edges), {}, abreast)
    assert len(drawing.nodes) == len({(box.x, box.y) for box in drawing.nodes}) == 18
    boxes = [(box.x, box.y, box.width) for box in drawing.nodes]
    _check_lines(boxes, [edge.path for edge in drawing.edges])
    for x, y, width in boxes:
        assert 0 <= x <= x + width <= drawing.width
        assert y + HEIGHT <= drawing.height
        assert not any(y == other_y and x < other_x < x + width for other_x, other_y, _ in boxes)
    rows = {box.name: box.y for box in drawing.nodes}
    assert all(rows[one] < rows[other] for one, other in edges)
    assert rows["sources.a"] > rows["extract"], "a source is drawn near the step that reads it"
    assert len({box.y for box in drawing.nodes}) >= 18 / abreast


def _check_lines(boxes: list[tuple[float, ...]], paths: list[str]) -> None:
    """Curves are only between rows; the straight parts beside the boxes of a row pass none of them."""
    assert boxes
    assert paths
    for path in paths:
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", path)]
        at, top = numbers[6:8]
        assert numbers[1] < top
        for x, y, width in boxes:
            assert not numbers[1] < y + HEIGHT / 2 < top, "a row is between the ends of a curve"
            if "V" in path:
                assert not (y == top and x - 1 < at < x + width + 1), path


def test_the_command_writes_it_after_every_run(path: Path) -> None:
    done = invoke("run", path, "--full-refresh")
    assert done.exit_code == 1
    named = re.search(r"report: (.*\.html)", done.output.replace("\n", ""))
    assert named
    written = Path(named.group(1))
    assert written.parent == path.parent / ".snowpipe" / "reports"
    assert "badge failed" in written.read_text()
    assert "report:" not in invoke("run", path, "--no-report").output
    other = path.parent / "other.html"
    assert invoke("report", path, written.stem, "--output", other).output.strip() == str(other)
    assert invoke("report", path, "nonsense").exit_code == 2
