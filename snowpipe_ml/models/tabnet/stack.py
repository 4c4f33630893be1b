"""Training of many TabNet regressors together, with the same steps as pytorch-tabnet applies to one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from snowpipe_ml.models.tabnet.inference import Inference, in_blocks
from snowpipe_ml.models.tabnet.layout import Layout
from snowpipe_ml.models.tabnet.training import Trainer

TOGETHER = 32


class Epochs(NamedTuple):
    """The training history of one model.

    Args:
        best: the epoch whose weights are kept, counted from 0.
        rmse: the RMSE on the evaluation part after each epoch.
    """

    best: int
    rmse: list[float]


class TabNetStack:
    """Independent TabNet regressors with the same settings.

    The data of one model never affects another model. The number of stacked models changes only rounding,
    which training amplifies: see decision 0020.

    Args:
        settings: ``n_d``, ``n_a``, ``n_steps``, ``gamma``, ``batch_size``, ``virtual_batch_size``,
            ``learning_rate``, ``max_epochs`` and ``patience``.
        features: the number of input columns, which the caller has standardized.
        seeds: the seed of each model. It determines the initial weights and the order of the batches, both
            as in pytorch-tabnet.
        dtype: the type of weights and data.
        device: the device for both.
        together: the number of models trained at once; results differ only by rounding.
    """

    def __init__(
        self,
        settings: Mapping[str, float],
        features: int,
        seeds: Sequence[int],
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
        together: int = TOGETHER,
    ) -> None:
        self.settings, self.features, self.together = dict(settings), features, together
        self.layout = Layout(settings, features)
        self._like = torch.empty(0, dtype=dtype, device=device)
        self.parameters = self._like.new_empty(len(seeds), self.layout.size)
        self.running = self._like.new_empty(len(seeds), self.layout.running_size)
        self._generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
        for k, generator in enumerate(self._generators):
            self.layout.draw(self.parameters[k : k + 1], self.running[k : k + 1], generator)
        self.epochs_: list[Epochs] = [Epochs(-1, []) for _ in seeds]
        self._inference: Inference | None = None
        self._stepper: Trainer | None = None

    def __len__(self) -> int:
        return len(self.parameters)

    def fit(
        self,
        xs: Sequence[np.ndarray],
        ys: Sequence[np.ndarray],
        eval_xs: Sequence[np.ndarray],
        eval_ys: Sequence[np.ndarray],
    ) -> None:
        """Train each model on its own rows, and keep its best epoch on its evaluation rows.

        With a patience of 0, the last epoch is kept. A model with fewer rows than a batch is trained on one
        batch of all its rows.

        Args:
            xs: ``[rows, features]`` for each model; lengths may differ.
            ys: ``[rows]`` for each model.
            eval_xs: like ``xs``, for selecting the epoch.
            eval_ys: like ``ys``, for selecting the epoch.
        """
        lists = (xs, ys, eval_xs, eval_ys)
        if any(len(given) != len(self) for given in lists):
            counts = [len(given) for given in lists]
            raise ValueError(f"each argument needs one array per model: expected {len(self)}, got {counts}")
        for k, (x, y, ex, ey) in enumerate(zip(*lists, strict=True)):
            if len(x) < 2 or len(x) != len(y) or not len(ex) or len(ex) != len(ey):
                raise ValueError(
                    f"model {k} needs at least 2 rows to train on and 1 to evaluate on, with as many "
                    f"targets; got {len(x)} rows and {len(y)} targets to train on, {len(ex)} rows and "
                    f"{len(ey)} targets to evaluate on"
                )
        size = int(self.settings["batch_size"])
        groups: dict[int, list[int]] = {}
        for k, x in enumerate(xs):
            groups.setdefault(min(size, len(x)), []).append(k)
        for batch, members in groups.items():
            members.sort(key=lambda k: -len(xs[k]))
            # Use chunks of equal size, because a small last chunk costs nearly as much as a full one.
            even = math.ceil(len(members) / math.ceil(len(members) / self.together))
            trainer = Trainer(self.layout, self.settings, batch, even, self._like)
            for start in range(0, len(members), even):
                self._fit_chunk(trainer, members[start : start + even], lists)
        self._inference = None

    def _fit_chunk(self, trainer: Trainer, chunk: list[int], lists: Sequence[Sequence[np.ndarray]]) -> None:
        x, y, ex, ey = ([self._tensor(given[k]) for k in chunk] for given in lists)
        trainer.start(self.parameters[chunk], self.running[chunk])
        stopping = _Stopping(self, chunk, ex, ey)
        for epoch in range(int(self.settings["max_epochs"])):
            alive = stopping.alive
            orders = [_order(self._generators[chunk[a]], len(x[a])) for a in alive]
            trainer.epoch([x[a] for a in alive], [y[a] for a in alive], orders)
            keep = stopping.after(epoch, trainer)
            if not keep:
                break
            if len(keep) < len(alive):
                trainer.keep(keep)
        stopping.finish(trainer)

    def step(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Take one optimizer step with every model on its own batch; for tests and custom loops.

        Args:
            x: ``[models, rows, features]``.
            y: ``[models, rows]``.

        Returns:
            The losses, ``[models]``.
        """
        if self._stepper is None or self._stepper.batch != x.shape[1]:
            self._stepper = Trainer(self.layout, self.settings, x.shape[1], len(self), self._like)
            self._stepper.start(self.parameters, self.running)
        trainer, every = self._stepper, torch.arange(x.shape[1])
        loss = trainer.epoch(
            [self._tensor(a) for a in x], [self._tensor(a) for a in y], [every] * len(self), True
        )
        assert loss is not None  # it was asked for
        self.parameters.copy_(trainer.parameters)
        self.running.copy_(trainer.running)
        self._inference = None
        losses: np.ndarray = loss.cpu().numpy()
        return losses

    def load_network(self, k: int, module: torch.nn.Module) -> None:
        """Copy weights and running moments of a ``pytorch_tabnet.tab_network.TabNet`` into model ``k``."""
        state = module.state_dict()
        for name, view in self.named(k).items():
            view.copy_(state[name].to(view))
        self._inference = self._stepper = None

    def named(self, k: int) -> dict[str, torch.Tensor]:
        """Return views of model ``k``'s weights and moments, named as in pytorch-tabnet's ``state_dict``."""
        return dict(self.layout.named(self.parameters[k : k + 1], self.running[k : k + 1]))

    def predict(self, xs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the predictions of each model for its rows."""
        return self._infer(xs, explain=False)

    def explain(self, xs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the masks of each row, ``[rows, features]``: weighted sums over steps, not normalized."""
        return self._infer(xs, explain=True)

    def _infer(self, xs: Sequence[np.ndarray], explain: bool) -> list[np.ndarray]:
        if len(xs) != len(self):
            raise ValueError(f"one array per model is needed: expected {len(self)}, got {len(xs)}")
        lengths = {len(x) for x in xs}
        with torch.inference_mode():
            if lengths == {1}:
                # A recursive forecast asks for one row per model and day. Predict with all models at once,
                # and fold their matrices only once.
                if self._inference is None:
                    self._inference = Inference(self.layout, self.parameters, self.running)
                x = self._tensor(np.stack([np.asarray(one)[0] for one in xs]))[..., None]
                out = self._inference(x, explain).cpu().numpy()
                return [row.T if explain else row for row in out]
            found: list[np.ndarray | None] = [None] * len(self)
            members = sorted(range(len(self)), key=lambda k: -len(xs[k]))
            for start in range(0, len(members), self.together):
                chunk = members[start : start + self.together]
                inference = Inference(self.layout, self.parameters[chunk], self.running[chunk])
                results = in_blocks(inference, [self._tensor(xs[k]) for k in chunk], explain)
                for k, result in zip(chunk, results, strict=True):
                    found[k] = result.cpu().numpy()
        return [f for f in found if f is not None]

    def state(self) -> dict[str, np.ndarray]:
        """Return everything that a prediction needs."""
        return {
            "parameters": self.parameters.cpu().numpy().copy(),
            "running": self.running.cpu().numpy().copy(),
        }

    @classmethod
    def from_state(
        cls,
        settings: Mapping[str, float],
        features: int,
        state: Mapping[str, np.ndarray],
        device: str = "cpu",
    ) -> TabNetStack:
        """Restore the models from their ``state()``."""
        stack = cls(
            settings, features, (), torch.from_numpy(np.empty(0, state["parameters"].dtype)).dtype, device
        )
        stack.parameters = stack._tensor(state["parameters"])
        stack.running = stack._tensor(state["running"])
        if stack.parameters.shape[1:] != (stack.layout.size,):
            raise ValueError(
                f"the state has {stack.parameters.shape[1:]} weights per model, not {stack.layout.size}"
            )
        stack._generators = [torch.Generator().manual_seed(0) for _ in stack.parameters]
        stack.epochs_ = [Epochs(-1, []) for _ in stack.parameters]
        return stack

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.tensor(np.asarray(array), dtype=self._like.dtype, device=self._like.device)


def _order(generator: torch.Generator, rows: int) -> torch.Tensor:
    """The order of an epoch's rows, drawn as by the data loaders of pytorch-tabnet.

    An epoch draws three seeds: the training loader's for its workers, the sampler's own, and, after the
    epoch, the evaluation loader's for its workers.
    """
    draws = torch.empty(3, dtype=torch.int64)
    for i in range(3):
        draws[i].random_(generator=generator)
    return torch.randperm(rows, generator=torch.Generator().manual_seed(int(draws[1])))


class _Stopping:
    """pytorch-tabnet's rule for early stopping, applied to each model of a chunk.

    ``alive`` holds the indices in the chunk of the models that still train, in the trainer's order.
    """

    def __init__(
        self, stack: TabNetStack, chunk: list[int], xs: list[torch.Tensor], ys: list[torch.Tensor]
    ) -> None:
        self.stack, self.chunk, self.xs, self.ys = stack, chunk, xs, ys
        self.patience = int(stack.settings["patience"])
        self.alive = list(range(len(chunk)))
        self.best, self.wait, self.epoch = [math.inf] * len(chunk), [0] * len(chunk), [-1] * len(chunk)
        self.history: list[list[float]] = [[] for _ in chunk]
        self._pack()

    def _pack(self) -> None:
        xs = [self.xs[a] for a in self.alive]
        longest = max(len(x) for x in xs)
        self.x = xs[0].new_zeros(len(xs), xs[0].shape[1], longest)
        self.y, self.weight = xs[0].new_zeros(len(xs), longest), xs[0].new_zeros(len(xs), longest).double()
        for i, a in enumerate(self.alive):
            self.x[i, :, : len(xs[i])] = xs[i].T
            self.y[i, : len(xs[i])] = self.ys[a]
            self.weight[i, : len(xs[i])] = 1.0 / len(xs[i])

    def after(self, epoch: int, trainer: Trainer) -> list[int]:
        """Evaluate after an epoch, and return the indices in the trainer of the models that continue."""
        with torch.inference_mode():
            predicted = Inference(self.stack.layout, trainer.parameters, trainer.running)(self.x)
            errors = ((predicted - self.y).double().square_() * self.weight).sum(1).sqrt_().tolist()
        better, keep = [], []
        for i, (a, error) in enumerate(zip(self.alive, errors, strict=True)):
            self.history[a].append(error)
            if not self.patience:
                self.epoch[a] = epoch
                keep.append(i)
                continue
            improved = error < self.best[a]
            if improved:
                self.best[a], self.wait[a], self.epoch[a] = error, 1, epoch
                better.append(i)
            else:
                self.wait[a] += 1
            if improved or self.wait[a] <= self.patience:
                keep.append(i)
        self._store(better, trainer)
        if keep and len(keep) < len(self.alive):
            # If no epoch had a finite error, there is no best epoch: keep the last weights, as
            # pytorch-tabnet does.
            gone = [i for i in range(len(self.alive)) if i not in set(keep)]
            self._store([i for i in gone if self.epoch[self.alive[i]] < 0], trainer)
            self.alive = [self.alive[i] for i in keep]
            self._pack()
        return keep

    def _store(self, places: list[int], trainer: Trainer) -> None:
        if places:
            models = [self.chunk[self.alive[i]] for i in places]
            self.stack.parameters[models] = trainer.parameters[places]
            self.stack.running[models] = trainer.running[places]

    def finish(self, trainer: Trainer) -> None:
        """Keep the last weights of models without a best epoch, and set the stack's ``epochs_``."""
        rest = range(len(self.alive))
        self._store([i for i in rest if not self.patience or self.epoch[self.alive[i]] < 0], trainer)
        for a, k in enumerate(self.chunk):
            self.stack.epochs_[k] = Epochs(self.epoch[a], self.history[a])
