"""CONDITIONAL_CHANGE_EVENT, which is computed in the relation where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Query = Callable[..., list[Any]]

_EVENTS = "CONDITIONAL_CHANGE_EVENT(v) OVER (PARTITION BY g ORDER BY n)"


@pytest.fixture
def events(query: Query) -> Query:
    query(
        "CREATE TABLE events AS SELECT * FROM VALUES "
        "(1, 'a', 5), (1, 'b', 6), (1, 'b', 5), (1, NULL, 7), (1, 'c', 5), (2, NULL, 5), (2, 'a', 5), (2, 'b', 5) "
        "AS t(g, v, w)"
    )
    query("ALTER TABLE events ADD COLUMN n INT")
    query("UPDATE events SET n = w * 10 + LENGTH(COALESCE(v, '')) + ASCII(COALESCE(v, 'z'))")
    return query


@pytest.mark.parametrize(
    ("select", "joined"),
    [
        (f"SELECT n, {_EVENTS} FROM events", f"SELECT e.n, {_EVENTS} FROM events e CROSS JOIN (SELECT 1)"),
        (
            f"SELECT n, {_EVENTS} + 1 FROM events WHERE w = 5",
            f"SELECT e.n, {_EVENTS} + 1 FROM events e CROSS JOIN (SELECT 1) WHERE w = 5",
        ),
        (
            f"SELECT e.n, {_EVENTS} c FROM events e QUALIFY c > 0",
            f"SELECT e.n, {_EVENTS} c FROM events e CROSS JOIN (SELECT 1) QUALIFY c > 0",
        ),
        (
            "SELECT n, v || 'x' AS u, CONDITIONAL_CHANGE_EVENT(u) OVER (PARTITION BY g ORDER BY n) FROM events",
            f"SELECT e.n, v || 'x', {_EVENTS} FROM events e CROSS JOIN (SELECT 1)",
        ),
    ],
)
def test_one_relation_gives_the_events_of_a_join(events: Query, select: str, joined: str) -> None:
    found = events(f"{select} ORDER BY 1")
    assert found == events(f"{joined} ORDER BY 1")
    assert len(found) > 1


def test_a_star_shows_no_more_columns(events: Query) -> None:
    assert len(events(f"SELECT *, {_EVENTS} FROM events LIMIT 1")[0]) == 5
    assert len(events(f"SELECT e.*, {_EVENTS} FROM events e LIMIT 1")[0]) == 5


def test_events_of_groups(events: Query) -> None:
    found = events(
        "SELECT g, CONDITIONAL_CHANGE_EVENT(COUNT(*)) OVER (ORDER BY g) FROM events GROUP BY g ORDER BY g"
    )
    assert found == [(1, 0), (2, 1)]


def test_an_unknown_condition_is_no_event(query: Query) -> None:
    assert query("SELECT CONDITIONAL_TRUE_EVENT(NULL::BOOLEAN) OVER (ORDER BY 1)") == [(0,)]
