"""The frequencies of series, shared by the steps' SQL and the forecasters' Python."""

from __future__ import annotations

from dataclasses import dataclass, field

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class Frequency:
    """The length of a period, and what is usual for series of such periods.

    Attributes:
        name: the name in a spec, such as ``hour`` or ``week-sunday``. Two names of one frequency, such as ``week``
            and ``week-monday``, are equal.
        unit: the date part of which a period has ``count``: ``minute``, ``hour``, ``day`` or ``month``.
        count: the number of units in a period; 1 for business days, of which a week has five.
        noun: a period in a message, such as ``week``.
        season: the periods of a season.
        seasons: all seasons, the shortest first; hours have those of a day and of a week.
        lags: the default lags of a ``features`` step.
        recent: the periods whose mean is the level of a series.
        idle: the default number of periods without an event after which a series counts as ended.
        history: the periods at the end of a history that the members of the default ensemble learn from.
        weekday: of weeks, the number of the day on which they begin, 1 for Monday.
    """

    name: str = field(compare=False)
    unit: str
    count: int
    noun: str
    seasons: tuple[int, ...]
    lags: tuple[int, ...]
    recent: int
    idle: int
    history: int
    weekday: int = 1

    @property
    def season(self) -> int:
        """The periods of the shortest season."""
        return self.seasons[0]

    @property
    def within_a_day(self) -> bool:
        """Return whether a period is shorter than a day."""
        return self.unit in ("minute", "hour")

    @property
    def plural(self) -> str:
        """Several periods, in a message."""
        return f"periods of {self.noun}" if self.noun[0].isdigit() else f"{self.noun}s"


def _minutes(minutes: int) -> Frequency:
    day = 1440 // minutes
    lags, history = (1, day, 7 * day), 7 * day
    name, noun = f"{minutes}min", f"{minutes} minutes"
    return Frequency(name, "minute", minutes, noun, (day, 7 * day), lags, 7 * day, 30 * day, history)


def _week(name: str, weekday: int) -> Frequency:
    return Frequency(name, "day", 7, "week", (52,), (1, 52), 13, 13, 400, weekday)


_LISTED = (
    *(_minutes(minutes) for minutes in (5, 10, 15, 30)),
    Frequency("hour", "hour", 1, "hour", (24, 168), (1, 24, 168), 168, 720, 504),
    Frequency("day", "day", 1, "day", (7,), (1, 7, 90, 365), 28, 30, 400),
    Frequency("business_day", "day", 1, "business day", (5,), (1, 5, 65, 260), 20, 22, 400),
    _week("week", 1),
    *(_week(f"week-{name}", number) for number, name in enumerate(WEEKDAYS, 1)),
    Frequency("month", "month", 1, "month", (12,), (1, 12), 12, 12, 180),
    Frequency("quarter", "month", 3, "quarter", (4,), (1, 4), 4, 8, 80),
    Frequency("year", "month", 12, "year", (1,), (1,), 3, 5, 60),
)
FREQUENCIES = {one.name: one for one in _LISTED}
"""All frequencies by their names. A week begins on Monday, or on the day in its name."""

DAY = FREQUENCIES["day"]
