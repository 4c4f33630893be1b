"""Schedules of Snowflake's tasks: cron expressions with a time zone, and intervals.

https://docs.snowflake.com/en/sql-reference/sql/create-task
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_MONTHS = dict(
    zip(
        ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
        range(1, 13),
        strict=True,
    )
)
_DAYS = dict(zip(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], range(7), strict=True))
_PART = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?")
_LAST_DAY = 0  # stands for L among the days of the month
_YEARS = 9  # from one February 29 to the next, across a year such as 1900

_INTERVAL = re.compile(r"\s*(\d+)\s*(HOURS?|H|MINUTES?|M|SECONDS?|S)\s*", re.I)
_SECONDS = {"H": 3600, "M": 60, "S": 1}
_SHORTEST, _LONGEST = timedelta(seconds=10), timedelta(days=8)


@dataclass(frozen=True)
class Cron:
    """A cron expression in Snowflake's dialect, and its time zone.

    If both the day of the month and the day of the week are restricted, a day matches that satisfies either.
    A local time that does not exist on the day of a change of clocks is skipped, and one that exists twice
    matches twice: as Snowflake's documentation says, and unlike cron itself.
    """

    text: str
    zone: ZoneInfo
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    last_weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    @classmethod
    def parse(cls, expression: str, zone: str) -> Cron:
        """Parse the five fields of an expression.

        Raises:
            ValueError: the expression or the time zone is invalid, with the reason.
        """
        fields = expression.split()
        if len(fields) != 5:
            raise ValueError(f"a cron expression has 5 fields, and {expression!r} has {len(fields)}")
        minute, hour, day, month, weekday = fields
        try:
            where = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"unknown time zone {zone!r}") from None
        days = {_LAST_DAY} if day.upper() == "L" else _numbers("day of month", day, 1, 31, {})
        plain, last = _weekdays(weekday)
        months = _numbers("month", month, 1, 12, _MONTHS)
        longest = max(calendar.monthrange(2000, number)[1] for number in months)
        if days and min(days) > longest and weekday == "*":
            raise ValueError(f"no day matches {expression!r}")
        return cls(
            expression,
            where,
            frozenset(_numbers("minute", minute, 0, 59, {})),
            frozenset(_numbers("hour", hour, 0, 23, {})),
            frozenset(days),
            frozenset(months),
            frozenset(plain),
            frozenset(last),
            day.startswith("*"),
            weekday.startswith("*"),
        )

    def next(self, after: datetime) -> datetime:
        """Return the first matching instant after an instant, in UTC.

        Raises:
            ValueError: no day matches.
        """
        day = after.astimezone(self.zone).date()
        for _ in range(366 * _YEARS):
            if self._matches(day):
                for instant in self._instants(day):
                    if instant > after:
                        return instant
            day += timedelta(days=1)
        raise ValueError(f"no day matches {self.text!r}")

    def _matches(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        length = calendar.monthrange(day.year, day.month)[1]
        of_month = day.day in self.days or (_LAST_DAY in self.days and day.day == length)
        weekday = day.isoweekday() % 7
        of_week = weekday in self.weekdays or (weekday in self.last_weekdays and day.day + 7 > length)
        if self.any_day or self.any_weekday:
            return of_month and of_week
        return of_month or of_week

    def _instants(self, day: date) -> Iterator[datetime]:
        """The instants of a day, in order."""
        found = set()
        for hour in self.hours:
            for minute in self.minutes:
                for fold in (0, 1):
                    local = datetime.combine(day, time(hour, minute, fold=fold), self.zone)
                    instant = local.astimezone(UTC)
                    if instant.astimezone(self.zone).replace(tzinfo=None) == local.replace(tzinfo=None):
                        found.add(instant)
        return iter(sorted(found))


@dataclass(frozen=True)
class Interval:
    """A schedule such as ``60 MINUTES``."""

    length: timedelta

    def next(self, after: datetime, since: datetime) -> datetime:
        """Return the first instant after an instant that is a number of intervals after another."""
        passed = max(0, (after - since) // self.length)
        return since + (passed + 1) * self.length


def parse_schedule(text: str) -> Cron | Interval:
    """Parse the SCHEDULE of a task: ``USING CRON expression time_zone`` or ``60 MINUTES``.

    Raises:
        ValueError: it is neither, with the reason.
    """
    words = text.split()
    if [word.upper() for word in words[:2]] == ["USING", "CRON"]:
        if len(words) != 8:
            raise ValueError("USING CRON is followed by the 5 fields of an expression and a time zone")
        return Cron.parse(" ".join(words[2:7]), words[7])
    found = _INTERVAL.fullmatch(text)
    if found is None:
        raise ValueError(
            "a schedule is '<number> HOURS | MINUTES | SECONDS' or 'USING CRON <expression> <time zone>'"
        )
    length = timedelta(seconds=int(found.group(1)) * _SECONDS[found.group(2)[0].upper()])
    if not _SHORTEST <= length <= _LONGEST:
        raise ValueError("an interval lasts from 10 seconds to 8 days")
    return Interval(length)


def _weekdays(text: str) -> tuple[set[int], set[int]]:
    """The days of the week, and those of which only the last in a month is meant, such as 5L."""
    plain: set[int] = set()
    last: set[int] = set()
    for part in text.upper().split(","):
        if re.fullmatch(r"(?:\d|[A-Z]{3})L", part):
            last |= _numbers("day of week", part[:-1], 0, 6, _DAYS)
        else:
            plain |= _numbers("day of week", part, 0, 6, _DAYS)
    return plain, last


def _numbers(field: str, text: str, least: int, most: int, names: dict[str, int]) -> set[int]:
    found: set[int] = set()
    for part in text.upper().split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"invalid {field} {text!r}")
        if match["first"] == "*":
            if match["last"]:
                raise ValueError(f"invalid {field} {text!r}")
            first, last = least, most
        else:
            first = _number(field, match["first"], least, most, names)
            last = most if match["step"] else first
            if match["last"]:
                last = _number(field, match["last"], least, most, names)
        step = int(match["step"] or 1)
        if step == 0 or last < first:
            raise ValueError(f"invalid {field} {text!r}")
        found.update(range(first, last + 1, step))
    return found


def _number(field: str, text: str, least: int, most: int, names: dict[str, int]) -> int:
    number = names.get(text, int(text) if text.isdecimal() else None)
    if number is None or not least <= number <= most:
        raise ValueError(
            f"invalid {field} {text!r}: it is from {least} to {most}"
            + (f" or {', '.join(names)}" if names else "")
        )
    return number
