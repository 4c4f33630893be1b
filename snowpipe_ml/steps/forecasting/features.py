"""``features``: create the daily features that a forecaster learns from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import (
    ColumnUse,
    PlanContext,
    Resource,
    RunContext,
    Step,
    StepPlan,
    StepResult,
    register,
    table,
)
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.data.publish import publish_table
from snowpipe_ml.steps.forecasting.columns import require_columns
from snowpipe_ml.steps.forecasting.day_features import day_items
from snowpipe_ml.steps.forecasting.feature_columns import forecast_columns, joined_columns
from snowpipe_ml.steps.forecasting.feature_settings import FeatureSettings
from snowpipe_ml.steps.forecasting.frequency import check_daily

if TYPE_CHECKING:
    from snowflake.snowpark import Row

# GENERATOR requires a constant, so the calendar is cut from a spine that is long enough: 80 years.
_SPINE_DAYS = 29_220
_SHORT = "too little history"


@register("features")
class Features(Step[FeatureSettings]):
    """Count or sum events per series and day on a complete calendar, with features of the past and the day.

    A day without events is zero. A day that is missing from ``calendar``, or whose events have no known
    ``value``, is unknown: it is not zero and has no row, and a lag that refers to it is NULL. Series with too
    little history, or without a recent event, are left out; ``left_out`` lists them with the reason.
    """

    Settings = FeatureSettings
    settings: FeatureSettings

    @property
    def feature_columns(self) -> tuple[Identifier, ...]:
        """The columns that a model learns from: features of the past, of the date, then exogenous ones."""
        return tuple(self.settings.feature_names())

    def described(self) -> list[dict[str, str | int]]:
        """Return the features as the forecaster's code expects them, in the order of the columns."""
        policies = {column: other.policy for other in self.settings.exogenous for column in other.columns}
        past = {feature.column: feature for feature in self.settings.past()}
        return [
            {"name": name.name, "kind": past[name].kind, "days": past[name].days}
            if name in past
            else {"name": name.name, "future": policies.get(name, "known")}
            for name in self.feature_columns
        ]

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        s = self.settings
        yield table(s.from_, "from")
        if s.calendar is not None:
            yield table(s.calendar, "calendar")
        if s.holidays is not None:
            yield table(s.holidays.table, "holidays", "table")
        for index, other in enumerate(s.exogenous):
            yield table(other.table, "exogenous", index, "table")

    def columns_read(self, ctx: PlanContext) -> Iterable[ColumnUse]:
        return (*joined_columns(self.settings), *forecast_columns(self.settings))

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")
        if self.settings.left_out is not None:
            yield table(self.settings.left_out, "left_out")

    def _series(self) -> Sql:
        """Return common table expressions of every series and day; the target is NULL where unknown."""
        s = self.settings
        covered = (
            sql("SELECT DISTINCT CAST(DATE AS DATE) AS DATE FROM {calendar}", calendar=s.calendar)
            if s.calendar is not None
            else Sql(
                "SELECT DATEADD(day, N, (SELECT MIN(DATE) FROM DAILY)) AS DATE FROM SPINE "
                "WHERE DATEADD(day, N, (SELECT MIN(DATE) FROM DAILY)) <= (SELECT MAX(DATE) FROM DAILY)"
            )
        )
        past = join(
            "",
            [
                sql(", {value} AS {name}", value=feature.sql(s.target, s.partition_by), name=feature.column)
                for feature in s.past()
            ],
        )
        usable = join("", [sql(" AND {name} IS NOT NULL", name=feature.column) for feature in s.past()])
        daily = Sql("COUNT(*)") if s.value is None else sql("SUM({value})", value=s.value)
        return sql(
            """WITH SPINE AS (
  SELECT ROW_NUMBER() OVER (ORDER BY SEQ4()) - 1 AS N FROM TABLE(GENERATOR(ROWCOUNT => {spine}))
), DAILY AS (
  SELECT {key}, CAST({timestamp} AS DATE) AS DATE, {daily} AS {target}
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
  SELECT C.{key}, C.DATE, CASE WHEN V.DATE IS NULL THEN NULL WHEN D.DATE IS NULL THEN 0 ELSE D.{target} END AS {target}
  FROM COMPLETE C LEFT JOIN COVERED V ON V.DATE = C.DATE
  LEFT JOIN DAILY D ON D.{key} = C.{key} AND D.DATE = C.DATE
), LAGGED AS (
  SELECT {key}, DATE, {target}{past} FROM KNOWN
), HISTORY AS (
  SELECT B.{key}, B.LAST_EVENT, L.LAST_DAY, COUNT_IF(G.{target} IS NOT NULL{usable}) AS HISTORY_DAYS
  FROM BOUNDS B CROSS JOIN LAST_DAY L LEFT JOIN LAGGED G ON G.{key} = B.{key}
  GROUP BY B.{key}, B.LAST_EVENT, L.LAST_DAY
), JUDGED AS (
  SELECT {key}, LAST_EVENT, HISTORY_DAYS,
    CASE WHEN DATEDIFF(day, LAST_EVENT, LAST_DAY) > {idle} THEN 'no recent event'
         WHEN HISTORY_DAYS < {enough} THEN {short} END AS REASON
  FROM HISTORY
)""",
            spine=Literal(_SPINE_DAYS),
            key=s.partition_by,
            timestamp=s.timestamp,
            target=s.target,
            events=s.from_,
            covered=covered,
            past=past,
            daily=daily,
            usable=usable,
            idle=Literal(s.max_idle_days),
            enough=Literal(s.min_history_days),
            short=Literal(_SHORT),
        )

    def _query(self) -> Sql:
        s = self.settings
        columns, joins = day_items(s.of_date(), s.holidays, Sql("G.DATE"))
        for number, other in enumerate(s.exogenous, 1):
            alias = Identifier(f"X{number}")
            joins.append(
                sql(
                    "LEFT JOIN {table} AS {alias} ON {alias}.{on} = G.DATE",
                    table=other.table,
                    alias=alias,
                    on=other.on,
                )
            )
            columns += [
                sql(", {value} AS {column}", value=filled(alias, column, other.fill), column=column)
                for column in other.columns
            ]
        return sql(
            "{series}\nSELECT G.*{columns}\nFROM LAGGED G JOIN JUDGED J ON J.{key} = G.{key} AND J.REASON IS NULL\n"
            "{joins}\nWHERE G.{target} IS NOT NULL",
            series=self._series(),
            columns=join("", columns),
            key=s.partition_by,
            joins=join("\n", joins),
            target=s.target,
        )

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        statement = sql("CREATE OR REPLACE TABLE {name} AS {query}", name=s.writes, query=self._query())
        return StepPlan(
            f"daily features of each {s.partition_by}: {', '.join(name.name for name in self.feature_columns)}",
            (statement,),
        )

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        require_columns(ctx, joined_columns(s))
        check_daily(ctx, s.from_, s.timestamp, s.partition_by, gaps=s.calendar is None)
        for other in s.exogenous:
            check_daily(ctx, other.table, other.on, gaps=other.fill is None)
            one_row_a_day(ctx, other.table, other.on)
        judged = sql(
            "{series}\nSELECT {key}, REASON, HISTORY_DAYS, LAST_EVENT FROM JUDGED WHERE REASON IS NOT NULL",
            series=self._series(),
            key=s.partition_by,
        )
        if s.left_out is not None:
            publish_table(ctx, s.left_out, judged)
            judged = sql("SELECT * FROM {name}", name=s.left_out)
        reasons = ctx.execute(
            sql(
                "SELECT REASON, COUNT(*) AS N, MAX(HISTORY_DAYS) AS MOST FROM ({judged}) GROUP BY REASON ORDER BY REASON",
                judged=judged,
            )
        )
        every = int(
            ctx.scalar(
                sql(
                    "SELECT COUNT(DISTINCT {key}) FROM {events} WHERE {timestamp} IS NOT NULL",
                    key=s.partition_by,
                    events=s.from_,
                    timestamp=s.timestamp,
                )
            )
        )
        kept = every - sum(row["N"] for row in reasons)
        if not kept:
            raise StepError(self._nothing_left(every, reasons))
        rows = publish_table(ctx, s.writes, self._query())
        aside = self._events_without_series(ctx)
        left = [f"{row['N']} left out: {row['REASON']}" for row in reasons]
        where = f", listed in {s.left_out}" if s.left_out is not None else ""
        warnings = [f"{row['N']} series are left out: {row['REASON']}{where}" for row in reasons]
        warnings += [
            f"{count:,} events of {s.from_} are not in any series: {reason}"
            for reason, count in aside.items()
        ]
        left += [f"{sum(aside.values()):,} events in no series"] if aside else []
        return StepResult(
            rows=rows,
            message=f"{kept} series" + (f"; {', '.join(left)}" if left else ""),
            warnings=tuple(warnings),
            metrics={"series": kept, **{f"left out: {row['REASON']}": row["N"] for row in reasons}},
        )

    def _events_without_series(self, ctx: RunContext) -> dict[str, int]:
        """Return the number of events that are not in any series, by reason."""
        s = self.settings
        days, uncovered = Sql(""), Sql("0")
        if s.calendar is not None:
            days = sql(
                'LEFT JOIN (SELECT DISTINCT CAST(DATE AS DATE) AS "_DAY" FROM {calendar}) ON "_DAY" = CAST({timestamp} AS DATE)',
                calendar=s.calendar,
                timestamp=s.timestamp,
            )
            uncovered = sql(
                'COUNT_IF({key} IS NOT NULL AND {timestamp} IS NOT NULL AND "_DAY" IS NULL)',
                key=s.partition_by,
                timestamp=s.timestamp,
            )
        row = ctx.execute(
            sql(
                "SELECT COUNT_IF({key} IS NULL), COUNT_IF({key} IS NOT NULL AND {timestamp} IS NULL), {uncovered} "
                "FROM {events} {days}",
                key=s.partition_by,
                timestamp=s.timestamp,
                uncovered=uncovered,
                events=s.from_,
                days=days,
            )
        )[0]
        reasons = (
            f"{s.partition_by} is NULL",
            f"{s.timestamp} is NULL",
            f"their day is not in {s.calendar}",
        )
        return {reason: int(count) for reason, count in zip(reasons, row, strict=True) if count}

    def _nothing_left(self, every: int, reasons: list[Row]) -> str:
        """Return the reason why no series is left; tables of earlier runs are not changed."""
        s = self.settings
        if not every:
            return f"{s.from_} has no event with a {s.partition_by} and a {s.timestamp}"
        found = [f"all {every} series are left out ({', '.join(row['REASON'] for row in reasons)})"]
        past = max(s.past(), key=lambda feature: feature.days, default=None)
        short = next((row for row in reasons if row["REASON"] == _SHORT), None)
        if short is not None:
            lacking = f" and {past.column}" if past is not None else ""
            found.append(
                f"the longest has {short['MOST']} days on which the target{lacking} are known, but "
                f"min_history_days is {s.min_history_days}: use shorter lags, a lower min_history_days or more data"
            )
        return ": ".join(found)


def one_row_a_day(ctx: RunContext, name: QualifiedName, day: Identifier) -> None:
    """Refuse a table with several rows for a day, because a join would duplicate the days of the series.

    Raises:
        StepError: it names the table.
    """
    double = ctx.scalar(
        sql(
            "SELECT COUNT(*) FROM (SELECT {on} FROM {table} WHERE {on} IS NOT NULL GROUP BY {on} HAVING COUNT(*) > 1)",
            on=day,
            table=name,
        )
    )
    if double:
        raise StepError(f"{name} has several rows for {double} days; it must have at most one row per day")


def filled(alias: Identifier, column: Identifier, fill: float | None) -> Sql:
    """Return a column of a joined table, with the fill value for days that the table does not have."""
    value = sql("{alias}.{column}", alias=alias, column=column)
    return value if fill is None else sql("COALESCE({value}, {fill})", value=value, fill=Literal(fill))
