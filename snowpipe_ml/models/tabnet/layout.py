"""The memory layout and the initial values of a TabNet regressor's parameters.

TabNet (https://arxiv.org/abs/1908.07442) follows pytorch-tabnet 4.1.0: the same parameter names, and the
same initial weights from the same seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch

SHARED = 2
INDEPENDENT = 2
GLUS = SHARED + INDEPENDENT
BN_EPSILON = 1e-5


class Layout:
    """The place of each parameter of a model in the model's row of the flat tensor.

    Args:
        settings: ``n_d``, ``n_a``, ``n_steps`` and ``gamma``.
        features: the number of input columns.
    """

    def __init__(self, settings: Mapping[str, float], features: int) -> None:
        self.features, self.n_d, self.n_a = features, int(settings["n_d"]), int(settings["n_a"])
        self.steps, self.gamma = int(settings["n_steps"]), float(settings["gamma"])
        self.hidden = self.n_d + self.n_a
        self.wide, self.transformers = 2 * self.hidden, self.steps + 1
        f, h, o, t, s = features, self.hidden, self.wide, self.transformers, self.steps
        self.parameters: dict[str, tuple[int, ...]] = {
            "bn0_weight": (f,),
            "bn0_bias": (f,),
            "shared0": (o, f),
            "shared1": (o, h),
            "own": (t, INDEPENDENT, o, h),
            "glu_weight": (t, GLUS, o),
            "glu_bias": (t, GLUS, o),
            "att": (s, f, self.n_a),
            "att_weight": (s, f),
            "att_bias": (s, f),
            "final": (self.n_d,),
        }
        self.running: dict[str, tuple[int, ...]] = {
            "bn0_mean": (f,),
            "bn0_var": (f,),
            "glu_mean": (t, GLUS, o),
            "glu_var": (t, GLUS, o),
            "att_mean": (s, f),
            "att_var": (s, f),
        }
        self.size = sum(math.prod(shape) for shape in self.parameters.values())
        self.running_size = sum(math.prod(shape) for shape in self.running.values())

    def views(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """Views of ``flat``, ``[models, size]``, by parameter; by running moment if it has their width."""
        shapes = self.parameters if flat.shape[1] == self.size else self.running
        views, offset = {}, 0
        for name, shape in shapes.items():
            views[name] = flat[:, offset : offset + math.prod(shape)].unflatten(1, shape)
            offset += math.prod(shape)
        return views

    def named(self, parameters: torch.Tensor, running: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield the names of pytorch-tabnet's ``state_dict`` with one model's views (rows ``[1, size]``)."""
        p = {k: v[0] for k, v in (self.views(parameters) | self.views(running)).items()}

        def norm(prefix: str, kind: str, *at: int) -> Iterator[tuple[str, torch.Tensor]]:
            for ours in ("weight", "bias", "mean", "var"):
                theirs = f"running_{ours}" if ours in ("mean", "var") else ours
                yield f"{prefix}.{theirs}", p[f"{kind}_{ours}"][at]

        yield from norm("tabnet.encoder.initial_bn", "bn0")
        for t in range(self.transformers):
            base = (
                "tabnet.encoder.initial_splitter" if t == 0 else f"tabnet.encoder.feat_transformers.{t - 1}"
            )
            for layer in range(GLUS):
                place = f"{base}.shared" if layer < SHARED else f"{base}.specifics"
                weight = p[f"shared{layer}"] if layer < SHARED else p["own"][t, layer - SHARED]
                yield f"{place}.glu_layers.{layer % SHARED}.fc.weight", weight
                yield from norm(f"{place}.glu_layers.{layer % SHARED}.bn.bn", "glu", t, layer)
        for s in range(self.steps):
            yield f"tabnet.encoder.att_transformers.{s}.fc.weight", p["att"][s]
            yield from norm(f"tabnet.encoder.att_transformers.{s}.bn.bn", "att", s)
        yield "tabnet.final_mapping.weight", p["final"][None]

    def draw(self, parameters: torch.Tensor, running: torch.Tensor, generator: torch.Generator) -> None:
        """Fill one model's rows with the weights that pytorch-tabnet draws from the same seed."""
        with torch.no_grad():
            for flat, one in ((parameters, ("weight",)), (running, ("var",))):
                flat.zero_()
                for name, view in self.views(flat).items():
                    if name.endswith(tuple(f"_{end}" for end in one)):
                        view.fill_(1.0)
            p = {k: v[0] for k, v in self.views(parameters).items()}
            f, h, o, a = self.features, self.hidden, self.wide, self.n_a
            # pytorch-tabnet draws the weights of a layer twice: uniformly in its constructor, and then
            # normally. The generator must consume the same numbers. The shared layers are drawn again for
            # every transformer.
            _skip(generator, o, f)
            _skip(generator, o, h)
            for t in range(self.transformers):
                p["shared0"].copy_(_normal(generator, o, f, math.sqrt((f + o) / math.sqrt(f))))
                p["shared1"].copy_(_normal(generator, o, h, math.sqrt((h + o) / math.sqrt(h))))
                for i in range(INDEPENDENT):
                    _skip(generator, o, h)
                    p["own"][t, i].copy_(_normal(generator, o, h, math.sqrt((h + o) / math.sqrt(h))))
                if t:
                    _skip(generator, f, a)
                    p["att"][t - 1].copy_(_normal(generator, f, a, math.sqrt((a + f) / math.sqrt(4 * a))))
            _skip(generator, 1, self.n_d)
            gain = math.sqrt((self.n_d + 1) / math.sqrt(4 * self.n_d))
            p["final"].copy_(_normal(generator, 1, self.n_d, gain)[0])


def _skip(generator: torch.Generator, rows: int, columns: int) -> None:
    torch.empty(rows, columns, dtype=torch.float32).uniform_(-1.0, 1.0, generator=generator)


def _normal(generator: torch.Generator, rows: int, columns: int, gain: float) -> torch.Tensor:
    """Draw weights from Glorot's normal distribution."""
    deviation = gain * math.sqrt(2.0 / (rows + columns))
    return torch.empty(rows, columns, dtype=torch.float32).normal_(0.0, deviation, generator=generator)
