"""Periods of series in Snowflake's SQL: from the time of an event to its period, and from one period to others.

The functions are documented at https://docs.snowflake.com/en/sql-reference/functions/time_slice,
https://docs.snowflake.com/en/sql-reference/functions/date_trunc,
https://docs.snowflake.com/en/sql-reference/functions/dateadd and
https://docs.snowflake.com/en/sql-reference/functions/convert_timezone.
"""

from __future__ import annotations

from dataclasses import dataclass

from snowpipe_ml.models.frequencies import DAY, Frequency
from snowpipe_ml.sql import Fragment, Literal, Sql, sql

# Snowflake's GENERATOR requires a constant, so calendars are cut from a spine that is long enough: 80 years, or
# 20 of hours and of minutes.
_SPINE_DAYS, _SPINE_HOURS = 29_220, 175_320


@dataclass(frozen=True)
class Periods:
    """The periods of a ``features`` step.

    Attributes:
        frequency: their length.
        timezone: the time zone in which days begin; None if times are taken as they are.
        stored: the time zone of timestamps that have none; None if they have one.
    """

    frequency: Frequency = DAY
    timezone: str | None = None
    stored: str | None = None

    @property
    def type(self) -> str:
        """The type of the column with the beginning of a period."""
        return "TIMESTAMP_NTZ" if self.frequency.within_a_day else "DATE"

    @property
    def in_utc(self) -> bool:
        """Return whether periods are hours or minutes of UTC, each of which occurs once."""
        return self.frequency.within_a_day and self.timezone is not None and self.stored != self.timezone

    @property
    def spine(self) -> int:
        """The number of periods of the longest calendar."""
        every = self.frequency
        if every.unit == "minute":
            return _SPINE_HOURS * 60 // every.count
        return _SPINE_HOURS if every.unit == "hour" else _SPINE_DAYS

    def stamp(self, time: Fragment) -> Sql:
        """Return the time of an event on the clock of the periods, without a time zone."""
        target = "UTC" if self.in_utc else self.timezone
        if target is None or self.stored == target:
            return sql("CAST({time} AS TIMESTAMP_NTZ)", time=time)
        if self.stored is None:
            return sql(
                "CAST(CONVERT_TIMEZONE({target}, {time}) AS TIMESTAMP_NTZ)", target=Literal(target), time=time
            )
        return sql(
            "CONVERT_TIMEZONE({stored}, {target}, CAST({time} AS TIMESTAMP_NTZ))",
            stored=Literal(self.stored),
            target=Literal(target),
            time=time,
        )

    def of(self, time: Fragment) -> Sql:
        """Return the beginning of the period of an event."""
        every = self.frequency
        plain = self.timezone is None or (self.stored == self.timezone and not every.within_a_day)
        if every.unit == "minute":
            count = Literal(every.count)
            return sql("TIME_SLICE({time}, {count}, 'MINUTE')", time=self.stamp(time), count=count)
        if every.unit == "hour":
            return sql("DATE_TRUNC('hour', {time})", time=self.stamp(time))
        day = sql("CAST({time} AS DATE)", time=time if plain else self.stamp(time))
        if every.unit == "month":
            name = Literal({1: "month", 3: "quarter", 12: "year"}[every.count])
            return sql("DATE_TRUNC({name}, {day})", name=name, day=day)
        if every.count == 7:
            later = Literal(7 - every.weekday)
            return sql("DATEADD(day, -MOD(DAYOFWEEKISO({day}) + {later}, 7), {day})", day=day, later=later)
        return day

    @property
    def weekends(self) -> bool:
        """Return whether Saturdays and Sundays are periods."""
        return self.frequency.name != "business_day"

    def plus(self, period: Fragment, number: Fragment) -> Sql:
        """Return the period that is a number of periods later."""
        every = self.frequency
        if not self.weekends:
            return sql("{start}", start=_business_day(sql("{p} + {n}", p=_number(period), n=number)))
        if every.count > 1:
            number = sql("{count} * {number}", count=Literal(every.count), number=number)
        return sql("DATEADD({unit}, {number}, {period})", unit=Sql(every.unit), number=number, period=period)

    def between(self, first: Fragment, last: Fragment) -> Sql:
        """Return the number of periods from one to another."""
        every = self.frequency
        if not self.weekends:
            return sql("({last} - {first})", last=_number(last), first=_number(first))
        found = sql("DATEDIFF({unit}, {first}, {last})", unit=Sql(every.unit), first=first, last=last)
        return found if every.count == 1 else sql("({n} / {count})", n=found, count=Literal(every.count))

    def local(self, period: Fragment) -> Sql:
        """Return the time of a period in its time zone, for features of the calendar."""
        if not self.in_utc:
            return sql("{period}", period=period)
        return sql("CONVERT_TIMEZONE('UTC', {zone}, {period})", zone=Literal(self.timezone), period=period)

    def occurs(self, period: Fragment) -> Sql | None:
        """Return the condition that a period occurs; None if all do.

        On a clock on the wall, an hour is skipped in spring: it is another hour after it is converted to UTC and back.
        """
        if not self.frequency.within_a_day or self.timezone is None or self.in_utc:
            return None
        zone = Literal(self.timezone)
        return sql(
            "CONVERT_TIMEZONE('UTC', {zone}, CONVERT_TIMEZONE({zone}, 'UTC', {period})) = {period}",
            zone=zone,
            period=period,
        )

    def count(self, period: Fragment) -> Sql:
        """Return the number of a period, counted from 1970, for the phase of a wave."""
        if self.type == "DATE":
            return self.between(Sql("'1970-01-01'::DATE"), period)
        return self.between(Sql("'1970-01-01'::TIMESTAMP_NTZ"), self.local(period))

    def of_year(self, period: Fragment) -> Sql:
        """Return the place of a period in its year, which earlier years have too."""
        every, local = self.frequency, self.local(period)
        if every.unit == "month":
            return sql("MONTH({local})", local=local)
        if every.count == 7:
            return sql("LEAST(WEEKISO({local}), 52)", local=local)
        day = sql("LEAST(DAYOFYEAR({local}), 365)", local=local)
        if not every.within_a_day:
            return day
        return sql("{day} * 1440 + HOUR({local}) * 60 + MINUTE({local})", day=day, local=local)

    def year_before(self, period: Fragment) -> Sql:
        """Return the same period a year before."""
        if self.frequency.count == 7:
            return self.plus(period, Literal(-52))
        if not self.weekends:
            return self.plus(period, Literal(-260))
        return sql("DATEADD(year, -1, {period})", period=period)

    @property
    def config(self) -> dict[str, str | None]:
        """The settings of :class:`snowpipe_ml.models.clock.Clock`."""
        return {"frequency": self.frequency.name, "timezone": self.timezone if self.in_utc else None}


def _number(day: Fragment) -> Sql:
    """The number of a business day, counted from a Monday."""
    return sql(
        "(5 * FLOOR(DATEDIFF(day, '1970-01-05'::DATE, {day}) / 7) + LEAST(DAYOFWEEKISO({day}) - 1, 5))",
        day=day,
    )


def _business_day(number: Fragment) -> Sql:
    return sql("DATEADD(day, {n} + 2 * FLOOR(({n}) / 5), '1970-01-05'::DATE)", n=number)
