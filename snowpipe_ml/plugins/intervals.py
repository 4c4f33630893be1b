"""Intervals of time, which a backfill computes one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal, get_args

Unit = Literal["hour", "day", "week", "month", "quarter", "year"]
UNITS: tuple[Unit, ...] = get_args(Unit)


@dataclass(frozen=True, order=True)
class Interval:
    """The time from ``start`` until before ``end``, without a time zone.

    Raises:
        ValueError: it is empty.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"{self} is empty: its end must be later than its start, and is not included")

    @classmethod
    def parse(cls, text: str) -> Interval:
        """Parse a text such as ``2022-01-01..2022-04-01``; a time of day may follow each date.

        Raises:
            ValueError: it is not two times, or the interval is empty.
        """
        parts = text.split("..")
        try:
            start, end = (datetime.fromisoformat(part.strip()) for part in parts)
        except ValueError:
            raise ValueError(
                f"{text!r} is not an interval: write two dates, such as 2022-01-01..2022-04-01 for January to March"
            ) from None
        if start.tzinfo is not None or end.tzinfo is not None:
            raise ValueError(
                f"{text!r} has a time zone: intervals are compared with the column as it is stored"
            )
        return cls(start, end)

    def __str__(self) -> str:
        return f"{_shown(self.start)}..{_shown(self.end)}"

    def split(self, by: Unit | None) -> tuple[Interval, ...]:
        """Split it where the calendar's units begin; weeks begin on Mondays. Without a unit, it stays whole."""
        if by is None:
            return (self,)
        found, start = [], self.start
        while start < self.end:
            end = min(_next(start, by), self.end)
            found.append(Interval(start, end))
            start = end
        return tuple(found)

    def without(self, others: Iterable[Interval]) -> Iterator[Interval]:
        """Yield the parts of it that no other interval has."""
        start = self.start
        for other in union(others):
            if other.end <= start:
                continue
            if other.start >= self.end:
                break
            if other.start > start:
                yield Interval(start, other.start)
            start = other.end
        if start < self.end:
            yield Interval(start, self.end)


def union(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Join intervals that overlap or follow one another."""
    found: list[Interval] = []
    for interval in sorted(intervals):
        if found and interval.start <= found[-1].end:
            found[-1] = Interval(found[-1].start, max(found[-1].end, interval.end))
        else:
            found.append(interval)
    return tuple(found)


def _shown(at: datetime) -> str:
    """The time as :meth:`Interval.parse` reads it, without a time of day that is midnight."""
    return at.date().isoformat() if at.time() == time.min else at.isoformat()


def _next(at: datetime, by: Unit) -> datetime:
    """Return when the next hour, day... begins."""
    if by == "hour":
        return at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    day = datetime.combine(at, time.min)
    if by == "day":
        return day + timedelta(days=1)
    if by == "week":
        return day + timedelta(days=7 - day.weekday())
    months = {"month": 1, "quarter": 3, "year": 12}[by]
    number = (day.year * 12 + day.month - 1) // months * months + months
    return datetime(number // 12, number % 12 + 1, 1)
