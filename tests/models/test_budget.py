"""The order in which an ensemble skips members and origins."""

from __future__ import annotations

import pytest

from snowpipe_ml.models.budget import Member, told, within

MEMBERS = [
    Member("ets", "auto_ets", False, 10.0),
    Member("theta", "dynamic_theta", False, 2.0),
    Member("mstl", "mstl", False, 3.0),
    Member("trees", "lightgbm_direct", True, 4.0),
    Member("network", "mlp_global", True, 1.0),
]


@pytest.mark.parametrize(
    ("left", "dropped", "older"),
    [
        (100.0, [], 2),
        (80.0, [], 2),  # four trainings of 20 s
        (79.9, ["ets"], 2),
        (40.0, ["ets"], 2),
        (39.0, ["ets"], 1),
        (29.0, ["ets"], 0),
        (19.0, ["ets", "mstl"], 0),
        (13.0, ["ets", "mstl", "theta"], 0),
        (0.0, ["ets", "mstl", "theta"], 0),  # two members always stay
    ],
)
def test_dear_searches_go_first_and_models_over_all_series_last(
    left: float, dropped: list[str], older: int
) -> None:
    assert within(MEMBERS, 0.0, left, 2) == (dropped, older)


def test_the_models_that_are_only_compared_cost_time_at_each_origin() -> None:
    assert within(MEMBERS, 5.0, 90.0, 2) == ([], 2)
    assert within(MEMBERS, 5.0, 89.0, 2) == (["ets"], 2)


def test_it_says_what_was_left_out() -> None:
    assert told({"ets": 10.04}, 3, 1) == ["ets (10.0 s a training)", "2 of 3 origins"]
    assert told({}, 3, 3) == []
