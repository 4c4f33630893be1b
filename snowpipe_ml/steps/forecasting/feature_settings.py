"""The settings of a ``features`` step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from typing import Literal as Choice

from pydantic import BaseModel, ConfigDict, Field, model_validator

from snowpipe_ml.models.known_values import least_known
from snowpipe_ml.plugins import (
    ColumnName,
    StepSettings,
    TableName,
)
from snowpipe_ml.sql import Identifier, Literal, Sql, sql
from snowpipe_ml.steps.forecasting.day_features import DateFeature, Fourier, Holidays, date_columns

if TYPE_CHECKING:
    pass


# The columns that a forecaster's table function takes and returns besides the features.
RESERVED = frozenset(
    {
        "SERIES",
        "DATE",
        "PART",
        "MODEL",
        "ORIGIN",
        "ACTUAL",
        "PREDICTION",
        "LOW",
        "HIGH",
        "BASE",
        "FOLD",
        "SCALE",
        "SQUARED_SCALE",
        "GAIN",
        "MESSAGE",
        "ARTIFACT",
        "KEY",
        "TARGET",
        "BUCKET",
        "FORECAST",
    }
)


class ForecastTable(BaseModel):
    """A table with the columns for future periods, such as a weather forecast."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    table: TableName


class Exogenous(BaseModel):
    """Columns of another table, joined by day.

    ``future`` defines the values after the last known day: ``known`` (a calendar: the table includes future
    days), ``climatology`` (the mean for the same day of the year so far, or of the last four weeks if
    that day never occurred), ``last_year`` (the same day a year earlier), or the table of a forecast. A
    future day without a value is an error; it is not guessed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    table: TableName
    columns: tuple[ColumnName, ...] = Field(min_length=1)
    on: ColumnName = Field(Identifier("DATE"), description="Date column of the table")
    fill: float | None = Field(None, description="Value for days that are missing from the table")
    future: Choice["known", "climatology", "last_year"] | ForecastTable = "known"

    @property
    def policy(self) -> str:
        """The name of the method that determines future values."""
        return "forecast" if isinstance(self.future, ForecastTable) else self.future


class Rolling(BaseModel):
    """Means and standard deviations of the days before a day; NULL if fewer than half of these are known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[Annotated[int, Field(ge=2)], ...] = Field((), description="Windows of the means, in days")
    stddev: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        (), description="Windows of the standard deviations, in days"
    )


@dataclass(frozen=True)
class PastFeature:
    """A feature that is computed from the target's past."""

    kind: Choice["lag", "mean", "stddev"]
    days: int

    @property
    def column(self) -> Identifier:
        """The column of the feature, such as ``LAG_7`` or ``MEAN_28``."""
        return Identifier(f"{self.kind.upper()}_{self.days}")

    def sql(self, target: Identifier, key: Identifier) -> Sql:
        """Return its value over complete days, as :func:`snowpipe_ml.models.panel.past_value` does."""
        days = Literal(self.days)
        if self.kind == "lag":
            return sql(
                "LAG({target}, {days}) OVER (PARTITION BY {key} ORDER BY DATE)",
                target=target,
                days=days,
                key=key,
            )
        function = Sql("AVG" if self.kind == "mean" else "STDDEV")
        least = least_known(self.kind, self.days)
        window = sql(
            "(PARTITION BY {key} ORDER BY DATE ROWS BETWEEN {days} PRECEDING AND 1 PRECEDING)",
            key=key,
            days=days,
        )
        return sql(
            "CASE WHEN COUNT({target}) OVER {window} >= {least} THEN {function}({target}::FLOAT) OVER {window} END",
            target=target,
            window=window,
            least=Literal(least),
            function=function,
        )


class FeatureSettings(StepSettings):
    """Settings of ``features``."""

    from_: TableName = Field(alias="from", description="Table with one row per event")
    partition_by: ColumnName = Field(description="Column that identifies a series, such as STORE_ID")
    timestamp: ColumnName = Field(description="Time of an event")
    value: ColumnName | None = Field(
        None, description="Column to sum per day; without it, events are counted"
    )
    target: ColumnName = Field(Identifier("COUNT"), description="Output column with the daily count or sum")
    calendar: TableName | None = Field(
        None, description="Table of the days (DATE) that the events cover; by default all days"
    )
    lags: tuple[Annotated[int, Field(ge=1)], ...] = Field((1, 7, 90, 365), description="Lags in days")
    rolling: Rolling = Field(
        Rolling(mean=(), stddev=()), description="Rolling means and standard deviations of past days"
    )
    date_features: tuple[DateFeature, ...] = Field((), description="Features of the date")
    fourier: tuple[Fourier, ...] = Field((), description="Fourier terms, such as of a week or a year")
    holidays: Holidays | None = Field(None, description="Holidays, and the days around them")
    exogenous: tuple[Exogenous, ...] = ()
    min_history_days: int = Field(
        120, ge=1, description="Minimum days of a series on which the target and its past are known"
    )
    max_idle_days: int = Field(
        30, ge=1, description="Maximum days from a series' last event to the last known day"
    )
    writes: TableName
    left_out: TableName | None = Field(
        None, description="Output table: the series that are left out, with the reason"
    )

    @model_validator(mode="after")
    def _columns_differ(self) -> FeatureSettings:
        names = self.feature_names()
        names += [self.partition_by, self.target, Identifier("DATE")]
        taken = [name for name in (*self.feature_names(), self.target) if name.name in RESERVED]
        if self.partition_by.name in RESERVED - {"SERIES", "KEY"} | {"RUN_ID", "RUN_DATE"}:
            taken.append(self.partition_by)
        if taken:
            raise ValueError(
                f"{', '.join(sorted(name.sql for name in taken))}: forecasters return columns of that name; rename it "
                "in a transform step"
            )
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"two columns would be named {', '.join(sorted(name.sql for name in twice))}")
        return self

    def past(self) -> list[PastFeature]:
        """Return the features that are computed from the target's past."""
        found = [PastFeature("lag", days) for days in self.lags]
        found += [PastFeature("mean", days) for days in self.rolling.mean]
        return found + [PastFeature("stddev", days) for days in self.rolling.stddev]

    def of_date(self) -> list[tuple[Identifier, str]]:
        """Return the features of the date, with their expressions."""
        return date_columns(self.date_features, self.fourier)

    def feature_names(self) -> list[Identifier]:
        """Return the names of all features, in the order of the table."""
        names = [feature.column for feature in self.past()] + [name for name, _ in self.of_date()]
        names += [name for name, _ in self.holidays.columns()] if self.holidays else []
        return names + [column for other in self.exogenous for column in other.columns]
