"""Predictions and explanations of many TabNet regressors at once."""

from __future__ import annotations

import math

import torch

from snowpipe_ml.models.tabnet.layout import BN_EPSILON, INDEPENDENT, Layout
from snowpipe_ml.models.tabnet.units import PAIRWISE, sparse_support

# Rows over all models in one prediction, so that a layer's widest activation takes about 2 MB of float32.
_ROWS = 16384


class Inference:
    """Models prepared for prediction: their running moments are folded into the matrices.

    Args:
        layout: the layout of the parameters.
        parameters: ``[models, size]``.
        running: ``[models, running_size]``, the running moments.
    """

    def __init__(self, layout: Layout, parameters: torch.Tensor, running: torch.Tensor) -> None:
        self.layout = layout
        p = layout.views(parameters) | layout.views(running)
        r = {
            kind: p[f"{kind}_weight"] * torch.rsqrt(p[f"{kind}_var"] + BN_EPSILON)
            for kind in ("bn0", "glu", "att")
        }
        bias = {kind: p[f"{kind}_bias"] - r[kind] * p[f"{kind}_mean"] for kind in r}
        self.scale0, self.shift0 = r["bn0"][..., None], bias["bn0"][..., None]
        self.glu: list[list[tuple[torch.Tensor, torch.Tensor]]] = []
        for t in range(layout.transformers):
            weights = [p["shared0"], p["shared1"], *(p["own"][:, t, i] for i in range(INDEPENDENT))]
            self.glu.append(
                [
                    (w * r["glu"][:, t, i, :, None], bias["glu"][:, t, i, :, None])
                    for i, w in enumerate(weights)
                ]
            )
        self.att = [
            (p["att"][:, s] * r["att"][:, s, :, None], bias["att"][:, s, :, None])
            for s in range(layout.steps)
        ]
        self.final = p["final"].clone()[:, None]

    def __call__(self, x: torch.Tensor, explain: bool = False) -> torch.Tensor:
        """Return the predictions ``[m, rows]`` of the first ``m`` models, or their masks.

        Args:
            x: ``[m, features, rows]``.
            explain: whether to return the masks.
        """
        m, layout = len(x), self.layout
        x = torch.addcmul(self.shift0[:m], self.scale0[:m], x)
        u = self._transform(0, x)
        prior, total = torch.ones_like(x), None
        masks = torch.zeros_like(x) if explain else None
        support, pairs = torch.empty_like(x), None
        if layout.features <= PAIRWISE:
            pairs = x.new_empty(m, layout.features, layout.features, x.shape[2])
        for s in range(layout.steps):
            weight, bias = self.att[s]
            z = torch.baddbmm(bias[:m], weight[:m], u[:, layout.n_d :]).mul_(prior)
            sparse_support(z, pairs, support)
            tau = ((z * support).sum(1, keepdim=True) - 1.0) / support.sum(1, keepdim=True)
            mask = z.sub_(tau).clamp_(min=0.0)
            u = self._transform(s + 1, mask * x)
            d = torch.relu(u[:, : layout.n_d])
            if masks is not None:
                masks.addcmul_(mask, d.sum(1, keepdim=True))
            total = d if total is None else total.add_(d)
            prior.mul_(layout.gamma - mask)
        return torch.bmm(self.final[:m], total)[:, 0] if masks is None else masks

    def _transform(self, t: int, x: torch.Tensor) -> torch.Tensor:
        u, half, m = None, self.layout.hidden, len(x)
        for weight, bias in self.glu[t]:
            y = torch.baddbmm(bias[:m], weight[:m], x if u is None else u)
            gate = torch.sigmoid_(y[:, half:])
            u = y[:, :half] * gate if u is None else u.addcmul_(y[:, :half], gate).mul_(math.sqrt(0.5))
        return u


def in_blocks(inference: Inference, xs: list[torch.Tensor], explain: bool) -> list[torch.Tensor]:
    """Return the results for models that are sorted by descending number of rows.

    The rows are processed in blocks; each block includes only the models that still have rows.
    """
    out = [x.new_empty(x.shape if explain else x.shape[:1]) for x in xs]
    block = max(1, _ROWS // max(1, len(xs)))
    for start in range(0, len(xs[0]), block):
        m = sum(len(x) > start for x in xs)
        rows = min(block, len(xs[0]) - start)
        x = xs[0].new_zeros(m, xs[0].shape[1], rows)
        for k in range(m):
            part = xs[k][start : start + rows]
            x[k, :, : len(part)] = part.T
        result = inference(x, explain)
        for k in range(m):
            part = out[k][start : start + rows]
            part.copy_(result[k, ..., : len(part)].T if explain else result[k, : len(part)])
    return out
