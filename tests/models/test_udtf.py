"""The handler as the table function calls it, without a warehouse."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from snowpipe_ml.models.udtf import Forecast, Series

TABNET = {
    "type": "tabnet", "max_epochs": 8, "patience": 8, "batch_size": 32, "virtual_batch_size": 32, "learning_rate": 0.02,
    "n_d": 4, "n_a": 4, "n_steps": 2, "gamma": 1.3, "seed": 0, "validation_fraction": 0.2, "min_train_rows": 16,
    "lower_bound": 0.0,
}  # fmt: skip
NAIVE = {"type": "seasonal_naive", "season": 7, "validation_fraction": 0.25, "min_train_rows": 10, "lower_bound": None}


def frame(days: int = 120, horizon: int = 10) -> pd.DataFrame:
    """A weekly rhythm, with lags as the features step makes them."""
    dates = pd.date_range("2023-01-01", periods=days + horizon)
    target = np.where(
        np.arange(days + horizon) < days, 10 + 5 * (dates.dayofweek < 5) + np.arange(days + horizon) % 2, np.nan
    )
    data = pd.DataFrame({"DATE": dates, "COUNT": target})
    data["LAG_1"], data["LAG_7"] = data["COUNT"].shift(1), data["COUNT"].shift(7)
    data["HOLIDAY"] = 0.0
    return data


@pytest.fixture
def handler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(model: dict[str, Any]) -> Forecast:
        config = {"model": model, "target": "COUNT", "features": ["LAG_1", "LAG_7", "HOLIDAY"], "lags": [1, 7]}
        (tmp_path / "forecaster.json").write_text(json.dumps(config))
        (tmp_path / "wheels.json").write_text("[]")
        monkeypatch.setitem(sys._xoptions, "snowflake_import_directory", f"{tmp_path}/")
        return Forecast()

    return make


def test_naive_forecasts_recursively(handler: Any) -> None:
    result = handler(NAIVE).end_partition(frame())
    assert result["PART"].value_counts().to_dict() == {"train": 85, "validation": 28, "forecast": 10}
    future = result[result["PART"] == "forecast"]
    history = result[result["PART"] != "forecast"].set_index("DATE")["ACTUAL"]
    # The second week repeats the first, which was itself a forecast.
    first = history.iloc[-7:].to_numpy()
    assert future["PREDICTION"].tolist() == [*first, *first[:3]]
    assert future["LAG_1"].iloc[1] == future["PREDICTION"].iloc[0]
    assert future["ACTUAL"].isna().all()


def test_tabnet_learns_and_explains(handler: Any) -> None:
    result = handler(TABNET).end_partition(frame(200))
    valid = result[result["PART"] == "validation"]
    error = np.sqrt(((valid["ACTUAL"] - valid["PREDICTION"]) ** 2).mean())
    assert error < valid["ACTUAL"].std()
    explanations = result[["LAG_1_EXPLANATION", "LAG_7_EXPLANATION", "HOLIDAY_EXPLANATION"]].to_numpy()
    assert np.allclose(explanations.sum(axis=1), 1)
    assert result["PREDICTION"].notna().all()
    assert (result["PREDICTION"] >= 0).all()


def test_the_same_seed_forecasts_the_same(handler: Any) -> None:
    first, second = (handler(TABNET).end_partition(frame(100)) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_fewer_rows_than_a_batch_still_train(handler: Any) -> None:
    # pytorch-tabnet with drop_last trains nothing on them, in silence.
    result = handler({**TABNET, "batch_size": 4096, "virtual_batch_size": 4096}).end_partition(frame(60))
    assert result[result["PART"] == "train"]["PREDICTION"].std() > 0


@pytest.mark.parametrize("days", [3, 12])
def test_too_few_days_are_a_row_that_says_so(handler: Any, days: int) -> None:
    (row,) = handler(TABNET).end_partition(frame(days)).to_dict("records")
    assert row["PART"] == "untrained"
    assert "days to train on, and 16 are needed" in row["MESSAGE"]


def test_a_lag_on_an_unknown_day_is_the_mean_of_training() -> None:
    data = frame(60, 3)
    gap = data[~data["DATE"].isin(pd.to_datetime(["2023-03-01"]))]  # the last known day is missing
    config = {"model": NAIVE, "features": ["LAG_1", "LAG_7", "HOLIDAY"], "lags": [1, 7]}
    series = Series(gap, config)
    assert len(series.future) == 3
    assert np.datetime64("2023-03-01") not in series.known


def test_rows_out_of_order_and_dates_as_objects(handler: Any) -> None:
    data = frame()
    shuffled = data.sample(frac=1, random_state=1)
    shuffled["DATE"] = shuffled["DATE"].dt.date
    pd.testing.assert_frame_equal(handler(NAIVE).end_partition(shuffled), handler(NAIVE).end_partition(data))


def test_model_code_imports_nothing_else_of_ours() -> None:
    import subprocess
    import zipfile

    from snowpipe_ml.steps.bundle import models_archive

    assert models_archive() == models_archive()
    import io
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(io.BytesIO(models_archive())).extractall(folder)
        code = f"import snowpipe_ml.models.udtf as m; assert m.__file__.startswith({folder!r}), m.__file__"
        subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {folder!r}); {code}"], check=True)
