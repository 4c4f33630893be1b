"""Columns of which only the past is known, and columns that are the same in all periods of a series."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from snowpipe_ml.models.panel import features_of, read_panel
from tests.conftest import write_spec

# Two stations of 60 days, which grow with their docks. VISITS counts the days: 100 on the first.
SPEC = """\
stages: {s: {}}
packages: {p: [numpy, pandas, lightgbm]}
steps:
  rides:
    type: transform
    query: >-
      SELECT IFF(MOD(SEQ4(), 2) = 0, 'a', 'b') AS K, DATEADD(day, FLOOR(SEQ4() / 2), '2023-01-01'::DATE) AS AT,
      10 * (1 + MOD(SEQ4(), 2)) + MOD(FLOOR(SEQ4() / 2), 7) AS N FROM TABLE(GENERATOR(ROWCOUNT => 120))
    writes: rides
  visits:
    type: transform
    query: >-
      SELECT DATEADD(day, SEQ4(), '2023-01-01'::DATE) AS DATE, 100 + SEQ4() AS VISITS FROM TABLE(GENERATOR(ROWCOUNT => 60))
    writes: visits
  stations:
    type: transform
    query: SELECT * FROM VALUES ('a', 10, 'x'), ('b', 20, 'y') AS T(STATION, DOCKS, KIND)
    writes: stations
  features:
    type: features
    from: rides
    partition_by: K
    timestamp: AT
    value: N
    target: TOTAL
    lags: [7]
    exogenous:
      - {table: visits, columns: [VISITS], future: past_only, lags: [1, 3]}
    static:
      - {table: stations, columns: [DOCKS], series: STATION}
    writes: features
  future: {type: future_features, features: features, horizon: 5, writes: future}
  deploy:
    type: deploy_forecaster
    function: f
    features: features
    model: {type: lightgbm_global, rounds: 20}
    backtest: {origins: 1, horizon: 5, compare: [{type: seasonal_naive}]}
    stage: s
    packages: p
  train: {type: train_forecasters, function: f, features: features, future: future, writes: forecasts}
"""
FIRST = date(2023, 1, 1)


def test_the_past_is_carried_and_a_static_value_is_everywhere(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
    result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    session = pipeline.session()
    query = "SELECT K, DATE, VISITS_LAG_1, VISITS_LAG_3, DOCKS FROM {} ORDER BY K, DATE"
    known, ahead = (session.sql(query.format(name)).collect() for name in ("FEATURES", "FUTURE"))
    forecast = session.sql(
        "SELECT COUNT(*), COUNT(PREDICTION), COUNT(DOCKS_EXPLANATION) FROM FORECASTS WHERE PART = 'forecast'"
    ).collect()
    backtest = session.sql("SELECT COUNT(*) FROM FORECASTS WHERE PART = 'backtest'").collect()
    session.close()
    docks = {"a": 10, "b": 20}
    assert [tuple(row) for row in known] == [
        (key, FIRST + timedelta(days=n), 99 + n if n >= 1 else None, 97 + n if n >= 3 else None, docks[key])
        for key in "ab"
        for n in range(60)
    ]
    # The last value is 159: it is all that is known of later days.
    assert [tuple(row) for row in ahead] == [
        (key, FIRST + timedelta(days=60 + n), 159, min(157 + n, 159), docks[key])
        for key in "ab"
        for n in range(5)
    ]
    assert tuple(forecast[0]) == (10, 10, 10)
    assert backtest[0][0] == 20


def test_a_backtest_knows_no_more_of_the_past_than_a_forecast() -> None:
    features = features_of([{"name": "VISITS_LAG_3", "future": "past_only", "days": 3}])
    days = pd.date_range("2023-01-01", periods=30)
    rows = pd.DataFrame({"K": "k", "D": days, "T": np.arange(30.0), "X": 97.0 + np.arange(30)})
    ((series,), _) = read_panel(rows, features)
    # As of the twentieth day, when VISITS was 119.
    assert series.head(20).future_x[:, 0].tolist() == [117, 118, *[119] * 8]
    ((gappy,), _) = read_panel(rows.drop([20, 22]), features)
    assert gappy.head(20).future_x[:, 0].tolist() == [118, *[118] * 7]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("future: past_only, lags: [1, 3]", "future: past_only", "`future: past_only` needs `lags`"),
        ("future: past_only, lags: [1, 3]", "lags: [1]", "`lags` are for `future: past_only` only"),
        ("columns: [DOCKS]", "columns: [VISITS_LAG_1]", "two columns would be named VISITS_LAG_1"),
    ],
)
def test_mistakes_are_told_before_anything_runs(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SPEC
    with pytest.raises(SpecError) as caught:
        Pipeline.from_yaml(write_spec(tmp_path, SPEC.replace(old, new))).validate()
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("('b', 20, 'y')", "('a', 20, 'y')", "STATIONS has several rows for 1 values of STATION"),
        (
            "columns: [DOCKS]",
            "columns: [KIND]",
            "KIND of STATIONS is a VARCHAR, but a feature must be a number",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC.replace(old, new)))
    assert said in str(pipeline.run(select=["+features"]).steps["features"].error)
