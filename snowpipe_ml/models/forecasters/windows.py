"""Windows before origins, scaled, with a base forecast: the input of a direct model over many series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snowpipe_ml.models.panel import DAY

WINDOW_SEASONS = 8
_SAME_PHASE = 6  # seasons of which the value of the same phase is a feature, and whose mean is the profile
_LAST = 6  # last values that are features
_SMOOTHING = 0.25  # of the level, for a season of seven


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of some origins, each scaled by its own mean and deviation.

    Attributes:
        z: (origins, window) the scaled values before each origin.
        mean: (origins,) the mean of the last two seasons.
        deviation: (origins,) their standard deviation, with a floor so that a quiet window is not blown up.
        weight: (origins,) what an error of the scaled target counts, in units of the series' seasonal errors.
        season: the number of days of a season.
        first: (origins,) the first day to forecast.
        profile: (origins, season) the season by phase; the first is that of the first day to forecast.
        level: (origins,) the smoothed level without the season.
    """

    z: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    weight: np.ndarray
    season: int
    first: np.ndarray
    profile: np.ndarray
    level: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, origins: np.ndarray, season: int, first: np.datetime64) -> Windows:
        """Cut the windows of one series.

        Args:
            values: the values day by day without gaps.
            origins: the numbers of known days before each origin, at least 1.
            season: the number of days of a season.
            first: the day of the first value.
        """
        length = WINDOW_SEASONS * season
        # Before the first day, its first season is repeated.
        start = np.resize(values[:season], length) if len(values) >= season else np.full(length, values[0])
        padded = np.concatenate([start, values])
        raw = np.lib.stride_tricks.sliding_window_view(padded, length)[origins]
        recent = raw[:, -2 * season :]
        mean = recent.mean(axis=1)
        apart = np.abs(raw[:, season:] - raw[:, :-season]).mean(axis=1)
        floor = np.maximum(0.05 * np.abs(mean), 0.2 * apart)
        deviation = np.maximum(recent.std(axis=1), np.maximum(floor, 1e-6))
        z = (raw - mean[:, None]) / deviation[:, None]
        weight = np.clip(deviation / np.maximum(apart, 1e-6), 0.1, 10.0)
        by_season = z[:, -_SAME_PHASE * season :].reshape(len(z), _SAME_PHASE, season)
        own = by_season - by_season.mean(axis=2, keepdims=True)
        profile = own.mean(axis=1) * (_SAME_PHASE / (_SAME_PHASE + 1))
        smooth = z - np.tile(profile, WINDOW_SEASONS)
        fast = _SMOOTHING * np.sqrt(7.0 / season)
        level = (_smoothed(smooth, min(fast, 0.9)) + _smoothed(smooth, min(0.4 * fast, 0.9))) / 2
        return cls(z, mean, deviation, weight, season, first + origins * DAY, profile, level)

    @classmethod
    def together(cls, parts: Sequence[Windows]) -> Windows:
        """The windows of several series of the same season."""
        arrays = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("z", "mean", "deviation", "weight", "first", "profile", "level")
        }
        return cls(season=parts[0].season, **arrays)

    def base(self, step: int) -> np.ndarray:
        """The level with the season of a day ahead, scaled; ``step`` is counted from 1."""
        found: np.ndarray = self.level + self.profile[:, (step - 1) % self.season]
        return found

    def rows(self, step: int, base: np.ndarray, told: int | None = None) -> np.ndarray:
        """The features of a day ahead, (origins, features).

        Args:
            step: the number of days ahead, counted from 1.
            base: the base of that day.
            told: the number of days ahead that the model gets as a feature; by default ``step``.
        """
        season, width = self.season, self.z.shape[1]
        phase = (step - 1) % season
        same = [self.z[:, width - k * season + phase] for k in range(1, _SAME_PHASE + 1)]
        spans = [1, 3, season, 2 * season, 4 * season, width]
        means = [self.z[:, -span:].mean(axis=1) for span in spans]
        last = [self.z[:, -k] for k in range(1, _LAST + 1)]
        half = width // 2
        trend = self.z[:, half:].mean(axis=1) - self.z[:, :half].mean(axis=1)
        day = self.first + (step - 1) * DAY
        number = day.astype("datetime64[D]").astype(int)
        weekday, month = (number + 3) % 7, day.astype("datetime64[M]").astype(int) % 12
        steps = np.full(len(self.z), float(told or step))
        return np.column_stack([*same, base, *means, *last, trend, steps, weekday, month])


def _smoothed(z: np.ndarray, weight: float) -> np.ndarray:
    """The exponentially smoothed level at the end of each row."""
    ages = np.arange(z.shape[1])[::-1]
    weights = weight * (1 - weight) ** ages
    found: np.ndarray = z @ (weights / weights.sum())
    return found
