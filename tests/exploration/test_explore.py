"""Exploring a table: what is found, suggested and written, on the embedded warehouse."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import snowpipe_ml
from snowpipe_ml import Pipeline
from snowpipe_ml.errors import UsageError
from snowpipe_ml.exploration.explored import Exploration
from snowpipe_ml.exploration.queries import Overview
from snowpipe_ml.ui.exploration import exploration_html
from tests.browser import WIDTHS, browser, check_accessible, check_layout, opened
from tests.conftest import REAL, ask, write_spec
from tests.test_cli import invoke

# Sales of three shops: more on weekdays, none on New Year's Day, fewer when it rains; one shop closes early.
SPEC = """\
steps:
  rain:
    type: transform
    writes: rain
    query: >-
      SELECT DATEADD(day, SEQ4(), '2023-01-01')::DATE AS DATE, IFF(MOD(SEQ4() * 7919, 11) < 3, 8.0, 0.0) AS MM,
        SEQ4() AS IDLE FROM TABLE(GENERATOR(ROWCOUNT => 140))
  sales:
    type: transform
    writes: sales
    query: >-
      WITH DAYS AS (SELECT DATE, MM, DAYOFWEEKISO(DATE) AS WEEKDAY FROM {{ ref('rain') }} WHERE DATE < '2023-05-01'),
        SHOPS AS (SELECT $1 AS SHOP, $2 AS SIZE, $3::DATE AS CLOSES FROM VALUES
          ('north', 9, '2024-01-01'), ('south', 6, '2024-01-01'), ('old', 4, '2023-02-10')),
        NUMBERS AS (SELECT ROW_NUMBER() OVER (ORDER BY SEQ4()) - 1 AS N FROM TABLE(GENERATOR(ROWCOUNT => 40)))
      SELECT SHOP, DATEADD(second, 32400 + N * 607, DATE::TIMESTAMP_NTZ) AS SOLD_AT, 2.5 AS PRICE, DATE AS SOLD_ON,
        'until ' || N AS NOTE, TO_CHAR(DATE, 'DD.MM.YYYY') AS WRITTEN, DATE::VARCHAR AS READABLE
      FROM DAYS CROSS JOIN SHOPS CROSS JOIN NUMBERS
      WHERE DATE < CLOSES AND DATE <> '2023-01-16'
        AND N < SIZE + IFF(WEEKDAY < 6, 8, 0) - IFF(MM > 0, 4, 0) + MOD(DAYOFYEAR(DATE) * 13 + SIZE, 4)
"""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The pipeline after a run, with its warehouse kept open."""
    pipeline = Pipeline.from_yaml(write_spec(tmp_path_factory.mktemp("explored"), SPEC))
    with pipeline.history():
        assert pipeline.run().ok
        yield pipeline


def explored(pipeline: Pipeline, table: str = "sales", **options: Any) -> Exploration:
    return snowpipe_ml.explore(pipeline, table, **{"series": "SHOP", "time": "SOLD_AT", **options})


@pytest.fixture(scope="module")
def found(pipeline: Pipeline) -> Exploration:
    return explored(pipeline, holidays="US", exogenous=["rain.MM", "rain.IDLE"])


def test_the_rows_are_counted_in_the_warehouse(pipeline: Pipeline, found: Exploration) -> None:
    rows = int(ask(pipeline, "SELECT COUNT(*) FROM SALES")[0][0])
    assert found.overview.rows == rows
    assert found.values.sum() == rows
    assert found.overview == Overview(rows, 0, 0, 0, 0, 3, found.overview.first, found.overview.last)
    assert (found.coverage.first, found.coverage.last, found.coverage.periods) == (
        "2023-01-01",
        "2023-04-30",
        120,
    )
    assert [(gap.first, gap.periods) for gap in found.coverage.gaps] == [("2023-01-16", 1)]
    assert [one.key for one in found.top] == ["north", "south", "old"]
    old = found.top[2]
    assert (old.last, old.periods, old.length, old.longest_gap) == ("2023-02-09", 39, 120, 1)
    assert (found.series.ended, found.series.with_gaps, found.series.late) == (1, 3, 0)
    assert set(found.largest) == {"north", "south", "old"}
    assert sum(values.sum() for values in found.largest.values()) == rows


def test_frequency_season_and_features_are_suggested_with_reasons(found: Exploration) -> None:
    chosen = found.suggestion
    assert (chosen.frequency, chosen.season) == ("day", 7)
    assert {1, 7} <= {*chosen.lags}
    assert chosen.rolling == [7, 28]
    assert chosen.date_features == ["day_of_week", "weekend"]
    assert chosen.exogenous == ["RAIN.MM"]
    assert chosen.why["RAIN.IDLE"].startswith("not used: correlation ")
    assert chosen.fourier == []
    assert re.search(r"p (= 0\.00|< 0\.001)", chosen.why["season"])


def test_effects_and_outliers(found: Exploration) -> None:
    by_name = {one.name: one for one in found.holidays}
    assert by_name["Martin Luther King Jr. Day"].percent < -90, "no shop was open"
    rain = next(one for one in found.covariates if one.column == "RAIN.MM")
    assert rain.correlation < -0.7
    assert rain.slope == pytest.approx(-12 / 8, rel=0.5), "four rows fewer in each shop, at 8 mm"
    assert (found.outliers[0].time, found.outliers[0].value) == ("2023-01-16", 0)
    assert found.outliers[0].note == "Martin Luther King Jr. Day"


def test_profiles_decomposition_and_tests(found: Exploration) -> None:
    profiles, parts = found.profiles, found.decomposition
    assert sum(profiles.hour) == pytest.approx(1, abs=1e-3)
    assert profiles.hour[:9] == [0] * 9, "the shops open at nine"
    assert min(profiles.weekday[:5]) > max(profiles.weekday[5:])
    assert [month == month for month in profiles.month] == [True] * 4 + [False] * 8
    assert parts is not None
    assert parts.season == 7
    assert parts.expected + parts.remainder == pytest.approx(found.values)
    assert [one.of for one in found.stationarity] == ["values", "differences", "differences over 7 periods"]
    assert found.stationarity[2].reading == "stationary"


def test_values_are_aggregated_as_asked(pipeline: Pipeline, found: Exploration) -> None:
    by_price = explored(pipeline, value="PRICE", frequency="week")
    assert by_price.values.sum() * 10 == pytest.approx(found.values[1 : -0 or None].sum() * 25, rel=0.2)
    assert by_price.question.unit == "sum of PRICE per week"
    assert by_price.suggestion.frequency == "week"
    means = explored(pipeline, value="PRICE", aggregate="mean", time="SOLD_ON")
    assert {value for value in means.values if value == value} == {2.5}
    assert means.profiles.hour == []
    assert means.decomposition is not None
    assert means.suggestion.season == 1
    text = explored(pipeline, time="READABLE")
    assert (text.values == found.values).all()


def test_the_page_and_json_need_nothing_else(found: Exploration) -> None:
    text = exploration_html(found)
    assert "http" not in text.split("<pre")[0].replace("http-equiv", "").replace(
        "http://www.w3.org/2000/svg", ""
    )
    assert "Martin Luther King Jr. Day" in text
    json.dumps(found.to_json(), allow_nan=False)


def test_the_page_in_a_browser(found: Exploration, tmp_path: Path) -> None:
    path = tmp_path / "explored.html"
    path.write_text(exploration_html(found))
    with browser() as chromium:
        for width in WIDTHS:
            with opened(chromium, path, width) as page:
                check_layout(page)
                assert page.locator("[data-chart] svg").count() == page.locator("[data-chart]").count() > 10
        with opened(chromium, path, scheme="dark") as page:
            check_accessible(page)


def test_the_steps_run_as_pasted(pipeline: Pipeline, found: Exploration) -> None:
    spec = pipeline.path.parent / "pasted.yaml"
    spec.write_text(pipeline.path.read_text() + found.suggestion.yaml)
    pasted = Pipeline.from_yaml(spec)
    result = pasted.run()
    assert result.ok, [step.error for step in result.steps.values() if step.error]
    rows = ask(pasted, "SELECT DISTINCT SHOP FROM SALES_FORECASTS WHERE PART = 'forecast' ORDER BY 1")
    assert rows == [("north",), ("south",)], "the third shop has closed"
    again = explored(pasted)
    assert "  explored_sales_features:" in again.suggestion.yaml.splitlines(), "names are not used twice"
    assert again.question.country == ("US", None), "that of the pasted step"
    assert "holidays: {table: sales_holidays}" in again.suggestion.yaml
    assert "  # paste this at the end of `steps`" in again.suggestion.yaml, (
        "other sections follow the steps by now"
    )
    assert "stages:" not in again.suggestion.yaml


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "sale"}, "there is no table SALE on the target local; did you mean 'SALES'?"),
        ({"series": "SHOPS"}, "--series: SALES has no column SHOPS; did you mean 'SHOP'?"),
        (
            {"time": "SHOP"},
            "--time: SHOP of SALES is text, and .* do not read as a timestamp, such as 'north'",
        ),
        ({"time": "WRITTEN"}, "convert them in a transform step, with TO_TIMESTAMP"),
        ({"time": "PRICE"}, "--time: PRICE of SALES is a .*, and not a date or a timestamp"),
        ({"value": "NOTE"}, "--value: NOTE of SALES is a VARCHAR.*, and not a number"),
        ({"value": None, "aggregate": "sum"}, "needs `value`, the column to aggregate"),
        ({"frequency": "dayly"}, "no frequency 'dayly'; did you mean 'day'?"),
        ({"timezone": "UTC"}, "give the one of its times with --stored-timezone"),
        ({"holidays": "usa"}, "--holidays: 'usa' is no country, such as US"),
        ({"holidays": "XX"}, "--holidays: the holidays library does not support XX"),
        ({"exogenous": ["MM"]}, "--exogenous: 'MM' is not TABLE.COLUMN"),
        ({"exogenous": ["rain.MMM"]}, "--exogenous: RAIN has no column MMM; did you mean 'MM'?"),
        ({"exogenous": ["sales.PRICE"]}, "--exogenous: SALES has no column DATE"),
        ({"calendar": "sales"}, "--calendar: SALES has no column DATE"),
    ],
)
def test_mistakes(pipeline: Pipeline, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        explored(pipeline, **options)


def test_a_table_that_no_run_made_yet(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
    with pytest.raises(
        UsageError, match=r"no table SALES .* yet: run the pipeline first, such as .*--select \+sales"
    ):
        explored(pipeline)


def test_jersey_city_in_2022_is_daily_with_a_season_of_a_week(tmp_path: Path) -> None:
    """On the real trips of three months, with the commands that a user types."""
    if not (REAL / "citibike").is_dir():
        pytest.skip("the real trips are not on this machine")
    text = f"""\
stages: {{trips: {{}}}}
tables:
  trips:
    columns: {{RIDE_ID: varchar, RIDEABLE_TYPE: varchar, STARTED_AT: timestamp, ENDED_AT: timestamp,
      START_STATION_NAME: varchar, STATION_ID: varchar, END_STATION_NAME: varchar, END_STATION_ID: varchar,
      START_LAT: float, START_LNG: float, END_LAT: float, END_LNG: float, MEMBER_CASUAL: varchar}}
file_formats: {{csv: {{skip_header: 1, field_optionally_enclosed_by: '"', escape_unenclosed_field: none}}}}
steps:
  extract:
    type: extract
    from: "{REAL / "citibike"}"
    files: "JC-2022*"
    into: "@trips/"
    layouts: {{new: {{columns: [ride_id, rideable_type, started_at, ended_at, start_station_name, start_station_id,
      end_station_name, end_station_id, start_lat, start_lng, end_lat, end_lng, member_casual]}}}}
  load:
    type: copy_into
    from: "@trips/"
    into: trips
    file_format: csv
"""
    path = write_spec(tmp_path, text)
    result = Pipeline.from_yaml(path).run()
    assert result.ok, [step.error for step in result.steps.values() if step.error]
    printed = invoke(
        "explore", path, "trips", "--series", "STATION_ID", "--time", "STARTED_AT", "--format", "json"
    )
    assert printed.exit_code == 0, printed.output
    suggestion = json.loads(printed.stdout)["suggestion"]
    assert (suggestion["frequency"], suggestion["season"]) == ("day", 7)
