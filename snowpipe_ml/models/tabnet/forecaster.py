"""TabNet forecasters with one network per series.

``tabnet`` trains the networks together; ``tabnet_reference`` trains them one by one with pytorch-tabnet.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from snowpipe_ml.models.base import Explanation, Forecast, RowForecaster
from snowpipe_ml.models.panel import Series
from snowpipe_ml.models.tabnet.stack import TabNetStack

# The fraction of the training days that selects the epoch to keep. These days are taken from the training
# part, because a model must not be selected on the days on which it is scored.
STOPPING_FRACTION = 0.1
# The number of networks in a computation. On a GPU, which is far from full with either, more are faster.
_TOGETHER = {"cpu": 32, "cuda": 512}


class _Standardized(RowForecaster):
    """A forecaster that standardizes features and target by the moments of each series' known days."""

    def _moments(self, panel: Sequence[Series]) -> None:
        self._keys = {series.key: k for k, series in enumerate(panel)}
        self._mean = np.array([series.x.mean(axis=0) for series in panel])
        self._scale = np.array([scale_of(series.x.std(axis=0)) for series in panel])
        self._y_mean = np.array([series.y.mean() for series in panel])
        self._y_scale = scale_of(np.array([series.y.std() for series in panel]))

    def _parts(self, panel: Sequence[Series]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """The (x, y) to train on and the (x, y) that select the epoch, for each series."""
        found = []
        for k, series in enumerate(panel):
            x = self._standard(k, series.x)
            y = ((series.y - self._y_mean[k]) / self._y_scale[k]).astype(np.float32)
            kept = len(x) - max(1, round(len(x) * STOPPING_FRACTION))
            found.append((x[:kept], y[:kept], x[kept:], y[kept:]))
        return found

    def _standard(self, k: int, x: np.ndarray) -> np.ndarray:
        standard: np.ndarray = ((x - self._mean[k]) / self._scale[k]).astype(np.float32)
        return standard

    def _inputs(self, panel: Sequence[Series], xs: Sequence[np.ndarray]) -> list[tuple[int, np.ndarray]]:
        places = [self._keys[series.key] for series in panel]
        return [(k, self._standard(k, x)) for k, x in zip(places, xs, strict=True)]

    def _seed(self, series: Series) -> int:
        """A seed derived from the series' key, so that its model is independent of the rest of the panel."""
        return (int(self.settings["seed"]) + zlib.crc32(series.key.encode())) % 2**31


class TabNetForecaster(_Standardized):
    """TabNet with one network per series, all trained in one stacked computation."""

    def fit(self, panel: Sequence[Series]) -> None:
        """Train each network, and keep its best epoch on the last tenth of the known days."""
        import torch

        # Snowflake and the embedded warehouse run partitions in parallel, so each uses one thread.
        torch.set_num_threads(1)
        self._moments(panel)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        together = self.settings.get("models_together") or _TOGETHER[device]
        self._stack = TabNetStack(
            self.settings,
            len(self.features),
            [self._seed(series) for series in panel],
            together=together,
            device=device,
        )
        if panel:
            x, y, check_x, check_y = zip(*self._parts(panel), strict=True)
            self._stack.fit(x, y, check_x, check_y)

    def predict_rows(self, panel: Sequence[Series], xs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Predict in the target's own units."""
        inputs = self._inputs(panel, xs)
        return [y * self._y_scale[k] + self._y_mean[k] for k, y in self._call_stack("predict", inputs)]

    def explain(self, panel: Sequence[Series], forecasts: Sequence[Forecast]) -> list[Explanation]:
        """Return the attention masks summed over the decision steps, as shares that sum to 1."""
        found = self._call_stack("explain", self._inputs(panel, [forecast.x for forecast in forecasts]))
        return [Explanation(shares(masks)) for _, masks in found]

    def _call_stack(self, method: str, inputs: list[tuple[int, np.ndarray]]) -> list[tuple[int, np.ndarray]]:
        """Call a method of the stack, which takes rows for all of its models; unused models get no rows."""
        rows: list[np.ndarray] = [np.empty((0, len(self.features)), np.float32)] * len(self._keys)
        if all(len(x) == 1 for _, x in inputs):
            # The stack is fastest with exactly one row per model, so unused models get a dummy row.
            rows = [np.zeros((1, len(self.features)), np.float32)] * len(self._keys)
        for k, x in inputs:
            rows[k] = x
        results = getattr(self._stack, method)(rows)
        return [(k, results[k].astype(float)) for k, _ in inputs]

    def state(self) -> dict[str, np.ndarray]:
        """Return the weights and the moments."""
        own = {
            "keys": np.array(list(self._keys)),
            "mean": self._mean,
            "scale": self._scale,
            "y_mean": self._y_mean,
            "y_scale": self._y_scale,
        }
        return own | self._stack.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore the weights and the moments."""
        import torch

        torch.set_num_threads(1)
        self._keys = {str(key): k for k, key in enumerate(state["keys"])}
        self._mean, self._scale = state["mean"], state["scale"]
        self._y_mean, self._y_scale = state["y_mean"], state["y_scale"]
        self._stack = TabNetStack.from_state(self.settings, len(self.features), state)


class TabNetReferenceForecaster(_Standardized):
    """The same model by pytorch-tabnet (https://github.com/dreamquark-ai/tabnet), for parity tests."""

    def fit(self, panel: Sequence[Series]) -> None:
        """Train each network, and keep its best epoch on the last tenth of the known days."""
        import torch
        from pytorch_tabnet.tab_model import TabNetRegressor

        torch.set_num_threads(1)
        self._moments(panel)
        s, self._models = self.settings, []
        for series, (x, y, check_x, check_y) in zip(panel, self._parts(panel), strict=True):
            # With drop_last, a batch larger than the data would silently train on nothing.
            batch = min(s["batch_size"], len(x))
            model = TabNetRegressor(
                n_d=s["n_d"],
                n_a=s["n_a"],
                n_steps=s["n_steps"],
                gamma=s["gamma"],
                seed=self._seed(series),
                verbose=0,
                optimizer_params={"lr": s["learning_rate"]},
                device_name="cpu",
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(
                    x,
                    y[:, None],
                    eval_set=[(check_x, check_y[:, None])],
                    eval_metric=["rmse"],
                    max_epochs=s["max_epochs"],
                    patience=s["patience"],
                    batch_size=batch,
                    virtual_batch_size=min(s["virtual_batch_size"], batch),
                    num_workers=0,
                    drop_last=True,
                    compute_importance=False,
                )
            self._models.append(model)

    def predict_rows(self, panel: Sequence[Series], xs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Predict in the target's own units."""
        import torch

        found = []
        for k, x in self._inputs(panel, xs):
            # Call the network directly: the library's predict() builds a DataLoader, which for the single
            # day of a recursive forecast step takes longer than the network.
            self._models[k].network.eval()
            with torch.no_grad():
                output, _ = self._models[k].network(torch.from_numpy(x))
            found.append(output.numpy().reshape(-1).astype(float) * self._y_scale[k] + self._y_mean[k])
        return found

    def explain(self, panel: Sequence[Series], forecasts: Sequence[Forecast]) -> list[Explanation]:
        """Return the attention masks summed over the decision steps, as shares that sum to 1."""
        inputs = self._inputs(panel, [forecast.x for forecast in forecasts])
        return [Explanation(shares(self._models[k].explain(x, normalize=False)[0])) for k, x in inputs]

    def state(self) -> dict[str, np.ndarray]:
        """Raise NotImplementedError: the reference exists for comparison and cannot be saved."""
        raise NotImplementedError("tabnet_reference cannot be saved: use tabnet, which is the same model")

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Raise NotImplementedError: the reference exists for comparison and cannot be saved."""
        raise NotImplementedError("tabnet_reference cannot be saved: use tabnet, which is the same model")


def shares(masks: np.ndarray) -> np.ndarray:
    """Scale rows to sum to 1; a row whose masks are all 0 gives every feature the same share."""
    total = masks.sum(axis=1, keepdims=True)
    return np.where(total > 0, masks / np.where(total > 0, total, 1.0), 1.0 / masks.shape[1])


def scale_of(deviation: np.ndarray) -> np.ndarray:
    """The divisors that standardize columns: the standard deviations, and 1 for a constant column."""
    return np.where(deviation > 1e-12, deviation, 1.0)
