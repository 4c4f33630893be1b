"""Times of CSV files are recognized, and the SQL of a format reads the same time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any

import pytest

from snowpipe_ml.cli.time_formats import format_of

NOON = datetime(2024, 12, 31, 13, 5)
# Texts in one format -> the time of the first.
TEXTS = [
    (["2024-12-31", "2024-01-02"], datetime(2024, 12, 31)),
    (["2024-12-31 13:05:00", "2024-01-02"], NOON),
    (["2024-12-31T13:05:00"], NOON),
    (["2024-12", "2025-01"], datetime(2024, 12, 1)),
    (["2024/12", "2025/01"], datetime(2024, 12, 1)),
    (["202412", "202501"], datetime(2024, 12, 1)),
    (["Dec 2024", "May 2025"], datetime(2024, 12, 1)),
    (["Dec-2024", "May-2025"], datetime(2024, 12, 1)),
    (["December 2024", "May 2025"], datetime(2024, 12, 1)),
    (["2024Q4", "2025Q1"], datetime(2024, 10, 1)),
    (["2024-Q4"], datetime(2024, 10, 1)),
    (["Q4 2024", "Q1 2025"], datetime(2024, 10, 1)),
    (["20241231", "20250101"], datetime(2024, 12, 31)),
    (["2024/12/31"], datetime(2024, 12, 31)),
    (["12/31/2024", "1/5/2024"], datetime(2024, 12, 31)),
    (["31/12/2024", "5/1/2024"], datetime(2024, 12, 31)),
    (["12-31-2024"], datetime(2024, 12, 31)),
    (["31-12-2024"], datetime(2024, 12, 31)),
    (["31.12.2024", "1.2.2024"], datetime(2024, 12, 31)),
    (["31-Dec-2024"], datetime(2024, 12, 31)),
    (["31 Dec 2024"], datetime(2024, 12, 31)),
    (["12/31/24", "1/5/24"], datetime(2024, 12, 31)),
    (["31/12/24"], datetime(2024, 12, 31)),
    (["12/31/2024 13:05", "12/1/2010 8:26"], NOON),
    (["12/31/2024 13:05:00"], NOON),
    (["12/31/2024 01:05 PM", "12/1/2024 12:00 AM"], NOON),
    (["12/31/24 1:05:00 PM"], NOON),
    (["31.12.2024 13:05"], NOON),
    (["2024/12/31 13:05"], NOON),
    (["31-Dec-2024 1:05 PM"], NOON),
]


def _moment(value: date) -> datetime:
    return value if isinstance(value, datetime) else datetime.combine(value, time())


@pytest.mark.parametrize(("texts", "expected"), TEXTS, ids=[texts[0] for texts, _ in TEXTS])
def test_the_warehouse_reads_what_was_recognized(
    texts: list[str], expected: datetime, query: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    found = format_of(texts)
    assert found is not None
    assert found.parse(texts[0]) == expected
    rows = ", ".join(f"('{text}')" for text in texts)
    read = query(
        f"SELECT {found.expression} FROM (SELECT T::{found.type} AS TIME FROM VALUES {rows} AS V(T))"
    )
    assert [_moment(value) for (value,) in read] == [found.parse(text) for text in texts]


@pytest.mark.parametrize("text", ["2024", "2024.0"])
def test_years_are_recognized_if_asked_for(text: str, query: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert format_of([text]) is None
    found = format_of([text], years=True)
    assert found is not None
    assert query(f"SELECT {found.expression} FROM (SELECT '{text}' AS TIME)") == [(date(2024, 1, 1),)]


@pytest.mark.parametrize("text", ["200111", "200101", "20011301", "2024Q5", "13/13/2024", "x", "24:00"])
def test_a_number_of_another_length_is_no_day(text: str) -> None:
    found = format_of([text])
    assert found is None or found.python == "%Y%m"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([f"01/{month:02}/{year}" for year in (2023, 2024) for month in range(1, 13)], "%d/%m/%Y"),
        ([f"{month:02}/01/{year}" for year in (2023, 2024) for month in range(1, 13)], "%m/%d/%Y"),
        ([f"{day:02}/01/2024" for day in range(1, 13)], "%d/%m/%Y"),
        ([f"01/{day:02}/2024" for day in range(1, 13)], "%m/%d/%Y"),
    ],
)
def test_of_two_readings_the_even_one_is_taken(texts: list[str], expected: str) -> None:
    found = format_of(texts)
    assert found is not None
    assert found.python == expected
