"""Some random statements, and those that fuzzing has found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError

import snowpipe_ml.local as local
from tests.fuzz import sql


@pytest.fixture(scope="module")
def cursor() -> Iterator[Any]:
    connection = local.connect()
    yield connection.cursor()
    connection.close()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT CAST(1.1 AS DECIMAL(38, 'x'))",
        "SELECT CAST(1.1 AS DECIMAL(38, NULL))",
        "SELECT DATE_PART(, 99)",
        "SELECT * FROM (SELECT 1 AS a) MATCH_RECOGNIZE (ORDER BY a ALL ROWS PER MATCH DEFINE b AS a > 1)",
        "SELECT 1e308.title FROM (SELECT 1)",
    ],
)
def test_what_fuzzing_has_found_is_refused_without_a_traceback(cursor: Any, text: str) -> None:
    assert sql.fault_of(cursor, text) is None
    with pytest.raises(ProgrammingError):
        cursor.execute(text)


def test_random_statements_run_or_are_refused() -> None:
    count, faults = sql.run(seed=22, seconds=60, most=100)
    assert (count, faults) == (100, [])
