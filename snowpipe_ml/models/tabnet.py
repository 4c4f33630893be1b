"""TabNet, with pytorch-tabnet (https://github.com/dreamquark-ai/tabnet)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from snowpipe_ml.models.base import Forecaster
from snowpipe_ml.models.wheels import add_wheels

# The days that decide which epoch is kept are a part of the training days: a model must not be
# chosen on the days on which it is scored.
_STOPPING_FRACTION = 0.1


class TabNetForecaster(Forecaster):
    """One TabNet regressor. Features and target are standardized with the training days' moments.

    Args:
        settings: the model settings of a ``deploy_forecaster`` step.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self._model: Any = None

    def fit(self, x: np.ndarray, y: np.ndarray) -> None:
        """Train, and keep the epoch that is best on the last tenth of these days."""
        add_wheels()
        import torch
        from pytorch_tabnet.tab_model import TabNetRegressor

        # Snowflake and the embedded warehouse run partitions in parallel: a thread for each.
        torch.set_num_threads(1)
        s = self.settings
        self._mean, self._scale = x.mean(axis=0), _scale(x.std(axis=0))
        self._y_mean, self._y_scale = float(y.mean()), float(_scale(y.std()))
        kept = len(x) - max(1, round(len(x) * _STOPPING_FRACTION))
        # With drop_last, a batch larger than the data would train on nothing, in silence.
        batch = min(s["batch_size"], kept)
        self._model = TabNetRegressor(
            n_d=s["n_d"], n_a=s["n_a"], n_steps=s["n_steps"], gamma=s["gamma"], seed=s["seed"], verbose=0,
            optimizer_params={"lr": s["learning_rate"]}, device_name="cpu",
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._model.fit(
                self._standard(x[:kept]), self._target(y[:kept]),
                eval_set=[(self._standard(x[kept:]), self._target(y[kept:]))],
                eval_metric=["rmse"], max_epochs=s["max_epochs"], patience=s["patience"], batch_size=batch,
                virtual_batch_size=min(s["virtual_batch_size"], batch), num_workers=0, drop_last=True,
                compute_importance=False,
            )  # fmt: skip

    def _standard(self, x: np.ndarray) -> np.ndarray:
        standard: np.ndarray = ((x - self._mean) / self._scale).astype(np.float32)
        return standard

    def _target(self, y: np.ndarray) -> np.ndarray:
        target: np.ndarray = ((y - self._y_mean) / self._y_scale).astype(np.float32).reshape(-1, 1)
        return target

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predictions in the target's own units."""
        import torch

        # The network itself: the library's predict() builds a DataLoader, which for a single day,
        # as a recursive forecast asks for, takes longer than the network.
        self._model.network.eval()
        with torch.no_grad():
            output, _ = self._model.network(torch.from_numpy(self._standard(x)))
        predicted: np.ndarray = output.numpy().reshape(-1) * self._y_scale + self._y_mean
        return predicted

    def explain(self, x: np.ndarray) -> np.ndarray:
        """The aggregated attention masks, a share of 1 for each feature."""
        masks, _ = self._model.explain(self._standard(x), normalize=False)
        total = masks.sum(axis=1, keepdims=True)
        # A row that no decision step attends to has no masks: every feature then counts alike.
        shares: np.ndarray = np.where(total > 0, masks / np.where(total > 0, total, 1.0), 1.0 / masks.shape[1])
        return shares


def _scale(deviation: Any) -> Any:
    """A constant column has no deviation; it is left as it is."""
    return np.where(np.asarray(deviation) > 1e-12, deviation, 1.0)
