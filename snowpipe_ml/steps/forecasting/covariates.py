"""Columns of other tables as features: by period, by series and period, or by series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from typing import Literal as Choice

from pydantic import BaseModel, ConfigDict, Field, model_validator

from snowpipe_ml.plugins import ColumnName, TableName
from snowpipe_ml.sql import Identifier


@dataclass(frozen=True)
class Joined:
    """A feature from a column of another table.

    Attributes:
        name: the feature.
        column: the column.
        lag: the periods between the two; 0 for the same period.
    """

    name: Identifier
    column: Identifier
    lag: int = 0


class ForecastTable(BaseModel):
    """A table with the columns for future periods, such as a weather forecast."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    table: TableName


class Exogenous(BaseModel):
    """Columns of another table, joined by period, or by series and period.

    ``future`` defines the values after the last known period: ``known`` (a calendar: the table includes future
    periods), ``climatology`` (the mean for the same time of the year so far, or of the last weeks if
    that time never occurred), ``last_year`` (a year earlier), ``last`` (the last value so far, such as a price), or the
    table of a forecast. A future period without a value is an error; it is not guessed. With ``past_only``, the features are
    the values of earlier periods (``lags``); further ahead than a lag, it is the last known value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    table: TableName
    columns: tuple[ColumnName, ...] = Field(min_length=1)
    on: ColumnName = Field(Identifier("DATE"), description="Column with the beginning of the period")
    series: ColumnName | None = Field(
        None,
        description="Column with the series (`partition_by`), if each has its own values, such as prices or promotions. "
        "By default, the table has one row per period",
    )
    fill: float | None = Field(None, description="Value for periods that are missing from the table")
    future: Choice["known", "climatology", "last_year", "last", "past_only"] | ForecastTable = "known"
    lags: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (),
        description="For `future: past_only`: the features are the values so many periods earlier, such as VISITS_LAG_7",
    )

    @model_validator(mode="after")
    def _lags_are_of_the_past(self) -> Exogenous:
        if (self.future == "past_only") != bool(self.lags):
            raise ValueError(
                "`future: past_only` needs `lags`, such as [1, 7], and `lags` are for `future: past_only` only"
            )
        return self

    @property
    def features(self) -> tuple[Joined, ...]:
        """The features of the columns."""
        if not self.lags:
            return tuple(Joined(column, column) for column in self.columns)
        return tuple(
            Joined(Identifier(f"{column.name}_LAG_{lag}"), column, lag)
            for column in self.columns
            for lag in self.lags
        )

    @property
    def policy(self) -> str:
        """The name of the method that determines future values."""
        return "forecast" if isinstance(self.future, ForecastTable) else self.future


class Static(BaseModel):
    """Columns of another table with one row per series, such as a capacity: the same in all periods."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    table: TableName
    columns: tuple[ColumnName, ...] = Field(min_length=1, description="Numbers; encode categories as such")
    series: ColumnName | None = Field(
        None, description="Column with the series; by default named as `partition_by`"
    )
    fill: float | None = Field(None, description="Value for series that are missing from the table")
