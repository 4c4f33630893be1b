"""The properties that every forecaster must have."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import pytest

from snowpipe_ml.models.backtest import Plan, backtest
from snowpipe_ml.models.base import Forecast, Forecaster
from snowpipe_ml.models.ensemble import Ensemble
from snowpipe_ml.models.panel import DAY, Series, read_panel
from snowpipe_ml.models.registry import make_forecaster
from snowpipe_ml.models.saved import load, save
from snowpipe_ml.models.weights import Choice, choose
from snowpipe_ml.plugins.forecaster import FORECASTERS
from tests.models.panels import BEST_OF, ENSEMBLE, MODELS, SPECS, frame, panel

COMBINED = {"best_of": BEST_OF, "ensemble": ENSEMBLE}


def fitted(name: str, series: list[Any]) -> Forecaster:
    if name in COMBINED:
        settings = COMBINED[name]
        folds = backtest(settings["candidates"], series, SPECS, Plan(2, 14, 14, 32))
        choices = choose(folds, 2.0, settings["average"], settings["metric"])
        model: Forecaster = Ensemble(settings, SPECS, choices)
    else:
        model = make_forecaster(MODELS[name], SPECS)
    model.fit(series)
    return model


def series_for(name: str, count: int = 3, days: int = 140) -> list[Series]:
    """A panel for a model: of auto_arima, whose search takes seconds a series, one short series."""
    return panel(1, 100) if name == "auto_arima" else panel(count, days)


@functools.cache
def fitted_once(name: str) -> Forecaster:
    """A model of the panel of its name, shared by the tests that only read it."""
    return fitted(name, series_for(name))


ALL = [*MODELS, *COMBINED]


def test_every_type_is_tested() -> None:
    # A pretrained model needs its weights: see test_pretrained.py.
    assert {*MODELS, "pretrained"} == set(FORECASTERS)


@pytest.mark.parametrize("name", ALL)
def test_it_predicts_and_forecasts_within_its_bounds(name: str) -> None:
    series, model = series_for(name), fitted_once(name)
    for one, predicted, forecast in zip(series, model.predict(series), model.forecast(series), strict=True):
        assert predicted.shape == one.y.shape
        assert forecast.y.shape == (10,)
        assert forecast.x.shape == (10, len(SPECS))
        for values in (predicted, forecast.y):
            assert np.isfinite(values).all()
            assert values.min() >= 0
            assert values.max() <= 2 * one.y.max()
        # The model has learned something: it is better than the mean of the whole history.
        assert np.mean((one.y - predicted) ** 2) < 1.3 * one.y.var()


@pytest.mark.parametrize("name", ALL)
def test_the_same_data_and_seed_give_the_same(name: str) -> None:
    series = series_for(name)
    one, two = (model.forecast(series) for model in (fitted_once(name), fitted(name, series)))
    assert [f.y.tolist() for f in one] == [f.y.tolist() for f in two]


@pytest.mark.parametrize("name", [name for name in ALL if name != "tabnet_reference"])
def test_what_is_saved_and_loaded_forecasts_the_same(name: str) -> None:
    series, model = series_for(name), fitted_once(name)
    again, manifest = load(save(model, {"model_id": "M"}))
    assert manifest["model_id"] == "M"
    assert [f.y.tolist() for f in model.forecast(series)] == [f.y.tolist() for f in again.forecast(series)]
    assert [y.tolist() for y in model.predict(series)] == [y.tolist() for y in again.predict(series)]


EXPLAINED = {
    name: MODELS[name] for name in ("tabnet", "tabnet_reference", "ridge", "lightgbm", "lightgbm_global")
}
# With a logarithmic link, the contributions explain the logarithm.
EXPLAINED |= {
    f"{name} of counts": {**MODELS[name], "objective": "poisson"} for name in ("lightgbm", "lightgbm_global")
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_explanations_sum_to_what_is_stated(name: str) -> None:
    series = panel()
    model = make_forecaster(EXPLAINED[name], SPECS)
    model.fit(series)
    explained = model.explain(series, [Forecast(one.y, one.x) for one in series])
    assert explained is not None
    raw = model.predict_rows(series, [one.x for one in series])
    for explanation, values in zip(explained, raw, strict=True):
        total = explanation.contributions.sum(axis=1)
        np.testing.assert_allclose(
            total + (0 if explanation.base is None else explanation.base),
            1 if explanation.base is None else values,
            rtol=1e-6,
            atol=1e-6,
        )


@pytest.mark.parametrize(
    ("chosen", "counted"),
    [
        (("ridge", "lightgbm"), ("ridge", "lightgbm")),
        (("seasonal_naive", "ridge"), ("ridge",)),
        (("lightgbm", "tabnet"), ("lightgbm",)),
        (("seasonal_naive", "moving_average"), ()),
    ],
    ids=" + ".join,
)
def test_a_mean_of_models_is_explained_by_the_mean_of_their_contributions(
    chosen: tuple[str, ...], counted: tuple[str, ...]
) -> None:
    series = panel(2)
    candidates = {name: MODELS[name] for name in chosen}
    model = Ensemble(
        {**BEST_OF, "candidates": candidates}, SPECS, {s.key: Choice.equal(chosen) for s in series}
    )
    model.fit(series)
    forecasts = model.forecast(series)
    singles = {name: make_forecaster(MODELS[name], SPECS) for name in counted}
    for single in singles.values():
        single.fit(series)
    for one, forecast, explanation in zip(series, forecasts, model.explain(series, forecasts), strict=True):
        assert explanation.base is not None
        np.testing.assert_allclose(explanation.contributions.sum(axis=1) + explanation.base, forecast.y)
        expected = np.zeros(forecast.x.shape)
        for single in singles.values():
            (own,) = single.explain([one], [forecast]) or []
            expected += own.contributions / len(chosen)
        np.testing.assert_allclose(explanation.contributions, expected)


def test_where_the_best_model_has_shares_these_are_told() -> None:
    series = panel(2)
    chosen = ("tabnet", "ridge")
    candidates = {name: MODELS[name] for name in chosen}
    model = Ensemble(
        {**BEST_OF, "candidates": candidates}, SPECS, {s.key: Choice.equal(chosen) for s in series}
    )
    model.fit(series)
    for explanation in model.explain(series, model.forecast(series)):
        assert explanation.base is None
        np.testing.assert_allclose(explanation.contributions.sum(axis=1), 1.0)


@pytest.mark.parametrize("name", ["ridge", "lightgbm", "seasonal_naive", "auto_ets"])
def test_a_series_alone_is_forecast_as_beside_others(name: str) -> None:
    series = panel(4)
    together = fitted(name, series).forecast(series)
    alone = fitted(name, series[2:3]).forecast(series[2:3])
    np.testing.assert_allclose(alone[0].y, together[2].y, rtol=1e-9)


def test_values_of_its_neighbors_do_not_change_the_forecast_of_a_stacked_series() -> None:
    series = panel(4)
    doubled = [one if k == 2 else dataclasses.replace(one, y=2 * one.y) for k, one in enumerate(series)]
    found = [fitted("tabnet", each).forecast(each)[2].y.tolist() for each in (series, doubled)]
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ALL)
def test_a_day_is_predicted_without_knowing_it(name: str) -> None:
    """A day's value does not affect its own prediction, even 0, for which multiplicative models report 0."""
    rng = np.random.default_rng(5)
    days, learned, changed = (120, 80, 100) if name == "auto_arima" else (200, 150, 170)
    level = (
        np.exp(0.01 * np.arange(days))
        * (8 + 2 * rng.random(days))
        * np.tile([1, 1.5, 1, 1, 2, 2, 0.5], 29)[:days]
    )
    predictions = []
    for known in (level, np.where(np.arange(days) == changed, 0.0, level)):
        (series,), _ = read_panel(frame("S", known), SPECS)
        model = fitted(name, [series.head(learned)])
        predictions.append(dict(zip(series.days, model.predict([series])[0], strict=True)))
    one, two = (predicted[series.first + changed * DAY] for predicted in predictions)
    assert one == pytest.approx(two, rel=1e-3)


@pytest.mark.parametrize(
    "name",
    [
        "auto_ets",
        "auto_arima",
        "auto_theta",
        "dynamic_theta",
        "auto_ces",
        "mstl",
        "lightgbm_recursive",
        "ridge",
        "ensemble",
        "best_of",
    ],
)
def test_saved_models_are_not_estimated_again(name: str) -> None:
    """A restored model makes the same forecasts, also after the history has grown."""
    grown = series_for(name)
    model = fitted(name, [series.head(len(series.y) - 20) for series in grown])
    again, _ = load(save(model, {}))
    assert [f.y.tolist() for f in model.forecast(grown)] == [f.y.tolist() for f in again.forecast(grown)]


def test_a_saved_model_that_cannot_go_on_from_a_short_history_has_no_forecast() -> None:
    y = np.cumsum(np.tile([1.0, 2, 3, 4, 5, 6, 30], 20))
    (long,), _ = read_panel(frame("S", y), SPECS)
    model = fitted("auto_arima", [long])
    again, _ = load(save(model, {}))
    short = dataclasses.replace(long, values=long.values[:5])
    assert np.isnan(again.forecast([short])[0].y).all()


@pytest.mark.parametrize("name", ["auto_theta", "dynamic_theta"])
@pytest.mark.parametrize("seed", range(3))
def test_a_day_is_predicted_as_statsforecast_forecasts_it(name: str, seed: int) -> None:
    """Without a season, the prediction of each day equals a forecast from the day before."""
    rng = np.random.default_rng(seed)
    values = 50 + np.cumsum(rng.normal(0.2, 1.0, 90))
    (series,), _ = read_panel(frame("S", values), SPECS)
    model = make_forecaster({**MODELS[name], "season": 1}, SPECS)
    model.fit([series])
    own = model._models["S"]
    (predicted,) = model.predict([series])
    if own.model_["modeltype"].startswith("D"):  # the others estimate their line on the whole history
        for place in (30, 60, 89):
            day = int((series.days[place - 7] - series.first) / DAY)
            expected = own.forward(y=values[:day], h=1)["mean"][0]
            assert predicted[place - 7] == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(predicted[10:], own.model_["fitted"][-len(predicted) + 10 :], rtol=1e-6)


@pytest.mark.parametrize("name", ["auto_ets", "auto_theta", "auto_ces", "mstl"])
def test_only_the_end_of_the_history_is_fitted_on(name: str) -> None:
    """Older values change neither the forecasts nor the predictions of the days that are fitted on."""
    values = 30 + 5 * np.sin(np.arange(200) * 2 * np.pi / 7) + np.random.default_rng(2).normal(0, 1, 200)
    found = []
    for factor in (1.0, 3.0):
        y = np.where(np.arange(200) < 100, factor * values, values)
        (series,), _ = read_panel(frame("S", y), SPECS)
        model = make_forecaster({**MODELS[name], "history": 100}, SPECS)
        model.fit([series])
        again, _ = load(save(model, {}))
        for one in (model, again):
            found.append((one.forecast([series])[0].y.tolist(), one.predict([series])[0][-100:].tolist()))
    assert all(one == found[0] for one in found)
    assert np.std(found[0][1] - values[-100:]) < 3


COUNTS = [
    {**MODELS[name], "objective": kind}
    for name in ("lightgbm", "lightgbm_global")
    for kind in ("poisson", "tweedie")
]


@pytest.mark.parametrize("settings", COUNTS, ids=lambda s: f"{s['type']} {s['objective']}")
def test_a_series_that_counts_cannot_have_fails_alone(settings: dict[str, Any]) -> None:
    good, other = panel(2)
    refund = np.where(np.arange(len(other.y)) == 50, -400.0, other.y)
    negative = dataclasses.replace(other, key="refunds", y=refund)
    zero = dataclasses.replace(other, key="zeros", y=np.zeros(len(other.y)))
    model = make_forecaster(settings, SPECS)
    model.fit([good, negative, zero])
    assert (
        model.failed["refunds"]
        == f"{settings['objective']} requires values of at least 0, but a day has -400"
    )
    assert ("zeros" in model.failed) == (settings["type"] == "lightgbm")
    alone = make_forecaster(settings, SPECS)
    alone.fit([good] if settings["type"] == "lightgbm" else [good, zero])
    assert model.forecast([good])[0].y.tolist() == alone.forecast([good])[0].y.tolist()
    nobody = make_forecaster(settings, SPECS)
    nobody.fit([negative, zero])
    assert nobody.failed.keys() == {"refunds", "zeros"}
    again, _ = load(save(nobody, {}))
    assert again.fitted([]) == []


def test_a_model_of_all_series_learns_from_those_that_chose_another() -> None:
    series = panel(4)
    chosen = {
        one.key: Choice.equal(("lightgbm_global",) if one is series[0] else ("ridge",)) for one in series
    }
    candidates = {name: MODELS[name] for name in ("lightgbm_global", "ridge")}
    best = Ensemble({**BEST_OF, "candidates": candidates}, SPECS, chosen)
    best.fit(series)
    whole = fitted("lightgbm_global", series)
    assert best.forecast(series[:1])[0].y.tolist() == whole.forecast(series[:1])[0].y.tolist()


@pytest.mark.parametrize("name", ALL)
def test_the_future_does_not_leak_into_the_past(name: str) -> None:
    """Shuffling all data after an origin does not change the forecasts from it."""
    series = series_for(name, 2)
    rng = np.random.default_rng(3)
    origin = 70 if name == "auto_arima" else 90
    heads = [one.head(origin) for one in series]
    shuffled = []
    for one in series:
        order = np.concatenate([np.arange(origin), origin + rng.permutation(len(one.y) - origin)])
        given = np.array([not feature.own and feature.future == "known" for feature in SPECS])
        x = np.where(given, one.x, one.x[order])  # a calendar is known in advance, so it stays
        values = np.concatenate(
            [one.values[: len(heads[0].values)], rng.permutation(one.values[len(heads[0].values) :])]
        )
        moved = type(one)(
            one.key, one.features, one.days, one.y[order], x, one.first, values, one.future_days, one.future_x
        )
        shuffled.append(moved.head(origin))
    one, two = (fitted(name, parts).forecast(parts) for parts in (heads, shuffled))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.y, b.y)
