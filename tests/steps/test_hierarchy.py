"""Forecasts of all levels of a hierarchy, which add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from tests.conftest import ask, write_spec

SPEC = """\
stages: {models: {}}
packages: {forecasting: [numpy, pandas]}
steps:
  sales:
    type: transform
    writes: sales
    query: >-
      SELECT IFF(MOD(SEQ4(), 3) = 0, 'North/East', 'South') AS REGION, 's' || MOD(SEQ4(), 3) AS SHOP,
      DATEADD(day, FLOOR(SEQ4() / 3), '2023-01-01'::DATE) AS AT,
      5 + MOD(SEQ4() * SEQ4(), 7) + 3 * MOD(FLOOR(SEQ4() / 3), 7) AS SOLD FROM TABLE(GENERATOR(ROWCOUNT => 360))
  features: {type: features, from: sales, partition_by: SHOP, hierarchy: [REGION, SHOP], timestamp: AT, frequency: day,
    value: SOLD, target: TOTAL, lags: [1, 7], date_features: [day_of_week], writes: features}
  future: {type: future_features, features: features, horizon: 7, writes: future}
  deploy: {type: deploy_forecaster, function: f, features: features, model: {type: ridge, alpha: 1}, stage: models,
    packages: forecasting, backtest: {origins: 3, horizon: 7, compare: []}, quantiles: [0.1, 0.9], reconcile: METHOD}
  train: {type: train_forecasters, function: f, features: features, future: future, writes: forecasts}
"""
KEYS = {
    "TOTAL": ["TOTAL/North%2FEast/s0", "TOTAL/South/s1", "TOTAL/South/s2"],
    "TOTAL/North%2FEast": ["TOTAL/North%2FEast/s0"],
    "TOTAL/South": ["TOTAL/South/s1", "TOTAL/South/s2"],
}


@pytest.mark.parametrize("method", ["mint", pytest.param("top_down", marks=pytest.mark.slow)])
def test_history_backtest_and_forecasts_add_up(tmp_path: Path, method: str) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC.replace("METHOD", method)))
    result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items()}
    rows = ask(
        pipeline,
        "SELECT SHOP, PART, FOLD, DATE, PREDICTION, LOW, HIGH, Q10, Q90 FROM FORECASTS "
        "WHERE PART IN ('backtest', 'forecast') ORDER BY DATE",
    )
    rows += [
        (key, "history", None, day, value, None, None, None, None)
        for key, day, value in ask(pipeline, "SELECT SHOP, DATE, TOTAL::FLOAT FROM FEATURES")
    ]
    found = {(key, part, fold, day): prediction for key, part, fold, day, prediction, *_ in rows}
    times = {(part, fold, day) for _, part, fold, day, *_ in rows}
    assert {part for part, _, _ in times} == {"history", "backtest", "forecast"}
    for node, leaves in KEYS.items():
        for time in times:
            assert found[node, *time] == pytest.approx(sum(found[leaf, *time] for leaf in leaves), abs=1e-6)
    for _, part, _, _, prediction, low, high, q10, q90 in rows:
        if part == "forecast":
            assert low <= prediction <= high
            assert q10 <= prediction <= q90
    assert len(found) == len(rows)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("hierarchy: [REGION, SHOP]", "hierarchy: [SHOP, REGION]", "must be `partition_by`, SHOP"),
        ("value: SOLD", "value: SOLD, aggregate: mean", "others do not add up"),
    ],
)
def test_what_does_not_add_up_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = write_spec(tmp_path, SPEC.replace("METHOD", "mint").replace(old, new))
    with pytest.raises(SpecError, match=said):
        Pipeline.from_yaml(path).validate()
