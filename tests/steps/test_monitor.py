"""Forecasts are kept by run, and compared with what came true."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.run.outcome import StepOutcome
from tests.conftest import ask, write_spec

SPEC = """\
vars: {days: 59}
stages: {models: {}}
packages: {forecasting: [numpy, pandas]}
steps:
  sales:
    type: transform
    writes: sales
    query: >-
      SELECT 'k' || MOD(SEQ4(), 2) AS SHOP, DATEADD(day, FLOOR(SEQ4() / 2), '2023-01-01'::DATE) AS AT,
      10 + MOD(FLOOR(SEQ4() / 2) * FLOOR(SEQ4() / 2), 11) + IFF(SEQ4() = 2 * 62, 500, 0) AS SOLD
      FROM TABLE(GENERATOR(ROWCOUNT => {{ (2 * vars.days) | literal }}))
  weather:
    type: transform
    writes: weather
    query: >-
      SELECT DATEADD(day, SEQ4(), '2023-01-01'::DATE) AS DATE, MOD(SEQ4() * 7, 13) + IFF(SEQ4() >= 59, 40, 0) AS TEMP,
      MOD(SEQ4() * 5, 7)::FLOAT AS RAIN FROM TABLE(GENERATOR(ROWCOUNT => 130))
  features:
    type: features
    from: sales
    partition_by: SHOP
    timestamp: AT
    frequency: day
    value: SOLD
    target: TOTAL
    lags: []
    exogenous: [{table: weather, columns: [TEMP, RAIN]}]
    writes: features
  future: {type: future_features, features: features, horizon: 31, writes: future}
  deploy: {type: deploy_forecaster, function: f, features: features, model: {type: seasonal_naive}, stage: models,
    packages: forecasting, backtest: {origins: 2, horizon: 7}, min_train_rows: 20}
  train: {type: train_forecasters, function: f, features: features, future: future, writes: forecasts,
    forecast_history: forecast_history}
  watch: {type: monitor, history: forecast_history, features: features, writes: realised, drift: drift, recent: 31,
    max_mae: 1, min_coverage: 0.99}
  odd: {type: anomalies, history: forecast_history, features: features, writes: odd_days}
"""
FIRST, KNOWN, ALL = date(2023, 1, 1), 59, 90


def sold(shop: int, day: int) -> float:
    return 10 + day * day % 11 + (500 if (shop, day) == (0, 62) else 0)


def predicted(day: int) -> float:
    """The value seven days earlier, of the last known week."""
    return sold(1, KNOWN - 7 + (day - KNOWN) % 7)


class Watched:
    """The pipeline after two months, and after the third."""

    def __init__(self, folder: Path) -> None:
        self.path = path = write_spec(folder, SPEC)
        self.before = self._run(path, KNOWN)
        self.pipeline = Pipeline.from_yaml(path, vars={"days": ALL})
        self.after = self._run(path, ALL)
        self.runs = [
            str(row[0]) for row in self.ask("SELECT DISTINCT RUN_ID FROM FORECAST_HISTORY ORDER BY 1")
        ]

    @staticmethod
    def _run(path: Path, days: int) -> Mapping[str, StepOutcome]:
        result = Pipeline.from_yaml(path, vars={"days": days}).run()
        assert result.ok, {name: step.message for name, step in result.steps.items()}
        return result.steps

    def ask(self, query: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in ask(self.pipeline, query)]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    return Watched(tmp_path_factory.mktemp("watched"))


def test_each_run_keeps_its_forecasts(watched: Watched) -> None:
    assert len(watched.runs) == 2
    assert watched.before["watch"].message == "no forecast of FORECAST_HISTORY has come true yet"
    rows = watched.ask(
        f"SELECT SHOP, DATE, ORIGIN, HORIZON, PREDICTION FROM FORECAST_HISTORY WHERE RUN_ID = '{watched.runs[0]}'"
    )
    origin = FIRST + timedelta(days=KNOWN - 1)
    assert set(rows) == {
        (f"k{shop}", origin + timedelta(days=h), origin, h, predicted(KNOWN - 1 + h))
        for shop in (0, 1)
        for h in range(1, 32)
    }


def test_realised_errors_are_those_computed_by_hand(watched: Watched) -> None:
    errors: dict[int | None, list[float]] = defaultdict(list)
    for day in range(KNOWN, ALL):
        for shop in (0, 1):
            error = predicted(day) - sold(shop, day)
            errors[None].append(error)
            errors[day - KNOWN + 1].append(error)
    rows = watched.ask(
        f"SELECT HORIZON, PERIODS, MAE, RMSE, BIAS FROM REALISED WHERE FORECAST_RUN = '{watched.runs[0]}'"
    )
    assert len(rows) == 32
    for horizon, periods, *measures in rows:
        own = errors[horizon if horizon is None else int(str(horizon))]
        assert periods == len(own)
        assert measures == pytest.approx(
            [
                sum(map(abs, own)) / len(own),
                math.sqrt(sum(e * e for e in own) / len(own)),
                sum(own) / len(own),
            ]
        )


def test_coverage_is_of_the_periods_with_an_interval(watched: Watched) -> None:
    rows = watched.ask(
        "SELECT SUM(IFF(A.TOTAL BETWEEN H.LOW AND H.HIGH, 1, 0)) / COUNT(H.LOW), COUNT(H.LOW) FROM FORECAST_HISTORY H "
        "JOIN FEATURES A ON A.SHOP = H.SHOP AND A.DATE = H.DATE WHERE H.LOW IS NOT NULL"
    )
    (found,) = watched.ask("SELECT COVERAGE FROM REALISED WHERE HORIZON IS NULL")
    assert rows[0][1] == 14
    assert found[0] == pytest.approx(float(str(rows[0][0])))


def test_a_shifted_feature_and_a_crossed_threshold_raise_alerts(watched: Watched) -> None:
    drift = dict(watched.ask("SELECT FEATURE, PSI FROM DRIFT"))
    assert set(drift) == {"TOTAL", "TEMP", "RAIN"}
    # All values are in the last bin, of which the others had a tenth: the index by hand.
    assert float(str(drift["TEMP"])) > 2
    assert float(str(drift["RAIN"])) < 0.25
    (said,) = watched.after["watch"].warnings
    assert "the realised MAE of" in said
    assert "TEMP has drifted" in said
    assert "RAIN" not in said
    assert "of the values, less than 0.99" in said
    assert said.endswith("train the models again")


def test_the_index_is_the_one_of_its_definition(watched: Watched) -> None:
    before = sorted((day * 7) % 13 for day in range(KNOWN)) * 2
    before.sort()
    late = [(day * 7) % 13 + 40 for day in range(KNOWN, ALL)] * 2
    at = [k / 10 * (len(before) - 1) for k in range(1, 10)]
    edges = [
        before[int(p)] + (p % 1) * (before[min(int(p) + 1, len(before) - 1)] - before[int(p)]) for p in at
    ]
    counts = [[0.0] * 10, [0.0] * 10]
    for which, values in enumerate((before, late)):
        for value in values:
            counts[which][sum(value > edge for edge in edges)] += 1
    used = [k for k in range(10) if counts[0][k] or counts[1][k]]
    shares = [[(n[k] + 0.5) / (sum(n) + 5) for k in used] for n in counts]
    expected = sum((r - b) * math.log(r / b) for b, r in zip(*shares, strict=True))
    ((found,),) = watched.ask("SELECT PSI FROM DRIFT WHERE FEATURE = 'TEMP'")
    assert float(str(found)) == pytest.approx(expected)


def test_anomalies_are_the_periods_outside_of_their_interval(watched: Watched) -> None:
    rows = watched.ask("SELECT SHOP, DATE, ACTUAL, SCORE FROM ODD_DAYS ORDER BY SCORE DESC")
    assert rows[0][:3] == ("k0", FIRST + timedelta(days=62), sold(0, 62))
    outside = watched.ask(
        "SELECT COUNT(*) FROM FORECAST_HISTORY H JOIN FEATURES A ON A.SHOP = H.SHOP AND A.DATE = H.DATE "
        "WHERE A.TOTAL < H.LOW OR A.TOTAL > H.HIGH"
    )
    assert outside == [(len(rows),)]


def test_an_alert_can_fail_the_step(watched: Watched) -> None:
    path = watched.path.with_name("strict.yaml")
    path.write_text(watched.path.read_text().replace("max_mae: 1,", "max_mae: 1, severity: error,"))
    step = Pipeline.from_yaml(path, vars={"days": ALL}).run(select=["watch"]).steps["watch"]
    assert step.status.value == "failed"
    assert "the realised MAE of" in step.message
