"""The paired tests of two backtests."""

from __future__ import annotations

import pytest

from snowpipe_ml.comparison.forecasts import Errors, compared
from snowpipe_ml.ui.comparison import forecast_line


def errors(**series: list[float]) -> Errors:
    return {key: {str(n): (error, 14) for n, error in enumerate(found)} for key, found in series.items()}


def test_a_clear_difference_is_significant() -> None:
    found = compared(
        "train", errors(a=[10, 11, 12, 10], b=[5, 5, 6, 5]), errors(a=[15, 16.5, 17, 15], b=[5, 6, 5, 5])
    )
    worse, equal = found.series
    assert (worse.key, equal.key) == ("a", "b")
    assert worse.significant
    assert worse.change == pytest.approx(0.4767, abs=1e-3)
    assert not equal.significant
    assert found.p is None
    assert "no test of all series: it needs 6 that differ" in found.note


def test_all_series_together_are_tested() -> None:
    base = errors(**{f"s{n}": [10.0 + n, 11, 12] for n in range(8)})
    head = errors(**{f"s{n}": [11.0 + n, 11.5, 12.2] for n in range(8)})
    found = compared("train", base, head)
    assert found.p == pytest.approx(2 / 2**8)
    assert len(found.worse) == 8
    assert "of 8 series 8 worse, 0 better" in forecast_line(found)


def test_p_values_are_adjusted_for_the_number_of_series() -> None:
    one = compared("train", errors(a=[10, 11, 12]), errors(a=[10.5, 12, 12.6])).series[0].p
    base = errors(**{f"s{n}": [10.0, 11, 12] for n in range(20)})
    head = {**errors(**{f"s{n}": [10.1, 10.9, 12] for n in range(20)}), "s0": errors(a=[10.5, 12, 12.6])["a"]}
    many = {each.key: each.p for each in compared("train", base, head).series}
    adjusted = many["s0"]
    assert one is not None
    assert adjusted is not None
    assert adjusted > one


def test_only_equal_origins_and_horizons_are_paired() -> None:
    base = {"a": {"1": (10.0, 14), "2": (11.0, 14), "3": (12.0, 14)}, "b": {"1": (1.0, 14)}}
    head = {"a": {"1": (10.0, 14), "2": (11.0, 28), "4": (12.0, 14)}, "c": {"1": (1.0, 14)}}
    found = compared("train", base, head)
    assert [(each.key, each.origins, each.p) for each in found.series] == [("a", 1, None)]
    assert (found.only_base, found.only_head) == (["b"], ["c"])
    assert "it needs 3 origins" in found.note


def test_no_common_series() -> None:
    found = compared("train", errors(a=[1, 2, 3]), errors(b=[1, 2, 3]))
    assert found.total is None
    assert found.note == "the backtests have no series and origin in common"


def test_a_constant_difference_has_no_spread() -> None:
    found = compared("train", errors(a=[1, 2, 3], b=[1, 2, 3]), errors(a=[2, 3, 4], b=[1, 2, 3]))
    assert {each.key: each.p for each in found.series} == {"a": 0.0, "b": 1.0}
