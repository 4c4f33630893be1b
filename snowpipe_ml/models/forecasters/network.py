"""``mlp_global``: one small network over all series, which forecasts the whole horizon at once.

Its input is the window before the origin, scaled by its own mean and deviation, with a base forecast and the calendar;
its output is the difference of quantiles to the base. It knows neither the name nor the level of a series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from snowpipe_ml.models.forecasters.over_all import LEAST_ROWS, OverAll
from snowpipe_ml.models.forecasters.perceptron import Perceptron, Targets
from snowpipe_ml.models.forecasters.statistical import filled
from snowpipe_ml.models.forecasters.windows import Windows
from snowpipe_ml.models.panel import Series

_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_MEDIAN = _QUANTILES.index(0.5)
_MOST_ROWS = 20_000
_FARTHEST = 168  # periods ahead that are outputs
_MOST = 10.0  # of scaled values; beyond it is an outlier


class NetworkForecaster(OverAll):
    """A multilayer perceptron with the quantiles of all periods ahead as outputs."""

    def fit(self, panel: Sequence[Series]) -> None:
        """Train one network on windows of all series."""
        self._network: Perceptron | None = None
        panel = [series.on_the_wall() for series in panel]
        season = int(self.settings["season"])
        # Of the middle series: a few that end earlier have more to forecast, and would enlarge all outputs.
        wanted = int(np.median([int(series.steps.max(initial=1)) for series in panel])) if panel else 1
        self._horizon = max(min(wanted, max(28, min(4 * season, _FARTHEST))), 1)
        origins = [
            (number, origin)
            for number, series in enumerate(panel)
            for origin in range(min(2 * season, len(series.values)), len(series.values))
        ]
        if len(origins) > _MOST_ROWS:
            drawn = np.random.default_rng(self.settings["seed"])
            chosen = drawn.choice(len(origins), _MOST_ROWS, replace=False)
            origins = [origins[k] for k in np.sort(chosen)]
        by_series: dict[int, list[int]] = {}
        for number, origin in origins:
            by_series.setdefault(number, []).append(origin)
        xs, ys, weights = [], [], []
        for number, listed in by_series.items():
            series, own = panel[number], np.array(listed)
            windows = self._windows(series, filled(series.values), own)
            base = self._base(windows)
            at = own[:, None] + np.arange(self._horizon)
            inside = at < len(series.values)
            target = np.where(inside, series.values[np.where(inside, at, 0)], np.nan)
            scaled = (target - windows.mean[:, None]) / windows.deviation[:, None] - base
            kept = ~np.isnan(scaled).all(axis=1)
            xs.append(self._inputs(windows, base)[kept])
            ys.append(np.clip(scaled, -_MOST, _MOST)[kept])
            weights.append(windows.weight[kept])
        rows = sum(map(len, ys))
        if rows < LEAST_ROWS:
            self.refuse(panel, rows)
            return
        targets = Targets(
            np.concatenate(ys).astype(np.float32),
            np.concatenate(weights).astype(np.float32),
            _QUANTILES,
            self.settings["metric"] == "rmse",
        )
        self._network = Perceptron.trained(
            np.concatenate(xs),
            targets,
            int(self.settings["steps"]),
            float(self.settings["learning_rate"]),
            int(self.settings["seed"]),
        )

    def _windows(self, series: Series, values: np.ndarray, origins: np.ndarray) -> Windows:
        longer = self.settings.get("long_season")
        season = int(self.settings["season"])
        return Windows.of(
            values, origins, season, series.first, series.clock, int(longer) if longer else None
        )

    def _base(self, windows: Windows) -> np.ndarray:
        return np.array([windows.base(step) for step in range(1, self._horizon + 1)]).T

    @staticmethod
    def _inputs(windows: Windows, base: np.ndarray) -> np.ndarray:
        """The inputs of each origin: the window, the base of all periods ahead, and the first of these."""
        window = windows.z[:, -windows.width :]
        first = windows.clock.circles(windows.clock.starts(windows.first))
        found = np.column_stack([np.clip(window, -_MOST, _MOST), np.clip(base, -_MOST, _MOST), first])
        return found.astype(np.float32)

    def _outputs(self, windows: Windows) -> np.ndarray:
        """The quantiles, and the mean where it is learned, (origins, periods ahead, outputs)."""
        assert self._network is not None  # of a fitted series
        base = self._base(windows)
        found = self._network(self._inputs(windows, base)).reshape(*base.shape, -1) + base[:, :, None]
        found = found * windows.deviation[:, None, None] + windows.mean[:, None, None]
        many = len(_QUANTILES)
        ordered: np.ndarray = np.concatenate([np.sort(found[:, :, :many], axis=2), found[:, :, many:]], 2)
        return ordered

    def _further(self, windows: Windows, outputs: np.ndarray, horizon: int) -> np.ndarray:
        """Outputs for more periods ahead: the base, with what the network added to it one season before."""
        found = [outputs[:, step] for step in range(min(horizon, self._horizon))]
        scale, moved = windows.deviation[:, None], windows.mean[:, None]
        for step in range(len(found), horizon):
            back = step
            while back >= self._horizon:
                back -= windows.season
            back = back if back >= 0 else self._horizon - 1
            added = outputs[:, back] - (windows.base(back + 1)[:, None] * scale + moved)
            found.append(windows.base(step + 1)[:, None] * scale + moved + added)
        return np.stack(found, axis=1)

    def _at_the_end(self, panel: Sequence[Series], horizon: int) -> np.ndarray:
        windows = Windows.together(
            [self._windows(s, filled(s.values), np.array([len(s.values)])) for s in panel]
        )
        return self._further(windows, self._outputs(windows), horizon)

    def _point(self, outputs: np.ndarray) -> np.ndarray:
        """The forecast among the outputs: the mean if it is learned, else the median."""
        found: np.ndarray = outputs[..., -1 if outputs.shape[-1] > len(_QUANTILES) else _MEDIAN]
        return found

    def ahead(self, panel: Sequence[Series], horizon: int) -> np.ndarray:
        """Forecast (series, horizon) periods."""
        return self._point(self._at_the_end(panel, horizon))

    def behind(self, series: Series, values: np.ndarray) -> np.ndarray:
        """Predict each period from those before it; NaN where there are too few."""
        season = int(self.settings["season"])
        found = np.full(len(values), np.nan)
        if len(values) > season:
            windows = self._windows(series, values, np.arange(season, len(values)))
            found[season:] = self._point(self._outputs(windows)[:, 0])
        return found

    def own_interval(self, series: Series, coverage: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Return an interval between the network's quantiles; None if it should reach beyond them."""
        tail = (1 - coverage) / 2
        series = series.on_the_wall()
        steps = series.steps
        if tail < _QUANTILES[0] - 1e-9 or not len(steps):
            return None
        outputs = self._at_the_end([series], int(steps.max()))[0, steps - 1]
        low, high = (
            np.array([np.interp(p, _QUANTILES, row[: len(_QUANTILES)]) for row in outputs])
            for p in (tail, 1 - tail)
        )
        return low, high

    def state(self) -> dict[str, np.ndarray]:
        """Return the weights, and the number of periods ahead that are outputs."""
        arrays = {} if self._network is None else self._network.arrays
        return {"horizon": np.array(self._horizon), **arrays}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore the network from its weights."""
        self._horizon = int(state["horizon"])
        arrays = {name: value for name, value in state.items() if name != "horizon"}
        self._network = Perceptron(arrays) if arrays else None
