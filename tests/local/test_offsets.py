"""Texts with an offset as TIMESTAMP_TZ: the common form, which is read fast, and those beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Query = Callable[..., list[Any]]


@pytest.mark.parametrize(
    ("text", "utc", "minutes"),
    [
        ("2024-01-31 10:00:00 +0130", "2024-01-31 08:30:00.000", 90),
        ("2024-01-31T10:00:00+01:30", "2024-01-31 08:30:00.000", 90),
        ("2024-01-31 23:00:00.5 -0130", "2024-02-01 00:30:00.500", -90),
        ("2024-01-31 10:00:00-00:30", "2024-01-31 10:30:00.000", -30),
        ("2024-01-31 10:00:00 +01", "2024-01-31 09:00:00.000", 60),
        ("2024-01-31 10:00 +0100", "2024-01-31 09:00:00.000", 60),
        ("2024-01-31T10:00:00Z", "2024-01-31 10:00:00.000", 0),
    ],
)
def test_a_text_with_an_offset(query: Query, text: str, utc: str, minutes: int) -> None:
    found = query(
        "SELECT CONVERT_TIMEZONE('UTC', t)::TIMESTAMP_NTZ::VARCHAR, "
        "DATE_PART(TZH, t) * 60 + DATE_PART(TZM, t) "
        f"FROM (SELECT s::TIMESTAMP_TZ AS t FROM (SELECT COLUMN1 AS s FROM VALUES ('{text}')))"
    )
    assert [(str(found[0][0]), int(found[0][1]))] == [(utc, minutes)]


def test_a_day_that_does_not_exist(query: Query) -> None:
    assert query("SELECT TRY_TO_TIMESTAMP_TZ(COLUMN1) FROM VALUES ('2024-02-30 10:00:00 +0100')") == [(None,)]
