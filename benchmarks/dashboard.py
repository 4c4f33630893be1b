"""Measure the dashboard in a browser: seconds until a page is drawn, the best of several.

    python benchmarks/dashboard.py

The first visit comes after the start of the server, with an empty cache of the browser; the others open a new tab of the
same browser. A redraw is a click on "Colour each series relative to its own mean", until the new heat map is there.
500 series with 30 periods are forecast by a seasonal naive model, and 30 with 14 are the size of the sample of Citi Bike.
The floor is a Streamlit page with one chart of three cells.
It needs Playwright, and Chromium on the path.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from playwright import sync_api

T = TypeVar("T")
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from snowpipe_ml import Pipeline  # noqa: E402

SPEC = """\
name: shops
targets: {{local: {{type: local, path: warehouse}}}}
stages: {{models: {{}}}}
packages: {{forecasting: [numpy, pandas]}}
steps:
  sales:
    type: transform
    writes: sales
    query: >-
      SELECT 's' || MOD(SEQ4(), {series}) AS SHOP, DATEADD(day, FLOOR(SEQ4() / {series}), '2023-01-01'::DATE) AS AT,
      10 + MOD(SEQ4() * 7919, 31) AS SOLD FROM TABLE(GENERATOR(ROWCOUNT => {rows}))
  features: {{type: features, from: sales, partition_by: SHOP, timestamp: AT, frequency: day, value: SOLD, target: SOLD,
    lags: [7], writes: features}}
  future: {{type: future_features, features: features, horizon: {periods}, writes: future}}
  deploy: {{type: deploy_forecaster, function: f, features: features, model: {{type: seasonal_naive}}, stage: models,
    packages: forecasting, min_train_rows: 20}}
  train: {{type: train_forecasters, function: f, features: features, future: future, writes: forecasts}}
"""
FLOOR = """\
import altair, pandas, streamlit
streamlit.title("Floor")
cells = pandas.DataFrame({"x": ["a", "b", "c"], "y": [1, 2, 3]})
streamlit.altair_chart(altair.Chart(cells).mark_rect().encode(x="x:O", y="y:O", color="y:Q"))
"""
DAYS, VISITS = 90, 4
CHART = "[data-testid=stVegaLiteChart] :is(canvas, svg)"
# A canvas is drawn when a row of pixels at half its height is not blank, an SVG when it has a path.
DRAWN = """chart => {
    const element = document.querySelector(chart);
    if (!element || element.hasAttribute("data-old")) return false;
    if (element.tagName !== "CANVAS") return element.querySelector("path") !== null;
    if (!element.width) return false;
    const row = element.getContext("2d").getImageData(0, Math.floor(element.height / 2), element.width, 1).data;
    return row.some((value, at) => at % 4 === 3 && value > 0);
}"""


def made(folder: Path, series: int, periods: int) -> Path:
    """Write a spec, and run it."""
    folder.mkdir()
    path = folder / "shops.yaml"
    path.write_text(SPEC.format(series=series, periods=periods, rows=series * DAYS))
    result = Pipeline.from_yaml(path).run()
    assert result.ok, result
    return path


def visit(browser: sync_api.BrowserContext, url: str) -> sync_api.Page:
    """Open the first page in a new tab, and wait until its first chart is drawn."""
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.goto(url)
    page.wait_for_function(DRAWN, arg=CHART)
    return page


def redraw(page: sync_api.Page) -> None:
    """Colour the heat map in the other way, and wait until it is drawn."""
    page.wait_for_selector("[data-testid=stStatusWidget]", state="detached")
    page.evaluate("chart => document.querySelector(chart).setAttribute('data-old', '')", CHART)
    page.get_by_text("Colour each series relative").click()
    page.wait_for_function(DRAWN, arg=CHART)


def seconds(work: Callable[[], T]) -> tuple[float, T]:
    """The seconds that a call takes, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def measure(chromium: sync_api.Browser, *command: str, redraws: bool = True) -> str:
    """Serve a page, visit it several times, and say the seconds.

    Args:
        command: the arguments of Python, but for the port, which comes last.
        redraws: the page is the dashboard, whose heat map can be drawn again.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    server = subprocess.Popen(
        [sys.executable, "-m", *command, port], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}/"
    browser = chromium.new_context(viewport={"width": 1280, "height": 900})
    try:
        while True:
            try:
                urllib.request.urlopen(f"{url}_stcore/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        visits, drawn = [], []
        for _ in range(VISITS):
            taken, page = seconds(lambda: visit(browser, url))
            visits.append(taken)
            if redraws:
                drawn.append(seconds(lambda page=page: redraw(page))[0])
            page.close()
    finally:
        browser.close()
        server.terminate()
        server.wait()
    text = f"{visits[0]:.2f} s at first, {min(visits[1:]):.2f} s again"
    return f"{text}, redrawn in {min(drawn):.2f} s" if drawn else text


def main() -> None:
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_api.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        floor = Path(folder) / "floor.py"
        floor.write_text(FLOOR)
        options = ("--server.headless=true", "--browser.gatherUsageStats=false", "--server.port")
        print("floor:", measure(chromium, "streamlit", "run", str(floor), *options, redraws=False))
        for series, periods in ((30, 14), (500, 30)):
            spec = made(Path(folder) / str(series), series, periods)
            taken = measure(chromium, "snowpipe_ml", "dashboard", str(spec), "--headless", "--port")
            print(f"{series} series, {periods} periods: {taken}")
        chromium.close()


if __name__ == "__main__":
    main()
