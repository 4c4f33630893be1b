"""LightGBM: one model per series, or one model over all series of a partition."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from snowpipe_ml.models.base import Explanation, Forecast, RowForecaster
from snowpipe_ml.models.openmp import lightgbm_module
from snowpipe_ml.models.panel import Series

if TYPE_CHECKING:
    import lightgbm

_COUNTS = ("poisson", "tweedie")


class _LightGBM(RowForecaster):
    def _parameters(self) -> dict[str, object]:
        s = self.settings
        return {
            "objective": s["objective"],
            "num_leaves": s["num_leaves"],
            "learning_rate": s["learning_rate"],
            "min_data_in_leaf": s["min_data_in_leaf"],
            "seed": s["seed"],
            "verbosity": -1,
            # Reproducible training: https://lightgbm.readthedocs.io/en/stable/Parameters.html#deterministic
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
        }

    def _can_learn(self, series: Series) -> bool:
        """Return whether the objective allows the series' values; if not, record the series as failed."""
        lowest = float(series.y.min())
        if self.settings["objective"] in _COUNTS and lowest < 0:
            self.failed[series.key] = (
                f"{self.settings['objective']} requires values of at least 0, but a day has {lowest:g}"
            )
        return series.key not in self.failed

    def _has_events(self, panel: Sequence[Series]) -> bool:
        """Return whether any series has a count above 0; if none has, record all series as failed."""
        if self.settings["objective"] not in _COUNTS or any(series.y.any() for series in panel):
            return bool(panel)
        reason = f"{self.settings['objective']} cannot be trained on days that are all 0"
        self.failed |= {series.key: reason for series in panel}
        return False

    def _train(self, x: np.ndarray, y: np.ndarray) -> lightgbm.Booster:
        lightgbm = lightgbm_module()

        data = lightgbm.Dataset(x, y, params={"verbosity": -1, "min_data_in_bin": 1})
        return lightgbm.train(self._parameters(), data, num_boost_round=self.settings["rounds"])

    def _contributions(self, model: lightgbm.Booster, x: np.ndarray, scale: float) -> Explanation:
        """The TreeSHAP values of LightGBM (https://arxiv.org/abs/1802.03888), in the units of the target.

        With a logarithmic link, TreeSHAP explains the logarithm of the prediction. The total difference
        that the features make to the prediction is then split in the same proportions.
        """
        if not len(x):
            return Explanation(np.empty(x.shape), np.empty(0))
        found = np.asarray(model.predict(x, pred_contrib=True))
        terms, base = found[:, :-1], found[:, -1]
        if self.settings["objective"] in _COUNTS:
            total = terms.sum(axis=1)
            part = np.where(
                np.abs(total) > 1e-12, np.exp(base) * np.expm1(total) / np.where(total == 0, 1.0, total), 0.0
            )
            terms, base = terms * part[:, None], np.exp(base)
        return Explanation(terms * scale, base * scale)

    @staticmethod
    def _texts(models: Sequence[lightgbm.Booster]) -> dict[str, np.ndarray]:
        texts = [model.model_to_string().encode() for model in models]
        return {
            "texts": np.frombuffer(b"".join(texts), np.uint8),
            "ends": np.cumsum([len(text) for text in texts], dtype=np.int64),
        }

    @staticmethod
    def _models(state: Mapping[str, np.ndarray]) -> list[lightgbm.Booster]:
        lightgbm = lightgbm_module()

        whole, ends = state["texts"].tobytes(), [0, *state["ends"].tolist()]
        return [
            lightgbm.Booster(model_str=whole[start:end].decode()) for start, end in itertools.pairwise(ends)
        ]


class LightGBMForecaster(_LightGBM):
    """Gradient boosted trees, one model per series."""

    def fit(self, panel: Sequence[Series]) -> None:
        """Train the model of each series."""
        self._boosters = {
            s.key: self._train(s.x, s.y) for s in panel if self._can_learn(s) and self._has_events([s])
        }

    def predict_rows(self, panel: Sequence[Series], xs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Predict with the model of each series."""
        return [np.asarray(self._boosters[s.key].predict(x)) for s, x in zip(panel, xs, strict=True)]

    def explain(self, panel: Sequence[Series], forecasts: Sequence[Forecast]) -> list[Explanation]:
        """Return contributions that, with the base, sum to the prediction."""
        return [
            self._contributions(self._boosters[s.key], f.x, 1.0)
            for s, f in zip(panel, forecasts, strict=True)
        ]

    def state(self) -> dict[str, np.ndarray]:
        """Return the models in LightGBM's text format."""
        return {"keys": np.array(list(self._boosters)), **self._texts(list(self._boosters.values()))}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore the models from their texts."""
        self._boosters = dict(zip(map(str, state["keys"]), self._models(state), strict=True))


class GlobalLightGBMForecaster(_LightGBM):
    """Gradient boosted trees, one model over all series of the partition.

    The target of a series, and the features derived from it, are divided by the mean absolute value of its
    known days, so that small and large series are comparable.
    """

    shared = True

    def fit(self, panel: Sequence[Series]) -> None:
        """Train one model on all rows."""
        panel = [series for series in panel if self._can_learn(series)]
        panel = panel if self._has_events(panel) else []
        self._scales = {series.key: max(float(np.abs(series.y).mean()), 1e-6) for series in panel}
        self._booster: lightgbm.Booster | None = None
        if panel:
            x = np.concatenate([self._scaled(series, series.x) for series in panel])
            y = np.concatenate([series.y / self._scales[series.key] for series in panel])
            self._booster = self._train(x, y)

    def _scaled(self, series: Series, x: np.ndarray) -> np.ndarray:
        own = np.array([feature.own for feature in self.features])
        return np.where(own, x / self._scales[series.key], x)

    def predict_rows(self, panel: Sequence[Series], xs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Predict all rows in one call."""
        scaled = [self._scaled(series, x) for series, x in zip(panel, xs, strict=True)]
        if not scaled:
            return []
        assert self._booster is not None  # a fitted series
        found = np.split(
            np.asarray(self._booster.predict(np.concatenate(scaled))), np.cumsum([len(x) for x in xs])[:-1]
        )
        return [y * self._scales[series.key] for series, y in zip(panel, found, strict=True)]

    def explain(self, panel: Sequence[Series], forecasts: Sequence[Forecast]) -> list[Explanation]:
        """Return contributions in the target's units that, with the base, sum to the prediction."""
        return [
            self._contributions(self._booster, self._scaled(series, forecast.x), self._scales[series.key])
            for series, forecast in zip(panel, forecasts, strict=True)
        ]

    def state(self) -> dict[str, np.ndarray]:
        """Return the model in LightGBM's text format, and the scales."""
        return {
            "keys": np.array(list(self._scales)),
            "scales": np.array(list(self._scales.values())),
            **self._texts([self._booster] if self._booster else []),
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore the model from its text, and the scales."""
        self._scales = dict(zip(map(str, state["keys"]), map(float, state["scales"]), strict=True))
        self._booster = next(iter(self._models(state)), None)
