"""The handler, called as the table function calls it, without a warehouse."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import snowpipe_ml
from snowpipe_ml.models.rows import FIXED
from snowpipe_ml.models.udtf import ForecastPartition
from tests.models.panels import BEST_OF, ENSEMBLE, FEATURES, MODELS, frame, weekly

TRAIN = {"validation_fraction": 0.2, "min_train_rows": 32, "refit": True}
BACKTEST = {
    "origins": 3,
    "horizon": 7,
    "step": 7,
    "compare": {"seasonal_naive": MODELS["seasonal_naive"]},
}


@pytest.fixture
def handler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(
        model: dict[str, Any], backtest: dict[str, Any] | None = BACKTEST, **changed: Any
    ) -> ForecastPartition:
        config = {
            "model": {**model, **TRAIN, **changed},
            "backtest": backtest,
            "interval": 0.8,
            "features": FEATURES,
        }
        (tmp_path / "forecaster.json").write_text(json.dumps(config))
        (tmp_path / "wheels.json").write_text("[]")
        monkeypatch.setitem(sys._xoptions, "snowflake_import_directory", f"{tmp_path}/")
        return ForecastPartition()

    return make


def rows_of(result: pd.DataFrame, key: str, part: str) -> pd.DataFrame:
    return result[(result["SERIES"] == key) & (result["PART"] == part)].sort_values("DATE")


def test_a_partition_of_several_series(handler: Any) -> None:
    data = pd.concat([frame("A", weekly(120)), frame("B", weekly(200, 1, 50))])
    result = handler(MODELS["tabnet"]).end_partition(data.sample(frac=1, random_state=1))
    assert tuple(result.columns[: len(FIXED)]) == FIXED
    # The first seven days have no LAG_7.
    counts = result.groupby(["SERIES", "PART", "MODEL"]).size().to_dict()
    assert counts == {
        ("A", "train", "tabnet"): 90,
        ("A", "validation", "tabnet"): 23,
        ("A", "forecast", "tabnet"): 10,
        ("A", "backtest", "tabnet"): 21,
        ("A", "backtest", "seasonal_naive"): 21,
        ("B", "train", "tabnet"): 154,
        ("B", "validation", "tabnet"): 39,
        ("B", "forecast", "tabnet"): 10,
        ("B", "backtest", "tabnet"): 21,
        ("B", "backtest", "seasonal_naive"): 21,
    }
    assert result["PREDICTION"].notna().all()
    future = rows_of(result, "A", "forecast")
    assert future["ACTUAL"].isna().all()
    assert (future["LOW"] <= future["PREDICTION"]).all()
    assert (future["PREDICTION"] <= future["HIGH"]).all()
    # A lag that falls on a forecast day is the forecast.
    assert future["LAG_1"].iloc[1] == future["PREDICTION"].iloc[0]
    shares = result[result["PART"] != "backtest"][[f"{item['name']}_EXPLANATION" for item in FEATURES]]
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


def test_best_of_says_what_it_chose_and_by_how_much(handler: Any) -> None:
    result = handler(BEST_OF).end_partition(pd.concat([frame(f"S{k}", weekly(150, k)) for k in range(3)]))
    future = rows_of(result, "S0", "forecast")
    assert future["MODEL"].str.fullmatch(r"\w+ \+ \w+").all()
    folds = rows_of(result, "S0", "backtest").assign(E=lambda f: (f["PREDICTION"] - f["ACTUAL"]) ** 2)
    best, second = (
        float(np.sqrt(folds[folds["MODEL"] == name]["E"].mean()))
        for name in future["MODEL"].iloc[0].split(" + ")
    )
    np.testing.assert_allclose(future["GAIN"].astype(float), 1 - best / second, atol=1e-3)
    assert result[~result["PART"].isin(["forecast"])]["GAIN"].isna().all()
    board = result[result["PART"] == "backtest"].groupby("MODEL")["FOLD"].unique().map(sorted).to_dict()
    # It is backtested by the members chosen on earlier origins; at the first, by all of them.
    assert board["best_of"] == [0, 1, 2]
    assert set(board) == {*BEST_OF["candidates"], "best_of"}


@pytest.mark.parametrize("name", ["ridge", "tabnet", "lightgbm_global", "best_of"])
def test_the_validation_is_not_seen_by_the_model_that_predicts_it(handler: Any, name: str) -> None:
    values = [weekly(150, k) for k in range(3)]
    model = BEST_OF if name == "best_of" else MODELS[name]
    results = []
    for factor in (1, 3):
        # Days 121 to 149 are the last fifth of the 143 with features.
        frames = [frame(f"S{k}", np.concatenate([y[:121], y[121:] * factor])) for k, y in enumerate(values)]
        results.append(handler(model).end_partition(pd.concat(frames)))
    one, two = results
    for key in ("S0", "S1", "S2"):
        trained, again = (rows_of(result, key, "train") for result in results)
        np.testing.assert_allclose(trained["PREDICTION"], again["PREDICTION"], rtol=1e-9)
        # The first day of it has the same past.
        first, same = (rows_of(result, key, "validation").iloc[0] for result in results)
        assert first["PREDICTION"] == pytest.approx(same["PREDICTION"], rel=1e-9)
        assert first["ACTUAL"] != same["ACTUAL"]
    assert (one[one["PART"] == "forecast"]["PREDICTION"].mean()) < two[two["PART"] == "forecast"][
        "PREDICTION"
    ].mean()


@pytest.mark.parametrize("name", ["ridge", "auto_ces"])
def test_without_a_backtest_there_are_no_intervals(handler: Any, name: str) -> None:
    result = handler(MODELS[name], None).end_partition(frame("A", weekly(120)))
    assert result["LOW"].isna().all()
    assert set(result["PART"]) == {"train", "validation", "forecast"}


@pytest.mark.parametrize("name", ["auto_ets", "auto_theta", "dynamic_theta", "mstl", "ensemble"])
def test_without_a_backtest_a_model_gives_its_own_intervals(handler: Any, name: str) -> None:
    frames = [frame("A", weekly(120)), frame("B", np.full(120, 3.0))]
    model = ENSEMBLE if name == "ensemble" else MODELS[name]
    result = handler(model, None).end_partition(pd.concat(frames))
    future = rows_of(result, "A", "forecast")
    assert (future["LOW"] < future["PREDICTION"]).all()
    assert (future["PREDICTION"] < future["HIGH"]).all()
    assert rows_of(result, "B", "forecast")["LOW"].isna().all()  # a constant says nothing about errors
    assert result[result["PART"] != "forecast"]["LOW"].isna().all()


DAYS = 100
GAPS = weekly(DAYS)
GAPS[40:52] = np.nan
OUTLIER = weekly(DAYS)
OUTLIER[90] = 1e6
ODD: dict[str, pd.DataFrame] = {
    "constant": frame("odd", np.full(DAYS, 7.0)),
    "all zero": frame("odd", np.zeros(DAYS)),
    "gaps": frame("odd", GAPS),
    "a huge outlier": frame("odd", OUTLIER),
    "negative": frame("odd", weekly(DAYS) - 100),
    "too short": frame("odd", weekly(20)),
    "a day": frame("odd", weekly(1)),
    "a day twice": pd.concat([frame("odd", weekly(DAYS)), frame("odd", weekly(DAYS)).iloc[30:31]]),
    "nulls in features": frame("odd", weekly(DAYS)).assign(TEMP=lambda d: d["TEMP"].where(d.index % 3 > 0)),
    "no feature at all": frame("odd", weekly(DAYS)).assign(TEMP=np.nan),
    "infinite": frame("odd", np.where(np.arange(DAYS) == 77, np.inf, weekly(DAYS))),
    "no target": frame("odd", np.full(DAYS, np.nan)),
    "unknown to come": frame("odd", weekly(DAYS)).assign(TEMP=lambda d: d["TEMP"].where(d["TARGET"].notna())),
    "no date": pd.concat(
        [frame("odd", weekly(DAYS)), frame("odd", weekly(DAYS)).iloc[-1:].assign(DATE=pd.NaT)]
    ),
    "nothing to come": frame("odd", weekly(DAYS), horizon=0),
}
SAID = {
    "a day twice": "2023-02-01 occurs 2 times",
    "no feature at all": f"none of its {DAYS} days has all features",
    "no target": "no day has a target",
    "unknown to come": "TEMP: no value on some of the future days",
    "no date": "a row has no date",
    "nulls in features": "TEMP: no value on some of the future days",
}
# Without a model, the forecast is a simple one, and says why.
SIMPLE = {
    "too short": "2 seasons of 7 days: 16 days to train on, and 32 are needed",
    "a day": "the only known value: 0 days to train on, and 32 are needed",
}


# The search of auto_arima takes seconds a series; tabnet_reference is tabnet in another library.
QUICK = [name for name in MODELS if name not in ("auto_arima", "tabnet_reference")]
# How long the networks train, where it does not matter how good they are.
SHORT = {"tabnet": {"max_epochs": 2}, "mlp_global": {"steps": 20}}


@pytest.mark.parametrize("name", [*QUICK, "best_of", "ensemble"])
def test_an_odd_series_is_forecast_or_says_why_not(handler: Any, name: str) -> None:
    model = (
        {"best_of": BEST_OF, "ensemble": ENSEMBLE}[name]
        if name not in MODELS
        else {**MODELS[name], **SHORT.get(name, {})}
    )
    # Each origin is another search for a model.
    plan = {**BACKTEST, "origins": 1 if name.startswith("auto_") else 2}
    odd_ones = [rows.assign(SERIES=case) for case, rows in ODD.items()]
    result = handler(model, plan).end_partition(pd.concat([frame("good", weekly(DAYS, 5)), *odd_ones]))
    # A good series is forecast, whatever is wrong with the others.
    assert len(rows_of(result, "good", "forecast")) == 10
    for case in ODD:
        odd = result[result["SERIES"] == case]
        values = odd[odd["PART"] != "untrained"]["PREDICTION"]
        assert values.notna().all(), case
        assert np.isfinite(values).all(), case
        if case in SAID:
            (reason,) = odd["MESSAGE"]
            assert SAID[case] in reason
            continue
        future = rows_of(result, case, "forecast")
        if case in SIMPLE:
            assert set(future["MODEL"]) == {"simple"}
            assert SIMPLE[case] in future["MESSAGE"].iloc[0]
        assert len(future) == (0 if case == "nothing to come" else 10), case


def test_fewer_rows_than_a_batch_still_train(handler: Any) -> None:
    # With drop_last, pytorch-tabnet silently trains on none of them.
    model = {**MODELS["tabnet"], "batch_size": 4096, "virtual_batch_size": 4096}
    result = handler(model, None).end_partition(frame("A", weekly(80)))
    assert rows_of(result, "A", "train")["PREDICTION"].std() > 0


def test_model_code_imports_nothing_else_of_ours() -> None:
    from snowpipe_ml.steps.models.bundle import models_archive

    assert models_archive() == models_archive()
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(io.BytesIO(models_archive())).extractall(folder)
        code = f"import sys; sys.path.insert(0, {folder!r}); "
        code += f"import snowpipe_ml.models.udtf as m; assert m.__file__.startswith({folder!r}), m.__file__; "
        code += "assert not {'torch', 'lightgbm', 'statsforecast'} & set(sys.modules); "
        # Every module is there, in the subpackages too: handlers and forecasters are named by their path.
        modules = sorted(
            str(path.relative_to(folder).with_suffix("")).replace("/", ".")
            for path in (Path(snowpipe_ml.__file__).parent / "models").rglob("*.py")
            for path in [Path(folder, "snowpipe_ml", path.relative_to(Path(snowpipe_ml.__file__).parent))]
            if path.stem != "__init__"
        )
        code += f"import importlib; found = [importlib.import_module(m) for m in {modules!r}]; "
        code += f"assert all(m.__file__.startswith({folder!r}) for m in found), found"
        subprocess.run([sys.executable, "-c", code], check=True)
