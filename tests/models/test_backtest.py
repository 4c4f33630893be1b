"""Rolling-origin backtests: data after an origin must not affect its forecasts."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snowpipe_ml.models.backtest import Plan, backtest, with_intervals
from snowpipe_ml.models.ensemble import compose
from snowpipe_ml.models.fold import Fold
from snowpipe_ml.models.panel import Series
from snowpipe_ml.models.weights import choose
from tests.models.panels import MODELS, SPECS, panel

PLAN = Plan(3, 14, 14, 32)
CANDIDATES = {name: MODELS[name] for name in ("ridge", "seasonal_naive", "moving_average")}


def changed(series: Series, after: int) -> Series:
    """Multiply the target by ten from a row on, without updating the features of later days."""
    y, values = series.y.copy(), series.values.copy()
    y[after:] *= 10
    values[len(values) - (len(y) - after) :] *= 10
    return dataclasses.replace(series, y=y, values=values)


def test_origins_are_apart_and_the_last_ends_with_the_history() -> None:
    series = panel(1)
    folds = [fold for fold in backtest(CANDIDATES, series, SPECS, PLAN) if fold.model == "ridge"]
    assert [fold.number for fold in folds] == [0, 1, 2]
    assert folds[-1].days[-1] == series[0].days[-1]
    for one, two in itertools.pairwise(folds):
        assert one.origin < one.days[0] <= one.days[-1] == two.origin


def test_what_comes_after_an_origin_does_not_move_its_forecasts() -> None:
    series = panel(2)
    end = len(series[0].y) - 14
    ours = [one if one.key != "S0" else changed(one, end) for one in series]
    before, after = (backtest(CANDIDATES, parts, SPECS, PLAN) for parts in (series, ours))
    assert len(before) == len(after) == 2 * 3 * 3
    moved = 0
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.predicted, two.predicted)
        assert (one.level, one.scale) == (two.level, two.scale)
        moved += not np.array_equal(one.actual, two.actual)
    assert moved == 3, "the truth of the last origin is another, for each model"


def with_other_truth(folds: list[Fold], number: int) -> list[Fold]:
    """The folds with the worst model's forecast as the actual values at an origin."""
    found = []
    for fold in folds:
        if fold.number == number:
            same = [f for f in folds if (f.key, f.number) == (fold.key, number)]
            fold = dataclasses.replace(fold, actual=max(same, key=lambda f: f.rmse).predicted)
        found.append(fold)
    return found


@pytest.mark.parametrize("number", [1, 2])
def test_intervals_and_choices_know_earlier_origins_only(number: int) -> None:
    folds = backtest(CANDIDATES, panel(3), SPECS, PLAN)
    other = with_other_truth(folds, number)

    def known(found: list[Fold], what: Any) -> list[Any]:
        return [what(fold).tolist() for fold in found if fold.number == number]

    one, two = with_intervals(folds, 0.8, PLAN.horizon), with_intervals(other, 0.8, PLAN.horizon)
    assert known(one, lambda f: f.low) == known(two, lambda f: f.low)
    assert known(one, lambda f: f.high) == known(two, lambda f: f.high)
    composed = [compose(given, 0.0, 1)[1] for given in (folds, other)]
    assert known(composed[0], lambda f: f.predicted) == known(composed[1], lambda f: f.predicted)
    # An earlier origin does change them; otherwise the test would prove nothing.
    earlier = with_other_truth(folds, 0)
    assert known(one, lambda f: f.high) != known(with_intervals(earlier, 0.8, PLAN.horizon), lambda f: f.high)
    if number == 1:
        assert known(composed[0], lambda f: f.predicted) != known(
            compose(earlier, 0.0, 1)[1], lambda f: f.predicted
        )


def test_a_series_that_is_too_short_before_an_origin_is_left_out_there() -> None:
    short = panel(1)[0].head(32 + 20)
    folds = backtest(
        {"ridge": MODELS["ridge"]}, [*panel(1, 220), dataclasses.replace(short, key="short")], SPECS, PLAN
    )
    assert [fold.number for fold in folds if fold.key == "short"] == [2]


DIVERGES = """\
import numpy as np
from snowpipe_ml.models.forecasters.statistical import MovingAverageForecaster

class Diverges(MovingAverageForecaster):
    def forecast(self, panel):
        return [type(f)(np.full_like(f.y, np.nan) if s.key == "S1" else f.y, f.x) for s, f in zip(panel, super().forecast(panel))]
"""


def test_a_forecast_that_is_no_number_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "diverging.py").write_text(DIVERGES)
    monkeypatch.syspath_prepend(str(tmp_path))
    own = {
        "type": "python",
        "class": "diverging:Diverges",
        "window": 14,
        "lower_bound": 0.0,
        "max_growth": 2.0,
        "seed": 0,
    }
    folds = with_intervals(backtest({"own": own}, panel(3), SPECS, PLAN), 0.8, PLAN.horizon)
    assert {fold.key for fold in folds} == {"S0", "S2"}
    assert all(np.isfinite(fold.low).all() for fold in folds if fold.low is not None)


def test_shrinkage_leans_on_the_other_series() -> None:
    def fold(key: str, model: str, error: float) -> Fold:
        day = np.array(["2023-01-01"], "datetime64[D]")
        return Fold(key, model, day[0], 0, day, np.array([error]), np.array([0.0]), 1.0, 1.0, 1.0)

    others = [fold(f"S{k}", model, error) for k in range(9) for model, error in (("a", 1.0), ("b", 2.0))]
    folds = [*others, fold("odd", "a", 1.1), fold("odd", "b", 1.0)]
    assert choose(folds, 0.0, 1)["odd"].models == ("b",)
    assert choose(folds, 2.0, 1)["odd"].models == ("a",)
    assert choose(folds, 2.0, 1)["odd"].gain == pytest.approx(1 - 1.1 / 1.0)
