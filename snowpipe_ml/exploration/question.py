"""The question that an exploration answers: a table, its columns and how its rows become series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast, get_args

from pydantic import ValidationError

from snowpipe_ml.errors import UsageError
from snowpipe_ml.models.clock import Clock
from snowpipe_ml.models.frequencies import FREQUENCIES, Frequency
from snowpipe_ml.plugins.connection import Asks
from snowpipe_ml.sql import Identifier, QualifiedName, sql
from snowpipe_ml.steps.forecasting.feature_settings import RESERVED, FeatureSettings, FrequencyName
from snowpipe_ml.steps.forecasting.periods import Periods
from snowpipe_ml.steps.forecasting.targets import Aggregate
from snowpipe_ml.text.problems import did_you_mean

_NUMBERS = ("NUMBER", "FLOAT", "BOOLEAN", "DECFLOAT")
_TIMES = ("TIMESTAMP", "DATE")
_TARGET = "_Y"


@dataclass(frozen=True)
class Covariate:
    """A numeric column of another table with a row per period or day, such as a temperature."""

    table: QualifiedName
    column: Identifier
    on: Identifier


@dataclass(frozen=True)
class Question:
    """A table, the columns of its series and times, and how its rows become values of periods.

    Attributes:
        table: a table or view on the target, with a row per event or measurement.
        series: the column that identifies a series.
        time: the column with the time of a row.
        value: the column to aggregate; None to count rows.
        aggregate: how values are aggregated; by default the sum, or the count without a value.
        frequency: the length of the periods; None to infer it.
        timezone: the time zone in which days begin.
        stored_timezone: the time zone of `time` if its type has none.
        calendar: a table of the periods (DATE) that the rows cover.
        country: the holidays to look at: a country and, optionally, a subdivision.
        covariates: the columns whose effect on the values is measured.
    """

    table: QualifiedName
    series: Identifier
    time: Identifier
    value: Identifier | None = None
    aggregate: Aggregate | None = None
    frequency: FrequencyName | None = None
    timezone: str | None = None
    stored_timezone: str | None = None
    calendar: QualifiedName | None = None
    country: tuple[str, str | None] | None = None
    covariates: tuple[Covariate, ...] = ()

    def of_frequency(self, frequency: Frequency) -> Question:
        """Return the question with a frequency."""
        return replace(self, frequency=cast(FrequencyName, frequency.name))

    @property
    def settings(self) -> FeatureSettings:
        """The settings of a `features` step that aggregates the rows in the same way."""
        return FeatureSettings.model_validate(
            {
                "type": "features",
                "from": self.table.sql,
                "partition_by": self.series.sql,
                "timestamp": self.time.sql,
                "frequency": self.frequency,
                "timezone": self.timezone,
                "stored_timezone": self.stored_timezone,
                "value": self.value.sql if self.value is not None else None,
                "aggregate": self.aggregate,
                "target": _TARGET,
                "calendar": self.calendar.sql if self.calendar is not None else None,
                "lags": (),
                "writes": "FEATURES",
            }
        )

    @property
    def periods(self) -> Periods:
        """The periods in SQL."""
        return self.settings.periods

    @property
    def every(self) -> Frequency:
        """The frequency; days until it is known."""
        return self.settings.every

    @property
    def clock(self) -> Clock:
        """The periods as numbers."""
        return Clock(self.every, self.timezone if self.periods.in_utc else None)

    @property
    def target(self) -> Identifier:
        """The column of the aggregated value."""
        return Identifier(_TARGET)

    @property
    def output(self) -> str:
        """The column of the aggregated value in suggested steps."""
        if self.value is None:
            return "COUNT"
        taken = {*RESERVED, "DATE", self.series.name, *(one.column.name for one in self.covariates)}
        return self.value.sql if self.value.name not in taken else _TARGET

    @property
    def adds_up(self) -> bool:
        """Return whether the values of the series add up to a total."""
        return self.settings.how in ("count", "sum")

    @property
    def unit(self) -> str:
        """The aggregated value in words, such as ``rows per day`` or ``mean of TEMP per hour``."""
        told = "rows" if self.value is None else f"{self.settings.how} of {self.value}"
        return f"{told} per {self.every.noun}"


def frequency_of(name: str) -> FrequencyName:
    """Check the name of a frequency.

    Raises:
        UsageError: no frequency has this name.
    """
    if name not in get_args(FrequencyName):
        hint = did_you_mean(name, FREQUENCIES)
        raise UsageError(
            f"no frequency {name!r}; {hint + '; ' if hint else ''}there are: {', '.join(FREQUENCIES)}"
        )
    return cast(FrequencyName, name)


def columns_of(ask: Asks, name: QualifiedName) -> dict[str, str]:
    """Return the types of a table's columns by their names."""
    rows = ask.execute(sql("DESCRIBE TABLE {name}", name=name))
    return {str(row["name"]): str(row["type"]) for row in rows}


def column_in(columns: Mapping[str, str], name: Identifier, table: QualifiedName, option: str) -> str:
    """Return the type of a column.

    Raises:
        UsageError: the table has no such column.
    """
    if name.name not in columns:
        hint = did_you_mean(name.name, columns)
        raise UsageError(
            f"{option}: {table} has no column {name}"
            + (f"; {hint}" if hint else f"; it has {', '.join(columns)}")
        )
    return columns[name.name]


def check_columns(ask: Asks, question: Question) -> dict[str, str]:
    """Check that the table has the columns of a question, of types that fit, and return the types of all columns.

    Raises:
        UsageError: a column is missing, the time is no time, or the value is no number.
    """
    q = question
    try:
        assert q.settings
    except ValidationError as error:
        raise UsageError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
    columns = columns_of(ask, q.table)
    column_in(columns, q.series, q.table, "--series")
    kind = column_in(columns, q.time, q.table, "--time")
    if not kind.startswith((*_TIMES, "VARCHAR")) or kind.startswith("TIME("):
        raise UsageError(f"--time: {q.time} of {q.table} is a {kind}, and not a date or a timestamp")
    if kind.startswith("VARCHAR"):
        _check_text(ask, q)
    zoned = kind.startswith(("TIMESTAMP_TZ", "TIMESTAMP_LTZ"))
    if q.timezone is not None and not zoned and q.stored_timezone is None:
        raise UsageError(
            f"--timezone: {q.time} of {q.table} is a {kind}, which has no time zone: give the one of its times with "
            "--stored-timezone, such as UTC"
        )
    if q.timezone is not None and zoned and q.stored_timezone is not None:
        raise UsageError(
            f"--stored-timezone: {q.time} of {q.table} is a {kind}, which has a time zone: leave the option out"
        )
    if q.value is not None:
        kind = column_in(columns, q.value, q.table, "--value")
        if not kind.startswith(_NUMBERS) and q.aggregate not in ("count", "distinct"):
            raise UsageError(
                f"--value: {q.value} of {q.table} is a {kind}, and not a number; --aggregate distinct counts its values"
            )
    return columns


def _check_text(ask: Asks, question: Question) -> None:
    """Refuse a column of text unless all of its values read as timestamps."""
    row = ask.execute(
        sql(
            "SELECT COUNT(*), MIN({time}) FROM {table} WHERE {time} IS NOT NULL "
            "AND TRY_CAST({time} AS TIMESTAMP_NTZ) IS NULL",
            time=question.time,
            table=question.table,
        )
    )[0]
    bad, example = int(row[0]), row[1]
    if bad:
        raise UsageError(
            f"--time: {question.time} of {question.table} is text, and {bad:,} of its values do not read as a "
            f"timestamp, such as {example!r}: convert them in a transform step, with TO_TIMESTAMP and their format"
        )
