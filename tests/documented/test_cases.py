"""Each documented statement gives the documented result, or is refused by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

import snowpipe_ml.local as local
from tests.documented.cases import Case, all_cases, check

CASES = all_cases()
_QUERY = re.compile(r"\s*(?:SELECT|WITH)\b", re.I)
_PARAMETER = re.compile(r"(\w+) *=")


class Place:
    """A connection with the current schema ``documented.own``, which is empty before each case."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._empty = False
        connection.cursor().execute("CREATE DATABASE documented")

    def check(self, case: Case) -> None:
        cursor = self.connection.cursor()
        if not self._empty:
            cursor.execute("CREATE OR REPLACE SCHEMA documented.own")
            cursor.execute("USE SCHEMA documented.own")
        self._empty = not case.setup and _QUERY.match(case.sql) is not None
        try:
            check(case, cursor)
        finally:
            for statement in case.setup:
                if statement.startswith("ALTER SESSION SET "):
                    cursor.execute(f"ALTER SESSION UNSET {', '.join(_PARAMETER.findall(statement))}")


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    connection = local.connect()
    yield Place(connection)
    connection.close()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case, place: Place) -> None:
    place.check(case)


def test_most_cases_are_equal() -> None:
    refused = sum(case.refused is not None for case in CASES)
    print(f"{len(CASES)} cases: {len(CASES) - refused} equal, {refused} refused by name")
    assert refused <= 0.15 * len(CASES)
