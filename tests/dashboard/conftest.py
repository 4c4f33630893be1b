"""A small pipeline with forecasts, after two runs, which all tests of the dashboard read."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.dashboard.data.source import Source, open_source
from tests.conftest import write_spec

SHOPS = 5
SPEC = """\
vars: {days: 70, horizon: 7, note: "shops & more", kinds: [a, b]}
dashboard: {can_run: true}
stages: {models: {}}
packages: {forecasting: [numpy, pandas]}
steps:
  sales:
    type: transform
    writes: sales
    query: >-
      SELECT 's' || MOD(SEQ4(), 5) AS SHOP, DATEADD(day, FLOOR(SEQ4() / 5), '2023-01-01'::DATE) AS AT,
      (10 + 3 * MOD(SEQ4(), 5)) * (1 + MOD(FLOOR(SEQ4() / 5), 7) / 10) + MOD(SEQ4() * SEQ4() * 7919, 11) AS SOLD,
      'Shop ' || MOD(SEQ4(), 5) AS SHOP_NAME, IFF(MOD(SEQ4(), 5) < 2, 'north', 'south') AS REGION,
      40.7 + MOD(SEQ4(), 5) / 100 AS LAT, -74.0 - MOD(SEQ4(), 5) / 90 AS LON
      FROM TABLE(GENERATOR(ROWCOUNT => {{ (5 * vars.days) | literal }}))
  shops: {type: dimension, from: sales, key: SHOP, timestamp: AT, name: SHOP_NAME, latitude: LAT, longitude: LON,
    attributes: [REGION], writes: shops}
  features: {type: features, from: sales, partition_by: SHOP, timestamp: AT, frequency: day, value: SOLD, target: SOLD,
    lags: [1, 7], date_features: [weekend], writes: features, left_out: left_out}
  future: {type: future_features, features: features, horizon: "{{ vars.horizon }}", writes: future}
  deploy: {type: deploy_forecaster, function: f, features: features, model: {type: ridge}, stage: models,
    packages: forecasting, backtest: {origins: 2, horizon: 7}, min_train_rows: 20}
  train: {type: train_forecasters, function: f, features: features, future: future, writes: forecasts,
    forecast_history: forecast_history}
  scores: {type: evaluate_forecasts, forecasts: forecasts, writes: scores}
  board: {type: leaderboard, forecasts: forecasts, writes: board, by_series: board_by_series}
  watch: {type: monitor, history: forecast_history, features: features, writes: realised, drift: drift, min_coverage: 0.99}
  odd: {type: anomalies, history: forecast_history, features: features, writes: odd_days}
"""


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Put back the main module, in whose place AppTest puts its script: worker processes would import that."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The spec, after a run on 63 days and one on 70, so that the first forecasts have come true."""
    path = write_spec(tmp_path_factory.mktemp("dashboard"), SPEC)
    assert Pipeline.from_yaml(path, {"days": 63}).run(select=["+train"]).ok
    assert Pipeline.from_yaml(path, {"days": 70}).run().ok
    return path


@pytest.fixture(scope="session")
def source(ran: Path) -> Iterator[Source]:
    """The pipeline as the pages see it."""
    source = open_source(ran)
    yield source
    source.reader.close()


@pytest.fixture
def copied(ran: Path, tmp_path: Path) -> Path:
    """A copy of the spec and its warehouse, for a test that runs it."""
    shutil.copytree(ran.parent, tmp_path / "copy")
    return tmp_path / "copy" / ran.name
