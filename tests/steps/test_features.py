"""The SQL of the features, compared with a computation in plain Python."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from tests.conftest import ask, write_spec

SPEC = """\
steps:
  events: {type: transform, writes: events, query: "SELECT $1 AS SHOP, $2::TIMESTAMP_NTZ AS AT FROM VALUES EVENTS"}
  covered: {type: transform, writes: covered, query: "SELECT $1::DATE AS DATE FROM VALUES COVERED"}
  rain: {type: transform, writes: rain, query: "SELECT $1::DATE AS DATE, $2::FLOAT AS MM FROM VALUES RAIN"}
  features:
    type: features
    from: events
    partition_by: SHOP
    timestamp: AT
    target: VISITS
    calendar: covered
    lags: [1, 7]
    exogenous: [{table: rain, columns: [MM], future: climatology}]
    min_history: 20
    max_idle: 10
    writes: features
    left_out: left_out
  future: {type: future_features, features: features, horizon: 5, writes: future}
"""
START = date(2023, 1, 1)
DAYS = [START + timedelta(days=n) for n in range(60)]
KNOWN = [day for n, day in enumerate(DAYS) if not 20 <= n < 26]  # a gap of six days


def visits(shop: str, day: date) -> int:
    return {"busy": 2 + day.weekday(), "quiet": int(day.day % 9 == 0), "closed": 3, "new": 1}[shop]


def open_on(shop: str, day: date) -> bool:
    return {"closed": day < DAYS[40], "new": day >= DAYS[45]}.get(shop, True)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    events = [
        f"('{shop}', '{day} {hour + 8:02d}:00:00')"
        for shop in ("busy", "quiet", "closed", "new")
        for day in KNOWN
        for hour in range(visits(shop, day) if open_on(shop, day) else 0)
    ]
    text = SPEC.replace("VALUES EVENTS", "VALUES " + ", ".join(events))
    text = text.replace("VALUES COVERED", "VALUES " + ", ".join(f"('{day}')" for day in KNOWN))
    text = text.replace("VALUES RAIN", "VALUES " + ", ".join(f"('{day}', {n})" for n, day in enumerate(DAYS)))
    pipeline = Pipeline.from_yaml(write_spec(tmp_path_factory.mktemp("features"), text))
    result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items()}
    assert (
        result.steps["features"].message
        == "2 series; 1 excluded: no recent event, 1 excluded: too little history"
    )
    session = pipeline.session()
    found = {
        name: [row.as_dict() for row in session.sql(f"SELECT * FROM {name} ORDER BY 1, 2").collect()]
        for name in ("features", "future", "left_out")
    }
    session.close()
    return found


def test_counts_and_lags(tables: dict[str, list[dict[str, Any]]]) -> None:
    expected = []
    for shop in ("busy", "quiet"):
        first = min(day for day in KNOWN if visits(shop, day))
        counts = {day: visits(shop, day) for day in KNOWN if day >= first}
        for day, count in counts.items():
            expected.append(
                {
                    "SHOP": shop,
                    "DATE": day,
                    "VISITS": count,
                    "LAG_1": counts.get(day - timedelta(days=1)),
                    "LAG_7": counts.get(day - timedelta(days=7)),
                    "MM": float((day - START).days),
                }
            )
    assert tables["features"] == expected
    zeros = [row for row in tables["features"] if row["VISITS"] == 0]
    assert len(zeros) > 30  # days without an event are zeros
    assert DAYS[22] not in {row["DATE"] for row in tables["features"]}  # unknown days are not


def test_series_that_are_left_out_say_why(tables: dict[str, list[dict[str, Any]]]) -> None:
    assert {row["SHOP"]: row["REASON"] for row in tables["left_out"]} == {
        "closed": "no recent event",
        "new": "too little history",
    }


def test_the_future_knows_nothing_of_the_future(tables: dict[str, list[dict[str, Any]]]) -> None:
    future = tables["future"]
    assert [row["DATE"] for row in future if row["SHOP"] == "busy"] == [
        DAYS[-1] + timedelta(days=n) for n in range(1, 6)
    ]
    assert {row["SHOP"] for row in future} == {"busy", "quiet"}
    assert {(row["VISITS"], row["LAG_1"], row["LAG_7"]) for row in future} == {(None, None, None)}
    # The rain of future days is the mean of the same day in earlier years. There are none here, so it is the
    # mean of the last four weeks.
    assert {row["MM"] for row in future} == {sum(range(32, 60)) / 28}


def test_a_day_twice_in_another_table_is_found(tmp_path: Path) -> None:
    text = SPEC.replace("VALUES EVENTS", "VALUES ('a', '2023-01-01 08:00:00'), ('a', '2023-01-02 08:00:00')")
    text = text.replace("VALUES COVERED", "VALUES ('2023-01-01'), ('2023-01-02')").replace(
        "lags: [1, 7]", "lags: [1]"
    )
    text = text.replace("VALUES RAIN", "VALUES ('2023-01-01', 1), ('2023-01-01', 2)").replace(
        "min_history: 20", "min_history: 1"
    )
    result = Pipeline.from_yaml(write_spec(tmp_path, text)).run()
    assert "RAIN has several rows for 1 days" in result.steps["features"].message


def small(folder: Path, events: str, **more: str) -> Pipeline:
    text = SPEC.replace("VALUES EVENTS", f"VALUES {events}").replace(
        "VALUES COVERED", "VALUES ('2023-01-01')"
    )
    text = text.replace("VALUES RAIN", "VALUES " + ", ".join(f"('{day}', {n})" for n, day in enumerate(DAYS)))
    for old, new in {"    calendar: covered\n": "", **more}.items():
        text = text.replace(old, new)
    return Pipeline.from_yaml(write_spec(folder, text))


DAILY = ", ".join(f"('busy', '{day}')" for day in DAYS)


def test_where_no_series_is_left_what_was_there_stays(tmp_path: Path) -> None:
    assert small(tmp_path, DAILY).run(select=["+features"]).ok
    pipeline = small(tmp_path, DAILY, **{"lags: [1, 7]": "lags: [1, 900]"})
    result = pipeline.run(select=["+features"])
    assert result.steps["features"].message == (
        "all 1 series are excluded (too little history): the longest has 0 days in which the target and LAG_900 are known, "
        "but min_history is 20: use shorter lags, a lower min_history or more data"
    )
    assert ask(pipeline, "SELECT COUNT(*), COUNT(LAG_7) FROM FEATURES") == [(60, 53)]
    assert ask(pipeline, "SELECT SHOP, REASON FROM LEFT_OUT") == [("busy", "too little history")]
    nobody = small(tmp_path, "('busy', NULL)").run(select=["+features"])
    assert nobody.steps["features"].message == "EVENTS has no event with a SHOP and a AT"


def test_a_day_of_which_no_value_is_known_is_unknown(tmp_path: Path) -> None:
    events = ", ".join(
        f"('busy', '{day}', {'NULL' if n in (20, 21) else n})" for n, day in enumerate(DAYS) if n != 30
    )
    values = {
        "$2::TIMESTAMP_NTZ AS AT": "$2::TIMESTAMP_NTZ AS AT, $3::NUMBER AS SOLD",
        "target: VISITS": "value: SOLD\n    target: VISITS",
    }
    pipeline = small(tmp_path, events, **values)
    assert pipeline.run(select=["+features"]).ok
    found = dict(ask(pipeline, "SELECT DATE, VISITS FROM FEATURES"))
    assert DAYS[20] not in found
    assert found[DAYS[30]] == 0
    assert ask(pipeline, "SELECT DATE FROM FEATURES WHERE LAG_1 IS NULL ORDER BY DATE") == [
        (DAYS[0],),
        (DAYS[22],),
    ]


def test_the_table_of_a_forecast_has_a_day_once(tmp_path: Path) -> None:
    twice = {
        "future: climatology": "future: {table: rain_to_come}",
        "  features:\n": '  to_come: {type: transform, writes: rain_to_come, query: "SELECT DATEADD(day, MOD(SEQ4(), 9), '
        "'2023-03-01'::DATE) AS DATE, 1.0::FLOAT AS MM FROM TABLE(GENERATOR(ROWCOUNT => 18))\"}\n  features:\n",
    }
    result = small(tmp_path, DAILY, **twice).run(select=["+future"])
    assert (
        result.steps["future"].message
        == "RAIN_TO_COME has several rows for 9 days; it must have at most one row per day. If each series has its own, "
        "name its column in `series`"
    )


@pytest.mark.parametrize("key", ["MODEL", "PART", "RUN_ID"])
def test_a_series_column_is_not_named_as_what_forecasters_return(tmp_path: Path, key: str) -> None:
    with pytest.raises(SpecError, match=f"{key}: forecasters return columns of that name; rename it"):
        small(tmp_path, DAILY, SHOP=key).validate()
