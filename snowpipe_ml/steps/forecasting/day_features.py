"""Features that are known for every day, past or future: those of the date, and holidays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal as Choice

from pydantic import BaseModel, ConfigDict, Field

from snowpipe_ml.plugins import ColumnName, TableName
from snowpipe_ml.sql import Identifier, Literal, Sql, sql

DateFeature = Choice[
    "day_of_week", "weekend", "day_of_month", "day_of_year", "week_of_year", "month", "quarter", "year"
]

_DATE_FEATURES = {
    "day_of_week": "DAYOFWEEKISO({day})",
    "weekend": "IFF(DAYOFWEEKISO({day}) >= 6, 1, 0)",
    "day_of_month": "DAYOFMONTH({day})",
    "day_of_year": "DAYOFYEAR({day})",
    "week_of_year": "WEEKISO({day})",
    "month": "MONTH({day})",
    "quarter": "QUARTER({day})",
    "year": "YEAR({day})",
}


class Fourier(BaseModel):
    """Sines and cosines of a period, such as a year: smooth seasonality with few columns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    period: float = Field(gt=1, description="Length in days, such as 7 or 365.25")
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


def date_columns(features: Iterable[str], fourier: Iterable[Fourier]) -> list[tuple[Identifier, str]]:
    """Return (name, expression over ``{day}``) for each feature of the date."""
    found = [(Identifier(name.upper()), _DATE_FEATURES[name]) for name in features]
    for waves in fourier:
        period = f"{waves.period:g}"
        for k in range(1, waves.order + 1):
            angle = f"2 * PI() * {k} * DATEDIFF(day, '1970-01-01'::DATE, {{day}}) / {period}"
            for function in ("SIN", "COS"):
                name = f"{function}_{period.replace('.', '_')}_{k}"
                found.append((Identifier(name), f"{function}({angle})"))
    return found


def day_items(
    columns: Iterable[tuple[Identifier, str]], holidays: Holidays | None, day: Sql
) -> tuple[list[Sql], list[Sql]]:
    """Return the features of a day as select-list items, each after a comma, and the joins that they need."""
    items = [sql(f", {text} AS {{name}}", day=day, name=name) for name, text in columns]
    joins = []
    for number, (name, n) in enumerate(holidays.columns() if holidays else (), 1):
        alias = Identifier(f"H{number}")
        assert holidays is not None
        items.append(sql(", IFF({alias}.DAY IS NULL, 0, 1) AS {name}", alias=alias, name=name))
        joins.append(
            sql(
                "LEFT JOIN (SELECT DISTINCT CAST({on} AS DATE) AS DAY FROM {table}) AS {alias} "
                "ON {alias}.DAY = DATEADD(day, {n}, {day})",
                on=holidays.on,
                table=holidays.table,
                alias=alias,
                n=Literal(n),
                day=day,
            )
        )
    return items, joins
