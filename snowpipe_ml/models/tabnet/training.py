"""Training of a chunk of TabNet regressors: batches, ghost batches, gradients and Adam."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch

from snowpipe_ml.models.tabnet.forward import SPARSITY, Pass, Program
from snowpipe_ml.models.tabnet.layout import BN_EPSILON, Layout

_MOMENTUM, _FIRST_MOMENTUM = 0.02, 0.01
_CLIP = 1.0
_BETAS, _ADAM_EPSILON = (0.9, 0.999), 1e-8


def ghosts(batch: int, virtual: int) -> list[tuple[int, int]]:
    """The ghost batches of a batch, as pairs (number of ghost batches, rows of each).

    The batch is cut as by ``torch.chunk``, except that a last ghost batch of one row, which has no
    variance, is merged into the one before it.
    """
    size = math.ceil(batch / math.ceil(batch / virtual))
    whole, rest = divmod(batch, size)
    if rest == 1:
        whole, rest = whole - 1, size + 1
    return [part for part in ((whole, size), (1, rest)) if part[0] and part[1]]


class _Part(NamedTuple):
    """The ghost batches of one size."""

    pieces: int
    rows: int
    start: int
    buffers: Pass
    parameters: torch.Tensor
    gradients: torch.Tensor
    moments: torch.Tensor
    programs: dict[int, Program]


class Trainer:
    """A chunk of models with batches of one size: their weights and Adam's state, in flat tensors.

    Args:
        layout: the layout of the parameters.
        settings: the settings of the stack.
        batch: the number of rows of a batch.
        models: the largest number of models trained at once.
        like: any tensor with the type and device of the weights.
    """

    def __init__(
        self, layout: Layout, settings: Mapping[str, float], batch: int, models: int, like: torch.Tensor
    ) -> None:
        self.layout, self.batch, self.like = layout, batch, like
        self.rate = float(settings["learning_rate"])
        names = ("parameters", "gradients", "m", "v", "work")
        self._all = {name: like.new_empty(models, layout.size) for name in names}
        self._all |= {name: like.new_empty(models, layout.running_size) for name in ("running", "moments")}
        cuts = ghosts(batch, min(int(settings["virtual_batch_size"]), batch))
        self.direct = cuts == [(1, batch)]
        self.parts, start, left = [], 0, sum(count for count, _ in cuts)
        self.decay = (1.0 - _MOMENTUM) ** left
        self.shares: list[torch.Tensor] = []
        for count, rows in cuts:
            flats = [
                like.new_empty(models * count, size)
                for size in (layout.size, layout.size, layout.running_size)
            ]
            if self.direct:
                flats = [self._all[name] for name in ("parameters", "gradients", "moments")]
            flats[2].zero_()
            buffers = Pass(layout, models * count, rows, like)
            self.parts.append(_Part(count, rows, start, buffers, flats[0], flats[1], flats[2], {}))
            left -= count
            ages = range(left + count - 1, left - 1, -1)
            self.shares.append(
                like.new_tensor([[_MOMENTUM * (1.0 - _MOMENTUM) ** age] for age in ages]).T[None]
            )
            start += count * rows
        self._begin(0)

    def _begin(self, models: int) -> None:
        self.parameters, self.gradients, self.m, self.v, self.work, self.running, self.moments = (
            value[:models] for value in self._all.values()
        )

    def start(self, parameters: torch.Tensor, running: torch.Tensor) -> None:
        """Start training models from these parameters and running moments."""
        self._begin(len(parameters))
        self.parameters.copy_(parameters)
        self.running.copy_(running)
        self.m.zero_()
        self.v.zero_()
        self.steps = np.zeros(len(parameters), np.int64)

    def keep(self, places: list[int]) -> None:
        """Continue with these models only."""
        for name in ("parameters", "m", "v", "running"):
            kept = getattr(self, name)[places]
            self._all[name][: len(places)] = kept
        self.steps = self.steps[places]
        self._begin(len(places))

    def epoch(
        self,
        xs: list[torch.Tensor],
        ys: list[torch.Tensor],
        orders: list[torch.Tensor],
        want_loss: bool = False,
    ) -> torch.Tensor | None:
        """Take one step for each full batch of each model.

        The models must be sorted by descending number of batches.

        Args:
            xs: ``[rows, features]`` of each model.
            ys: ``[rows]`` of each model.
            orders: the order of the rows of each model.
            want_loss: whether to return the losses of the last batch.
        """
        batch, counts = self.batch, [len(x) // self.batch for x in xs]
        x = self.like.new_zeros(counts[0], len(xs), self.layout.features, batch)
        y = self.like.new_zeros(counts[0], len(xs), 1, batch)
        for k, (count, order) in enumerate(zip(counts, orders, strict=True)):
            chosen = order[: count * batch].to(xs[k].device)
            x[:count, k] = xs[k][chosen].view(count, batch, -1).transpose(1, 2)
            y[:count, k, 0] = ys[k][chosen].view(count, batch)
        self._normalize(x, np.array(counts))
        data = list(self._cut(x, y))
        rates, epsilons = self._corrections(np.array(counts))
        loss = None
        for b in range(counts[0]):
            m = sum(count > b for count in counts)
            loss = self._gradients(m, [(px[b], py[b]) for px, py in data], want_loss)
            self._update(m, rates[b, :m], epsilons[b, :m])
        self.steps += counts
        return loss

    def _normalize(self, x: torch.Tensor, counts: np.ndarray) -> None:
        """Apply the first batch normalization to all batches at once, and update its running moments.

        This is possible because no weights precede it.
        """
        mean = x.mean(3, keepdim=True)
        x.sub_(mean)
        var = x.square().mean(3, keepdim=True)
        x.mul_(torch.rsqrt(var + BN_EPSILON))
        ages = counts[None] - 1 - np.arange(len(x))[:, None]
        shares = np.where(ages >= 0, _FIRST_MOMENTUM * (1.0 - _FIRST_MOMENTUM) ** np.maximum(ages, 0), 0.0)
        share = torch.from_numpy(shares).to(x)[..., None]
        decay = torch.from_numpy((1.0 - _FIRST_MOMENTUM) ** counts).to(x)[:, None]
        views = self.layout.views(self.running)
        views["bn0_mean"].mul_(decay).add_((mean[..., 0] * share).sum(0))
        views["bn0_var"].mul_(decay).add_((var[..., 0] * share).sum(0), alpha=self.batch / (self.batch - 1))

    def _cut(self, x: torch.Tensor, y: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        if self.direct:
            yield x, y
            return
        for part in self.parts:
            pieces = []
            for given in (x, y):
                piece = given[..., part.start : part.start + part.pieces * part.rows]
                piece = piece.unflatten(3, (part.pieces, part.rows)).movedim(3, 2)
                pieces.append(piece.flatten(1, 2).contiguous())
            yield pieces[0], pieces[1]

    def _corrections(self, counts: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Adam's step sizes and epsilons, ``[batch, model, 1]``, including its bias corrections."""
        steps = self.steps[None] + 1 + np.arange(counts[0])[:, None]
        first, second = (1.0 - beta**steps for beta in _BETAS)
        rates = self.rate * np.sqrt(second) / first
        epsilons = _ADAM_EPSILON * np.sqrt(second)
        return torch.from_numpy(rates).to(self.like)[..., None], torch.from_numpy(epsilons).to(self.like)[
            ..., None
        ]

    def _gradients(
        self, m: int, data: list[tuple[torch.Tensor, torch.Tensor]], want_loss: bool
    ) -> torch.Tensor | None:
        losses = []
        for index, (part, (x, y)) in enumerate(zip(self.parts, data, strict=True)):
            n = m * part.pieces
            program = part.programs.get(m)
            if program is None:
                program = Program(part.buffers, part.parameters[:n], part.gradients[:n], part.moments[:n])
                part.programs[m] = program
            if not self.direct:
                part.parameters[:n].unflatten(0, (m, part.pieces)).copy_(self.parameters[:m, None])
            loss = program.run(x[:n], y[:n], self.batch, want_loss)
            if loss is not None:
                losses.append((loss.error - SPARSITY * loss.entropy).view(m, part.pieces).sum(1))
            if not self.direct:
                gradients = part.gradients[:n].unflatten(0, (m, part.pieces)).sum(1)
                moments = torch.matmul(self.shares[index], part.moments[:n].unflatten(0, (m, part.pieces)))[
                    :, 0
                ]
                if index:
                    self.gradients[:m] += gradients
                    self.moments[:m] += moments
                else:
                    self.gradients[:m] = gradients
                    self.moments[:m] = moments
        start = 2 * self.layout.features
        running, moments = self.running[:m, start:], self.moments[:m, start:]
        if self.direct:
            running.lerp_(moments, _MOMENTUM)
        else:
            running.mul_(self.decay).add_(moments)
        return sum(losses) if losses else None

    def _update(self, m: int, rates: torch.Tensor, epsilons: torch.Tensor) -> None:
        gradients, first, second, work = self.gradients[:m], self.m[:m], self.v[:m], self.work[:m]
        norm = torch.linalg.vector_norm(gradients, dim=1, keepdim=True)
        gradients.mul_((_CLIP / (norm + 1e-6)).clamp_(max=1.0))
        first.lerp_(gradients, 1.0 - _BETAS[0])
        second.mul_(_BETAS[1]).addcmul_(gradients, gradients, value=1.0 - _BETAS[1])
        torch.sqrt(second, out=work)
        work.add_(epsilons)
        torch.div(first, work, out=work)
        self.parameters[:m].addcmul_(work, rates, value=-1.0)
