"""Pretrained models: their code in a wheel, their weights in it or on a stage, and no network."""

from __future__ import annotations

from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from snowflake.snowpark import Session

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from snowpipe_ml.models.forecasters.pretrained import PretrainedForecaster
from snowpipe_ml.models.panel import Series, read_panel
from tests.conftest import write_spec
from tests.wheels import wheel_of_installed

# Its import takes half a second, in each process of the tests.
pytestmark = pytest.mark.skipif(find_spec("fracast") is None, reason="fracast is not installed")

SPEC = """\
stages: {s: {}}
packages: {p: [numpy, pandas, pytorch, safetensors]}
imports: {fracast: {stage: s, wheels: ["fracast-0.1.0-py3-none-any.whl"]}}
steps:
  events:
    type: transform
    query: >-
      SELECT 'k' || MOD(SEQ4(), 2) AS K, DATEADD(day, FLOOR(SEQ4() / 2), '2023-01-01'::DATE) AS AT,
      10 + MOD(SEQ4(), 2) + MOD(FLOOR(SEQ4() / 2), 7) AS N FROM TABLE(GENERATOR(ROWCOUNT => 140))
    writes: events
  features: {type: features, from: events, partition_by: K, timestamp: AT, value: N, target: N, lags: [], writes: features}
  future: {type: future_features, features: features, horizon: 7, writes: future}
  deploy:
    type: deploy_forecaster
    function: f
    features: features
    model: {type: pretrained, library: fracast, weights: "@s/weights/", name: zero_shot}
    backtest: {origins: 2, horizon: 7, compare: [{type: seasonal_naive}]}
    quantiles: [0.1, 0.9]
    stage: s
    packages: p
    imports: [fracast]
  train: {type: train_forecasters, function: f, features: features, future: future, writes: forecasts}
  board: {type: leaderboard, forecasts: forecasts, writes: board}
"""


def _pipeline(folder: Path, *changes: tuple[str, str]) -> Pipeline:
    text = SPEC
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    wheel_of_installed(folder, "fracast")
    return Pipeline.from_yaml(write_spec(folder, text))


def _upload(session: Session, names: dict[str, bytes], folder: Path) -> None:
    session.sql("CREATE STAGE IF NOT EXISTS s").collect()
    for name, data in names.items():
        (folder / name).write_bytes(data)
        session.file.put(str(folder / name), "@s/weights/", auto_compress=False)


def test_weights_on_a_stage_forecast_with_the_code_of_a_wheel(tmp_path: Path) -> None:
    from fracast import FracastModel

    given = resources.files("fracast") / "weights"
    files = {name: (given / name).read_bytes() for name in ("config.json", "model.safetensors")}
    pipeline = _pipeline(tmp_path)
    session = pipeline.session()
    _upload(session, {**files, "README.md": b"weights"}, tmp_path)
    session.close()
    result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    session = pipeline.session()
    rows = session.sql(
        "SELECT PREDICTION, LOW, HIGH, Q10, Q90 FROM FORECASTS WHERE PART = 'forecast' AND K = 'k1' ORDER BY DATE"
    ).collect()
    parts = session.sql("SELECT PART, COUNT(*), COUNT(PREDICTION) FROM FORECASTS GROUP BY 1").collect()
    board = session.sql("SELECT DISTINCT MODEL FROM BOARD ORDER BY 1").collect()
    session.close()
    history = np.array([[11.0 + n % 7 for n in range(70)]])
    expected = FracastModel.from_pretrained(weights="fp32").forecast(history, horizon=7)[0, :, 4]
    assert [row[0] for row in rows] == pytest.approx(expected.tolist(), rel=1e-4)
    assert all(row["LOW"] <= row["PREDICTION"] <= row["HIGH"] and row["Q10"] <= row["Q90"] for row in rows)
    assert {row[0]: (row[1], row[2]) for row in parts} == {
        "train": (112, 112),
        "validation": (28, 28),
        "backtest": (56, 56),
        "forecast": (14, 14),
    }
    assert [row[0] for row in board] == ["seasonal_naive", "zero_shot"]


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    one = '{type: pretrained, library: fracast, weights: "@s/weights/", name: zero_shot}'
    other = '{type: pretrained, library: fracast, weights: "@s/others"}'
    pipeline = _pipeline(tmp_path, (one, f"{{type: ensemble, candidates: [{one}, {other}]}}"))

    def error() -> str:
        return str(pipeline.run(select=["deploy"]).steps["deploy"].error)

    pipeline.run(select=["stages.s", "imports.fracast", "features"])
    session = pipeline.session()
    assert "@S/weights/ lacks config.json and a file of weights (.safetensors); it has: no files" in error()
    _upload(session, {"config.json.gz": b"x"}, tmp_path)
    assert "@S/weights/ has the compressed files config.json.gz: upload them with AUTO_COMPRESS" in error()
    session.sql("REMOVE @s/weights/").collect()
    _upload(session, {"config.json": b"{}", "model.bin": b"x"}, tmp_path)
    assert "@S/weights/ has model.bin: loading such a file can run code" in error()
    session.sql("REMOVE @s/weights/model.bin").collect()
    _upload(session, {"model.safetensors": b"x"}, tmp_path)
    session.file.put(str(tmp_path / "*.safetensors"), "@s/others/", auto_compress=False)
    session.file.put(str(tmp_path / "config.json"), "@s/others/", auto_compress=False)
    assert "@S/others and @S/weights/ both have a file config.json" in error()
    session.close()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            [('library: fracast, weights: "@s/weights/"', "library: chronos")],
            "`library: chronos` comes without weights: give `weights`, a folder on a stage",
        ),
        (
            [(", safetensors]", "]")],
            "the model pretrained needs the package safetensors, and packages.p does not list it",
        ),
        (
            [("library: fracast", "library: chronos")],
            "the model pretrained needs the package chronos-forecasting, and packages.p does not list it",
        ),
        (
            [("    packages: p\n    imports", "    packages: p\n    keep_models: true\n    imports")],
            "`keep_models` is set, but zero_shot cannot be saved",
        ),
    ],
)
def test_what_is_missing_is_told_before_anything_runs(
    tmp_path: Path, changes: list[tuple[str, str]], said: str
) -> None:
    with pytest.raises(SpecError) as caught:
        _pipeline(tmp_path, *changes).validate()
    assert said in str(caught.value)


def _forecaster(**settings: object) -> PretrainedForecaster:
    return PretrainedForecaster(
        {"type": "pretrained", "library": "fracast", "weights": None, "metric": "mae", "seed": 0, **settings},
        (),
    )


def make_series(known: np.ndarray, horizon: int, key: str = "k") -> Series:
    days = pd.date_range("2023-01-02", periods=len(known) + horizon)
    target = np.concatenate([known, np.full(horizon, np.nan)])
    ((series,), _) = read_panel(pd.DataFrame({"K": key, "D": days, "T": target}), ())
    return series


def test_the_weights_of_the_wheel_need_no_folder() -> None:
    known = np.array([np.nan if n == 30 else 20.0 + n % 7 for n in range(60)])
    short = make_series(np.array([1.0, 2.0, 3.0]), 7, key="short")
    series = make_series(known, 14)
    model = _forecaster(lower_bound=21.5)
    model.fit([series, short])
    assert model.failed == {
        "short": "pretrained cannot forecast: 3 of the last 2048 days are known, and 8 are needed"
    }
    (forecast,) = model.forecast([series])
    assert forecast.y.min() == 21.5
    assert np.corrcoef(forecast.y, 20 + np.arange(60, 74) % 7)[0, 1] > 0.9
    low, high = model.own_interval(series, 0.8) or (None, None)
    assert low is not None
    assert (low < high).all()
    assert model.own_interval(series, 0.9) is None
    (known_days,) = model.predict([series])
    assert known_days.shape == (59,)
    # Nothing of the period itself or later is known to the prediction of a period.
    (other,) = model.predict([make_series(np.concatenate([known[:40], known[40:] + 100]), 14)])
    assert (other[:30] == known_days[:30]).all()


def test_the_mean_of_the_quantiles_is_for_totals() -> None:
    series = make_series(np.random.default_rng(0).gamma(0.5, 10, 80), 7)
    median, mean = (_forecaster(metric=metric).forecast([series])[0].y for metric in ("mae", "rmse"))
    assert (mean > median).all()


def test_odd_series_have_a_forecast_or_a_reason() -> None:
    days = np.arange(60)
    odd = {
        "constant": np.full(60, 5.0),
        "gaps": np.where(days % 3 == 0, np.nan, 5.0 + days % 7),
        "negative": -5.0 - days % 7,
        "nine": np.arange(9.0),
        "one": np.array([3.0]),
        "outlier": np.where(days == 30, 1e7, 5.0),
        "zero": np.zeros(60),
    }
    panel = [make_series(values, 60, key) for key, values in odd.items()]
    model = _forecaster(lower_bound="auto", max_growth=2.0)
    model.fit(panel)
    assert list(model.failed) == ["one"]
    found = dict(zip((s.key for s in model.fitted(panel)), model.forecast(model.fitted(panel)), strict=True))
    assert all(one.y.shape == (60,) and np.isfinite(one.y).all() for one in found.values())
    assert found["constant"].y == pytest.approx(np.full(60, 5.0), abs=0.01)
    assert found["zero"].y == pytest.approx(np.zeros(60), abs=0.01)
    assert (found["negative"].y < 0).all()
