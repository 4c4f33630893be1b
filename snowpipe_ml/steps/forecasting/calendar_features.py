"""Features that are known for every period, past or future: those of the calendar, and holidays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal as Choice

from pydantic import BaseModel, ConfigDict, Field

from snowpipe_ml.plugins import ColumnName, TableName
from snowpipe_ml.sql import Identifier, Literal, Sql, sql
from snowpipe_ml.steps.forecasting.periods import Periods

DateFeature = Choice[
    "hour_of_day",
    "minute_of_day",
    "day_of_week",
    "weekend",
    "day_of_month",
    "day_of_year",
    "week_of_year",
    "month",
    "quarter",
    "year",
]

_DATE_FEATURES = {
    "hour_of_day": "HOUR({day})",
    "minute_of_day": "HOUR({day}) * 60 + MINUTE({day})",
    "day_of_week": "DAYOFWEEKISO({day})",
    "weekend": "IFF(DAYOFWEEKISO({day}) >= 6, 1, 0)",
    "day_of_month": "DAYOFMONTH({day})",
    "day_of_year": "DAYOFYEAR({day})",
    "week_of_year": "WEEKISO({day})",
    "month": "MONTH({day})",
    "quarter": "QUARTER({day})",
    "year": "YEAR({day})",
}
# The longest periods in hours that still tell the values of a feature apart.
_LONGEST = {
    "hour_of_day": 1,
    "minute_of_day": 1,
    "day_of_week": 24,
    "weekend": 24,
    "day_of_month": 24,
    "day_of_year": 168,
    "week_of_year": 168,
    "month": 720,
    "quarter": 2160,
}
_HOURS = {"minute": 1 / 60, "hour": 1.0, "day": 24.0, "month": 720.0}

_PERIOD = Sql("D.DATE")
"""The period in the expressions of :func:`date_columns`."""


class Fourier(BaseModel):
    """Sines and cosines of a period, such as a year: smooth seasonality with few columns."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    period: float = Field(
        gt=1, description="Length in periods of the series, such as 7 or 365.25 days, or 168 hours for a week"
    )
    order: int = Field(1, ge=1, le=20, description="Number of harmonics; each is a sine and a cosine")


class Holidays(BaseModel):
    """A table with one row per holiday: a feature is 1 on holidays, others mark the days around them."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    table: TableName
    on: ColumnName = Field(Identifier("DATE"), description="Date column of the table")
    days_before: int = Field(0, ge=0, le=7)
    days_after: int = Field(0, ge=0, le=7)

    def columns(self) -> list[tuple[Identifier, int]]:
        """Return (name, days from the row's day to the holiday) for each feature."""
        found = [(Identifier("HOLIDAY"), 0)]
        found += [(Identifier(f"BEFORE_HOLIDAY_{n}"), n) for n in range(1, self.days_before + 1)]
        found += [(Identifier(f"AFTER_HOLIDAY_{n}"), -n) for n in range(1, self.days_after + 1)]
        return found


def misfits(features: Iterable[str], periods: Periods) -> list[str]:
    """Return the features of the date that say nothing of periods of this length."""
    hours = _HOURS[periods.frequency.unit] * periods.frequency.count
    return [name for name in features if hours > _LONGEST.get(name, hours)]


def date_columns(
    features: Iterable[str], fourier: Iterable[Fourier], periods: Periods
) -> list[tuple[Identifier, Sql]]:
    """Return (name, expression over ``D.DATE``) for each feature of the calendar."""
    local = periods.local(_PERIOD)
    found = [(Identifier(name.upper()), sql(_DATE_FEATURES[name], day=local)) for name in features]
    for waves in fourier:
        period = f"{waves.period:g}"
        for k in range(1, waves.order + 1):
            angle = sql(
                f"2 * PI() * {k} * {{number}} / {period}",
                number=periods.count(_PERIOD),
            )
            for function in ("SIN", "COS"):
                name = f"{function}_{period.replace('.', '_')}_{k}"
                found.append((Identifier(name), sql(f"{function}({{angle}})", angle=angle)))
    return found


def calendar_items(
    columns: Iterable[tuple[Identifier, Sql]], holidays: Holidays | None, periods: Periods
) -> tuple[list[Sql], list[Sql]]:
    """Return the features of ``D.DATE`` as select-list items, each after a comma, and the joins that they need.

    A period that is longer than a day has a holiday if one of its days is a holiday.
    """
    items = [sql(", {text} AS {name}", text=text, name=name) for name, text in columns]
    joins = []
    longer = _HOURS[periods.frequency.unit] * periods.frequency.count > 24
    for number, (name, n) in enumerate(holidays.columns() if holidays else (), 1):
        alias = Identifier(f"H{number}")
        assert holidays is not None
        day = sql("CAST({on} AS DATE)", on=holidays.on)
        of = day
        at: Sql = sql("DATEADD(day, {n}, {day})", n=Literal(n), day=_PERIOD)
        if longer:  # the day before a holiday belongs to its own period
            moved = day if n == 0 else sql("DATEADD(day, {n}, {day})", n=Literal(-n), day=day)
            of, at = Periods(periods.frequency).of(moved), _PERIOD
        elif periods.frequency.within_a_day:
            local = sql("CAST({local} AS DATE)", local=periods.local(_PERIOD))
            at = sql("DATEADD(day, {n}, {day})", n=Literal(n), day=local)
        items.append(sql(", IFF({alias}.DAY IS NULL, 0, 1) AS {name}", alias=alias, name=name))
        joins.append(
            sql(
                "LEFT JOIN (SELECT DISTINCT {of} AS DAY FROM {table}) AS {alias} ON {alias}.DAY = {at}",
                of=of,
                table=holidays.table,
                alias=alias,
                at=at,
            )
        )
    return items, joins
