"""Panels of series for tests of the models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from snowpipe_ml.models.panel import Feature, Series, features_of, past_value, read_panel
from snowpipe_ml.plugins.forecaster import FORECASTERS

FEATURES = [
    {"name": "LAG_1", "kind": "lag", "days": 1},
    {"name": "LAG_7", "kind": "lag", "days": 7},
    {"name": "MEAN_7", "kind": "mean", "days": 7},
    {"name": "WEEKEND"},
    {"name": "TEMP", "future": "climatology"},
]
SPECS = features_of(FEATURES)
COMMON = {"lower_bound": 0.0, "max_growth": 2.0, "seed": 0}
TABNET = {
    "type": "tabnet",
    "max_epochs": 5,
    "patience": 5,
    "batch_size": 32,
    "virtual_batch_size": 32,
    "learning_rate": 0.02,
    "n_d": 4,
    "n_a": 4,
    "n_steps": 2,
    "gamma": 1.3,
    "models_together": 32,
    **COMMON,
}
BOOSTING = {
    "objective": "regression",
    "rounds": 30,
    "num_leaves": 7,
    "learning_rate": 0.1,
    "min_data_in_leaf": 5,
    **COMMON,
}
MODELS: dict[str, dict[str, Any]] = {
    "tabnet": TABNET,
    "tabnet_reference": {**TABNET, "type": "tabnet_reference", "max_epochs": 2},
    "tabnet_global": {**TABNET, "type": "tabnet_global"},
    "ridge": {"type": "ridge", "alpha": 10.0, **COMMON},
    "lightgbm": {"type": "lightgbm", **BOOSTING},
    "lightgbm_global": {"type": "lightgbm_global", **BOOSTING},
    "seasonal_naive": {"type": "seasonal_naive", "season": 7, **COMMON},
    "moving_average": {"type": "moving_average", "window": 14, **COMMON},
    "auto_ets": {"type": "auto_ets", "season": 7, **COMMON},
    **{
        name: {"type": name, "season": 7, **COMMON}
        for name in ("auto_arima", "auto_theta", "dynamic_theta", "auto_ces", "mstl")
    },
    **{name: {"type": name, **COMMON} for name in ("croston", "croston_sba", "tsb", "adida", "imapa")},
}
MODELS["auto_ets"]["form"] = "ZZZ"
MODELS |= {
    name: {"type": name, "season": 7, "metric": "mae", **BOOSTING}
    for name in ("lightgbm_recursive", "lightgbm_direct")
}
MODELS["mlp_global"] = {
    "type": "mlp_global",
    "season": 7,
    "metric": "mae",
    "steps": 100,
    "learning_rate": 0.002,
    **COMMON,
}
for _model in MODELS.values():
    _model["class"] = FORECASTERS[_model["type"]].implementations[_model["type"]]
BEST_OF = {
    "type": "best_of",
    "average": 2,
    "shrinkage": 2.0,
    "metric": "rmse",
    "time_budget": None,
    **COMMON,
    "candidates": {name: MODELS[name] for name in ("ridge", "lightgbm", "seasonal_naive", "moving_average")},
}
ENSEMBLE = {
    **BEST_OF,
    "type": "ensemble",
    "average": None,
    "metric": "mae",
    "candidates": {
        name: MODELS[name]
        for name in ("dynamic_theta", "mstl", "lightgbm_recursive", "lightgbm_direct", "seasonal_naive")
    },
}


def frame(key: str, target: np.ndarray, horizon: int = 10, start: str = "2023-01-02") -> pd.DataFrame:
    """The rows of a series, as the steps ``features`` and ``future_features`` write them; NaN is unknown."""
    n = len(target)
    days = pd.date_range(start, periods=n + horizon)
    values = np.concatenate([target, np.full(horizon, np.nan)])
    data: dict[str, Any] = {"SERIES": key, "DATE": days, "TARGET": values}
    for feature in SPECS:
        if feature.own:
            past = [past_value(feature, values, at) if at <= n else np.nan for at in range(n + horizon)]
            data[feature.name] = np.where(np.arange(n + horizon) < n, past, np.nan)
    data["WEEKEND"] = (days.dayofweek >= 5).astype(float)
    data["TEMP"] = 50 + 20 * np.sin(days.dayofyear / 58.0)
    return pd.DataFrame(data)[["SERIES", "DATE", "TARGET", *[feature.name for feature in SPECS]]]


def weekly(days: int, seed: int = 0, level: float = 20.0) -> np.ndarray:
    """Values with weekly seasonality and noise."""
    rng = np.random.default_rng(seed)
    day = np.arange(days)
    return np.maximum(
        0, np.round(level * (1 + 0.4 * np.sin(day * 2 * np.pi / 7)) + rng.normal(0, level / 10, days))
    )


def panel(count: int = 3, days: int = 200) -> list[Series]:
    """A few series of different lengths."""
    rows = pd.concat([frame(f"S{k}", weekly(days - 20 * k, k, 10.0 * (k + 1))) for k in range(count)])
    found, refused = read_panel(rows, SPECS)
    assert not refused
    return found


__all__ = [
    "BEST_OF",
    "COMMON",
    "ENSEMBLE",
    "FEATURES",
    "MODELS",
    "SPECS",
    "TABNET",
    "Feature",
    "frame",
    "panel",
    "weekly",
]
