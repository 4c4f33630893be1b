"""The settings of a ``features`` step."""

from __future__ import annotations

from typing import Annotated
from typing import Literal as Choice

from pydantic import BaseModel, ConfigDict, Field, model_validator

from snowpipe_ml.models.frequencies import DAY, FREQUENCIES, Frequency
from snowpipe_ml.plugins import (
    ColumnKey,
    ColumnName,
    StepSettings,
    TableName,
)
from snowpipe_ml.sql import Fragment, Identifier, Sql, join, sql
from snowpipe_ml.steps.forecasting.calendar_features import DateFeature, Fourier, Holidays, date_columns
from snowpipe_ml.steps.forecasting.covariates import Exogenous, Static
from snowpipe_ml.steps.forecasting.periods import Periods
from snowpipe_ml.steps.forecasting.targets import (
    Aggregate,
    AggregateSetting,
    GapsSetting,
    PastFeature,
    Target,
    TargetSettings,
    ValueSetting,
    check_aggregate,
)

FrequencyName = Choice[
    "5min",
    "10min",
    "15min",
    "30min",
    "hour",
    "day",
    "business_day",
    "week",
    "week-monday",
    "week-tuesday",
    "week-wednesday",
    "week-thursday",
    "week-friday",
    "week-saturday",
    "week-sunday",
    "month",
    "quarter",
    "year",
]
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
        "FREQUENCY",
    }
)


class Rolling(BaseModel):
    """Means and standard deviations of the periods before one; NULL if fewer than half of these are known."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    mean: tuple[Annotated[int, Field(ge=2)], ...] = Field((), description="Windows of the means, in periods")
    stddev: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        (), description="Windows of the standard deviations, in periods"
    )


class FeatureSettings(StepSettings):
    """Settings of ``features``."""

    from_: TableName = Field(alias="from", description="Table with one row per event")
    partition_by: ColumnName = Field(description="Column that identifies a series, such as STORE_ID")
    hierarchy: tuple[ColumnName, ...] = Field(
        (),
        description="Columns from the top to `partition_by`, such as [REGION, STORE_ID]: the series are those of all "
        "levels and their total, with keys such as TOTAL/North/12, and their forecasts add up",
    )
    timestamp: ColumnName = Field(description="Time of an event")
    frequency: FrequencyName | None = Field(
        None,
        description="Length of the periods. `week` begins on Monday, `week-sunday` on Sunday. By default that of the "
        "rows, if these are regular, and otherwise `day`",
    )
    timezone: str | None = Field(
        None,
        description="Time zone in which days begin, such as America/New_York. The periods of hours and minutes are then "
        "in UTC, where each occurs once, and the seasons and features of the calendar follow the time zone",
    )
    stored_timezone: str | None = Field(
        None,
        description="Time zone of `timestamp` if its type has none; with the same one as `timezone`, periods are by the "
        "clock on the wall",
    )
    value: ValueSetting = None
    aggregate: AggregateSetting = None
    gaps: GapsSetting = None
    partial: Choice["drop", "keep"] = Field(
        "drop",
        description="The first and the last period, where the events begin later or end earlier in it than in any "
        "other: by default they are no part of the history. A `calendar` is not checked",
    )
    target: ColumnName = Field(Identifier("COUNT"), description="Output column with the value of a period")
    targets: dict[ColumnKey, TargetSettings] = Field(
        {},
        description="Instead of `target`, `value`, `aggregate` and `gaps`: several output columns, such as "
        "{TRIPS: {}, MINUTES: {value: MINUTES, aggregate: mean}}. The features of the past are those of each, such as "
        "TRIPS_LAG_7, and `deploy_forecaster` names the one to forecast",
    )
    calendar: TableName | None = Field(
        None, description="Table of the periods (DATE) that the events cover; by default all"
    )
    lags: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(
        None,
        description="Lags in periods; by default those of a season: 1, 7, 90 and 365 days, 1, 24 and 168 hours, 1 and "
        "52 weeks, 1 and 12 months",
    )
    rolling: Rolling = Field(
        Rolling(mean=(), stddev=()), description="Rolling means and standard deviations of past periods"
    )
    date_features: tuple[DateFeature, ...] = Field((), description="Features of the date")
    fourier: tuple[Fourier, ...] = Field((), description="Fourier terms, such as of a week or a year")
    holidays: Holidays | None = Field(None, description="Holidays, and the days around them")
    exogenous: tuple[Exogenous, ...] = ()
    static: tuple[Static, ...] = Field(
        (), description="Columns of a table with one row per series, for models over all series"
    )
    min_history: int | None = Field(
        None,
        ge=1,
        description="Minimum periods of a series in which the target is known and all lags look back at its history. By "
        "default a series may have any length: a short one gets a simple forecast",
    )
    max_idle: int | None = Field(
        None,
        ge=1,
        description="Maximum periods from a series' last event to the last known period; by default 30 days, 13 weeks "
        "or 12 months",
    )
    writes: TableName
    left_out: TableName | None = Field(None, description="Output table: the excluded series, with the reason")

    @model_validator(mode="after")
    def _targets_are_apart(self) -> FeatureSettings:
        both = sorted({"target", "value", "aggregate", "gaps"} & self.model_fields_set)
        if self.targets and both:
            raise ValueError(f"with `targets`, each has its own settings: remove {', '.join(both)}")
        return self

    @model_validator(mode="after")
    def _aggregate_fits(self) -> FeatureSettings:
        check_aggregate(self.aggregate, self.value)
        if self.stored_timezone is not None and self.timezone is None:
            raise ValueError("`stored_timezone` needs `timezone`, the time zone of the periods")
        return self

    @model_validator(mode="after")
    def _levels_add_up(self) -> FeatureSettings:
        if not self.hierarchy:
            return self
        if self.hierarchy[-1] != self.partition_by:
            raise ValueError(f"the last column of `hierarchy` must be `partition_by`, {self.partition_by}")
        if any(one.how not in ("count", "sum") or not one.zeros for one in self.all_targets):
            raise ValueError("`hierarchy` needs sums or counts whose gaps are zero: others do not add up")
        if self.static or any(other.series is not None for other in self.exogenous):
            raise ValueError(
                "`static`, and `series` of `exogenous`, have values of the lowest level only, and not of a `hierarchy`"
            )
        return self

    @property
    def source(self) -> Fragment:
        """The events: the table, or with a hierarchy each event once per level, with the path of its series."""
        if not self.hierarchy:
            return self.from_
        known = join(" AND ", [sql("{column} IS NOT NULL", column=column) for column in self.hierarchy])
        values = dict.fromkeys(one.value for one in self.all_targets if one.value is not None)
        columns = join(", ", [self.timestamp, *values])
        path, parts = Sql("'TOTAL'"), []
        for column in (None, *self.hierarchy):
            if column is not None:
                path = sql(
                    "{path} || '/' || REPLACE({column}::VARCHAR, '/', '%2F')", path=path, column=column
                )
            parts.append(
                sql(
                    "SELECT {path} AS {key}, {columns} FROM {events} WHERE {known}",
                    path=path,
                    key=self.partition_by,
                    columns=columns,
                    events=self.from_,
                    known=known,
                )
            )
        return sql("({parts})", parts=join(" UNION ALL ", parts))

    @model_validator(mode="after")
    def _columns_differ(self) -> FeatureSettings:
        names = self.feature_names()
        targets = [one.name for one in self.all_targets]
        names += [self.partition_by, *targets, Identifier("DATE")]
        taken = [name for name in (*self.feature_names(), *targets) if name.name in RESERVED]
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

    @property
    def every(self) -> Frequency:
        """The length of the periods; days where it is yet to be inferred."""
        return FREQUENCIES[self.frequency] if self.frequency is not None else DAY

    @property
    def periods(self) -> Periods:
        """The periods in SQL."""
        return Periods(self.every, self.timezone, self.stored_timezone)

    @property
    def used_lags(self) -> tuple[int, ...]:
        """The lags, or the default ones of the frequency."""
        return self.every.lags if self.lags is None else self.lags

    @property
    def idle(self) -> int:
        """The most periods without an event at the end of a series."""
        return self.max_idle or self.every.idle

    @property
    def how(self) -> Aggregate:
        """How events are aggregated; of several targets, those of the first."""
        return self.all_targets[0].how

    @property
    def zeros(self) -> bool:
        """Return whether a period without an event is zero, and not unknown; of several targets, of the first."""
        return self.all_targets[0].zeros

    @property
    def all_targets(self) -> tuple[Target, ...]:
        """The targets: several, or the one of the settings."""
        if not self.targets:
            return (Target.of(self.target, self.value, self.aggregate, self.gaps),)
        return tuple(
            Target.of(Identifier.parse(name), one.value, one.aggregate, one.gaps)
            for name, one in self.targets.items()
        )

    def of_target(self, name: Identifier) -> FeatureSettings:
        """Return the settings of one of several targets, with the features of its past."""
        ((key, one),) = ((k, v) for k, v in self.targets.items() if Identifier.parse(k) == name)
        own = {"value": one.value, "aggregate": one.aggregate, "gaps": one.gaps}
        return self.model_copy(update={**own, "target": name, "targets": {key: one}})

    def past(self) -> list[PastFeature]:
        """Return the features that are computed from the past of each target."""
        looks: list[tuple[Choice["lag", "mean", "stddev"], int]] = [("lag", days) for days in self.used_lags]
        looks += [("mean", days) for days in self.rolling.mean]
        looks += [("stddev", days) for days in self.rolling.stddev]
        return [
            PastFeature(kind, days, one.name, bool(self.targets))
            for one in self.all_targets
            for kind, days in looks
        ]

    def of_date(self) -> list[tuple[Identifier, Sql]]:
        """Return the features of the calendar, with their expressions over ``D.DATE``."""
        return date_columns(self.date_features, self.fourier, self.periods)

    def feature_names(self) -> list[Identifier]:
        """Return the names of all features, in the order of the table."""
        names = [feature.column for feature in self.past()] + [name for name, _ in self.of_date()]
        names += [name for name, _ in self.holidays.columns()] if self.holidays else []
        names += [one.name for other in self.exogenous for one in other.features]
        return names + [column for other in self.static for column in other.columns]
