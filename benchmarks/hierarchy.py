"""Reconcile random forecasts with hierarchicalforecast; the tests compare with the result.

    python benchmarks/hierarchy.py tests/models/hierarchy.json

It needs hierarchicalforecast (the file in the tests is from 1.5.3), in an environment without this package.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

KEYS = ["TOTAL", "TOTAL/A", "TOTAL/B", "TOTAL/A/1", "TOTAL/A/2", "TOTAL/B/1", "TOTAL/B/2", "TOTAL/B/3"]


def main() -> None:
    """Write the inputs and the reconciled forecasts to the file that the command line names."""
    import importlib

    methods: Any = importlib.import_module("hierarchicalforecast.methods")
    rng = np.random.default_rng(7)
    sums = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 1, 1, 1], *np.eye(5).tolist()], float)
    history = sums @ rng.gamma(4, 10, (5, 30))
    fitted = history + rng.normal(0, 4, (8, 30)) + sums @ rng.normal(0, 2, (5, 30))
    forecasts = sums @ rng.gamma(4, 10, (5, 4)) + rng.normal(0, 5, (8, 4))
    known = {"S": sums, "y_hat": forecasts, "y_insample": history}
    levels = {"total": np.array([0]), "groups": np.array([1, 2]), "leaves": np.arange(3, 8)}
    reconciled = {
        "mint": methods.MinTrace("mint_shrink").fit_predict(**known, y_hat_insample=fitted),
        "bottom_up": methods.BottomUp().fit_predict(S=sums, y_hat=forecasts),
        "top_down": methods.TopDown("proportion_averages").fit_predict(**known, tags=levels),
    }
    found = {
        "keys": KEYS,
        "errors": (history - fitted).T.tolist(),
        "history": history.tolist(),
        "forecasts": forecasts.tolist(),
        "reconciled": {name: made["mean"].tolist() for name, made in reconciled.items()},
    }
    Path(sys.argv[1]).write_text(json.dumps(found, separators=(",", ":")))


if __name__ == "__main__":
    main()
