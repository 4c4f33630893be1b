"""Statements that are nested as deeply as loops over a DataFrame's columns make them."""

from __future__ import annotations

from typing import Any

import pytest
from snowflake.snowpark.functions import col, lit

from snowpipe_ml.local.core.errors import UnsupportedError


def _sum(levels: int) -> str:
    return "SELECT " + "(" * levels + "1" + " + 1)" * levels


def test_a_column_that_is_changed_in_a_loop(session: Any) -> None:
    frame = session.create_dataframe([[1]], schema=["a"])
    for number in range(120):
        frame = frame.with_column("a", col("a") + lit(number))
    assert frame.collect()[0][0] == 1 + sum(range(120))


@pytest.mark.parametrize("levels", [60, 150])
def test_parentheses(query: Any, levels: int) -> None:
    assert query(_sum(levels)) == [(levels + 1,)]


def test_deeper_statements_are_refused(session: Any) -> None:
    with pytest.raises(UnsupportedError, match="a statement that is nested so deeply"):
        session.connection.cursor().execute(_sum(5000))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + " + ".join(["1"] * 800),
        "SELECT SUM(a) FROM (" + " UNION ALL ".join(["SELECT 1 AS a"] * 800) + ")",
        "SELECT CASE "
        + " ".join(f"WHEN a = {n} THEN {n}" for n in range(801))
        + " END FROM (SELECT 800 AS a)",
    ],
    ids=["sum", "union", "case"],
)
def test_long_statements(query: Any, text: str) -> None:
    assert query(text) == [(800,)]
