"""Each documented statement gives the documented result, or is refused by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

import snowpipe_ml.local as local
from tests.documented.cases import Case, all_cases, check

CASES = all_cases()
_PARAMETER = re.compile(r"(\w+) *=")


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    made = local.connect()
    made.cursor().execute("CREATE DATABASE documented")
    yield made
    made.close()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case, connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE OR REPLACE SCHEMA documented.own")
    cursor.execute("USE SCHEMA documented.own")
    try:
        check(case, cursor)
    finally:
        cursor.execute("DROP SCHEMA documented.own")
        for statement in case.setup:
            if statement.startswith("ALTER SESSION SET "):
                cursor.execute(f"ALTER SESSION UNSET {', '.join(_PARAMETER.findall(statement))}")


def test_most_cases_are_equal() -> None:
    refused = sum(case.refused is not None for case in CASES)
    print(f"{len(CASES)} cases: {len(CASES) - refused} equal, {refused} refused by name")
    assert refused <= 0.15 * len(CASES)
