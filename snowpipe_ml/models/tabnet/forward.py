"""The forward and backward pass of one ghost batch through many TabNet regressors.

See :mod:`snowpipe_ml.models.tabnet.units` for the arrays and formulas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from snowpipe_ml.models.tabnet.layout import GLUS, INDEPENDENT, SHARED, Layout
from snowpipe_ml.models.tabnet.units import OUT_SCALE, PAIRWISE, SCALES, Family, Unit, sparse_support

LOG_EPSILON = 1e-15
SPARSITY = 1e-3


class Pass:
    """Buffers for a forward and a backward pass of up to ``models`` models over ``rows`` rows each.

    Args:
        layout: the layout of the parameters.
        models: the largest number of models of a program.
        rows: the number of rows of a ghost batch.
        like: any tensor with the type and device of the buffers.
    """

    def __init__(self, layout: Layout, models: int, rows: int, like: torch.Tensor) -> None:
        self.layout, self.rows = layout, rows
        f, h, o, t, s = layout.features, layout.hidden, layout.wide, layout.transformers, layout.steps
        self.first = Family((t, models, o, f, rows), [1.0] * t, like)
        self.later = Family(
            ((GLUS - 1) * t, models, o, h, rows), [c for c in SCALES[1:] for _ in range(t)], like
        )
        self.attention = Family((s, models, f, layout.n_a, rows), [OUT_SCALE] * s, like)
        self.u, self.h, self.product = (like.new_empty(models, h, rows) for _ in range(3))
        self.sums = like.new_empty(models, h)
        self.x, self.gx, self.masked, self.dp, self.dprior = (
            like.new_empty(models, f, rows) for _ in range(5)
        )
        self.active = like.new_empty(s, models, layout.n_d, rows)
        self.total, self.dtotal = (like.new_empty(models, layout.n_d, rows) for _ in range(2))
        self.prior, self.mask, self.support, self.entropy = (
            like.new_empty(s, models, f, rows) for _ in range(4)
        )
        self.count, self.tau = like.new_empty(s, models, 1, rows), like.new_empty(models, 1, rows)
        self.pairs = like.new_empty(models, f, f, rows) if f <= PAIRWISE else None


class Loss(NamedTuple):
    """The losses of each model, both already divided by the number of rows of the whole batch."""

    error: torch.Tensor
    entropy: torch.Tensor


class Program:
    """A pass for the first ``len(parameters)`` models of a :class:`Pass`.

    Every view is created once, because creating a view costs as much as a small matrix product.

    Args:
        buffers: the buffers to work in.
        parameters: ``[models, size]``; read by each run.
        gradients: ``[models, size]``; written by each run.
        moments: ``[models, running_size]``; written by each run: the moments of the ghost batch, except
            those of the first normalization.
    """

    def __init__(
        self, buffers: Pass, parameters: torch.Tensor, gradients: torch.Tensor, moments: torch.Tensor
    ) -> None:
        b, layout, m = buffers, buffers.layout, len(parameters)
        self.b, self.layout, self.m = buffers, layout, m
        self.p, self.dp, self.stats = layout.views(parameters), layout.views(gradients), layout.views(moments)
        t = layout.transformers
        p = self.p
        self.glus: list[list[Unit]] = []
        for i in range(t):
            gamma = p["glu_weight"][:, i]
            units = [Unit(b.first, i, m, p["shared0"], gamma[:, 0])]
            units.append(Unit(b.later, i, m, p["shared1"], gamma[:, 1]))
            for j in range(INDEPENDENT):
                units.append(Unit(b.later, (1 + j) * t + i, m, p["own"][:, i, j], gamma[:, SHARED + j]))
            self.glus.append(units)
        self.attention = [
            Unit(b.attention, s, m, p["att"][:, s], p["att_weight"][:, s]) for s in range(layout.steps)
        ]
        self.u, self.h, self.product = b.u[:m], b.h[:m], b.product[:m]
        self.u2, self.sums1, self.sums = self.u.view(-1, b.rows), b.sums[:m].view(-1), b.sums[:m][..., None]
        d = layout.n_d
        self.u_d, self.u_a, self.h_d, self.h_a = self.u[:, :d], self.u[:, d:], self.h[:, :d], self.h[:, d:]
        self.datt = self.u.new_empty(m, layout.n_a, b.rows)
        self.sums_a = self.sums[:, d:]
        self.x, self.gx, self.masked, self.dmask, self.dprior = (
            b.x[:m],
            b.gx[:m],
            b.masked[:m],
            b.dp[:m],
            b.dprior[:m],
        )
        self.x2, self.masked2 = self.x.view(-1, b.rows), self.masked.view(-1, b.rows)
        self.active, self.prior = [v[:m] for v in b.active], [v[:m] for v in b.prior]
        self.mask, self.support, self.entropy = ([v[:m] for v in x] for x in (b.mask, b.support, b.entropy))
        self.count, self.tau = [v[:m] for v in b.count], b.tau[:m]
        self.total, self.dtotal = b.total[:m], b.dtotal[:m]
        self.pairs = None if b.pairs is None else b.pairs[:m]
        self.gamma0, self.beta0 = p["bn0_weight"][..., None], p["bn0_bias"][..., None]
        self.out = self.x.new_empty(m, 1, b.rows)
        self.final, self.ones = p["final"][:, None], self.u.new_ones(b.rows)
        self._families()

    def _families(self) -> None:
        """Create the views over all layers of one shape, with layer before model, and over their results."""
        t, m, p, dp = self.layout.transformers, self.m, self.p, self.dp

        def by_layer(view: torch.Tensor) -> torch.Tensor:  # [m, T, k, ...] as [k, T, m, ...]
            return view.transpose(0, 2)

        def group(
            family: Family, start: int, stop: int, shape: tuple[int, ...], weight: torch.Tensor
        ) -> dict[str, torch.Tensor]:
            n = (stop - start) * m * family.shape[2]

            def cut(buffer: torch.Tensor) -> torch.Tensor:
                return buffer[start:stop, :m].unflatten(0, shape)

            inputs = family.shape[3]
            temporary = family.temporary[: n * inputs]
            factors = {
                name: getattr(family, name)[start:stop].view(*shape, 1, 1)
                for name in ("mean_factors", "var_factors")
            }
            return {
                "w": weight,
                "wc": cut(family.wc),
                "v": cut(family.v),
                "g": cut(family.g),
                "dgamma": cut(family.dgamma),
                "dbeta": cut(family.dbeta),
                "rho": cut(family.rho),
                "f": cut(family.f),
                "bias": cut(family.a)[..., inputs],
                "sums": cut(family.sums)[..., None, :],
                "ones": family.ones_plain,
                "t": temporary.view(*shape, m, family.shape[2], inputs),
                "t2": temporary.view(-1, inputs),
                "epsilons": family.epsilons[start:stop].view(*shape, 1, 1),
                **factors,
            }

        def places(kind: str, pick: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, torch.Tensor]:
            names = {
                "dw": dp[f"{kind}_weight"],
                "db": dp[f"{kind}_bias"],
                "beta": p[f"{kind}_bias"],
                "mean": self.stats[f"{kind}_mean"],
                "var": self.stats[f"{kind}_var"],
            }
            return {name: pick(view) for name, view in names.items()}

        b = self.b
        self.groups = [
            group(b.first, 0, t, (1, t), p["shared0"]) | places("glu", lambda v: by_layer(v)[:1]),
            group(b.later, 0, t, (1, t), p["shared1"]) | places("glu", lambda v: by_layer(v)[1:2]),
            group(b.later, t, (GLUS - 1) * t, (INDEPENDENT, t), by_layer(p["own"]))
            | places("glu", lambda v: by_layer(v)[2:]),
            group(b.attention, 0, self.layout.steps, (self.layout.steps,), p["att"].transpose(0, 1))
            | places("att", lambda v: v.transpose(0, 1)),
        ]
        self.weights_into = [dp["shared0"], dp["shared1"], by_layer(dp["own"]), dp["att"].transpose(0, 1)]

    def run(self, xhat: torch.Tensor, y: torch.Tensor, batch: int, want_loss: bool = False) -> Loss | None:
        """Compute the gradients and moments of one ghost batch for each model.

        Args:
            xhat: ``[models, features, rows]``, normalized by the first batch normalization but not yet
                scaled.
            y: ``[models, 1, rows]``.
            batch: the number of rows of the whole batch, over which the loss is a mean.
            want_loss: whether to return the loss.
        """
        for group in self.groups:
            group["bias"].copy_(group["beta"])
        torch.addcmul(self.beta0, self.gamma0, xhat, out=self.x)
        self._transform(0, self.x, self.x2)
        for s in range(self.layout.steps):
            self._attend(s)
            torch.mul(self.mask[s], self.x, out=self.masked)
            self._transform(s + 1, self.masked, self.masked2)
            active = self.active[s]
            if s == 0:
                torch.clamp(self.u_d, min=0.0, out=active)
                self.total.copy_(active)
            else:
                torch.clamp(self.u_d, min=0.0, out=active)
                self.total.add_(active)
            active.sign_()
        torch.baddbmm(self.out, self.final, self.total, beta=0.0, alpha=OUT_SCALE, out=self.out)
        self.out.sub_(y)
        loss = self._loss(batch) if want_loss else None
        self.out.mul_(2.0 / batch)
        self._back(xhat, batch)
        self._finish()
        return loss

    def _loss(self, batch: int) -> Loss:
        error = self.out.square().sum((1, 2)) / batch
        entropy = sum((mask * torch.log(mask + LOG_EPSILON)).sum((1, 2)) for mask in self.mask)
        return Loss(error, entropy / (batch * self.layout.steps))

    def _transform(self, i: int, x: torch.Tensor, x2: torch.Tensor) -> None:
        """Run a feature transformer.

        ``u`` becomes its output divided by ``OUT_SCALE``; ``x2`` is ``x`` as ``[-1, rows]``.
        """
        u = self.u
        for position, unit in enumerate(self.glus[i]):
            if position == 0:
                torch.mv(x2, self.ones, out=unit.sums1)
                unit.forward(x)
                torch.sigmoid(unit.gate, out=unit.gate)
                torch.mul(unit.value, unit.gate, out=u)
            else:
                torch.mv(self.u2, self.ones, out=unit.sums1)
                unit.forward(u)
                torch.sigmoid(unit.gate, out=unit.gate)
                torch.addcmul(u, unit.value, unit.gate, value=1.0 / unit.scale, out=u)

    def _attend(self, s: int) -> None:
        """Compute the mask of a step: the sparsemax of the normalized attention times the prior."""
        unit, mask, support, prior, count, tau = (
            self.attention[s],
            self.mask[s],
            self.support[s],
            self.prior[s],
            self.count[s],
            self.tau,
        )
        torch.mv(self.u2, self.ones, out=self.sums1)
        unit.sums.copy_(self.sums_a)
        unit.forward(self.u_a)
        z = unit.y
        if s:
            torch.sub(self.layout.gamma, self.mask[s - 1], out=prior)
            if s > 1:
                prior.mul_(self.prior[s - 1])
            z = torch.mul(unit.y, prior, out=self.masked)
        sparse_support(z, self.pairs, support)
        torch.sum(support, 1, keepdim=True, out=count)
        torch.mul(z, support, out=mask)
        torch.sum(mask, 1, keepdim=True, out=tau)
        tau.sub_(1.0).div_(count)
        torch.sub(z, tau, out=mask).clamp_(min=0.0)

    def _back(self, xhat: torch.Tensor, batch: int) -> None:
        layout, last = self.layout, self.layout.steps - 1
        self.dp["final"].copy_(torch.bmm(self.out, self.total.transpose(1, 2))[:, 0]).mul_(OUT_SCALE)
        torch.mul(self.final.transpose(1, 2), self.out, out=self.dtotal).mul_(OUT_SCALE)
        sparsity = -SPARSITY / (layout.steps * batch)
        for s in range(last, -1, -1):
            torch.mul(self.dtotal, self.active[s], out=self.h_d)
            if s == last:
                self.h_a.zero_()
            else:
                self.h_a.copy_(self.datt)
            masked, mask, dmask, unit = self.masked, self.mask[s], self.dmask, self.attention[s]
            self._back_transform(s + 1, masked, 0.0)
            torch.mul(masked, self.x, out=dmask)
            if s == last:
                torch.mul(masked, mask, out=self.gx)
            else:
                self.gx.addcmul_(masked, mask)
            shifted = torch.add(mask, LOG_EPSILON, out=self.entropy[s])
            torch.div(mask, shifted, out=masked)
            masked.add_(shifted.log_())
            dmask.add_(masked, alpha=sparsity)
            if s < last:
                if s:
                    dmask.addcmul_(self.dprior, self.prior[s], value=-1.0)
                else:
                    dmask.sub_(self.dprior)
            dmask.mul_(self.support[s])
            torch.sum(dmask, 1, keepdim=True, out=self.tau)
            self.tau.div_(self.count[s])
            dmask.addcmul_(self.support[s], self.tau, value=-1.0)
            if s:
                if s == last:
                    torch.mul(dmask, unit.y, out=self.dprior)
                else:
                    torch.sub(layout.gamma, mask, out=masked)
                    self.dprior.mul_(masked).addcmul_(dmask, unit.y)
                torch.mul(dmask, self.prior[s], out=unit.y)
            else:
                unit.y.copy_(dmask)
            unit.backward(self.datt, 0.0, 1.0)
        self.h_d.zero_()
        self.h_a.copy_(self.datt)
        self._back_transform(0, self.gx, 1.0)
        torch.sum(self.gx, 2, out=self.dp["bn0_bias"])
        torch.sum(self.gx.mul_(xhat), 2, out=self.dp["bn0_weight"])

    def _back_transform(self, i: int, into: torch.Tensor, keep: float) -> None:
        """Propagate the gradient of the output, in ``h``, to the input, and add it to ``keep * into``."""
        h, product = self.h, self.product
        for position in range(GLUS - 1, -1, -1):
            unit = self.glus[i][position]
            torch.mul(h, unit.value, out=product)
            torch.mul(h, unit.gate, out=unit.value)
            torch.ops.aten.sigmoid_backward.grad_input(product, unit.gate, grad_input=unit.gate)
            if position:
                unit.backward(h, 1.0, 1.0 / unit.scale)
            else:
                unit.backward(into, keep, 1.0)

    def _finish(self) -> None:
        """Compute the gradients of the weights and the moments, for all layers of a shape together."""
        inverse = -1.0 / self.b.rows
        for index, (group, into) in enumerate(zip(self.groups, self.weights_into, strict=True)):
            group["dw"].copy_(group["dgamma"])
            group["db"].copy_(group["dbeta"])
            rho, f, t = group["rho"], group["f"], group["t"]
            torch.mul(group["w"], group["sums"], out=t)
            mean = torch.mv(group["t2"], group["ones"]).view(rho.shape)
            torch.mul(mean, group["mean_factors"], out=group["mean"])
            group["v"].sub_(group["epsilons"])
            torch.mul(group["v"], group["var_factors"], out=group["var"])
            torch.mul(rho[..., None], group["g"], out=t)
            f.mul_(rho)
            if index >= 2:
                torch.addcmul(t, f[..., None], group["wc"], value=inverse, out=into)
            else:
                t.addcmul_(f[..., None], group["wc"], value=inverse)
                torch.sum(t, (0, 1), out=into)
