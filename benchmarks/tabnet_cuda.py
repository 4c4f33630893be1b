"""Train the stacked TabNet on a GPU and on the CPU, and compare the time and the errors.

    python benchmarks/tabnet_cuda.py [--series 500] [--days 1000] [--epochs 10]

Both do what the table function does with one partition: fit, predict the history, forecast 30 days recursively
and explain. The CPU uses one thread, as each worker of the warehouse does, and trains a part of the series only,
since its time per series is constant. It needs numpy, pandas, a build of torch with CUDA, and nothing else.

The last column compares accuracy: the RMSE over the last tenth of each history, which the networks did not
train on, divided by that of the CPU's networks. The seeds and the order of the batches are the same; rounding
differs.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pandas as pd
import torch

from snowpipe_ml.models.base import Forecast
from snowpipe_ml.models.panel import Series, features_of, past_value, read_panel
from snowpipe_ml.models.registry import make_forecaster

FEATURES = features_of(
    [
        {"name": "LAG_1", "kind": "lag", "days": 1},
        {"name": "LAG_7", "kind": "lag", "days": 7},
        {"name": "MEAN_7", "kind": "mean", "days": 7},
        {"name": "WEEKEND"},
    ]
)
SETTINGS: dict[str, Any] = {
    "type": "tabnet",
    "class": "snowpipe_ml.models.tabnet.forecaster:TabNetForecaster",
    "patience": 0,
    "batch_size": 64,
    "virtual_batch_size": 64,
    "learning_rate": 0.02,
    "n_d": 8,
    "n_a": 8,
    "n_steps": 3,
    "gamma": 1.3,
    "lower_bound": 0.0,
    "max_growth": 2.0,
    "seed": 0,
}
HORIZON = 30


def make_series(number: int, days: int) -> Series:
    """Make a series with weekly and yearly seasonality and noise."""
    rng = np.random.default_rng(number)
    day = np.arange(days)
    season = (1 + 0.4 * np.sin(day * 2 * np.pi / 7)) * (1 + 0.3 * np.sin(day * 2 * np.pi / 365))
    known = np.maximum(0, np.round(rng.uniform(5, 80) * season + rng.normal(0, 4, days)))
    values = np.concatenate([known, np.full(HORIZON, np.nan)])
    dates = pd.date_range("2021-01-04", periods=len(values))
    data: dict[str, Any] = {"SERIES": f"S{number}", "DATE": dates, "TARGET": values}
    for feature in FEATURES:
        if feature.own:
            past = [past_value(feature, values, at) if at < days else np.nan for at in range(len(values))]
            data[feature.name] = past
    data["WEEKEND"] = (dates.dayofweek >= 5).astype(float)
    (series,), refused = read_panel(pd.DataFrame(data), FEATURES)
    assert not refused
    return series


def work(panel: list[Series], epochs: int, together: int, cuda: bool) -> tuple[float, np.ndarray]:
    """Return the seconds of all that the table function does, and the RMSE of each series' last tenth."""
    with mock.patch.object(torch.cuda, "is_available", return_value=cuda):
        begin = time.perf_counter()
        model = make_forecaster({**SETTINGS, "max_epochs": epochs, "models_together": together}, FEATURES)
        model.fit(panel)
        predicted = model.predict(panel)
        forecasts = model.forecast(panel)
        model.explain(
            panel,
            [
                Forecast(np.concatenate([y, f.y]), np.concatenate([s.x, f.x]))
                for s, y, f in zip(panel, predicted, forecasts, strict=True)
            ],
        )
        if cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - begin
    errors = []
    for series, y in zip(panel, predicted, strict=True):
        late = slice(-(len(y) // 10), None)
        errors.append(float(np.sqrt(np.nanmean((series.y[: len(y)][late] - y[late]) ** 2))))
    return seconds, np.array(errors)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--series", type=int, default=500)
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--cpu-series", type=int, default=64)
    a = parser.parse_args()
    panel = [make_series(number, a.days) for number in range(a.series)]
    compared = panel[: a.cpu_series]
    work(panel[:2], 1, 2, cuda=False)
    seconds, errors = work(compared, a.epochs, 32, cuda=False)
    print(f"torch {torch.__version__}; {a.days} days, {a.epochs} epochs")
    print(f"CPU, one thread, 32 models together: {len(compared) / seconds:.2f} series/s", flush=True)
    if not torch.cuda.is_available():
        print("there is no GPU")
        return
    print(torch.cuda.get_device_name())
    work(panel[:2], 1, 2, cuda=True)
    base = len(compared) / seconds
    for together in (32, 128, len(panel)):
        torch.cuda.reset_peak_memory_stats()
        taken, found = work(panel, a.epochs, together, cuda=True)
        rate = len(panel) / taken
        print(
            f"GPU, {together} models together: {rate:.2f} series/s, {rate / base:.1f} times the CPU's; peak "
            f"{torch.cuda.max_memory_allocated() / 2**20:.0f} MB; RMSE {np.mean(found[: len(compared)] / errors):.4f} "
            "times the CPU's",
            flush=True,
        )


if __name__ == "__main__":
    main()
