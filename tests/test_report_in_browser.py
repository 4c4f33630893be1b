"""The report in a real browser, offline, at the widths of a desktop and a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.ui.report import last_report
from tests.browser import WIDTHS, browser, check_accessible, check_layout, opened
from tests.conftest import ask, write_spec
from tests.steps.test_forecasting import spec as forecasting
from tests.steps.test_plots import DRAWN

SPEC = """\
steps:
  base: {type: transform, query: "SELECT SEQ4() AS ID, SEQ4() * 2 AS N FROM TABLE(GENERATOR(ROWCOUNT => 1234))", writes: base}
  a_step_with_a_rather_long_name_that_says_what_it_is_for: {type: transform, query: "SELECT * FROM {{ ref('base') }}", writes: long}
  scored: {type: evaluate, predictions: base, actual: ID, prediction: N, writes: scores}
  checked: {type: expect, table: base, min_rows: 1, ranges: {ID: [0, 5]}, severity: warn}
  bad: {type: transform, query: "SELECT 1 / 0 AS X FROM {{ ref('long') }}", writes: bad}
  after: {type: transform, query: "SELECT * FROM {{ ref('bad') }}", writes: after}
"""
# A browser decodes images when it has the time.
_WIDTHS = """Promise.all([...document.images].map(async image => {
  image.loading = "eager";
  await image.decode();
  return image.naturalWidth;
}))"""
_SECTIONS = "[...document.querySelectorAll('section')].filter(e => e.offsetHeight > 20).map(e => e.id)"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Chromium, started once."""
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def failed(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run that failed."""
    pipeline = Pipeline.from_yaml(write_spec(tmp_path_factory.mktemp("failed"), SPEC))
    assert not pipeline.run().ok
    return last_report(pipeline, None, None)


@pytest.fixture(scope="module")
def plotted(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A pipeline with forecasts, a series that is left out and plots, after two runs of its last steps."""
    changed = {
        "    writes: features\n": "    writes: features\n    left_out: left_out\n    max_idle: 10\n",
        "TABLE(GENERATOR(ROWCOUNT => 600))": "TABLE(GENERATOR(ROWCOUNT => 600)) WHERE MOD(SEQ4(), 5) <> 4 OR SEQ4() < 300",
    }
    pipeline = forecasting(tmp_path_factory.mktemp("plotted"), **DRAWN, **changed)
    assert pipeline.run().ok
    assert pipeline.run(select=["board"], full_refresh=True).ok
    return pipeline


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off(chromium: Any, failed: Path, width: int) -> None:
    with opened(chromium, failed, width) as page:
        assert page.evaluate(_SECTIONS) == [
            "errors",
            "warnings",
            "graph",
            "timeline",
            "steps",
            "checks",
            "spec",
        ]
        check_layout(page)


@pytest.mark.parametrize("width", WIDTHS)
def test_forecasts_and_plots_are_drawn(chromium: Any, plotted: Pipeline, width: int) -> None:
    with opened(chromium, last_report(plotted, None, None), width) as page:
        assert page.evaluate(_SECTIONS) == [
            "warnings",
            "graph",
            "timeline",
            "steps",
            "charts",
            "leaderboard",
            "importance",
            "plots",
            "metrics",
            "spec",
        ]
        check_layout(page)
        widths = page.evaluate(_WIDTHS)
        assert len(widths) == 4
        assert all(natural > 300 for natural in widths)
        if width > 640:  # on a phone, the graph is two steps wide and needs no enlarging
            page.click("button.larger")
        check_layout(page)


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_pages_are_accessible(chromium: Any, plotted: Pipeline, failed: Path, scheme: str) -> None:
    for path in (last_report(plotted, None, None), failed):
        with opened(chromium, path, scheme=scheme) as page:
            check_accessible(page)


def test_every_series_is_found_and_shown_with_the_values_of_the_table(
    chromium: Any, plotted: Pipeline
) -> None:
    rows = ask(
        plotted,
        "SELECT K, DATE, PREDICTION, LOW, HIGH FROM FORECASTS WHERE PART = 'forecast' ORDER BY K, DATE",
    )
    with opened(chromium, last_report(plotted, None, None)) as page:
        assert page.inner_text(".count") == "4 of 4 series"
        page.fill("input[type=search]", "K2")
        assert page.inner_text(".count") == "1 of 4 series"
        assert page.inner_text(".chosen") == "K k2"
        assert "model ridge" in page.inner_text(".note")
        page.click("#charts .values summary")
        cells = [line.split("\t") for line in page.inner_text("#charts .values tbody").splitlines()]
        drawn = [(day, *map(float, numbers)) for day, _, _, *numbers in cells if numbers[0]]
        of_table = [
            (str(row[1]), *(pytest.approx(value, rel=1e-3) for value in row[2:]))
            for row in rows
            if row[0] == "k2"
        ]
        assert drawn == of_table
        assert len(cells) == 120, "113 days whose lags are known, and 7 of the forecast"
        # The keyboard moves along the chart, and a screen reader hears the values.
        page.focus("#charts .chart")
        page.keyboard.press("End")
        said = page.get_attribute("#charts .chart", "aria-valuetext")
        assert said.startswith(f"{rows[-1][1]}: forecast ")
        assert "interval" in said
        assert page.is_visible("#charts .tip")


def test_worst_series_and_scores_are_sorted_by_a_click(chromium: Any, plotted: Pipeline) -> None:
    with opened(chromium, last_report(plotted, None, None)) as page:
        worst = page.locator("[data-series]").nth(1).inner_text()
        page.locator("[data-series]").nth(1).click()
        assert page.inner_text(".chosen") == f"K {worst}"
        models = "[...document.querySelectorAll('#leaderboard tbody td:first-child')].map(e => e.dataset.v)"
        assert page.evaluate(models) == ["seasonal_naive", "ridge", "moving_average"], "the best first"
        page.click("#leaderboard th:first-child button")
        assert page.evaluate(models) == ["moving_average", "ridge", "seasonal_naive"]
        page.click("#leaderboard th:first-child button")
        assert page.evaluate(models)[0] == "seasonal_naive"
        assert page.get_attribute("#leaderboard th:first-child", "aria-sort") == "descending"
        assert "k4\tno recent event: " in page.inner_text("#charts")
        assert "value 7 days earlier" in page.inner_text("#importance")
