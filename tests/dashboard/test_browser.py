"""The dashboard in a real browser: a user chooses a series, sorts the models, and starts a run with another horizon."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml.dashboard.data.source import open_source
from snowpipe_ml.sql import Sql
from tests.browser import check_accessible
from tests.gate import eventually

# A browser, a server and a run: too much for `make test`.
pytestmark = pytest.mark.integrations
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGES = {"": "Forecast", "models": "Models", "monitor": "Monitor", "runs": "Runs", "run-it": "Run it"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    with playwright.sync_playwright() as started:
        # Chromium's sandbox does not work for root, as in containers.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        opened = started.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def site(ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a dashboard on a copy of the pipeline, and the spec."""
    folder = tmp_path_factory.mktemp("site") / "copy"
    shutil.copytree(ran.parent, folder)
    spec = folder / ran.name
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "server.log").open("wb")
    command = [sys.executable, "-m", "snowpipe_ml", "dashboard", str(spec), "--headless", "--port", str(port)]
    server = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}/"
    deadline = time.monotonic() + 600
    while True:
        try:
            urllib.request.urlopen(f"{url}_stcore/health", timeout=5).close()
            break
        except OSError:
            assert server.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
    yield url, spec
    server.send_signal(signal.SIGINT)
    assert server.wait(60) == 0, (folder / "server.log").read_text()
    log.close()


def visit(browser: Any, url: str, title: str, width: int = 1280, scheme: str = "light") -> Any:
    """Open a page, and wait until the application has run."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(600_000)  # milliseconds; the machine may be busy
    page.elsewhere = []
    page.on("request", lambda request: page.elsewhere.append(request.url))
    page.goto(url)
    page.get_by_role("heading", name=title, exact=True).first.wait_for()
    settled(page)
    return page


def settled(page: Any) -> None:
    """Wait until no run of the application is going on."""
    page.wait_for_function(
        "document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(("path", "title"), PAGES.items())
def test_pages_fit_and_load_nothing_from_elsewhere(
    browser: Any, site: tuple[str, Path], path: str, title: str, width: int, scheme: str
) -> None:
    page = visit(browser, site[0] + path, title, width, scheme)
    assert page.locator("[data-testid=stException]").count() == 0
    main = "document.querySelector('[data-testid=stMain]')"
    assert page.evaluate(
        f"[document.documentElement.scrollWidth - innerWidth, {main}.scrollWidth - {main}.clientWidth]"
    ) == [0, 0]
    assert [url for url in page.elsewhere if not url.startswith((site[0], "data:", "blob:"))] == []
    check_accessible(page)
    page.close()


def test_a_cell_leads_to_the_forecast_and_the_reasons_of_the_tables(
    browser: Any, site: tuple[str, Path]
) -> None:
    page = visit(browser, site[0], "Forecast")
    cell = page.locator("[aria-label*='period: 2023-03-14'][aria-label*='series: Shop 1']").first
    cell.click()
    metrics = page.locator("[data-testid=stMetric]")
    metrics.filter(has_text="Forecast for 2023-03-14").wait_for()
    source = open_source(site[1])
    row = source.reader.rows(
        Sql("SELECT * FROM FORECASTS WHERE PART = 'forecast' AND SHOP = 's1' AND DATE = '2023-03-14'")
    )[0].as_dict()
    source.reader.close()
    shown = " ".join(metrics.all_inner_texts())
    assert f"{row['PREDICTION']:,.1f}" in shown
    assert f"{row['LOW']:,.1f} to {row['HIGH']:,.1f}" in shown
    told = page.get_by_text(re.compile("the signed contribution of one of them")).inner_text()
    assert f"leave the forecast at {row['PREDICTION']:,.1f}" in told
    bar = page.locator("[aria-label*='feature: value 7 days earlier']").first

    def shown_part() -> float:
        label = bar.get_attribute("aria-label")
        found = re.search(r"part of the forecast, in SOLD per day: ([^;]+)", label)
        assert found is not None, label
        return float(found[1].replace("−", "-"))

    # The browser draws the chart of the chosen cell after the texts.
    eventually(lambda: shown_part() == pytest.approx(row["LAG_7_EXPLANATION"], rel=1e-3))
    page.close()


def test_a_point_of_the_map_chooses_its_series(browser: Any, site: tuple[str, Path]) -> None:
    page = visit(browser, site[0], "Forecast")
    page.get_by_role("tab", name="Map", exact=True).click()
    page.locator("[aria-label*='latitude'][aria-label*='series: Shop 2']").first.click()
    chosen = page.get_by_role("combobox", name="Series", exact=True)
    eventually(lambda: chosen.input_value() == "Shop 2")
    page.close()


def test_the_leaderboard_follows_the_chosen_metric(browser: Any, site: tuple[str, Path]) -> None:
    page = visit(browser, site[0] + "models", "Models")
    page.get_by_role("combobox", name=re.compile("Metric")).click()
    page.get_by_role("option", name="MASE", exact=True).click()
    page.get_by_text(re.compile("For how many of 5 series each model has the least MASE")).wait_for()
    source = open_source(site[1])
    rows = source.reader.rows(Sql("SELECT MODEL, MASE FROM BOARD WHERE FOLD IS NULL ORDER BY MASE, MODEL"))
    source.reader.close()
    # The grid draws on a canvas, and has a table for screen readers behind it.
    cells = page.locator("[data-testid=stDataFrame]").first.locator("[role=gridcell]")
    cells.first.wait_for(state="attached")
    texts = cells.all_inner_texts()
    models = [text.partition(" (")[0] for text in texts]
    assert [name for name in models if name in {str(row[0]) for row in rows}] == [str(row[0]) for row in rows]
    page.close()


def test_a_run_with_another_horizon_is_started_and_appears(browser: Any, site: tuple[str, Path]) -> None:
    page = visit(browser, site[0] + "run-it", "Run it")
    page.get_by_label("Horizon", exact=True).fill("5")
    page.get_by_label("Horizon", exact=True).press("Tab")
    page.get_by_role("button", name="Start the run").click()
    page.get_by_text("With horizon = 5.").wait_for()
    # Other pages can be read while it runs.
    other = visit(browser, site[0], "Forecast")
    assert other.locator("[data-testid=stException]").count() == 0
    page.get_by_text(re.compile(r"Run \S+ succeeded in")).wait_for()
    told = page.get_by_text(re.compile(r"Run \S+ succeeded in")).inner_text()
    run_id = told.split()[1]
    page.close()
    other.reload()
    other.get_by_text(re.compile("5 series for 5 days from 2023-03-12 to 2023-03-16")).wait_for()
    other.close()
    runs = visit(browser, site[0] + "runs", "Runs")
    chosen = runs.get_by_role("combobox", name=re.compile("Run"))
    assert run_id in (chosen.input_value() or chosen.inner_text())
    runs.close()
