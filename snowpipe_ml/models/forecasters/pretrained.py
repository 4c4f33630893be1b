"""``pretrained``: a model that others have trained on many series; here it only forecasts, and downloads nothing.

Its code is an installed package or a staged wheel. Its weights are in that package, or beside the function's code, where
files of a stage are imported to.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from snowpipe_ml.models.base import Forecast, Forecaster
from snowpipe_ml.models.forecasters.statistical import carried
from snowpipe_ml.models.panel import Series
from snowpipe_ml.models.wheels import import_directory

LEVELS = tuple(round(0.1 * k, 1) for k in range(1, 10))
"""The quantiles that the models are asked for."""

_MEDIAN = LEVELS.index(0.5)
_CONTEXT = 2048  # periods that are read; more than any of these models was trained on
_FEWEST = 8  # known periods among them
_TOGETHER = 32  # series in a computation
_ORIGINS = 8  # from which the history is predicted, as each takes as long as a forecast

Quantiles = Callable[[list[np.ndarray], int], np.ndarray]
"""From the values of series, with NaN where unknown, and a horizon to quantiles: (series, horizon, levels)."""


class PretrainedForecaster(Forecaster):
    """Forecast each series from its own values by a model with fixed weights."""

    def fit(self, panel: Sequence[Series]) -> None:
        """Refuse the series with too few known periods; the weights stay as they are."""
        for series in panel:
            known = int((~np.isnan(series.values[-_CONTEXT:])).sum())
            if known < _FEWEST:
                plural = series.clock.frequency.plural
                self.failed[series.key] = (
                    f"{self.settings['type']} cannot forecast: {known} of the last {_CONTEXT} {plural} are known, "
                    f"and {_FEWEST} are needed"
                )

    def forecast(self, panel: Sequence[Series]) -> list[Forecast]:
        """Forecast the future periods of each series from the end of its history."""
        walls = [series.on_the_wall() for series in panel]
        ahead = [series.steps for series in walls]
        found = self._quantiles(
            [series.values for series in walls], [int(steps.max(initial=0)) for steps in ahead]
        )
        return [
            Forecast(
                self.bounded(series, self._point(levels)[steps - 1]),
                np.broadcast_to(series.future_x, (len(steps), len(self.features))),
            )
            for series, steps, levels in zip(walls, ahead, found, strict=True)
        ]

    def predict(self, panel: Sequence[Series]) -> list[np.ndarray]:
        """Predict the known periods from a few origins, each up to the next one.

        A period before the first origin has the last value before it.
        """
        walls = [series.on_the_wall() for series in panel]
        pieces = [_pieces(series.values) for series in walls]
        found = iter(
            self._quantiles(
                [
                    s.values[:start]
                    for s, own in zip(walls, pieces, strict=True)
                    for start in own[:-1].tolist()
                ],
                [size for own in pieces for size in np.diff(own).tolist()],
            )
        )
        predicted = []
        for series, own in zip(walls, pieces, strict=True):
            before = carried(series.values)
            y = np.concatenate([before[:1], before[:-1]])
            for start, end in zip(own[:-1].tolist(), own[1:].tolist(), strict=True):
                y[start:end] = self._point(next(found))
            predicted.append(self.bounded(series, y[series.places]))
        return predicted

    def own_interval(self, series: Series, coverage: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Return an interval between the model's quantiles; None if it should reach beyond them."""
        tail = (1 - coverage) / 2
        series = series.on_the_wall()
        steps = series.steps
        if tail < LEVELS[0] - 1e-9 or not len(steps):
            return None
        (levels,) = self._quantiles([series.values], [int(steps.max())])
        low, high = (
            np.array([np.interp(p, LEVELS, row) for row in levels[steps - 1]]) for p in (tail, 1 - tail)
        )
        return low, high

    def state(self) -> dict[str, np.ndarray]:
        """Return no arrays: nothing was trained."""
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Do nothing: there is no state to restore."""

    def _point(self, levels: np.ndarray) -> np.ndarray:
        """The forecast among the quantiles (periods, levels): their mean for `metric: rmse`, else the median."""
        found: np.ndarray = levels.mean(axis=1) if self.settings["metric"] == "rmse" else levels[:, _MEDIAN]
        return found

    def _quantiles(self, contexts: list[np.ndarray], horizons: list[int]) -> list[np.ndarray]:
        """Return the ordered quantiles of each context, (its horizon, levels)."""
        found = [np.zeros((0, len(LEVELS)))] * len(contexts)
        # Similar horizons together, as all in a computation are forecast as far as the farthest.
        order = [place for place in np.argsort(horizons, kind="stable").tolist() if horizons[place]]
        if not order:
            return found
        model = _model(
            self.settings["library"],
            str(import_directory()) if self.settings["weights"] else None,
            int(self.settings["seed"]),
        )
        for first in range(0, len(order), _TOGETHER):
            own = order[first : first + _TOGETHER]
            levels = model([contexts[place][-_CONTEXT:] for place in own], horizons[own[-1]])
            for place, each in zip(own, levels, strict=True):
                found[place] = np.sort(each[: horizons[place]].astype(float), axis=1)
        return found


def _pieces(values: np.ndarray) -> np.ndarray:
    """The ends of the pieces that are predicted at once: the first begins after the fewest known periods."""
    known = np.cumsum(~np.isnan(values))
    start = int(np.searchsorted(known, _FEWEST)) + 1
    if start >= len(values):
        return np.array([len(values)])
    return np.unique(np.linspace(start, len(values), _ORIGINS + 1).astype(int))


@cache
def _model(library: str, folder: str | None, seed: int) -> Quantiles:
    """Load a model once in a process.

    Args:
        library: the key of a loader.
        folder: the folder with the weights; None for those of the package.
        seed: for models that draw samples.
    """
    import torch

    torch.set_num_threads(1)
    # Each partition may run in another process. Neither library may look for another version of the weights.
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return _LOADERS[library](folder, seed)


def _fracast(folder: str | None, seed: int) -> Quantiles:
    """Fracast-0 (https://github.com/ztxtech/fracast-0), whose weights are in its wheel."""
    from fracast import FracastModel

    exact = folder is None or (Path(folder) / "model.safetensors").is_file()
    model = FracastModel.from_pretrained(folder, weights="fp32" if exact else "w8")

    def quantiles(contexts: list[np.ndarray], horizon: int) -> np.ndarray:
        found: np.ndarray = model.forecast_batch(_padded(contexts), horizon=horizon)
        return found

    return quantiles


def _chronos(folder: str | None, seed: int) -> Quantiles:
    """Any model of Chronos, Chronos-Bolt or Chronos-2 (https://github.com/amazon-science/chronos-forecasting)."""
    import torch
    from chronos import BaseChronosPipeline

    pipeline = BaseChronosPipeline.from_pretrained(folder)

    def quantiles(contexts: list[np.ndarray], horizon: int) -> np.ndarray:
        torch.manual_seed(seed)
        given = [torch.tensor(values, dtype=torch.float32) for values in contexts]
        found, _ = pipeline.predict_quantiles(given, horizon, quantile_levels=list(LEVELS))
        # A tensor over all series, or of Chronos-2 a list of tensors with an axis for several targets of a series.
        return np.stack([np.asarray(levels).reshape(horizon, len(LEVELS)) for levels in found])

    return quantiles


_LOADERS: Mapping[str, Callable[[str | None, int], Quantiles]] = {"chronos": _chronos, "fracast": _fracast}


def _padded(contexts: list[np.ndarray]) -> np.ndarray:
    """The contexts in one array, with NaN before the beginning of those that are shorter."""
    found = np.full((len(contexts), max(map(len, contexts))), np.nan, np.float32)
    for row, values in zip(found, contexts, strict=True):
        row[len(row) - len(values) :] = values
    return found
