"""The test for seasons: it finds those that are there, and not what merely depends on its past."""

from __future__ import annotations

import numpy as np
import pytest

from snowpipe_ml.exploration.seasons import autocorrelation, candidates, chance, seasons, trend
from snowpipe_ml.models.frequencies import FREQUENCIES


def walk(random: np.random.Generator, length: int, memory: float) -> np.ndarray:
    """A series whose values depend on the one before, without a season."""
    noise = random.normal(size=length)
    values = noise.copy()
    for place in range(1, length):
        values[place] = memory * values[place - 1] + noise[place]
    return values


@pytest.mark.parametrize(("period", "memory"), [(7, 0.0), (7, 0.7), (24, 0.95)])
def test_noise_with_a_memory_has_no_season(period: int, memory: float) -> None:
    found = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        series = [walk(random, 20 * period, memory) for _ in range(3)]
        found.append(seasons(np.sum(series, axis=0), series, [period])[0].found)
    assert sum(found) <= 1


@pytest.mark.parametrize(("period", "cycles"), [(7, 12), (12, 5), (24, 14)])
def test_a_season_is_found_in_noise_of_its_size(period: int, cycles: int) -> None:
    random = np.random.default_rng(3)
    wave = np.tile(np.sin(2 * np.pi * np.arange(period) / period), cycles)
    series = [wave + walk(random, period * cycles, 0.5) * 0.8 for _ in range(5)]
    (found,) = seasons(np.sum(series, axis=0), series, [period])
    assert found.found
    assert found.share >= 0.6
    assert 0.3 < found.strength <= 1


def test_a_season_within_a_season_is_told_apart() -> None:
    """A day repeats every week too: a week is a season only for what differs by weekday."""
    hours = np.arange(24 * 7 * 8)
    random = np.random.default_rng(0)
    daily = 10 * np.sin(2 * np.pi * hours / 24) + random.normal(size=len(hours))
    assert [one.found for one in seasons(daily, [], [24, 168])] == [True, False]
    weekly = daily + 6 * ((hours // 24) % 7 >= 5)
    assert [one.found for one in seasons(weekly, [], [24, 168])] == [True, True]


def test_one_outlier_and_constants_are_no_season() -> None:
    spike = np.zeros(70)
    spike[33] = 1000
    assert chance(spike, 7) > 0.05
    assert chance(np.zeros(70), 7) == 1.0


def test_the_trend_is_the_mean_of_a_season() -> None:
    line = np.arange(40.0)
    for window in (7, 12):
        assert np.allclose(trend(line, window)[window:-window], line[window:-window])
    season = np.tile([1.0, 2, 3, 4], 10)
    assert np.allclose(trend(season, 4)[2:-2], 2.5)


def test_candidates_need_several_seasons() -> None:
    day, hour, month = FREQUENCIES["day"], FREQUENCIES["hour"], FREQUENCIES["month"]
    assert candidates(day, 20) == []
    assert candidates(day, 21) == [7]
    assert candidates(day, 730) == [7, 365]
    assert candidates(hour, 24 * 30) == [24, 168]
    assert candidates(month, 35) == []
    assert candidates(FREQUENCIES["year"], 50) == []


def test_autocorrelations() -> None:
    values = np.tile([5.0, 1, 1, 1, 1, 1, 1], 20) + np.random.default_rng(0).normal(size=140) / 4
    found = autocorrelation(values, 7)
    assert found.lags[-1] == 30
    assert found.values[6] > 0.8
    assert found.bound == pytest.approx(1.96 / 140**0.5, abs=1e-4)
    assert found.significant(7)
    assert not found.significant(31)
    assert autocorrelation(np.ones(50), 7).lags == []
