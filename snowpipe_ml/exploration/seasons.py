"""The seasons of series, found by a test, and the autocorrelations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snowpipe_ml.models.frequencies import Frequency

_DRAWS, _AT_ONCE = 2000, 200
_MOST_CYCLES = 200  # the last ones of a longer history
_SIGNIFICANT = 0.01
_YEAR = 365
_MOST_LAGS = 400


@dataclass(frozen=True)
class Season:
    """A candidate for a season.

    Attributes:
        period: its length in periods.
        p_value: the probability of an equally regular pattern without a season, over the total and the largest
            series, combined by the Cauchy combination test: https://arxiv.org/abs/1808.09011.
        share: the fraction of the largest series that have it by themselves (p below 0.05).
        strength: the fraction of the variance around the trend of the total that it explains.
    """

    period: int
    p_value: float
    share: float
    strength: float

    @property
    def found(self) -> bool:
        """Return whether the season is significant."""
        return self.p_value < _SIGNIFICANT


@dataclass(frozen=True)
class Autocorrelation:
    """The correlations of a series with itself some periods earlier.

    Attributes:
        lags: the lags.
        values: the autocorrelation at each.
        partial: the partial autocorrelation at each.
        bound: the size from which one is significant at 5 %.
    """

    lags: list[int]
    values: list[float]
    partial: list[float]
    bound: float

    def significant(self, lag: int) -> bool:
        """Return whether the partial autocorrelation at a lag is significant."""
        return lag in self.lags and abs(self.partial[self.lags.index(lag)]) > self.bound


def autocorrelation(values: np.ndarray, season: int) -> Autocorrelation:
    """Return the autocorrelations at up to four seasons, or a third of the length."""
    from statsmodels.tsa.stattools import acf, pacf

    most = int(min(max(4 * season, 30), len(values) // 3, _MOST_LAGS))
    if most < 1 or float(np.std(values)) == 0:
        return Autocorrelation([], [], [], 0.0)
    lags = list(range(1, most + 1))
    return Autocorrelation(
        lags,
        rounded(acf(values, nlags=most, fft=True)[1:]),
        rounded(pacf(values, nlags=most, method="ldb")[1:]),
        round(1.96 / len(values) ** 0.5, 4),
    )


def candidates(frequency: Frequency, length: int) -> list[int]:
    """Return the seasons that a series of this length can show, the shortest first: each at least three times."""
    periods = [*frequency.seasons, *([_YEAR] if frequency.name == "day" else [])]
    return [period for period in periods if period > 1 and _cycles(period) * period <= length]


def _cycles(period: int) -> int:
    return 2 if period >= 52 else 3


def seasons(total: np.ndarray, largest: Sequence[np.ndarray], periods: Sequence[int]) -> list[Season]:
    """Test each candidate, on what the shorter ones leave.

    Args:
        total: the values of all series together.
        largest: the values of the largest series.
        periods: the candidates, the shortest first.
    """
    rest = [total, *largest]
    found = []
    for period in periods:
        around = [values - trend(values, period) for values in rest]
        chances = [chance(values, period) for values in around]
        strength = _strength(around[0], period)
        alone = [p < 0.05 for p in chances[1:]]
        share = sum(alone) / len(alone) if alone else float(chances[0] < 0.05)
        season = Season(period, round(_combined(chances), 5), round(share, 3), round(strength, 3))
        found.append(season)
        if season.found:
            rest = [
                values - pattern(values - trend(values, period), period)[np.arange(len(values)) % period]
                for values in rest
            ]
    return found


def trend(values: np.ndarray, window: int) -> np.ndarray:
    """Return the centered moving average over a season; at the ends, over the half of it that is there."""
    half = window // 2
    weights = np.ones(2 * half + 1)
    if window % 2 == 0:
        weights[[0, -1]] = 0.5
    sums = np.convolve(values, weights)[half : half + len(values)]
    counts = np.convolve(np.ones(len(values)), weights)[half : half + len(values)]
    return np.asarray(sums / counts)


def pattern(values: np.ndarray, period: int) -> np.ndarray:
    """Return the mean of each place in a season."""
    places = np.arange(len(values)) % period
    return np.bincount(places, values, period) / np.bincount(places, minlength=period)


def chance(values: np.ndarray, period: int) -> float:
    """Return the p-value of a season, by a permutation test.

    The cycles are shifted against each other at random, each in a circle. That keeps how the values of neighboring
    periods depend on each other, for which tests that compare the places of a season mistake as a season.

    Args:
        values: the values around their trend.
        period: the length of the season.
    """
    cycles = min(len(values) // period, _MOST_CYCLES)
    rows = values[len(values) - cycles * period :].reshape(cycles, period)
    rows = np.sign(rows) * np.sqrt(np.abs(rows))  # a single large value is no pattern
    if not rows.any():
        return 1.0
    # A shift of a cycle turns the coefficients of its spectrum, so that no cycle is transformed twice.
    spectrum = np.fft.rfft(rows, axis=1)[:, 1:]
    waves = np.arange(1, spectrum.shape[1] + 1)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(period), waves) / period)
    random = np.random.default_rng(0)
    observed = _power(spectrum.sum(axis=0))
    higher = 0
    for _ in range(0, _DRAWS, _AT_ONCE):
        shifts = random.integers(0, period, (_AT_ONCE, cycles))
        drawn = np.einsum("cw,dcw->dw", spectrum, turns[shifts])
        higher += int((_power(drawn) >= observed).sum())
    return (1 + higher) / (1 + _DRAWS)


def _power(spectrum: np.ndarray) -> np.ndarray:
    """The variance of a mean cycle, up to a factor, from the waves of its spectrum."""
    found: np.ndarray = (np.abs(spectrum) ** 2).sum(axis=-1)
    return found


def _strength(values: np.ndarray, period: int) -> float:
    variance = float(np.var(values))
    if variance == 0:
        return 0.0
    rest = values - pattern(values, period)[np.arange(len(values)) % period]
    return max(0.0, 1 - float(np.var(rest)) / variance)


def _combined(chances: Sequence[float]) -> float:
    """Combine p-values that may depend on each other; half of the weight is that of the first, of the total."""
    if len(chances) == 1:
        return chances[0]
    weights = np.array([0.5, *([0.5 / (len(chances) - 1)] * (len(chances) - 1))])
    clipped = np.clip(np.array(chances), 1e-6, 1 - 1e-6)
    return float(0.5 - np.arctan((weights * np.tan((0.5 - clipped) * np.pi)).sum()) / np.pi)


def rounded(values: np.ndarray) -> list[float]:
    """Return values with four digits, for a page."""
    return [float(f"{value:.4g}") for value in values]
