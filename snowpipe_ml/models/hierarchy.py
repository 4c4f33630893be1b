"""Reconciliation: forecasts of a hierarchy that add up.

A series' key is its path, such as ``TOTAL/North/12``: the series of a node is the sum of those below it. The leaves'
forecasts are a linear combination of all forecasts, and the others are their sums, so that they add up exactly.
``mint`` minimizes the variance of the reconciled errors, with the covariance of the errors of a backtest, shrunk
towards its diagonal: https://doi.org/10.1080/01621459.2018.1448825 and https://doi.org/10.2202/1544-6115.1175.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from snowpipe_ml.models.fold import Fold
from snowpipe_ml.models.panel import Series

SEPARATOR = "/"
_RIDGE = 2e-8
_FEWEST_ERRORS = 2


class Hierarchy:
    """The nodes of a hierarchy.

    Args:
        keys: the keys of all series that have a forecast.
        method: ``mint``, ``bottom_up`` or ``top_down``.

    Attributes:
        keys: the keys in order, those above the leaves first.
        sums: (nodes, leaves) 1 where a leaf is below a node.
    """

    def __init__(self, keys: Iterable[str], method: str) -> None:
        names = sorted(set(keys))
        inner = [a for a in names if any(b.startswith(a + SEPARATOR) for b in names)]
        leaves = [name for name in names if name not in set(inner)]
        self.method = method
        self.keys = [*inner, *leaves]
        self.sums = np.array(
            [
                [float(leaf == node or leaf.startswith(node + SEPARATOR)) for leaf in leaves]
                for node in self.keys
            ]
        ).reshape(len(self.keys), len(leaves))

    @property
    def leaves(self) -> list[str]:
        """The keys of the leaves."""
        return self.keys[len(self.keys) - self.sums.shape[1] :]

    def weights(self, errors: np.ndarray, history: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the matrix from all forecasts to those of the leaves, (leaves, nodes).

        Args:
            errors: (times, nodes) errors of earlier forecasts, without NaN; may be empty.
            history: the known values of each series.
        """
        nodes, leaves = self.sums.shape
        above = nodes - leaves
        bottom = np.hstack([np.zeros((leaves, above)), np.eye(leaves)])
        if self.method == "bottom_up" or not above:
            return bottom
        if self.method == "top_down":
            means = np.array([float(np.nanmean(history[leaf])) for leaf in self.leaves])
            found = np.zeros((leaves, nodes))
            for leaf, mean in enumerate(means):
                roots = [node for node in range(above) if self._is_root(node) and self.sums[node, leaf]]
                if not roots:  # a leaf without a node above it
                    found[leaf, above + leaf] = 1.0
                    continue
                whole = float(means @ self.sums[roots[0]])
                found[leaf, roots[0]] = mean / whole if whole else 1.0 / self.sums[roots[0]].sum()
            return found
        if len(errors) < _FEWEST_ERRORS:
            # Without errors, a node's variance is taken as proportional to the number of its leaves.
            covariance = np.diag(self.sums.sum(axis=1))
        else:
            covariance = shrunk_covariance(errors)
        inverse = np.linalg.pinv(covariance, hermitian=True)
        normal = self.sums.T @ inverse
        found = np.linalg.solve(normal @ self.sums, normal)
        return np.asarray(found)

    def _is_root(self, node: int) -> bool:
        key = self.keys[node]
        return not any(key.startswith(other + SEPARATOR) for other in self.keys)

    def reconciled(
        self, forecasts: np.ndarray, weights: np.ndarray, lower: np.ndarray | None = None
    ) -> np.ndarray:
        """Return forecasts that add up, (nodes, periods).

        Args:
            forecasts: (nodes, periods) the forecasts.
            weights: those of :meth:`weights`.
            lower: (leaves,) lower bounds, -inf where there is none.
        """
        leaves = weights @ forecasts
        if lower is not None:
            leaves = np.maximum(leaves, lower[:, None])
        found: np.ndarray = self.sums @ leaves
        return found


def shrunk_covariance(errors: np.ndarray) -> np.ndarray:
    """Return the covariance of errors, (times, nodes), with its correlations shrunk towards 0 by Schäfer and Strimmer."""
    count = len(errors)
    centered = errors - errors.mean(axis=0)
    covariance = centered.T @ centered / (count - 1)
    deviation = np.sqrt(np.diag(covariance))
    z = np.divide(centered, deviation, out=np.zeros_like(centered), where=deviation > 0)
    products = np.einsum("ti,tj->ij", z, z) / count
    squares = np.einsum("ti,tj->ij", z**2, z**2)
    variances = count / (count - 1) ** 3 * (squares - count * products**2)
    correlations = products * count / (count - 1)
    apart = ~np.eye(len(covariance), dtype=bool)
    whole = float((correlations[apart] ** 2).sum())
    shrinkage = min(max(float(variances[apart].sum()) / whole, 0.0), 1.0) if whole > 0 else 1.0
    found = np.where(apart, (1 - shrinkage) * covariance, np.maximum(covariance, _RIDGE))
    return np.asarray(found)


def errors_of(folds: Iterable[Fold], keys: Sequence[str]) -> np.ndarray:
    """Return the errors of folds, (times, nodes), at the times that all nodes have."""
    of: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    for fold in folds:
        for ahead, error in zip(fold.ahead, fold.actual - fold.predicted, strict=True):
            of[fold.number, int(ahead)][fold.key] = float(error)
    rows = [
        [own[key] for key in keys] for own in of.values() if len(own) >= len(keys) and set(keys) <= set(own)
    ]
    return np.array(rows).reshape(len(rows), len(keys))


def reconciled_folds(
    folds: Sequence[Fold], method: str, panel: Sequence[Series], lower: Mapping[str, float | None]
) -> list[Fold]:
    """Return the folds of a model with forecasts that add up, by the errors of earlier origins.

    Periods in which a node is unknown are left as they are, and so are the folds of an origin that a node lacks.

    Args:
        folds: the folds of one model.
        method: as for :class:`Hierarchy`.
        panel: the series.
        lower: the lower bounds.
    """
    found: list[Fold] = []
    series = {one.key: one for one in panel}
    for number in sorted({fold.number for fold in folds}):
        now = {fold.key: fold for fold in folds if fold.number == number}
        tree = Hierarchy(now, method)
        ahead = [set(fold.ahead.tolist()) for fold in now.values()]
        shared = sorted(set.intersection(*ahead))
        before = errors_of([fold for fold in folds if fold.number < number], tree.keys)
        history = {
            key: series[key].values[: fold.period - fold.clock.number(series[key].first) + 1]
            for key, fold in now.items()
        }
        weights = tree.weights(before, history)
        places = {key: [fold.ahead.tolist().index(step) for step in shared] for key, fold in now.items()}
        stacked = np.array([now[key].predicted[places[key]] for key in tree.keys])
        made = tree.reconciled(stacked, weights, bounds_of(tree.leaves, lower))
        for key, values in zip(tree.keys, made, strict=True):
            predicted = now[key].predicted.copy()
            predicted[places[key]] = values
            found.append(dataclasses.replace(now[key], predicted=predicted))
    return found


def bounds_of(keys: Sequence[str], lower: Mapping[str, float | None]) -> np.ndarray:
    """Return lower bounds as an array, -inf where there is none."""
    return np.array([-np.inf if (bound := lower.get(key)) is None else bound for key in keys])


def reconciled_rows(
    table: pd.DataFrame,
    folds: Sequence[Fold],
    method: str,
    panel: Sequence[Series],
    lower: Mapping[str, float | None],
) -> pd.DataFrame:
    """Return result rows whose forecasts add up in every future period.

    The ends of intervals and the quantiles move with the forecast. Where the attributions are contributions, BASE moves
    too, so that they sum to the prediction.

    Args:
        table: the rows of a partition.
        folds: the reconciled folds of the model.
        method: as for :class:`Hierarchy`.
        panel: the series.
        lower: the lower bounds.
    """
    chosen = table["PART"] == "forecast"
    wide = table[chosen].pivot(index="DATE", columns="SERIES", values="PREDICTION").dropna().astype(float)
    if wide.empty:
        return table
    tree = Hierarchy(wide.columns, method)
    weights = tree.weights(errors_of(folds, tree.keys), {series.key: series.values for series in panel})
    made = tree.reconciled(wide[tree.keys].to_numpy().T, weights, bounds_of(tree.leaves, lower))
    moved = pd.DataFrame(made.T, wide.index, pd.Index(tree.keys, name="SERIES"))
    change = moved.stack() - wide[tree.keys].stack()
    index = pd.MultiIndex.from_frame(table.loc[chosen, ["DATE", "SERIES"]])
    shift = change.reindex(index).fillna(0.0).to_numpy()
    found = table.copy()
    moving = [name for name in table.columns if name in ("LOW", "HIGH", "BASE") or re.match(r"Q\d", name)]
    for name in ("PREDICTION", *moving):
        values = found.loc[chosen, name] + shift
        if name != "BASE":
            least = np.array(
                [-np.inf if (b := lower.get(key)) is None else b for key in found.loc[chosen, "SERIES"]]
            )
            values = values.where(values.isna() | (values >= least), pd.Series(least, values.index))
        found.loc[chosen, name] = values
    return found
