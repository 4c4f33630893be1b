"""Models of intermittent demand, and bounds of forecasts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from snowpipe_ml.models.panel import read_panel
from snowpipe_ml.models.registry import make_forecaster
from snowpipe_ml.models.udtf import Training
from tests.models.panels import FEATURES, MODELS, SPECS, frame, weekly

KINDS = ("croston", "croston_sba", "tsb", "adida", "imapa")


def demand(days: int, every: int, size: float) -> np.ndarray:
    return np.where(np.arange(days) % every == every - 1, size, 0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_forecast_is_the_mean_demand_a_period(kind: str) -> None:
    (series,), _ = read_panel(frame("A", demand(200, 5, 10.0)), SPECS)
    model = make_forecaster(MODELS[kind], SPECS)
    model.fit([series])
    (forecast,) = model.forecast([series])
    assert len(set(forecast.y)) == 1
    assert forecast.y[0] == pytest.approx(
        2.0, rel=0.75 if kind == "tsb" else 0.25
    )  # TSB: a demand was just now


@pytest.mark.parametrize("kind", KINDS)
def test_no_demand_and_one_demand_have_a_forecast(kind: str) -> None:
    for values, expected in ((np.zeros(50), 0.0), (np.eye(1, 50, 20)[0] * 5, 0.1)):
        (series,), _ = read_panel(frame("A", values), SPECS)
        model = make_forecaster(MODELS[kind], SPECS)
        model.fit([series])
        (forecast,) = model.forecast([series])
        np.testing.assert_allclose(forecast.y, expected)


def forecasts(values: np.ndarray, **bounds: object) -> pd.DataFrame:
    config = {
        "model": {
            **MODELS["seasonal_naive"],
            "name": "naive",
            "lower_bound": "auto",
            "max_growth": None,
            "validation_fraction": 0.2,
            "min_train_rows": 32,
            "refit": True,
            **bounds,
        },
        "backtest": {"origins": 2, "horizon": 7, "step": 7, "compare": {}},
        "interval": 0.8,
        "features": FEATURES,
    }
    return Training(config).run(frame("A", values))


def test_a_series_with_negative_values_has_negative_forecasts() -> None:
    made = forecasts(weekly(150) - 100)
    assert (made[made["PART"] == "forecast"]["PREDICTION"] < 0).all()
    assert (made[made["PART"] == "backtest"]["LOW"].dropna() < 0).all()


def test_another_series_has_none_and_bounds_hold() -> None:
    values = weekly(150, level=2.0)
    assert (forecasts(values)["LOW"].dropna() >= 0).all()
    bounded = forecasts(values, lower_bound=1.5, upper_bound=2.5)
    future = bounded[bounded["PART"] == "forecast"]
    for name in ("PREDICTION", "LOW", "HIGH"):
        assert future[name].between(1.5, 2.5).all()


@pytest.mark.parametrize("kind", ["croston", "moving_average"])
def test_intervals_of_demand_that_is_mostly_zero_contain_the_zeros(kind: str) -> None:
    rng = np.random.default_rng(7)
    own = [np.where(rng.random(120) < 0.1 + 0.05 * k, rng.poisson(2, 120) + 1.0, 0.0) for k in range(5)]
    config = {
        "model": {
            **MODELS[kind],
            "lower_bound": "auto",
            "max_growth": None,
            "validation_fraction": 0.2,
            "min_train_rows": 32,
            "refit": True,
        },
        "backtest": {"origins": 3, "horizon": 10, "step": 10, "compare": {}},
        "interval": 0.8,
        "quantiles": [0.1, 0.5, 0.9],
        "features": FEATURES,
    }
    found = Training(config).run(pd.concat([frame(f"S{k}", values) for k, values in enumerate(own)]))
    past = found[(found["PART"] == "backtest") & found["LOW"].notna()]
    inside = (past["ACTUAL"] >= past["LOW"]) & (past["ACTUAL"] <= past["HIGH"])
    assert inside.mean() > 0.75
    future = found[found["PART"] == "forecast"]
    for part in (past, future):
        for column in ("LOW", "Q10"):
            assert not part[column].between(0, 0.5, inclusive="neither").any()
        assert (part["LOW"] < part["HIGH"]).all()
        assert (part["Q10"] <= part["Q50"]).all()
    assert (found["LOW"].dropna() == 0).any()
