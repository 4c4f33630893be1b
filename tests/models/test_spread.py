"""Errors of smoothing from many origins, and the intervals that follow from them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from snowpipe_ml.models.backtest import Plan, backtest, with_intervals
from snowpipe_ml.models.clock import Clock
from snowpipe_ml.models.conformal import Calibration
from snowpipe_ml.models.frequencies import FREQUENCIES
from snowpipe_ml.models.panel import Series, read_panel
from snowpipe_ml.models.spread import Spread
from tests.models.panels import MODELS

TAILS = np.array([0.1, 0.9])


def series(values: np.ndarray, frequency: str = "day", start: str = "2020-01-01") -> Series:
    clock = Clock(FREQUENCIES[frequency])
    days = clock.starts(clock.number(np.datetime64(start)) + np.arange(len(values)))
    rows = pd.DataFrame({"KEY": "S", "DATE": pd.to_datetime(days), "N": values})
    (found,), refused = read_panel(rows, (), clock)
    assert not refused
    return found


def noise(periods: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 5, periods)


def test_the_errors_of_a_walk_grow_with_the_horizon_and_those_of_noise_do_not() -> None:
    walk, still = Spread.of(series(np.cumsum(noise(400))), 16), Spread.of(series(noise(400)), 16)
    assert walk is not None
    assert still is not None
    ahead = np.array([2, 16])
    near, far = np.diff(walk.offsets(TAILS, ahead), axis=0)[0]
    assert far == pytest.approx(near * np.sqrt(14.5 / 2.5), rel=0.3)
    near, far = np.diff(still.offsets(TAILS, ahead), axis=0)[0]
    assert far == pytest.approx(near, rel=0.1)
    assert far == pytest.approx(2 * 1.2816 * 5, rel=0.15)


@pytest.mark.parametrize(("frequency", "season"), [("day", 7), ("month", 12), ("hour", 24), ("year", 1)])
def test_seasons_and_trends_are_no_errors(frequency: str, season: int) -> None:
    at = np.arange(10 * season + 60)
    values = 100 + 0.5 * at + 20 * np.sin(at * 2 * np.pi / season) + noise(len(at)) / 50
    spread = Spread.of(series(values, frequency), season)
    assert spread is not None
    assert spread.size < 0.5
    step = np.arange(1, season + 1) + len(at) - 1
    truth = 100 + 0.5 * step + 20 * np.sin(step * 2 * np.pi / season)
    np.testing.assert_allclose(spread.forecast, truth, atol=1.5)


def test_later_values_and_gaps_do_not_matter() -> None:
    values = 50 + noise(200)
    values[40:60] = np.nan
    whole = series(values)
    then = Spread.of(whole.head(150), 7)
    assert then is not None
    cut = series(values[: int(whole.places[149]) + 1])
    again = Spread.of(cut, 7)
    assert again is not None
    np.testing.assert_array_equal(then.offsets(TAILS, np.arange(1, 8)), again.offsets(TAILS, np.arange(1, 8)))
    assert np.isfinite(then.offsets(TAILS, np.arange(1, 8))).all()


@pytest.mark.parametrize("periods", range(1, 40, 3))
def test_a_short_history_has_none_or_a_finite_one(periods: int) -> None:
    found = Spread.of(series(50 + noise(periods)), 14)
    assert found is None or np.isfinite(found.offsets(TAILS, np.arange(1, 15))).all()
    assert found is not None or periods < 39


def test_a_constant_series_has_an_interval_of_its_own_width() -> None:
    found = Spread.of(series(np.full(100, 7.0)), 7)
    assert found is not None
    assert found.size == pytest.approx(0.0, abs=1e-9)


def test_intervals_hold_although_the_backtest_saw_only_quiet_weeks() -> None:
    """Every second month is wild, but the last two were quiet: the scores of the backtest alone are too narrow."""
    rng = np.random.default_rng(3)
    wild = np.where(np.arange(430) // 30 % 2 == 0, 12.0, 3.0)
    wild[370:416] = 3.0
    wild[416:] = 12.0
    panel = []
    for k in range(8):
        one = series(100 + wild * rng.normal(0, 1, 430))
        panel.append(dataclasses.replace(one, key=f"S{k}"))
    settings = {"class": MODELS["moving_average"]["class"], **MODELS["moving_average"], "lower_bound": None}
    folds = backtest({"m": settings}, panel, (), Plan(3, 14, 14, 30))
    last = [fold for fold in with_intervals(folds, 0.8, 14) if fold.number == 2]
    alone = Calibration.of([dataclasses.replace(f, spread=None) for f in folds if f.number < 2], 0.8, 14)

    def covered(ends: list[tuple[np.ndarray | None, np.ndarray | None]]) -> float:
        inside = [
            (fold.actual >= low) & (fold.actual <= high) for fold, (low, high) in zip(last, ends, strict=True)
        ]
        return float(np.mean(inside))

    with_smoothing = covered([(fold.low, fold.high) for fold in last])
    without = covered([alone.interval(f.key, f.predicted, f.level, f.ahead, None) for f in last])
    assert without < 0.45
    assert with_smoothing > 1.08 * without


@pytest.mark.parametrize("periods", [100, 12])
def test_a_rate_among_counts_has_an_interval_of_its_own_scale(periods: int) -> None:
    """Also where its history is too short to measure how it varies: then its unit is that of the other rates."""
    rng = np.random.default_rng(5)
    panel = [dataclasses.replace(series(0.03 + 0.002 * rng.normal(0, 1, 100)), key=f"R{k}") for k in range(4)]
    if periods == 100:
        panel += [dataclasses.replace(series(900 + 30 * noise(100, k)), key=f"N{k}") for k in range(2)]
    settings = {**MODELS["moving_average"], "lower_bound": None}
    folds = backtest({"m": settings}, panel, (), Plan(3, 7, 7, 30))
    calibration = Calibration.of(folds, 0.8, 7)
    own = series(0.03 + 0.002 * rng.normal(0, 1, periods))
    ahead = np.arange(1, 8)
    low, high = calibration.interval("R0", np.full(7, 0.03), own.level, ahead, Spread.of(own, 7))
    width = high - low
    assert (width > 0.002).all()
    assert (width < 0.015).all()
