"""The mean of a model over several seeds."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from snowpipe_ml.models.registry import make_forecaster
from snowpipe_ml.models.saved import load, save
from tests.models.panels import MODELS, SPECS, panel

QUICK: dict[str, dict[str, Any]] = {
    "mlp_global": {**MODELS["mlp_global"], "steps": 20},
    "tabnet": {**MODELS["tabnet"], "max_epochs": 2},
}


@pytest.mark.parametrize("name", QUICK)
def test_the_forecast_is_the_mean_over_the_seeds(name: str) -> None:
    series = panel(2)
    several = make_forecaster({**QUICK[name], "seed": 3, "seeds": 2}, SPECS)
    singles = [make_forecaster({**QUICK[name], "seed": seed}, SPECS) for seed in (3, 4)]
    for model in (several, *singles):
        model.fit(series)
    assert several.shared == singles[0].shared
    own = [model.forecast(series) for model in singles]
    assert not np.allclose(own[0][0].y, own[1][0].y)
    found = several.forecast(series)
    for place in range(2):
        np.testing.assert_allclose(found[place].y, (own[0][place].y + own[1][place].y) / 2)
    for mean, *parts in zip(several.predict(series), *(m.predict(series) for m in singles), strict=True):
        np.testing.assert_allclose(mean, np.mean(parts, axis=0))
    explained = several.explain(series, found)
    assert (explained is None) == (name == "mlp_global")
    for one in explained or ():
        np.testing.assert_allclose(one.contributions.sum(axis=1), 1.0)
    restored, _ = load(save(several, {}))
    for again, once in zip(restored.forecast(series), found, strict=True):
        np.testing.assert_allclose(again.y, once.y)


def test_a_series_that_no_seed_can_learn_says_why() -> None:
    (series,) = panel(1)
    short = dataclasses.replace(
        series, days=series.days[:3], y=series.y[:3], x=series.x[:3], values=series.values[:3]
    )
    model = make_forecaster({**QUICK["mlp_global"], "seeds": 2}, SPECS)
    model.fit([short])
    assert "mlp_global cannot be trained" in model.failed[short.key]
