"""Compare the stacked training of one TabNet per series with pytorch-tabnet, which trains them one by one.

    python benchmarks/many_models.py [--series 100] [--days 2000] [--epochs 10] [--partition 16] [--parity]

Both do the same work in two processes of one thread: fit, predict the history, forecast 30 days
recursively, and explain. A process receives the series in partitions, like a worker of the warehouse.
pytorch-tabnet processes only some of the series, because its time per series is constant; if the histories
have unequal lengths, its series have their mean length. `--parity` compares accuracy instead, which takes
five minutes: the ratio of the validation RMSE to the RMSE of the lag-7 baseline, over 100 series and three
seeds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from snowpipe_ml.models.base import Forecast
from snowpipe_ml.models.panel import Series, features_of, read_panel
from snowpipe_ml.models.registry import make_forecaster
from snowpipe_ml.plugins.forecaster import FORECASTERS
from tests.models.panels import FEATURES, frame, weekly

SETTINGS: dict[str, Any] = {
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
SPECS = features_of(FEATURES)


def settings_of(kind: str, epochs: int) -> dict[str, Any]:
    """The settings of a model as its function gets them."""
    return {**SETTINGS, "type": kind, "class": FORECASTERS[kind].implementations[kind], "max_epochs": epochs}


def make_series(number: int, days: int) -> Series:
    """A series with weekly and yearly seasonality and noise."""
    rng = np.random.default_rng(number)
    target = weekly(days, number, rng.uniform(5, 80)) * (1 + 0.3 * np.sin(np.arange(days) * 2 * np.pi / 365))
    (series,), refused = read_panel(frame(f"S{number}", np.round(target), 30), SPECS)
    assert not refused
    return series


def work(kind: str, panel: list[Series], epochs: int) -> float:
    """The seconds for all that the table function does with a panel."""
    begin = time.perf_counter()
    model = make_forecaster(
        {**SETTINGS, "type": kind, "class": FORECASTERS[kind].implementations[kind], "max_epochs": epochs},
        SPECS,
    )
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
    return time.perf_counter() - begin


def process(job: tuple[str, list[int], list[int], int, int]) -> tuple[float, float]:
    """(seconds, peak memory in MB) of one process; imports and generating the series are not counted."""
    kind, numbers, days, epochs, size = job
    work(kind, [make_series(0, 300)], 1)
    seconds = 0.0
    for first in range(0, len(numbers), size):
        part = slice(first, first + size)
        panel = [
            make_series(number, length) for number, length in zip(numbers[part], days[part], strict=True)
        ]
        seconds += work(kind, panel, epochs)
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rate(kind: str, lengths: list[int], epochs: int, size: int) -> tuple[float, float]:
    """(series per second, peak memory in MB per process) of two processes, ``size`` series at a time."""
    halves = [(kind, list(range(i, len(lengths), 2)), lengths[i::2], epochs, size) for i in (0, 1)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(process, halves, chunksize=1)
    return len(lengths) / max(seconds for seconds, _ in found), max(memory for _, memory in found)


def ratios(job: tuple[str, list[int], int, int]) -> list[float]:
    """The validation RMSE divided by the RMSE of the lag-7 baseline, for each series."""
    kind, numbers, seed, epochs = job
    whole = [make_series(number, 600) for number in numbers]
    heads = [series.head(int(len(series.y) * 0.8)) for series in whole]
    model = make_forecaster(
        {
            **SETTINGS,
            "type": kind,
            "class": FORECASTERS[kind].implementations[kind],
            "max_epochs": epochs,
            "seed": seed,
        },
        SPECS,
    )
    model.fit(heads)
    found = []
    for series, head, predicted in zip(whole, heads, model.predict(whole), strict=True):
        late = slice(len(head.y), None)
        error = np.sqrt(np.mean((series.y[late] - predicted[late]) ** 2))
        naive = np.sqrt(np.mean((series.y[late] - series.x[late, 1]) ** 2))
        found.append(float(error / naive))
    return found


def parity(series: int, epochs: int) -> None:
    """Print the accuracy of both implementations over series and seeds."""
    found: dict[tuple[str, int], list[float]] = {}
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for kind in ("tabnet", "tabnet_reference"):
            for seed in range(3):
                parts = pool.map(
                    ratios, [(kind, list(range(i, series, 2)), seed, epochs) for i in (0, 1)], chunksize=1
                )
                found[kind, seed] = [value for part in parts for value in part]
                print(f"{kind} seed {seed}: mean {statistics.mean(found[kind, seed]):.4f}", flush=True)
    means = {
        kind: statistics.mean(v for seed in range(3) for v in found[kind, seed])
        for kind in ("tabnet", "tabnet_reference")
    }
    print(
        f"RMSE / lag-7 RMSE, mean over {series} series and 3 seeds: stacked {means['tabnet']:.4f}, pytorch-tabnet "
        f"{means['tabnet_reference']:.4f}, ratio {means['tabnet'] / means['tabnet_reference']:.4f} (0.97 to 1.03)"
    )

    def spread(one: list[float], two: list[float]) -> float:
        return statistics.pstdev([a - b for a, b in zip(one, two, strict=True)])

    between = statistics.mean(spread(found["tabnet", s], found["tabnet_reference", s]) for s in range(3))
    own = statistics.mean(
        spread(found["tabnet_reference", a], found["tabnet_reference", b])
        for a, b in ((0, 1), (1, 2), (0, 2))
    )
    print(
        f"spread of a series' ratio: between the implementations {between:.4f}, "
        f"between two seeds of pytorch-tabnet {own:.4f}"
    )


def main() -> None:
    """Print the figures."""
    from snowpipe_ml.steps.forecasting.panels import AUTO

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--days", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--reference", type=int, default=8, help="number of series for pytorch-tabnet")
    parser.add_argument(
        "--partition",
        type=int,
        default=AUTO,
        help="number of series trained together; default: the default of the step",
    )
    parser.add_argument("--parity", action="store_true")
    a = parser.parse_args()
    if a.parity:
        parity(a.series, a.epochs)
        return
    ragged = [int(n) for n in np.linspace(300, a.days, a.series)]
    mean = int(statistics.mean(ragged))
    for name, lengths, reference, wanted in (
        (f"{a.days} days each", [a.days] * a.series, [a.days] * a.reference, 20),
        (f"300 to {a.days} days", ragged, [mean] * a.reference, 12),
    ):
        slow, _ = rate("tabnet_reference", reference, a.epochs, a.partition)
        fast, memory = rate("tabnet", lengths, a.epochs, a.partition)
        print(
            f"{a.series} series, {name}, {a.epochs} epochs: pytorch-tabnet {slow:.3f} series/s, stacked {fast:.2f}: "
            f"{fast / slow:.1f} times (>= {wanted}); peak {memory:.0f} MB per process",
            flush=True,
        )
    many, memory = rate("tabnet", [a.days] * 1000, a.epochs, a.partition)
    print(f"1000 series: {many:.2f} series/s, peak {memory:.0f} MB per process")


if __name__ == "__main__":
    main()
