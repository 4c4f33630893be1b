"""Windows before origins, scaled, with a base forecast: the input of a direct model over many series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snowpipe_ml.models.clock import Clock

# The seasons of a window by the periods of a season; by default 8.
_WINDOW_SEASONS = {24: 14, 12: 3, 52: 2}
_SAME_PHASE = 6  # seasons of which the value of the same phase is a feature, and whose mean is the profile
_LAST = 6  # last values that are features
_SMOOTHING = 0.25  # of the level, for a season of seven
_SLOWEST = 0.3  # of the level, for seasons of many periods without one of a day or week


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of some origins, each scaled by its own mean and deviation.

    Attributes:
        z: (origins, window) the scaled values before each origin.
        mean: (origins,) the mean of the last two seasons.
        deviation: (origins,) their standard deviation, with a floor so that a quiet window is not blown up.
        weight: (origins,) what an error of the scaled target counts, in units of the series' seasonal errors.
        season: the number of periods of a season.
        first: (origins,) the number of the first period to forecast.
        profile: (origins, season) the season by phase; the first is that of the first period to forecast.
        level: (origins,) the smoothed level without the season.
        clock: the length of the periods.
        width: the number of the last scaled values that make the window; those before are of the profile only.
        longer: the number of periods of a second season; None if there is none.
    """

    z: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    weight: np.ndarray
    season: int
    first: np.ndarray
    profile: np.ndarray
    level: np.ndarray
    clock: Clock
    width: int
    longer: int | None

    @classmethod
    def of(
        cls,
        values: np.ndarray,
        origins: np.ndarray,
        season: int,
        first: np.datetime64,
        clock: Clock,
        longer: int | None = None,
    ) -> Windows:
        """Cut the windows of one series.

        Args:
            values: the values period by period without gaps.
            origins: the numbers of known periods before each origin, at least 1.
            season: the number of periods of a season.
            first: the period of the first value.
            clock: the length of the periods.
            longer: the number of periods of a second season.
        """
        width = _WINDOW_SEASONS.get(season, 8) * season
        length = max(width, _SAME_PHASE * season, 2 * (longer or 0))
        # Before the first period, its first season is repeated.
        start = np.resize(values[:season], length) if len(values) >= season else np.full(length, values[0])
        padded = np.concatenate([start, values])
        raw = np.lib.stride_tricks.sliding_window_view(padded, length)[origins]
        recent = raw[:, -2 * season :]
        mean = recent.mean(axis=1)
        near = raw[:, -max(width, 2 * season) :]
        apart = np.abs(near[:, season:] - near[:, :-season]).mean(axis=1)
        floor = np.maximum(0.05 * np.abs(mean), 0.2 * apart)
        deviation = np.maximum(recent.std(axis=1), np.maximum(floor, 1e-6))
        z = (raw - mean[:, None]) / deviation[:, None]
        weight = np.clip(deviation / np.maximum(apart, 1e-6), 0.1, 10.0)
        by_season = z[:, -_SAME_PHASE * season :].reshape(len(z), _SAME_PHASE, season)
        own = by_season - by_season.mean(axis=2, keepdims=True)
        profile = own.mean(axis=1) * (_SAME_PHASE / (_SAME_PHASE + 1))
        smooth = z - np.tile(profile, -(-length // season))[:, -length:]
        fast = max(_SMOOTHING * np.sqrt(7.0 / season), _SLOWEST if season > 24 else 0.0)
        level = (_smoothed(smooth, min(fast, 0.9)) + _smoothed(smooth, min(0.4 * fast, 0.9))) / 2
        return cls(
            z,
            mean,
            deviation,
            weight,
            season,
            clock.number(first) + origins,
            profile,
            level,
            clock,
            width,
            longer,
        )

    @classmethod
    def together(cls, parts: Sequence[Windows]) -> Windows:
        """The windows of several series of the same season."""
        arrays = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("z", "mean", "deviation", "weight", "first", "profile", "level")
        }
        one = parts[0]
        return cls(season=one.season, clock=one.clock, width=one.width, longer=one.longer, **arrays)

    def base(self, step: int) -> np.ndarray:
        """The level with the season of a period ahead, scaled; ``step`` is counted from 1."""
        found: np.ndarray = self.level + self.profile[:, (step - 1) % self.season]
        return found

    def rows(self, step: int, base: np.ndarray, told: int | None = None) -> np.ndarray:
        """The features of a period ahead, (origins, features).

        Args:
            step: the number of periods ahead, counted from 1.
            base: the base of that period.
            told: the number of periods ahead that the model gets as a feature; by default ``step``.
        """
        season, width, length = self.season, self.width, self.z.shape[1]
        phase = (step - 1) % season
        same = [self.z[:, length - k * season + phase] for k in range(1, _SAME_PHASE + 1)]
        if self.longer is not None:
            later = (step - 1) % self.longer
            same += [self.z[:, length - k * self.longer + later] for k in (1, 2)]
        spans = [1, 3, season, 2 * season, min(4 * season, length), width]
        means = [self.z[:, -span:].mean(axis=1) for span in spans]
        last = [self.z[:, -k] for k in range(1, _LAST + 1)]
        half, window = width // 2, self.z[:, -width:]
        trend = window[:, half:].mean(axis=1) - window[:, :half].mean(axis=1)
        calendar = self.clock.calendar(self.clock.starts(self.first + step - 1))
        steps = np.full(len(self.z), float(told or step))
        return np.column_stack([*same, base, *means, *last, trend, steps, calendar])


def _smoothed(z: np.ndarray, weight: float) -> np.ndarray:
    """The exponentially smoothed level at the end of each row."""
    ages = np.arange(z.shape[1])[::-1]
    weights = weight * (1 - weight) ** ages
    found: np.ndarray = z @ (weights / weights.sum())
    return found
