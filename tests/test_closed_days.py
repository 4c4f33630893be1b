"""The example of docs/how-to/closed-days.md: what a run makes of days without a row."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from tests.conftest import ROOT, ask, write_spec

PAGE = (ROOT / "docs" / "how-to" / "closed-days.md").read_text()
EXAMPLE, PUBLISHED = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
STOCK_TAKING = date(2024, 5, 22)


def run(folder: Path, steps: str) -> Pipeline:
    pipeline = Pipeline.from_yaml(write_spec(folder, steps))
    result = pipeline.run()
    assert result.ok, result
    return pipeline


def test_closed_days_are_zero_and_forecast_as_closed(tmp_path: Path) -> None:
    published = "".join(f"  {line}\n" for line in PUBLISHED.splitlines())
    pipeline = run(tmp_path, EXAMPLE.replace("stages: {models", f"{published}stages: {{models"))
    sundays = "SELECT COUNT(*), MAX(SOLD) FROM FEATURES WHERE DAYOFWEEKISO(DATE) = 7"
    assert ask(pipeline, sundays) == [(38, 0)]
    rows = ask(
        pipeline,
        "SELECT F.DATE, P.PREDICTION, F.PREDICTION FROM FORECASTS F JOIN PUBLISHED P USING (SHOP, DATE) "
        "WHERE F.PART = 'forecast' AND SHOP = 'S0'",
    )
    closed = {when for when, _, _ in rows if when.isoweekday() == 7} | {STOCK_TAKING}
    assert len(closed) == 2
    for when, shown, predicted in rows:
        if when in closed:
            assert shown == 0
            assert predicted < 11, "less than half of an open day"
        else:
            assert shown == predicted == pytest.approx(22, abs=4)


def test_unknown_days_have_no_row_and_are_forecast_as_open(tmp_path: Path) -> None:
    steps = EXAMPLE.replace("gaps: zero", "gaps: unknown").replace(
        "    exogenous:\n      - {table: opening, columns: [OPEN]}\n", ""
    )
    pipeline = run(tmp_path, steps)
    assert ask(pipeline, "SELECT COUNT(*) FROM FEATURES WHERE DAYOFWEEKISO(DATE) = 7") == [(0,)]
    ((least,),) = ask(pipeline, "SELECT MIN(PREDICTION) FROM FORECASTS WHERE PART = 'forecast'")
    assert least > 15
