"""LightGBM over all series of a partition, on features of the target's own past that it makes itself.

Two strategies that make different mistakes, so that their mean is better than either: ``lightgbm_recursive``
learns the next day and feeds its forecasts back, on logarithms; ``lightgbm_direct`` learns each day ahead from
the days before the origin, as a difference to a simple base. Both scale each series by itself, and know neither
its name nor its level, with which they would learn the history by heart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from snowpipe_ml.models.forecasters.over_all import LEAST_ROWS, OverAll
from snowpipe_ml.models.forecasters.statistical import filled
from snowpipe_ml.models.forecasters.windows import Windows
from snowpipe_ml.models.openmp import lightgbm_module
from snowpipe_ml.models.panel import Series

if TYPE_CHECKING:
    import lightgbm

_WEEKS = 52  # a season of weeks
_FEWEST_LAGS = 4  # periods that a model of a short series skips
_MOST_ROWS = 40_000  # of the direct model's training rows; more do not help it
_FARTHEST = 28  # days ahead that the direct model tells apart


class _GlobalTrees(OverAll):
    def _train(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> lightgbm.Booster:
        lightgbm = lightgbm_module()

        settings = self.settings
        parameters = {
            "objective": "regression" if settings["metric"] == "rmse" else self._absolute,
            "num_leaves": settings["num_leaves"],
            "learning_rate": settings["learning_rate"],
            "min_data_in_leaf": settings["min_data_in_leaf"],
            "seed": settings["seed"],
            "verbosity": -1,
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            **self._sampling,
        }
        data = lightgbm.Dataset(x, y, weight=weight, params={"verbosity": -1})
        return lightgbm.train(parameters, data, num_boost_round=settings["rounds"])

    _absolute: str
    _sampling: Mapping[str, object] = {}

    def _booster_state(self, booster: lightgbm.Booster | None) -> dict[str, np.ndarray]:
        text = booster.model_to_string().encode() if booster is not None else b""
        return {"booster": np.frombuffer(text, np.uint8)}

    @staticmethod
    def _booster_of(state: Mapping[str, np.ndarray]) -> lightgbm.Booster | None:
        lightgbm = lightgbm_module()

        text = state["booster"].tobytes().decode()
        return lightgbm.Booster(model_str=text) if text else None


class RecursiveForecaster(_GlobalTrees):
    """The next day from the last ones: logarithms, standardized by series; forecasts are fed back.

    A series with negative values is standardized without the logarithm.
    """

    _absolute = "regression"  # on logarithms, the mean is near the median of the values

    def fit(self, panel: Sequence[Series]) -> None:
        """Train one model on the known days of all series."""
        self._booster: lightgbm.Booster | None = None
        panel = [series.on_the_wall() for series in panel]
        self._scales = {series.key: self._scale_of(series) for series in panel}
        xs, ys = [], []
        for series in panel:
            z = self._scaled(series.key, filled(series.values))
            known = ~np.isnan(series.values)
            known[: self._reach(series)] = False
            xs.append(self._rows(series, z)[known])
            ys.append(z[known])
        rows = sum(map(len, ys))
        if rows < LEAST_ROWS:
            self.refuse(panel, rows)
            return
        self._booster = self._train(np.concatenate(xs), np.concatenate(ys))
        if self.settings["metric"] == "rmse":
            self._correct(panel, xs)

    def _correct(self, panel: Sequence[Series], xs: Sequence[np.ndarray]) -> None:
        """Raise the forecasts of each series to the total of its history: an exponential is below the mean."""
        for series, x in zip(panel, xs, strict=True):
            if not len(x):
                continue
            known = ~np.isnan(series.values)
            known[: self._reach(series)] = False
            y = self._unscaled(series.key, self._predicted(x))
            total = float(y.sum())
            if total > 0:
                ratio = float(np.clip(series.values[known].sum() / total, 0.5, 2.0))
                self._scales[series.key] = (*self._scales[series.key][:3], ratio)

    def _reach(self, series: Series) -> int:
        """The number of first periods that are not learned from, as they know too little of their past."""
        season = int(self.settings["season"])
        return season if len(series.values) >= 2 * season else min(season, _FEWEST_LAGS)

    @staticmethod
    def _scale_of(series: Series) -> tuple[float, float, bool, float]:
        values = filled(series.values)
        logged = bool(values.min() >= 0)
        z = np.log1p(values) if logged else values
        return float(z.mean()), max(float(z.std()), 1e-6), logged, 1.0

    def _scaled(self, key: str, values: np.ndarray) -> np.ndarray:
        mean, deviation, logged, _ = self._scales[key]
        z = np.log1p(np.maximum(values, 0)) if logged else values
        found: np.ndarray = (z - mean) / deviation
        return found

    def _unscaled(self, key: str, z: np.ndarray) -> np.ndarray:
        mean, deviation, logged, ratio = self._scales[key]
        # A standardized forecast is far beyond what the history holds only if the recursion diverges.
        y = np.clip(z, -20, 20) * deviation + mean
        found: np.ndarray = (np.expm1(y) if logged else y) * ratio
        return found

    def _rows(self, series: Series, z: np.ndarray) -> np.ndarray:
        """The features of each day of a series."""
        season = int(self.settings["season"])
        lags, window = self._lags, self._window(season)
        past = max(max(lags), window) + 1
        padded = np.concatenate([np.full(past, np.nan), z])
        at = np.arange(len(z)) + past
        total = np.cumsum(np.nan_to_num(padded))
        mean = (total[at - 1] - total[at - 1 - window]) / window
        mean[:window] = np.nan
        days = series.clock.starts(series.clock.number(series.first) + np.arange(len(z)))
        return np.column_stack([*(padded[at - lag] for lag in lags), mean, series.clock.calendar(days)])

    @staticmethod
    def _window(season: int) -> int:
        """The periods of the rolling mean: a season, or a quarter of a year of weeks."""
        return season // 4 if season == _WEEKS else max(season, 2)

    @property
    def _lags(self) -> list[int]:
        season, longer = int(self.settings["season"]), self.settings.get("long_season")
        if season == _WEEKS:
            return [1, 2, 3, 4, season]
        return sorted({1, 2, 3, season, 2 * season, *([int(longer)] if longer else [])})

    def _predicted(self, x: np.ndarray) -> np.ndarray:
        assert self._booster is not None  # of a fitted series
        return np.asarray(self._booster.predict(x))

    def ahead(self, panel: Sequence[Series], horizon: int) -> np.ndarray:
        """Forecast (series, horizon) days."""
        season = int(self.settings["season"])
        lags, window, clock = self._lags, self._window(season), panel[0].clock
        past = max(max(lags), window)
        z = np.full((len(panel), past + horizon), np.nan)
        for place, series in enumerate(panel):
            own = self._scaled(series.key, filled(series.values))[-past:]
            z[place, past - len(own) : past] = own
        last = np.array([clock.number(series.last) for series in panel])
        for step in range(horizon):
            at = past + step
            told = clock.calendar(clock.starts(last + step + 1))
            x = np.column_stack(
                [*(z[:, at - lag] for lag in lags), z[:, at - window : at].mean(axis=1), told]
            )
            z[:, at] = self._predicted(x)
        return np.array(
            [self._unscaled(series.key, z[place, past:]) for place, series in enumerate(panel)]
        ).reshape(len(panel), horizon)

    def behind(self, series: Series, values: np.ndarray) -> np.ndarray:
        """Predict each day from the days before it; NaN where there are too few."""
        z = self._scaled(series.key, values)
        found = self._unscaled(series.key, self._predicted(self._rows(series, z)))
        found[: self._reach(series)] = np.nan
        return found

    def state(self) -> dict[str, np.ndarray]:
        """Return the model in LightGBM's text format, and the scales."""
        return {
            "keys": np.array(list(self._scales)),
            "scales": np.array([list(map(float, one)) for one in self._scales.values()]).reshape(-1, 4),
            **self._booster_state(self._booster),
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore the model from its text, and the scales."""
        self._booster = self._booster_of(state)
        self._scales = {
            str(key): (float(mean), float(deviation), bool(logged), float(ratio))
            for key, (mean, deviation, logged, ratio) in zip(state["keys"], state["scales"], strict=True)
        }


class DirectForecaster(_GlobalTrees):
    """Each day ahead from the window before the origin, as a difference to a smoothed level with its season."""

    _absolute = "regression_l1"
    _sampling: Mapping[str, object] = {
        "feature_fraction": 0.7,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
    }

    def fit(self, panel: Sequence[Series]) -> None:
        """Train one model on windows of all series."""
        self._booster: lightgbm.Booster | None = None
        panel = [series.on_the_wall() for series in panel]
        ahead = [series.steps for series in panel]
        wanted = max((int(one.max(initial=1)) for one in ahead), default=1)
        self._horizon = min(wanted, _FARTHEST)
        season = int(self.settings["season"])
        origins = [
            (number, origin)
            for number, series in enumerate(panel)
            for origin in range(min(2 * season, len(series.values)), len(series.values))
        ]
        most = max(_MOST_ROWS // self._horizon, 1)
        if len(origins) > most:
            chosen = np.random.default_rng(self.settings["seed"]).choice(len(origins), most, replace=False)
            origins = [origins[k] for k in np.sort(chosen)]
        by_series: dict[int, list[int]] = {}
        for number, origin in origins:
            by_series.setdefault(number, []).append(origin)
        xs, ys, weights = [], [], []
        for number, own in by_series.items():
            series = panel[number]
            windows = self._windows(series, filled(series.values), np.array(own))
            for step in range(1, self._horizon + 1):
                at = np.array(own) + step - 1
                inside = at < len(series.values)
                target = np.full(len(own), np.nan)
                target[inside] = series.values[at[inside]]
                kept = ~np.isnan(target)
                base = windows.base(step)
                xs.append(windows.rows(step, base)[kept])
                ys.append(((target - windows.mean) / windows.deviation - base)[kept])
                weights.append(windows.weight[kept])
        rows = sum(map(len, ys))
        if rows < LEAST_ROWS:
            self.refuse(panel, rows)
            return
        y = np.clip(np.concatenate(ys), -10, 10)
        self._booster = self._train(np.concatenate(xs), y, np.concatenate(weights))

    def _windows(self, series: Series, values: np.ndarray, origins: np.ndarray) -> Windows:
        longer = self.settings.get("long_season")
        season = int(self.settings["season"])
        return Windows.of(
            values, origins, season, series.first, series.clock, int(longer) if longer else None
        )

    def _predicted(self, windows: Windows, step: int) -> np.ndarray:
        assert self._booster is not None  # of a fitted series
        base = windows.base(step)
        told = windows.rows(step, base, told=min(step, self._horizon))
        found: np.ndarray = (
            base + np.asarray(self._booster.predict(told))
        ) * windows.deviation + windows.mean
        return found

    def ahead(self, panel: Sequence[Series], horizon: int) -> np.ndarray:
        """Forecast (series, horizon) days."""
        windows = Windows.together(
            [self._windows(s, filled(s.values), np.array([len(s.values)])) for s in panel]
        )
        found = [self._predicted(windows, step) for step in range(1, horizon + 1)]
        return np.array(found).reshape(horizon, len(panel)).T

    def behind(self, series: Series, values: np.ndarray) -> np.ndarray:
        """Predict each day from the days before it; NaN where there are too few."""
        season = int(self.settings["season"])
        found = np.full(len(values), np.nan)
        if len(values) > season:
            origins = np.arange(season, len(values))
            found[season:] = self._predicted(self._windows(series, values, origins), 1)
        return found

    def state(self) -> dict[str, np.ndarray]:
        """Return the model in LightGBM's text format, and the days ahead that it tells apart."""
        return {"horizon": np.array(self._horizon), **self._booster_state(self._booster)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore the model from its text."""
        self._horizon = int(state["horizon"])
        self._booster = self._booster_of(state)


__all__ = ["DirectForecaster", "RecursiveForecaster"]
