"""The network over all series: its gradient, what it learns, and horizons beyond its outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from snowpipe_ml.models.forecasters.perceptron import Perceptron, Targets
from snowpipe_ml.models.panel import Series, read_panel
from snowpipe_ml.models.registry import make_forecaster
from tests.models.panels import MODELS

QUANTILES = (0.1, 0.5, 0.9)


def losses(targets: Targets, outputs: np.ndarray) -> float:
    """The mean loss that the gradient is of, computed without it."""
    found = outputs.reshape(len(targets.y), -1, targets.each)
    error = targets.y[:, :, None] - found
    taus = np.array(QUANTILES)
    pinball = np.maximum(taus * error[:, :, :3], (taus - 1) * error[:, :, :3]).sum(axis=2)
    each = pinball + (error[:, :, -1] ** 2 / 2 if targets.mean else 0)
    known = ~np.isnan(targets.y)
    weighted = np.where(known, each * targets.weight[:, None], 0).sum()
    return float(weighted / (known.sum() * targets.each))


@pytest.mark.parametrize("mean", [False, True])
def test_the_gradient_is_that_of_the_losses(mean: bool) -> None:
    draw = np.random.default_rng(0)
    y = draw.normal(size=(5, 2))
    y[1, 0] = np.nan
    targets = Targets(y, draw.uniform(0.5, 2, 5), QUANTILES, mean)
    outputs = draw.normal(size=(5, targets.outputs))
    slopes = targets.gradient(np.arange(5), outputs)
    tiny = 1e-5
    for row in range(5):
        for column in range(targets.outputs):
            moved = np.zeros(outputs.shape)
            moved[row, column] = tiny
            expected = (losses(targets, outputs + moved) - losses(targets, outputs - moved)) / (2 * tiny)
            assert slopes[row, column] == pytest.approx(expected, abs=1e-5)


def test_it_learns_quantiles_and_means_that_no_line_gives() -> None:
    draw = np.random.default_rng(1)
    x = draw.uniform(-1, 1, (6000, 2)).astype(np.float32)
    y = (np.abs(x[:, 0]) * 4 + draw.exponential(1.0, 6000))[:, None].astype(np.float32)
    network = Perceptron.trained(x, Targets(y, np.ones(6000, np.float32), QUANTILES, True), 800, 5e-3, 0)
    found = network(x)
    np.testing.assert_allclose((y < found[:, :3]).mean(axis=0), QUANTILES, atol=0.07)
    far = np.abs(x[:, 0]) > 0.5
    assert found[far, 3].mean() - found[~far, 3].mean() == pytest.approx(2.0, abs=0.3)
    assert found[:, 3].mean() == pytest.approx(y.mean(), abs=0.1)


def panel(days: int, horizon: int, alike: int = 6) -> list[Series]:
    """Series in which the level of a week follows from that of the week before: up, then down."""
    draw = np.random.default_rng(2)
    rows = []
    for k in range(alike):
        level = np.repeat(np.resize([0.7, 1.3], days // 7 + 1), 7)[k : k + days]
        values = 20 * (k + 1) * level * (1 + 0.05 * draw.normal(size=days))
        when = pd.date_range("2023-01-02", periods=days + horizon)
        rows.append(
            pd.DataFrame({"KEY": f"S{k}", "DATE": when, "N": np.append(values, np.full(horizon, np.nan))})
        )
    found, refused = read_panel(pd.concat(rows), ())
    assert not refused
    return found


def model(**changed: Any) -> Any:
    return make_forecaster({**MODELS["mlp_global"], "steps": 600, **changed}, ())


def test_it_sees_what_the_level_and_the_season_do_not_show() -> None:
    series = panel(280, 7)
    network = model()
    network.fit(series)
    for one, forecast in zip(series, network.forecast(series), strict=True):
        # The weeks alternate, which a smoothed level with a weekly season cannot follow.
        step = np.arange(len(one.values), len(one.values) + 7) + int(one.key[1:])
        truth = 20 * (int(one.key[1:]) + 1) * np.where(step // 7 % 2 == 0, 0.7, 1.3)
        assert np.abs(forecast.y / truth - 1).mean() < 0.12


def test_it_forecasts_further_than_it_learned_and_where_one_series_ends_earlier() -> None:
    series = panel(280, 7)
    network = model(steps=60)
    network.fit(series)
    near = network.forecast(series)
    later = panel(280, 40)
    far = network.forecast(later)
    for one, two in zip(near, far, strict=True):
        np.testing.assert_allclose(two.y[:7], one.y)
        assert np.isfinite(two.y).all()
        assert np.abs(two.y / two.y.mean() - 1).max() < 1
    mixed = [*later[:1], *series[1:]]
    again = model(steps=60)
    again.fit(mixed)
    assert [len(forecast.y) for forecast in again.forecast(mixed)] == [40, 7, 7, 7, 7, 7]


def test_its_quantiles_are_an_interval_as_far_as_they_reach() -> None:
    series = panel(280, 7)
    network = model(steps=200)
    network.fit(series)
    (forecast,) = network.forecast(series[:1])
    low, high = network.own_interval(series[0], 0.8)
    assert (low <= forecast.y).all()
    assert (forecast.y <= high).all()
    narrow = network.own_interval(series[0], 0.5)
    assert ((low <= narrow[0]) & (narrow[1] <= high)).all()
    assert network.own_interval(series[0], 0.95) is None


def test_too_few_rows_are_a_reason() -> None:
    series = panel(18, 7, alike=2)
    network = model()
    network.fit(series)
    assert network.failed == dict.fromkeys(
        ("S0", "S1"),
        "mlp_global cannot be trained: all series together have 8 days with enough history, and 30 are needed",
    )
