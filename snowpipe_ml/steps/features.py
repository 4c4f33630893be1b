"""``features`` and ``future_features``: what a forecaster learns from, and what it forecasts over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated
from typing import Literal as Choice

from pydantic import BaseModel, ConfigDict, Field, model_validator

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import (
    ColumnName,
    PlanContext,
    Resource,
    RunContext,
    Step,
    StepPlan,
    StepResult,
    StepSettings,
    TableName,
    register,
    table,
)
from snowpipe_ml.sql import Identifier, Literal, Sql, join, sql
from snowpipe_ml.steps.publish import publish_table

# GENERATOR takes a constant, so the calendar is cut from a spine that is long enough: 80 years.
_SPINE_DAYS = 29_220


class Exogenous(BaseModel):
    """Columns of another table, joined by day.

    ``future`` says what they are beyond the last known day: ``known`` (a calendar: the table has
    the days to come) or ``climatology`` (the mean of the same day of the year so far).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    table: TableName
    columns: tuple[ColumnName, ...] = Field(min_length=1)
    on: ColumnName = Field(Identifier("DATE"), description="The table's day column")
    fill: float | None = Field(None, description="The value of a day that the table does not have")
    future: Choice["known", "climatology"] = "known"


def lag_column(days: int) -> Identifier:
    """The name of a lag feature."""
    return Identifier(f"LAG_{days}")


@register("features")
class Features(Step["Features.Settings"]):
    """Count events a series and day on a complete calendar, with lags and exogenous columns.

    A day without events is a zero. A day that is not in ``calendar`` is unknown: it is neither a
    zero nor a row, and a lag that falls on it is NULL. Series with too little history, or without
    a recent event, are left out; ``left_out`` keeps them with the reason.
    """

    class Settings(StepSettings):
        """Settings of ``features``."""

        from_: TableName = Field(alias="from", description="The events, a row each")
        partition_by: ColumnName = Field(description="What a series is of, such as STATION_ID")
        timestamp: ColumnName = Field(description="When an event happened")
        target: ColumnName = Field(Identifier("COUNT"), description="The column with the daily count")
        calendar: TableName | None = Field(None, description="The days (DATE) that the events cover; all if none")
        lags: tuple[Annotated[int, Field(ge=1)], ...] = Field((1, 7, 90, 365), description="Days back")
        exogenous: tuple[Exogenous, ...] = ()
        min_history_days: int = Field(120, ge=1, description="Days a series needs with target and all lags known")
        max_idle_days: int = Field(30, ge=1, description="Days before the last known one with an event")
        writes: TableName
        left_out: TableName | None = Field(None, description="A table of the series left out, and why")

        @model_validator(mode="after")
        def _columns_differ(self) -> Features.Settings:
            names = [lag_column(days) for days in self.lags]
            names += [column for other in self.exogenous for column in other.columns]
            names += [self.partition_by, self.target, Identifier("DATE")]
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"two columns would be named {', '.join(sorted(name.sql for name in twice))}")
            return self

    settings: Features.Settings

    @property
    def feature_columns(self) -> tuple[Identifier, ...]:
        """The columns a model learns from: lags, then exogenous ones."""
        s = self.settings
        return (*map(lag_column, s.lags), *(column for other in s.exogenous for column in other.columns))

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        s = self.settings
        yield table(s.from_, "from")
        if s.calendar is not None:
            yield table(s.calendar, "calendar")
        for index, other in enumerate(s.exogenous):
            yield table(other.table, "exogenous", index, "table")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")
        if self.settings.left_out is not None:
            yield table(self.settings.left_out, "left_out")

    def _series(self) -> Sql:
        """The common table expressions: every series and day, target NULL where it is unknown."""
        s = self.settings
        covered = (
            sql("SELECT DISTINCT DATE FROM {calendar}", calendar=s.calendar)
            if s.calendar is not None
            else Sql("SELECT DATEADD(day, N, (SELECT MIN(DATE) FROM DAILY)) AS DATE FROM SPINE "
                     "WHERE DATEADD(day, N, (SELECT MIN(DATE) FROM DAILY)) <= (SELECT MAX(DATE) FROM DAILY)")
        )  # fmt: skip
        lags = join("", [
            sql(", LAG({target}, {days}) OVER (PARTITION BY {key} ORDER BY DATE) AS {name}", target=s.target,
                key=s.partition_by, days=Literal(days), name=lag_column(days))
            for days in s.lags
        ])  # fmt: skip
        usable = join("", [sql(" AND {name} IS NOT NULL", name=lag_column(days)) for days in s.lags])
        return sql(
            """WITH SPINE AS (
  SELECT ROW_NUMBER() OVER (ORDER BY SEQ4()) - 1 AS N FROM TABLE(GENERATOR(ROWCOUNT => {spine}))
), DAILY AS (
  SELECT {key}, CAST({timestamp} AS DATE) AS DATE, COUNT(*) AS {target}
  FROM {events} WHERE {key} IS NOT NULL AND {timestamp} IS NOT NULL GROUP BY {key}, CAST({timestamp} AS DATE)
), COVERED AS (
  {covered}
), BOUNDS AS (
  SELECT {key}, MIN(DATE) AS FIRST_DAY, MAX(DATE) AS LAST_EVENT FROM DAILY GROUP BY {key}
), LAST_DAY AS (
  SELECT MAX(DATE) AS LAST_DAY FROM COVERED
), COMPLETE AS (
  SELECT B.{key}, DATEADD(day, S.N, B.FIRST_DAY) AS DATE
  FROM BOUNDS B CROSS JOIN LAST_DAY L JOIN SPINE S ON S.N <= DATEDIFF(day, B.FIRST_DAY, L.LAST_DAY)
), KNOWN AS (
  SELECT C.{key}, C.DATE, CASE WHEN V.DATE IS NOT NULL THEN COALESCE(D.{target}, 0) END AS {target}
  FROM COMPLETE C LEFT JOIN COVERED V ON V.DATE = C.DATE
  LEFT JOIN DAILY D ON D.{key} = C.{key} AND D.DATE = C.DATE
), LAGGED AS (
  SELECT {key}, DATE, {target}{lags} FROM KNOWN
), HISTORY AS (
  SELECT B.{key}, B.LAST_EVENT, L.LAST_DAY, COUNT_IF(G.{target} IS NOT NULL{usable}) AS HISTORY_DAYS
  FROM BOUNDS B CROSS JOIN LAST_DAY L LEFT JOIN LAGGED G ON G.{key} = B.{key}
  GROUP BY B.{key}, B.LAST_EVENT, L.LAST_DAY
), JUDGED AS (
  SELECT {key}, LAST_EVENT, HISTORY_DAYS,
    CASE WHEN DATEDIFF(day, LAST_EVENT, LAST_DAY) > {idle} THEN 'no recent event'
         WHEN HISTORY_DAYS < {enough} THEN 'too little history' END AS REASON
  FROM HISTORY
)""",
            spine=Literal(_SPINE_DAYS), key=s.partition_by, timestamp=s.timestamp, target=s.target, events=s.from_,
            covered=covered, lags=lags, usable=usable, idle=Literal(s.max_idle_days), enough=Literal(s.min_history_days),
        )  # fmt: skip

    def _one_row_a_day(self, ctx: RunContext) -> None:
        """An exogenous table with two rows for a day would double the history.

        Raises:
            StepError: it names the tables to look at.
        """
        s = self.settings
        double = ctx.scalar(
            sql("SELECT COUNT(*) FROM (SELECT {key}, DATE FROM {name} GROUP BY {key}, DATE HAVING COUNT(*) > 1)",
                key=s.partition_by, name=s.writes)
        )  # fmt: skip
        if double:
            tables = ", ".join(str(other.table) for other in s.exogenous)
            raise StepError(f"{double} days of a series have several rows: a table has a day twice ({tables})")

    def _query(self) -> Sql:
        s = self.settings
        joins, columns = [], []
        for number, other in enumerate(s.exogenous, 1):
            alias = Identifier(f"X{number}")
            joins.append(
                sql(
                    "LEFT JOIN {table} AS {alias} ON {alias}.{on} = G.DATE", table=other.table, alias=alias, on=other.on
                )
            )
            columns += [
                sql(", {value} AS {column}", value=_filled(alias, column, other.fill), column=column)
                for column in other.columns
            ]
        return sql(
            "{series}\nSELECT G.*{columns}\nFROM LAGGED G JOIN JUDGED J ON J.{key} = G.{key} AND J.REASON IS NULL\n"
            "{joins}\nWHERE G.{target} IS NOT NULL",
            series=self._series(), columns=join("", columns), key=s.partition_by, joins=join("\n", joins), target=s.target,
        )  # fmt: skip

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        statement = sql("CREATE OR REPLACE TABLE {name} AS {query}", name=s.writes, query=self._query())
        return StepPlan(f"daily features of each {s.partition_by}, lags {', '.join(map(str, s.lags))}", (statement,))

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        rows = publish_table(ctx, s.writes, self._query())
        self._one_row_a_day(ctx)
        judged = sql(
            "{series}\nSELECT {key}, REASON, HISTORY_DAYS, LAST_EVENT FROM JUDGED WHERE REASON IS NOT NULL",
            series=self._series(), key=s.partition_by,
        )  # fmt: skip
        if s.left_out is not None:
            publish_table(ctx, s.left_out, judged)
            judged = sql("SELECT * FROM {name}", name=s.left_out)
        reasons = ctx.execute(
            sql("SELECT REASON, COUNT(*) AS N FROM ({judged}) GROUP BY REASON ORDER BY REASON", judged=judged)
        )
        kept = int(ctx.scalar(sql("SELECT COUNT(DISTINCT {key}) FROM {name}", key=s.partition_by, name=s.writes)))
        left = ", ".join(f"{row['N']} left out: {row['REASON']}" for row in reasons)
        return StepResult(
            rows=rows, message=f"{kept} series" + (f"; {left}" if left else ""),
            metrics={"series": kept, **{f"left out: {row['REASON']}": row["N"] for row in reasons}},
        )  # fmt: skip


def _filled(alias: Identifier, column: Identifier, fill: float | None) -> Sql:
    value = sql("{alias}.{column}", alias=alias, column=column)
    return value if fill is None else sql("COALESCE({value}, {fill})", value=value, fill=Literal(fill))


@register("future_features")
class FutureFeatures(Step["FutureFeatures.Settings"]):
    """The days to forecast for every series of a ``features`` step, with the exogenous columns.

    Lags are NULL here: the forecaster fills them, day after day, with what it forecast.
    """

    class Settings(StepSettings):
        """Settings of ``future_features``."""

        features: TableName = Field(description="The table of a `features` step")
        horizon_days: int = Field(30, ge=1, le=3660)
        writes: TableName

    settings: FutureFeatures.Settings

    def _features(self, ctx: PlanContext) -> Features:
        return ctx.producer_of(table(self.settings.features), Features)

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.features, "features")
        step = ctx.producer(table(self.settings.features))
        if isinstance(step, Features):
            for other in step.settings.exogenous:
                yield table(other.table, "features")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")

    def _query(self, ctx: PlanContext) -> Sql:
        s, f = self.settings, self._features(ctx).settings
        ctes, joins, columns = [], [], []
        for number, other in enumerate(f.exogenous, 1):
            alias = Identifier(f"X{number}")
            if other.future == "climatology":
                means = join("", [sql(", AVG({c}::FLOAT) AS {c}", c=column) for column in other.columns])
                ctes.append(
                    sql(", {alias} AS (\n  SELECT DAYOFYEAR({on}) AS DAY{means} FROM {table}, LAST_DAY\n"
                        "  WHERE {on} <= LAST_DAY.LAST_DAY GROUP BY DAYOFYEAR({on})\n)",
                        alias=alias, on=other.on, means=means, table=other.table)
                )  # fmt: skip
                # The 366th day may never have been seen: the day before stands for it.
                joins.append(sql("LEFT JOIN {alias} ON {alias}.DAY = LEAST(DAYOFYEAR(D.DATE), 365)", alias=alias))
            else:
                joins.append(
                    sql(
                        "LEFT JOIN {table} AS {alias} ON {alias}.{on} = D.DATE",
                        table=other.table,
                        alias=alias,
                        on=other.on,
                    )
                )
            columns += [
                sql(", {value} AS {column}", value=_filled(alias, column, other.fill), column=column)
                for column in other.columns
            ]
        lags = join("", [sql(", NULL::NUMBER(38, 0) AS {name}", name=lag_column(days)) for days in f.lags])
        return sql(
            """WITH SERIES AS (
  SELECT DISTINCT {key} FROM {features}
), LAST_DAY AS (
  SELECT MAX(DATE) AS LAST_DAY FROM {features}
), DAYS AS (
  SELECT DATEADD(day, N, L.LAST_DAY) AS DATE
  FROM (SELECT ROW_NUMBER() OVER (ORDER BY SEQ4()) AS N FROM TABLE(GENERATOR(ROWCOUNT => {horizon}))) CROSS JOIN LAST_DAY L
){ctes}
SELECT S.{key}, D.DATE, NULL::NUMBER(38, 0) AS {target}{lags}{columns}
FROM SERIES S CROSS JOIN DAYS D
{joins}""",
            key=f.partition_by, features=s.features, horizon=Literal(s.horizon_days), ctes=join("", ctes), target=f.target,
            lags=lags, columns=join("", columns), joins=join("\n", joins),
        )  # fmt: skip

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        statement = sql("CREATE OR REPLACE TABLE {name} AS {query}", name=s.writes, query=self._query(ctx))
        return StepPlan(f"the next {s.horizon_days} days of each series", (statement,))

    def run(self, ctx: RunContext) -> StepResult:
        rows = publish_table(ctx, self.settings.writes, self._query(ctx))
        return StepResult(rows=rows, message=f"{self.settings.horizon_days} days")


__all__ = ["Exogenous", "Features", "FutureFeatures", "lag_column"]
