"""The weights of an ensemble: equal, unless the origins of the backtest agree that a member is better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snowpipe_ml.models.backtest import Plan, backtest
from snowpipe_ml.models.ensemble import Ensemble, compose, together, weighted_median
from snowpipe_ml.models.fold import Fold
from snowpipe_ml.models.registry import make_forecaster
from snowpipe_ml.models.saved import load, save
from snowpipe_ml.models.udtf import Training
from snowpipe_ml.models.weights import Choice, choose
from tests.models.panels import ENSEMBLE, FEATURES, MODELS, SPECS, frame, panel, weekly


def fold(key: str, model: str, error: float, number: int = 0) -> Fold:
    day = np.array(["2023-01-01"], "datetime64[D]")
    return Fold(key, model, day[0], number, day, np.array([error]), np.array([0.0]), 1.0, 1.0, 1.0)


def weights(errors: dict[str, Sequence[float]], series: int = 1) -> dict[str, float]:
    """The weights of the members of a series, given their errors at each origin."""
    folds = [
        fold(f"S{k}", model, error, number)
        for k in range(series)
        for model, own in errors.items()
        for number, error in enumerate(own)
    ]
    choice = choose(folds, 3.0, metric="mae")["S0"]
    return dict(zip(choice.models, choice.weights, strict=True))


def test_members_of_equal_error_weigh_the_same() -> None:
    assert weights({"a": [2.0, 3.0], "b": [2.0, 3.0], "c": [2.0, 3.0]}) == pytest.approx(
        dict.fromkeys("abc", 1 / 3)
    )


def test_the_weight_follows_evidence_that_all_origins_share() -> None:
    agreed = weights({"a": [1.0, 1.0, 1.0], "b": [1.3, 1.3, 1.3], "c": [1.3, 1.3, 1.3]})
    torn = weights({"a": [0.5, 1.5, 1.1], "b": [1.3, 1.3, 1.3], "c": [1.3, 1.3, 1.3]})
    assert agreed["a"] > 0.5 > torn["a"] > 1 / 3
    once = weights({"a": [1.0], "b": [1.3], "c": [1.3]})
    assert agreed["a"] > once["a"] > 1 / 3


def test_no_member_weighs_more_than_three_shares() -> None:
    found = weights({"a": [0.01, 0.01], "b": [5.0, 5.0], "c": [6.0, 6.0], "d": [7.0, 7.0]})
    assert found["a"] == pytest.approx(0.75)
    assert sum(found.values()) == pytest.approx(1.0)


def test_errors_in_other_units_give_the_same_weights() -> None:
    small = weights({"a": [1e-6, 2e-6], "b": [1.5e-6, 2.5e-6]})
    assert small == pytest.approx(weights({"a": [1.0, 2.0], "b": [1.5, 2.5]}))


def test_a_constant_series_has_equal_weights() -> None:
    assert weights({"a": [0.0, 0.0], "b": [0.0, 0.0]}) == {"a": 0.5, "b": 0.5}


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0.01, 1.0)), min_size=1, max_size=7))
def test_a_weighted_median_is_between_its_values(pairs: list[tuple[float, float]]) -> None:
    values = np.array([[value] for value, _ in pairs])
    own = np.array([weight for _, weight in pairs])
    (found,) = weighted_median(values, own / own.sum())
    assert values.min() <= found <= values.max()


def test_a_weighted_median_is_a_median_and_of_two_the_mean() -> None:
    values = np.array([[1.0], [2.0], [90.0]])
    assert weighted_median(values, np.full(3, 1 / 3)) == pytest.approx([2.0])
    assert weighted_median(values[:2], np.full(2, 0.5)) == pytest.approx([1.5])
    assert weighted_median(values, np.array([0.1, 0.1, 0.8]))[0] > 50


def test_a_backtest_tells_the_weights_that_earlier_origins_gave() -> None:
    folds = backtest(ENSEMBLE["candidates"], panel(3), SPECS, Plan(3, 14, 14, 32))
    members, own = compose(folds, 3.0, metric="mae")
    assert {f.number for f in own} == {0, 1, 2}
    by_origin = {(f.key, f.number): 0.0 for f in members}
    for one in members:
        assert one.weight is not None
        by_origin[one.key, one.number] += one.weight
    assert list(by_origin.values()) == pytest.approx([1.0] * len(by_origin))
    first = [f.weight for f in members if f.number == 0]
    assert first == pytest.approx([1 / len(ENSEMBLE["candidates"])] * len(first))
    for one in own:
        parts = [f.seconds for f in members if (f.key, f.number) == (one.key, one.number)]
        assert one.seconds == pytest.approx(sum(parts))


@pytest.mark.parametrize("metric", ["mae", "rmse"])
def test_without_a_backtest_it_combines_all_members(metric: str) -> None:
    series = panel(2)
    model = Ensemble({**ENSEMBLE, "metric": metric}, SPECS, {})
    model.fit(series)
    found = model.forecast(series)
    of = {}
    for name, settings in ENSEMBLE["candidates"].items():
        member = Ensemble({**ENSEMBLE, "candidates": {name: settings}}, SPECS, {})
        member.fit(series)
        of[name] = member.forecast(series)
    for place, one in enumerate(series):
        values = np.array([forecasts[place].y for forecasts in of.values()])
        told = model.weights(one.key)
        own = np.array([told[name] for name in of])
        # Members have equal weights, except that models over all series have less with little history.
        assert len({round(weight, 9) for weight in told.values()}) == 2
        mean = own @ values
        # The mean keeps totals right; halfway to the median, a member that goes astray moves the forecast less.
        expected = mean if metric == "rmse" else (mean + weighted_median(values, own)) / 2
        np.testing.assert_allclose(found[place].y, expected)


def test_a_model_over_all_series_weighs_less_where_the_history_is_short() -> None:
    equal = Choice.equal(["ets", "net"], gain=0.1)
    short = equal.for_history({"net"}, 8.0)
    assert (short.models, short.gain) == (("ets", "net"), 0.1)
    assert short.weights == pytest.approx((2 / 3, 1 / 3))
    assert equal.for_history({"net"}, 1e6).weights == pytest.approx((0.5, 0.5), rel=1e-4)
    assert equal.for_history({"ets", "net"}, 8.0).weights == pytest.approx((0.5, 0.5))
    assert equal.for_history({"ets"}, 8.0).models == ("net", "ets")


def trained(budget: float | None, origins: int = 3, **changed: Any) -> Any:
    import pandas as pd

    config = {
        "model": {
            **ENSEMBLE,
            "time_budget": budget,
            "name": "ensemble",
            "validation_fraction": 0.2,
            "min_train_rows": 32,
            "refit": True,
            **changed,
        },
        "backtest": {
            "origins": origins,
            "horizon": 7,
            "step": 7,
            "compare": {"moving_average": MODELS["moving_average"]},
        },
        "interval": 0.8,
        "features": FEATURES,
    }
    rows = pd.concat([frame(f"S{k}", weekly(150, k)) for k in range(2)])
    return Training(config).run(rows)


def test_with_too_little_time_older_origins_and_dear_members_are_left_out_and_that_is_told() -> None:
    result = trained(1e-6)
    board = result[result["PART"] == "backtest"]
    assert set(board["FOLD"]) == {2.0}
    members = set(board["MODEL"]) - {"ensemble", "moving_average"}
    assert len(members) == 2
    (message,) = set(board.loc[board["MODEL"] == "ensemble", "MESSAGE"])
    assert message.startswith("skipped to stay within the time budget of 1e-06 s: ")
    assert message.endswith(", 2 of 3 origins")
    assert members == {"lightgbm_recursive", "lightgbm_direct"} or "mlp_global" in members, members
    for name in ENSEMBLE["candidates"].keys() - members:
        assert f"{name} (" in message
    future = result[result["PART"] == "forecast"]
    assert len(future) == 20
    assert future["PREDICTION"].notna().all()
    told = {part.split()[0] for part in future["MESSAGE"].iloc[0].removeprefix("weights: ").split(", ")}
    assert told == members


def test_with_enough_time_nothing_is_left_out() -> None:
    one, two = trained(None), trained(1e6)
    for result in (one, two):
        assert result.loc[result["PART"] == "backtest", "MESSAGE"].isna().all()
    columns = ["SERIES", "DATE", "PART", "MODEL", "FOLD", "PREDICTION"]
    order = ["PART", "MODEL", "SERIES", "FOLD", "DATE"]
    first, second = (r[columns].sort_values(order).reset_index(drop=True) for r in (one, two))
    assert first.equals(second)


@pytest.mark.parametrize("kind", ["season", "walk", "trend", "intermittent", "short"])
def test_over_all_series_it_is_never_much_worse_than_the_better_baseline(kind: str) -> None:
    import pandas as pd

    rng = np.random.default_rng(8)
    days = 90 if kind == "short" else 160
    made = {
        "season": lambda k: weekly(days, k, 5.0 * (k + 1)),
        "short": lambda k: weekly(days, k, 5.0 * (k + 1)),
        "walk": lambda k: np.maximum(60 + np.cumsum(rng.normal(0, 2, days)), 0),
        "trend": lambda k: 10 + (k + 1) * 0.2 * np.arange(days) + rng.normal(0, 2, days),
        "intermittent": lambda k: rng.poisson(0.3, days).astype(float),
    }[kind]
    result = trained_on(pd.concat([frame(f"S{k}", made(k)) for k in range(6)]))
    board = result[result["PART"] == "backtest"]
    errors = (board["ACTUAL"] - board["PREDICTION"]).pow(2).groupby(board["MODEL"]).mean().pow(0.5)
    assert errors["ensemble"] <= 1.03 * min(errors["moving_average"], errors["seasonal_naive"])


def trained_on(rows: Any) -> Any:
    config = {
        "model": {
            **ENSEMBLE,
            "metric": "rmse",
            "candidates": {
                name: {**one, **({"metric": "rmse"} if "metric" in one else {})}
                for name, one in ENSEMBLE["candidates"].items()
            },
            "name": "ensemble",
            "validation_fraction": 0.2,
            "min_train_rows": 32,
            "refit": True,
        },
        "backtest": {
            "origins": 3,
            "horizon": 14,
            "step": 14,
            "compare": {name: MODELS[name] for name in ("moving_average", "seasonal_naive")},
        },
        "interval": 0.8,
        "features": FEATURES,
    }
    return Training(config).run(rows)


def test_a_member_that_is_not_among_the_chosen_has_no_weight() -> None:
    choice = Choice(("a", "b"), (0.75, 0.25), None)
    assert choice.of(["b", "a"]).tolist() == [0.25, 0.75]
    assert choice.of(["b"]).tolist() == [1.0]


def test_its_own_interval_is_the_geometric_mean_of_its_members() -> None:
    near, far = np.full((2, 3), 2.0), np.full((2, 3), 8.0)
    found = together([near, None, far])
    assert found is not None
    np.testing.assert_allclose(found, 4.0)
    assert together([None, None]) is None
    # One of three that is beyond all measure counts as twenty times the median.
    wild = together([near, near, np.full((2, 3), 1e9)])
    assert wild is not None
    np.testing.assert_allclose(wild, 2.0 * 20 ** (1 / 3))


def test_folds_and_forecasts_have_what_the_members_state() -> None:
    series = panel(2)
    members, own = compose(
        backtest(ENSEMBLE["candidates"], series, SPECS, Plan(2, 14, 14, 32)), 3.0, metric="mae"
    )
    stating = {f.model for f in members if f.stated is not None}
    assert stating == {"dynamic_theta", "mstl"}
    for one in own:
        parts = [f for f in members if (f.key, f.number) == (one.key, one.number) and f.model in stating]
        assert one.stated is not None
        expected = np.exp(np.mean([np.log(f.stated) for f in parts if f.stated is not None], axis=0))
        np.testing.assert_allclose(one.stated, expected, rtol=1e-6)
        assert one.stated_mae == pytest.approx(np.exp(np.mean([np.log(f.mae) for f in parts])))
    model = Ensemble(ENSEMBLE, SPECS, {})
    model.fit(series)
    again, _ = load(save(model, {}))
    for one in series:
        found, restored = model.stated(one), again.stated(one)
        assert found is not None
        assert restored is not None
        assert (found > 0).all()
        np.testing.assert_allclose(restored, found, rtol=1e-5)


@pytest.mark.parametrize("name", ["auto_ets", "dynamic_theta", "mstl"])
def test_a_statistical_model_states_how_far_its_ends_are(name: str) -> None:
    series = panel(1)[0]
    model = make_forecaster(MODELS[name], SPECS)
    model.fit([series])
    (forecast,) = model.forecast([series])
    again, _ = load(save(model, {}))
    own, found, restored = model.own_interval(series, 0.8), model.stated(series), again.stated(series)
    assert own is not None
    assert found is not None
    assert restored is not None
    np.testing.assert_allclose(found, [forecast.y - own[0], own[1] - forecast.y])
    np.testing.assert_allclose(restored, found, rtol=1e-5)
