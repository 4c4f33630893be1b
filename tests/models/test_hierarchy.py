"""Reconciled forecasts are those of hierarchicalforecast, and add up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

import numpy as np
import pytest

from snowpipe_ml.models.hierarchy import Hierarchy, shrunk_covariance


class Reference(TypedDict):
    """What `benchmarks/hierarchy.py` wrote: inputs, and the result of hierarchicalforecast by method."""

    keys: list[str]
    errors: list[list[float]]
    history: list[list[float]]
    forecasts: list[list[float]]
    reconciled: dict[str, list[list[float]]]


REFERENCE: Reference = json.loads((Path(__file__).parent / "hierarchy.json").read_text())
HISTORY = {key: np.array(values) for key, values in zip(REFERENCE["keys"], REFERENCE["history"], strict=True)}


@pytest.mark.parametrize("method", ["mint", "bottom_up", "top_down"])
def test_the_result_is_that_of_hierarchicalforecast(method: str) -> None:
    tree = Hierarchy(reversed(REFERENCE["keys"]), method)
    assert tree.keys == REFERENCE["keys"]
    weights = tree.weights(np.array(REFERENCE["errors"]), HISTORY)
    found = tree.reconciled(np.array(REFERENCE["forecasts"]), weights)
    np.testing.assert_allclose(found, REFERENCE["reconciled"][method], atol=1e-6)


@pytest.mark.parametrize("method", ["mint", "bottom_up", "top_down"])
@pytest.mark.parametrize("errors", [0, 1, 3, 30])
def test_forecasts_add_up_with_any_number_of_errors_and_with_bounds(method: str, errors: int) -> None:
    tree = Hierarchy(REFERENCE["keys"], method)
    weights = tree.weights(np.array(REFERENCE["errors"])[:errors].reshape(errors, 8), HISTORY)
    forecasts = np.array(REFERENCE["forecasts"]) - 20
    found = tree.reconciled(forecasts, weights, np.full(5, 15.0))
    np.testing.assert_allclose(found[0], found[3:].sum(axis=0), atol=1e-6)
    np.testing.assert_allclose(found[1], found[3:5].sum(axis=0), atol=1e-6)
    assert (found[3:] >= 15.0).all()


def test_forecasts_that_add_up_stay_as_they_are() -> None:
    tree = Hierarchy(REFERENCE["keys"], "mint")
    leaves = np.arange(20.0).reshape(5, 4)
    coherent = tree.sums @ leaves
    weights = tree.weights(np.array(REFERENCE["errors"]), HISTORY)
    np.testing.assert_allclose(tree.reconciled(coherent, weights), coherent, atol=1e-6)


def test_a_constant_error_has_a_covariance() -> None:
    errors = np.array(REFERENCE["errors"])
    errors[:, 4] = 0.0
    found = shrunk_covariance(errors)
    assert np.isfinite(found).all()
    assert np.linalg.eigvalsh(found).min() > 0
