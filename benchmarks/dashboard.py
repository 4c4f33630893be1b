"""Measure the dashboard in a browser: seconds until a page is drawn, the best of several.

    python benchmarks/dashboard.py

The first visit comes after the start of the server and fills its caches; the others are those of a new browser window.
500 series with 30 periods are forecast by a seasonal naive model, and 30 with 14 are the size of the sample of Citi Bike.
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
from pathlib import Path
from typing import Any

from playwright import sync_api

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
DAYS, VISITS = 90, 4


def made(folder: Path, series: int, periods: int) -> Path:
    """Write a spec, and run it."""
    folder.mkdir()
    path = folder / "shops.yaml"
    path.write_text(SPEC.format(series=series, periods=periods, rows=series * DAYS))
    result = Pipeline.from_yaml(path).run()
    assert result.ok, result
    return path


def visit(browser: Any, url: str) -> float:
    """Open the first page in a new window; return the seconds until the heat map is drawn."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    start = time.perf_counter()
    page.goto(url)
    page.wait_for_selector("[data-testid=stVegaLiteChart] :is(canvas, svg)")
    seconds = time.perf_counter() - start
    page.close()
    return seconds


def measure(browser: Any, spec: Path) -> list[float]:
    """Serve the dashboard of a spec, and visit it several times."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "snowpipe_ml", "dashboard", str(spec), "--headless", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    try:
        while True:
            try:
                urllib.request.urlopen(f"{url}_stcore/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        return [visit(browser, url) for _ in range(VISITS)]
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for series, periods in ((30, 14), (500, 30)):
            spec = made(Path(folder) / str(series), series, periods)
            first, *others = measure(browser, spec)
            print(f"{series} series, {periods} periods: {first:.2f} s at first, {min(others):.2f} s again")
        browser.close()


if __name__ == "__main__":
    main()
