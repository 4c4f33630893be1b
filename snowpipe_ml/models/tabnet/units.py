"""The training pass of many TabNet regressors at once, forward and backward, without autograd.

Every array is ``[model, channel, row]``, so that the layers are batches of small matrix products, and
statistics over the rows read contiguous memory.

A linear map followed by batch normalization is one matrix. With ``u`` the centered input and
``C = u u'``, the variance of channel ``o`` is ``w_o C w_o' / rows``, so the normalized output is
``A u + beta`` with ``A = gamma W / deviation``. The activations, which are 2 (n_d + n_a) wide, are
written once and never normalized in place. The gradient has the same form:
``A' dy - A' [dgamma W / deviation | dbeta] [u; 1] / rows``, which is again a matrix product.

The factor sqrt(1/2) of each residual is left out. A batch normalization is invariant to the scale of its
input, except for its epsilon, which is divided by the square of the scale instead.
"""

from __future__ import annotations

import math

import torch

from snowpipe_ml.models.tabnet.layout import BN_EPSILON

# The scale of the input of each GLU layer, and of the output of the last one.
SCALES = (1.0, 1.0, math.sqrt(0.5), 0.5)
OUT_SCALE = math.sqrt(0.5) ** 3
# With more features than this, the pairwise comparison of sparsemax is slower than a sort.
PAIRWISE = 16


class Family:
    """Buffers of all layers of one shape, ``[layer, model, ...]``.

    Computations that no layer waits for are done for all layers at once.

    Args:
        shape: the numbers of layers, models, outputs, inputs and rows.
        scales: the scale of each layer's input.
        like: any tensor with the type and device of the buffers.
    """

    def __init__(
        self, shape: tuple[int, int, int, int, int], scales: list[float], like: torch.Tensor
    ) -> None:
        layers, models, outputs, inputs, rows = shape
        self.shape, self.scales = shape, scales
        self.x = like.new_ones(layers, models, inputs + 1, rows)
        self.y = like.new_empty(layers, models, outputs, rows)
        self.wc, self.g = (like.new_empty(layers, models, outputs, inputs) for _ in range(2))
        self.a = like.new_empty(layers, models, outputs, inputs + 1)
        self.v, self.r, self.rho, self.f, self.dgamma, self.dbeta = (
            like.new_empty(layers, models, outputs) for _ in range(6)
        )
        self.sums = like.new_empty(layers, models, inputs)
        self.temporary = like.new_empty(layers * models * outputs * inputs)
        self.d = like.new_empty(models * outputs * (inputs + 1))
        self.c, self.p = (like.new_empty(models * inputs * (inputs + 1)) for _ in range(2))
        self.epsilons = like.new_tensor([BN_EPSILON / s**2 for s in scales])
        self.mean_factors = like.new_tensor([s / rows for s in scales]).view(-1, 1, 1)
        self.var_factors = like.new_tensor([s**2 * rows / (rows - 1) for s in scales]).view(-1, 1, 1)
        self.ones_in, self.ones_plain = like.new_full((inputs,), 1.0 / rows), like.new_ones(inputs)


class Unit:
    """One linear map with its batch normalization, for the first ``m`` models."""

    def __init__(self, family: Family, layer: int, m: int, weight: torch.Tensor, gamma: torch.Tensor) -> None:
        _, _, outputs, inputs, rows = family.shape
        self.w, self.gamma = weight, gamma
        self.rows, self.scale, self.family = rows, family.scales[layer], family
        self.epsilon = BN_EPSILON / self.scale**2
        self.x, self.y = family.x[layer, :m], family.y[layer, :m]
        self.xc = self.x[:, :inputs]
        self.xct = self.xc.transpose(1, 2)
        self.wc, self.a, self.g = family.wc[layer, :m], family.a[layer, :m], family.g[layer, :m]
        self.aw = self.a[..., :inputs]
        self.at = self.aw.transpose(1, 2)
        self.sums, self.sums1 = family.sums[layer, :m][..., None], family.sums[layer, :m].view(-1)
        self.v, self.r, self.rho = family.v[layer, :m].view(-1), family.r[layer, :m], family.rho[layer, :m]
        self.f, self.dgamma, self.dbeta = (
            family.f[layer, :m],
            family.dgamma[layer, :m],
            family.dbeta[layer, :m],
        )
        self.rho3, self.f3, self.v2 = self.rho[..., None], self.f[..., None], family.v[layer, :m]
        self.dgamma1, self.dbeta1 = self.dgamma.view(-1), self.dbeta.view(-1)
        self.y2 = self.y.view(-1, rows)
        self.weighted = {scale: family.x.new_full((rows,), scale) for scale in (1.0, 1.0 / self.scale)}
        self.t = family.temporary[: m * outputs * inputs].view(m, outputs, inputs)
        self.t2 = self.t.view(-1, inputs)
        self.c = family.c[: m * inputs * inputs].view(m, inputs, inputs)
        self.d = family.d[: m * outputs * (inputs + 1)].view(m, outputs, inputs + 1)
        self.dw, self.db = self.d[..., :inputs], self.d[..., inputs]
        self.p = family.p[: m * inputs * (inputs + 1)].view(m, inputs, inputs + 1)
        self.ones_in, self.ones_plain = family.ones_in, family.ones_plain
        self.epsilons = family.epsilons[layer].expand(m * outputs)
        half = outputs // 2
        self.value, self.gate = self.y[:, :half], self.y[:, half:]

    def forward(self, u: torch.Tensor) -> None:
        """Write the output to ``y``. ``u`` is the input; ``sums`` holds its sums over the rows."""
        torch.sub(u, self.sums, alpha=1.0 / self.rows, out=self.xc)
        torch.bmm(self.xc, self.xct, out=self.c)
        torch.bmm(self.w, self.c, out=self.wc)
        torch.mul(self.w, self.wc, out=self.t)
        torch.addmv(self.epsilons, self.t2, self.ones_in, out=self.v)
        # Rounding may make the variance of a constant direction negative.
        torch.clamp(self.v, min=self.epsilon, out=self.v)
        torch.rsqrt(self.v2, out=self.r)
        torch.mul(self.r, self.gamma, out=self.rho)
        torch.mul(self.w, self.rho3, out=self.aw)
        torch.bmm(self.a, self.x, out=self.y)

    def backward(self, into: torch.Tensor, keep: float, scale: float) -> None:
        """Add the gradient of the inputs to ``keep * into``.

        ``y`` holds the gradient of the outputs divided by ``scale``.
        """
        torch.baddbmm(self.g, self.y, self.xct, beta=0.0, alpha=scale, out=self.g)
        torch.mv(self.y2, self.weighted[scale], out=self.dbeta1)
        torch.mul(self.w, self.g, out=self.t)
        torch.mv(self.t2, self.ones_plain, out=self.dgamma1)
        self.dgamma.mul_(self.r)
        torch.mul(self.r, self.dgamma, out=self.f)
        torch.mul(self.w, self.f3, out=self.dw)
        self.db.copy_(self.dbeta)
        torch.bmm(self.at, self.d, out=self.p)
        torch.baddbmm(into, self.at, self.y, beta=keep, alpha=scale, out=into)
        torch.baddbmm(into, self.p, self.x, alpha=-1.0 / self.rows, out=into)


def sparse_support(z: torch.Tensor, pairs: torch.Tensor | None, out: torch.Tensor) -> None:
    """Write to ``out`` 1 where sparsemax along the features is above 0, and 0 elsewhere.

    A value is in the support if the larger values exceed it by less than 1 in total.
    """
    if pairs is not None:
        torch.sub(z[:, :, None], z[:, None], out=pairs)
        pairs.clamp_(min=0.0)
        torch.sum(pairs, 1, out=out)
        torch.lt(out, 1.0, out=out)
        return
    ordered = torch.sort(z, dim=1, descending=True)[0]
    ranks = torch.arange(1, z.shape[1] + 1, device=z.device, dtype=z.dtype)[:, None]
    # A row with NaN has an empty support; the NaN shows in the result, where the caller detects it.
    size = (ranks * ordered > ordered.cumsum(1) - 1.0).sum(1, keepdim=True)
    torch.ge(z, ordered.gather(1, (size - 1).clamp_(min=0)), out=out)
