"""A small neural network for quantiles, in numpy: two hidden layers, and a linear connection past them.

Its gradient is short enough to be written down. PyTorch takes twice the time for layers of this size, and its import
alone as long as a training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_HIDDEN = 64
_DROPOUT = np.float32(0.2)
_BATCH = 256
_DECAY = 1e-3
_WARM = 0.3  # of the steps, in which the learning rate rises; it then falls to 0
_BETA1, _BETA2, _TINY = 0.9, 0.999, 1e-8
_MOST_GRADIENT = 1.0

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Targets:
    """Values that a network learns to predict.

    Attributes:
        y: (rows, targets) the values, NaN where they are unknown.
        weight: (rows,) the weight of a row's errors.
        quantiles: the probabilities of the quantiles of each target that are learned.
        mean: whether the mean of each target is learned too.
    """

    y: np.ndarray
    weight: np.ndarray
    quantiles: tuple[float, ...]
    mean: bool

    @property
    def outputs(self) -> int:
        """The number of outputs: for each target its quantiles, and then its mean if that is learned."""
        return int(self.y.shape[1]) * self.each

    @property
    def each(self) -> int:
        """The number of outputs of a target."""
        return len(self.quantiles) + int(self.mean)

    def gradient(self, rows: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Return the gradient of the losses of some rows by their outputs: pinball losses, and squared errors."""
        found = outputs.reshape(len(rows), -1, self.each)
        y = self.y[rows][:, :, None]
        known = ~np.isnan(y)
        taus = np.array(self.quantiles, np.float32)
        slopes = np.empty(found.shape, np.float32)
        slopes[:, :, : len(taus)] = np.where(y < found[:, :, : len(taus)], 1 - taus, -taus)
        if self.mean:
            slopes[:, :, -1:] = found[:, :, -1:] - y
        slopes = np.where(known, slopes * self.weight[rows][:, None, None], np.float32(0))
        slopes /= max(int(known.sum()) * self.each, 1)
        whole: np.ndarray = slopes.reshape(len(rows), -1)
        return whole


class Perceptron:
    """A trained network.

    Args:
        arrays: its weights by name.
    """

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = dict(arrays)

    @classmethod
    def trained(cls, x: np.ndarray, targets: Targets, steps: int, rate: float, seed: int) -> Perceptron:
        """Train a network by AdamW with a learning rate that rises and falls once.

        Args:
            x: (rows, inputs) the inputs, of the order of 1.
            targets: the targets of the rows.
            steps: the number of steps, each of a batch of rows.
            rate: the highest learning rate.
            seed: of the first weights, the batches and the dropout.
        """
        draw = np.random.default_rng(seed)
        network = cls(_first(draw, x.shape[1], targets.outputs))
        arrays = network.arrays
        first = {name: np.zeros_like(one) for name, one in arrays.items()}
        second = {name: np.zeros_like(one) for name, one in arrays.items()}
        order = np.empty(0, int)
        for step in range(steps):
            while len(order) < min(_BATCH, len(x)):
                order = np.concatenate([order, draw.permutation(len(x))])
            rows, order = order[:_BATCH], order[_BATCH:]
            now = np.float32(rate * _cycle(step / steps))
            gradients = network._gradients(x[rows], rows, targets, draw)
            norm = float(np.sqrt(sum(float((one**2).sum()) for one in gradients.values())))
            scale = np.float32(min(1.0, _MOST_GRADIENT / max(norm, _TINY)))
            for name, array in arrays.items():
                slope = gradients[name] * scale
                first[name] += (1 - np.float32(_BETA1)) * (slope - first[name])
                second[name] += (1 - np.float32(_BETA2)) * (slope * slope - second[name])
                mean = first[name] / np.float32(1 - _BETA1 ** (step + 1))
                deviation = np.sqrt(second[name] / np.float32(1 - _BETA2 ** (step + 1))) + np.float32(_TINY)
                array -= now * (np.float32(_DECAY) * array + mean / deviation)
        return network

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs of rows, (rows, outputs)."""
        a = self.arrays
        first = np.maximum(x @ a["w1"] + a["b1"], 0)
        second = np.maximum(first @ a["w2"] + a["b2"], 0)
        found: np.ndarray = second @ a["w3"] + a["b3"] + x @ a["past"]
        return found

    def _gradients(
        self, x: np.ndarray, rows: np.ndarray, targets: Targets, draw: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """The gradients of the weights by backpropagation, with dropout after each hidden layer."""
        a = self.arrays
        keep = np.float32(1) / (1 - _DROPOUT)
        shape = (len(x), _HIDDEN)
        dropped = [np.where(draw.random(shape, np.float32) < _DROPOUT, np.float32(0), keep) for _ in range(2)]
        first = np.maximum(x @ a["w1"] + a["b1"], 0) * dropped[0]
        second = np.maximum(first @ a["w2"] + a["b2"], 0) * dropped[1]
        slope = targets.gradient(rows, second @ a["w3"] + a["b3"] + x @ a["past"])
        found = {"w3": second.T @ slope, "b3": slope.sum(axis=0), "past": x.T @ slope}
        slope = np.where(second > 0, slope @ a["w3"].T * dropped[1], np.float32(0))
        found |= {"w2": first.T @ slope, "b2": slope.sum(axis=0)}
        slope = np.where(first > 0, slope @ a["w2"].T * dropped[0], np.float32(0))
        return found | {"w1": x.T @ slope, "b1": slope.sum(axis=0)}


def _first(draw: np.random.Generator, inputs: int, outputs: int) -> dict[str, np.ndarray]:
    """The weights before training: with them, all outputs are 0."""

    def layer(rows: int) -> np.ndarray:
        drawn = draw.uniform(-1, 1, (rows, _HIDDEN)) / np.sqrt(rows)
        return np.asarray(drawn, np.float32)

    empty = {"b1": (_HIDDEN,), "b2": (_HIDDEN,), "w3": (_HIDDEN, outputs), "b3": (outputs,)}
    zeros = {name: np.zeros(shape, np.float32) for name, shape in empty.items()}
    past = np.zeros((inputs, outputs), np.float32)
    return {"w1": layer(inputs), "w2": layer(_HIDDEN), **zeros, "past": past}


def _cycle(part: float) -> float:
    """The learning rate after a part of the steps, relative to the highest."""
    if part < _WARM:
        return 0.04 + 0.96 * (1 - float(np.cos(np.pi * part / _WARM))) / 2
    return (1 + float(np.cos(np.pi * (part - _WARM) / (1 - _WARM)))) / 2
