"""Prediction intervals: their coverage, and the folds that they are calibrated on."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snowpipe_ml.models.conformal import Calibration
from snowpipe_ml.models.fold import Fold
from snowpipe_ml.models.panel import DAY


def folds(count: int, days: int, seed: int, spread: float = 1.0) -> list[Fold]:
    """Folds of series of very different levels, with skewed errors of median 0 scaled by the square root of the level."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(count):
        level = 4.0 ** (k % 4)
        predicted = np.full(days, level)
        actual = predicted + np.sqrt(level) * spread * (rng.exponential(1.0, days) - np.log(2))
        when = np.datetime64("2023-01-01") + np.arange(days)
        found.append(Fold(f"S{k}", "m", when[0], 0, when, actual, predicted, level, 1.0, 1.0))
    return found


def origins(count: int) -> list[Fold]:
    """Folds of several origins of the same age, which share no shocks."""
    return [dataclasses.replace(f, number=k) for k in range(count) for f in folds(40, 28, 10 + k)]


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("count", [3, 19])
def test_they_cover_what_they_should(coverage: float, count: int) -> None:
    calibration = Calibration.of(origins(count), coverage, 400)
    inside = []
    for fold in folds(40, 200, 2):
        low, high = calibration.interval(fold.key, fold.predicted, fold.level, np.arange(200), None)
        inside.append((fold.actual >= low) & (fold.actual <= high))
    assert np.mean(inside) == pytest.approx(coverage, abs=0.04)


PROBABILITIES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)


def test_quantiles_cover_what_they_say() -> None:
    calibration = Calibration.of(origins(60), 0.8, 400, PROBABILITIES)
    below = []
    for fold in folds(40, 200, 2):
        found = calibration.quantiles(fold.key, fold.predicted, fold.level, np.arange(200), None)
        below.append((fold.actual <= found).mean(axis=1))
    np.testing.assert_allclose(np.mean(below, axis=0), PROBABILITIES, atol=0.02)


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20),
    st.lists(st.floats(0.001, 0.999), min_size=2, max_size=6, unique=True),
)
def test_quantiles_do_not_cross(errors: list[float], probabilities: list[float]) -> None:
    day = np.datetime64("2023-01-01") + np.arange(len(errors))
    fold = Fold("S", "m", day[0], 0, day, np.array(errors), np.zeros(len(errors)), 1.0, 1.0, 1.0)
    calibration = Calibration.of([*folds(3, 5, 1), fold], 0.8, 14, sorted(probabilities))
    for key in ("S", "S0", "never seen"):
        found = calibration.quantiles(key, np.zeros(3), 4.0, np.arange(1, 4), None)
        assert (np.diff(found, axis=0) >= 0).all()


def test_misses_are_even_although_the_errors_are_skewed() -> None:
    calibration = Calibration.of(origins(19), 0.8, 400)
    below, above = [], []
    for fold in folds(40, 200, 2):
        low, high = calibration.interval(fold.key, fold.predicted, fold.level, np.arange(200), None)
        below.append(fold.actual < low)
        above.append(fold.actual > high)
    assert np.mean(below) == pytest.approx(0.1, abs=0.02)
    assert np.mean(above) == pytest.approx(0.1, abs=0.02)


def test_a_series_of_many_scores_goes_its_own_way() -> None:
    wild = [
        Fold(
            "wild",
            *(
                getattr(f, n)
                for n in (
                    "model",
                    "origin",
                    "number",
                    "days",
                    "actual",
                    "predicted",
                    "level",
                    "scale",
                    "squared_scale",
                )
            ),
        )
        for f in folds(1, 400, 3, spread=6.0)
    ]
    calibration = Calibration.of([*folds(20, 28, 1), *wild], 0.8, 14)

    def width(key: str) -> float:
        low, high = calibration.interval(key, np.zeros(1), 1.0, np.ones(1), None)
        return float(high[0] - low[0])

    assert width("wild") > 2 * width("S0")
    assert width("S0") < width("never seen") < width("wild")


def test_nothing_learnt_is_no_interval() -> None:
    low, high = Calibration.of([], 0.8, 14).interval("S", np.ones(3), 4.0, np.arange(3), None)
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_it_is_the_same_from_a_manifest() -> None:
    one = Calibration.of(folds(5, 28, 1), 0.8, 3, (0.1, 0.9))
    two = Calibration.from_json(json.loads(json.dumps(one.to_json())))
    for key in ("S3", "never seen"):
        asked = (key, np.arange(6.0), 9.0, np.arange(1.0, 7.0), None)
        np.testing.assert_array_equal(one.interval(*asked), two.interval(*asked))
        np.testing.assert_array_equal(one.quantiles(*asked), two.quantiles(*asked))


def test_further_ahead_than_the_backtest_looked_there_is_no_interval() -> None:
    low, high = Calibration.of(folds(5, 14, 1), 0.8, 14).interval(
        "S1", np.ones(30), 4.0, np.arange(1, 31), None
    )
    assert np.isfinite(low[:14]).all()
    assert np.isfinite(high[:14]).all()
    assert np.isnan(low[14:]).all()
    assert np.isnan(high[14:]).all()


@pytest.mark.parametrize(("old", "new"), [(1.0, 3.0), (3.0, 1.0)])
def test_what_happened_lately_counts_more(old: float, new: float) -> None:
    """With two origins half a year apart, the intervals are nearly those of the later one alone."""
    before = folds(20, 14, 1, spread=old)
    later = [
        dataclasses.replace(f, origin=f.origin + 180 * DAY, number=1) for f in folds(20, 14, 2, spread=new)
    ]

    def width(of: list[Fold]) -> float:
        low, high = Calibration.of(of, 0.8, 14).interval("never seen", np.zeros(1), 1.0, np.ones(1), None)
        return float(high[0] - low[0])

    assert width([*before, *later]) == pytest.approx(width(later), rel=0.05)
    assert abs(width(before) / width(later) - 1) > 0.5


def test_an_error_that_all_origins_share_moves_the_interval() -> None:
    def middle(*errors: float) -> float:
        shifted = [
            dataclasses.replace(f, origin=f.origin + 14 * k * DAY, number=k, actual=f.actual + error)
            for k, error in enumerate(errors)
            for f in folds(20, 14, k + 1)
        ]
        low, high = Calibration.of(shifted, 0.8, 14).interval(
            "never seen", np.zeros(1), 1.0, np.ones(1), None
        )
        return float(low[0] + high[0]) / 2

    assert middle(30.0, 30.0) > 10
    # From a single origin, or where two contradict each other, nothing is concluded.
    assert abs(middle(30.0)) < 5
    assert abs(middle(-30.0, 30.0)) < 5


def width(calibration: Calibration, stated: np.ndarray | None, key: str = "never seen") -> float:
    low, high = calibration.interval(key, np.zeros(1), 1.0, np.ones(1), None, stated)
    return float(high[0] - low[0])


@pytest.mark.parametrize("factor", [0.5, 2.0, 4.0])
def test_an_interval_is_halfway_to_what_the_model_states(factor: float) -> None:
    calibration = Calibration.of(folds(20, 28, 1), 0.8, 14)
    low, high = calibration.interval("never seen", np.zeros(1), 1.0, np.ones(1), None)
    stated = factor * np.array([-low, high])
    assert width(calibration, stated) == pytest.approx(width(calibration, None) * np.sqrt(factor))
    # Of normal errors, 95 % are within 1.53 times the distance of 80 %.
    most = Calibration.of(folds(20, 28, 1), 0.95, 14)
    ends = most.interval("never seen", np.zeros(1), 1.0, np.ones(1), None)
    ratio = width(most, stated) / np.sqrt(np.abs(np.array(ends)[:, 0]) * stated[:, 0] * 1.5293).sum()
    assert ratio == pytest.approx(1.0, abs=1e-3)


def test_a_model_that_diverges_widens_an_interval_by_little() -> None:
    calibration = Calibration.of(folds(20, 28, 1), 0.8, 14)
    assert width(calibration, np.full((2, 1), 1e9)) <= np.sqrt(10.0) * width(calibration, None) * 1.001


def test_what_members_state_is_scaled_to_the_error_of_the_ensemble() -> None:
    """Half of the members' error, over two origins of each series: the logarithm is shrunk by 2 / 3."""
    stated = np.ones((2, 28))
    half = [
        dataclasses.replace(f, number=k, stated=stated, stated_mae=2 * f.mae)
        for k in range(2)
        for f in folds(20, 28, k + 1)
    ]
    same = [dataclasses.replace(f, stated_mae=f.mae) for f in half]
    one, other = (Calibration.of(given, 0.8, 28) for given in (half, same))
    assert one.stated_ratio == pytest.approx(0.5 ** (2 / 3))
    assert one.stated_ratios["S3"] == pytest.approx(0.5 ** (2 / 3))
    assert other.stated_ratio == pytest.approx(1.0)
    assert width(one, stated[:, :1]) == pytest.approx(width(other, stated[:, :1]) * 0.5 ** (1 / 3))
    again = Calibration.from_json(json.loads(json.dumps(one.to_json())))
    assert width(again, stated[:, :1], "S3") == width(one, stated[:, :1], "S3")


@given(
    st.lists(st.floats(0.001, 0.999), min_size=2, max_size=6, unique=True),
    st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)),
)
def test_quantiles_do_not_cross_whatever_is_stated(
    probabilities: list[float], ends: tuple[float, float]
) -> None:
    calibration = Calibration.of(folds(3, 5, 1), 0.8, 14, sorted(probabilities))
    found = calibration.quantiles("S0", np.zeros(1), 4.0, np.ones(1), None, np.array(ends)[:, None])
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=0) >= 0).all()


def test_without_scores_what_a_model_states_is_the_interval() -> None:
    calibration = Calibration.of([], 0.8, 0, (0.1, 0.5, 0.975))
    stated = np.array([[1.0, 2.0], [3.0, 4.0]])
    asked = ("S", np.full(2, 10.0), 10.0, np.arange(1, 3), None, stated)
    low, high = calibration.interval(*asked)
    np.testing.assert_allclose([low, high], [[9.0, 8.0], [13.0, 14.0]])
    levels = calibration.quantiles(*asked)
    np.testing.assert_allclose(levels[:2], [[9.0, 8.0], [10.0, 10.0]])
    np.testing.assert_allclose(levels[2], 10 + 1.5293 * stated[1], rtol=1e-3)
