"""The forecasts in the report of a run: what is read from the tables, and what if these have changed since."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.steps.report.reported import Curve, Reported, Score
from snowpipe_ml.ui.report import last_report, report_html
from tests.conftest import ask
from tests.steps.test_forecasting import spec


@pytest.fixture
def pipeline(trained: Path, tmp_path: Path) -> Pipeline:
    return spec(tmp_path, after=trained)


def page_of(pipeline: Pipeline) -> tuple[str, Any]:
    """The report of the last run, and the data in it."""
    text = last_report(pipeline, None, None).read_text()
    found = re.search(r'id="data">(.*?)</script>', text, re.S)
    assert found
    return text, json.loads(found[1])


def test_every_series_has_the_values_of_the_tables(pipeline: Pipeline) -> None:
    text, data = page_of(pipeline)
    (of,) = data["forecasts"]
    assert (of["key"], of["value"], of["noun"]) == ("K", "TOTAL per day", "day")
    rows = ask(
        pipeline,
        "SELECT K, DATE, ACTUAL, PREDICTION, LOW, PART, MODEL FROM FORECASTS WHERE PART <> 'backtest'",
    )
    for curve in of["curves"]:
        first = of["dates"].index(min(str(row[1]) for row in rows if row[0] == curve["k"]))
        assert curve["s"] == first
        for key, start, column, parts in (
            ("a", "s", 2, ("train", "validation")),
            ("p", "s", 3, ("train", "validation")),
            ("f", "u", 3, ("forecast",)),
            ("l", "u", 4, ("forecast",)),
        ):
            drawn = {of["dates"][curve[start] + place]: value for place, value in enumerate(curve[key])}
            wanted = {
                str(row[1]): pytest.approx(row[column], rel=1e-3)
                for row in rows
                if row[0] == curve["k"] and row[5] in parts
            }
            assert drawn == wanted, (curve["k"], key)
    assert [curve["k"] for curve in of["curves"]] == ["k4", "k3", "k2", "k1", "k0"], "the largest first"
    error = ask(
        pipeline,
        "SELECT AVG(ABS(ACTUAL - PREDICTION)) FROM FORECASTS WHERE PART = 'backtest' AND K = 'k2' AND MODEL = 'ridge' AND FOLD = 1",
    )
    assert {score["k"]: score["e"] for score in of["scores"]}["k2"] == pytest.approx(error[0][0])
    assert "set `left_out` in features to list the series that it excludes" in text
    assert re.search(r"value 7 days earlier <span class=\"soft\">LAG_7</span>", text)
    assert "TEMP of WEATHER" in text
    assert "1 day before a holiday" in text
    assert text.count(" baseline</span>") + text.count(">baseline</span>") == 2


def test_a_table_that_has_changed_since_is_not_shown(pipeline: Pipeline) -> None:
    ask(pipeline, "UPDATE FORECASTS SET PREDICTION = 1 WHERE PART = 'forecast'")
    text, data = page_of(pipeline)
    assert data["forecasts"] == []
    assert "as the run recorded them: FORECASTS has changed since, or is gone" in text
    (chart,) = [chart for chart in data["charts"].values() if chart["title"] == "K k4"]
    assert [line["name"] for line in chart["series"]] == ["actual", "predicted one day ahead", "forecast"]
    assert (chart["x"]["title"], chart["y"]["title"]) == ("day", "TOTAL per day")
    ask(pipeline, "DROP TABLE FORECASTS")
    assert "FORECASTS has changed since" in page_of(pipeline)[0]


def test_another_spec_by_now_does_not_hinder_the_report(pipeline: Pipeline) -> None:
    """The models and the features of the spec are others than those of the run."""
    changed = (
        pipeline.path.read_text()
        .replace("type: ridge", "type: seasonal_naive")
        .replace("[weekend, month]", "[quarter]")
    )
    pipeline.path.write_text(changed)
    text, data = page_of(pipeline)
    assert data["forecasts"] or "as the run recorded them: FORECASTS cannot be read" in text


def test_500_series_fit_in_3_megabytes(pipeline: Pipeline) -> None:
    dice = random.Random(0)

    def values(count: int) -> list[float | None]:
        return [round(dice.uniform(0, 5000), 1) for _ in range(count)]

    curves = [
        Curve(
            f"store {n}",
            0,
            values(150),
            values(150),
            150,
            values(28),
            values(28),
            values(28),
            "ensemble",
            "0.4 auto_ets",
            n,
        )
        for n in range(500)
    ]
    scores = [Score(one.key, 1.0, 1.0, "seasonal_naive", 1.5) for one in curves]
    of = Reported(
        "train",
        "T",
        "STORE",
        "SALES per day",
        "day",
        ["2023-01-01"] * 178,
        curves,
        500,
        [],
        "ensemble",
        scores,
        [],
        "",
        [],
    )
    with pipeline.history() as history:
        page = report_html(history, pipeline.graph().dag, None, [of])
    assert len(page.encode()) < 3_000_000
