"""``features``: create the features per period that a forecaster learns from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from snowpipe_ml.errors import StepError
from snowpipe_ml.models.frequencies import DAY, FREQUENCIES, Frequency
from snowpipe_ml.plugins import (
    ColumnUse,
    Finding,
    PlanContext,
    Resource,
    RunContext,
    Step,
    StepPlan,
    StepResult,
    register,
    table,
)
from snowpipe_ml.plugins.connection import Asks
from snowpipe_ml.sql import Identifier, Literal, Sql, join, sql
from snowpipe_ml.steps.data.publish import replace_rows
from snowpipe_ml.steps.forecasting.calendar_features import calendar_items, misfits
from snowpipe_ml.steps.forecasting.columns import require_columns
from snowpipe_ml.steps.forecasting.covariates import Joined
from snowpipe_ml.steps.forecasting.exogenous import (
    check_exogenous,
    check_static,
    past_columns,
    static_columns,
)
from snowpipe_ml.steps.forecasting.feature_columns import forecast_columns, joined_columns
from snowpipe_ml.steps.forecasting.feature_settings import FeatureSettings
from snowpipe_ml.steps.forecasting.frequency import inferred
from snowpipe_ml.steps.forecasting.history import (
    calendar_days,
    edges_query,
    events_query,
    history_query,
    judges_edges,
)

if TYPE_CHECKING:
    from snowflake.snowpark import Row

_SHORT = "too little history"


@register("features")
class Features(Step[FeatureSettings]):
    """Aggregate events per series and period on a complete calendar, with features of the past and the calendar.

    A period without events is zero, or unknown where values are averaged. A period that is missing from
    ``calendar``, or whose events have no known ``value``, is unknown: it has no row, and a lag that refers to it is
    NULL. Series without a recent event, or shorter than ``min_history``, are excluded; ``left_out`` lists them
    with the reason. If ``frequency`` is inferred and is not ``day``, the table has it in the column FREQUENCY.
    """

    Settings = FeatureSettings
    settings: FeatureSettings
    found: Frequency | None = None
    """The frequency that the data shows, where the settings have none."""
    _resolved: tuple[str, Features] | None = None

    def of_frequency(self, frequency: Frequency) -> Features:
        """Return the step with the frequency that its data shows."""
        made = Features(self.name, self.settings.model_copy(update={"frequency": frequency.name}))
        made.found = frequency
        return made

    def resolved(self, ctx: PlanContext) -> Features:
        """Return the step with its frequency. While it is only planned, an unknown one is taken as days."""
        if self.settings.frequency is not None or not isinstance(ctx, RunContext):
            return self
        if self._resolved is None or self._resolved[0] != ctx.run.id:
            self._resolved = (ctx.run.id, self.as_written(ctx))
        return self._resolved[1]

    def as_written(self, ask: Asks) -> Features:
        """Return the step with the frequency that its table has, if the settings have none."""
        if self.settings.frequency is not None:
            return self
        name = self.settings.writes
        described = ask.execute(sql("DESCRIBE TABLE {name}", name=name))
        told = DAY.name
        if any(row["name"] == "FREQUENCY" for row in described):
            told = str(ask.execute(sql("SELECT MIN(FREQUENCY) FROM {name}", name=name))[0][0])
        return self.of_frequency(FREQUENCIES[told])

    def of_target(self, target: Identifier | None) -> Features:
        """Return the step with one of its targets, and the features of the past of this one only.

        Raises:
            StepError: none is named although there are several, or it is not one of them.
        """
        s = self.settings
        names = [one.name for one in s.all_targets]
        listed = ", ".join(map(str, names))
        if target is None and s.targets:
            raise StepError(f"{s.writes} has several targets: name one as `target`: {listed}")
        if target is not None and target not in names:
            raise StepError(f"{s.writes} has no target {target}, but {listed}")
        if target is None or not s.targets:
            return self
        made = Features(self.name, s.of_target(target))
        made.found = self.found
        return made

    @property
    def feature_columns(self) -> tuple[Identifier, ...]:
        """The columns that a model learns from: features of the past, of the date, then exogenous ones."""
        return tuple(self.settings.feature_names())

    def described(self) -> list[dict[str, str | int]]:
        """Return the features as the forecaster's code expects them, in the order of the columns."""
        joined = {
            one.name: (other.policy, one) for other in self.settings.exogenous for one in other.features
        }
        past = {feature.column: feature for feature in self.settings.past()}
        return [
            {"name": name.name, "kind": past[name].kind, "days": past[name].days}
            if name in past
            else _given(name, *joined.get(name, ("known", None)))
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
        for index, fixed in enumerate(s.static):
            yield table(fixed.table, "static", index, "table")

    def columns_read(self, ctx: PlanContext) -> Iterable[ColumnUse]:
        return (*joined_columns(self.settings), *forecast_columns(self.settings))

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")
        if self.settings.left_out is not None:
            yield table(self.settings.left_out, "left_out")

    def findings(self, ctx: PlanContext) -> Iterable[Finding]:
        s = self.settings
        if s.frequency is None:
            return
        for name in misfits(s.date_features, s.periods):
            yield Finding(
                f"{name} is the same in every {s.every.noun}, or has no meaning for it", ("date_features",)
            )

    def _series(self) -> Sql:
        """Return common table expressions of every series and period; the target is NULL where unknown."""
        return history_query(self.settings, _SHORT)

    def _query(self) -> Sql:
        s = self.settings
        columns, joins = calendar_items(s.of_date(), s.holidays, s.periods)
        key = sql("D.{key}", key=s.partition_by)
        for number, other in enumerate(s.exogenous, 1):
            columns, joins = _added((columns, joins), past_columns(number, other, key, s.periods))
        columns, joins = _added((columns, joins), static_columns(s.static, key, s.partition_by))
        if self.found is not None and self.found != DAY:
            columns.append(sql(", {name} AS FREQUENCY", name=Literal(self.found.name)))
        return sql(
            "{series}\nSELECT D.*{columns}\nFROM LAGGED D JOIN JUDGED J ON J.{key} = D.{key} AND J.REASON IS NULL\n"
            "{joins}\nWHERE {known}",
            series=self._series(),
            columns=join("", columns),
            key=s.partition_by,
            joins=join("\n", joins),
            known=join(" OR ", [sql("D.{target} IS NOT NULL", target=one.name) for one in s.all_targets]),
        )

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        statement = sql("CREATE OR REPLACE TABLE {name} AS {query}", name=s.writes, query=self._query())
        names = ", ".join(name.name for name in self.feature_columns)
        often = (
            f"features of each {s.every.noun}" if s.frequency else "features of each day or as the data shows"
        )
        return StepPlan(f"{often} and {s.partition_by}: {names}", (statement,))

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        require_columns(ctx, joined_columns(s))
        step = self
        if s.frequency is None:
            step = self.of_frequency(inferred(ctx, s.from_, s.timestamp, s.partition_by, s.periods))
        return step._made(ctx)

    def _made(self, ctx: RunContext) -> StepResult:
        s = self.settings
        if s.timezone is not None or s.every.within_a_day:
            check_timezone(ctx, s)
        wrong = misfits(s.date_features, s.periods)
        if wrong:
            raise StepError(
                f"{', '.join(wrong)}: no features of a {s.every.noun}, which is the frequency here"
            )
        for other in s.exogenous:
            check_exogenous(ctx, other.table, other, s.periods, gaps=other.fill is None)
        for fixed in s.static:
            check_static(ctx, fixed, s.partition_by)
        judged = sql(
            "{series}\nSELECT {key}, REASON, HISTORY_DAYS, LAST_EVENT FROM JUDGED WHERE REASON IS NOT NULL",
            series=self._series(),
            key=s.partition_by,
        )
        if s.left_out is not None:
            replace_rows(ctx, s.left_out, judged)
            judged = sql("SELECT * FROM {name}", name=s.left_out)
        reasons = ctx.execute(
            sql(
                "SELECT REASON, COUNT(*) AS N, MAX(HISTORY_DAYS) AS MOST FROM ({judged}) GROUP BY REASON ORDER BY REASON",
                judged=judged,
            )
        )
        daily = sql(
            "WITH {events} SELECT COUNT(DISTINCT {key}) FROM DAILY",
            events=events_query(s),
            key=s.partition_by,
        )
        every = int(ctx.scalar(daily) or 0)
        kept = every - sum(row["N"] for row in reasons)
        if not kept:
            raise StepError(self._nothing_left(every, reasons))
        replace_rows(ctx, s.writes, self._query())
        rows = ctx.count_all([s.writes] if s.left_out is None else [s.writes, s.left_out])[0]
        aside = self._events_without_series(ctx)
        left = [f"{row['N']} excluded: {row['REASON']}" for row in reasons]
        where = f", listed in {s.left_out}" if s.left_out is not None else ""
        warnings = [f"{row['N']} series excluded: {row['REASON']}{where}" for row in reasons]
        warnings += [
            f"{count:,} events of {s.from_} are not in any series: {reason}"
            for reason, count in aside.items()
        ]
        left += [f"{sum(aside.values()):,} events in no series"] if aside else []
        left += self._told_of_periods(ctx)
        return StepResult(
            rows=rows,
            message=f"{kept} series" + (f"; {', '.join(left)}" if left else ""),
            warnings=tuple(warnings),
            metrics={"series": kept, **{f"excluded: {row['REASON']}": row["N"] for row in reasons}},
        )

    def _told_of_periods(self, ctx: RunContext) -> list[str]:
        """Return the frequency, if it is not the usual one, and the periods that are no part of the history."""
        s, said = self.settings, []
        if self.found is not None and self.found != DAY:
            said.append(f"one row per {s.every.noun}, as the data shows (frequency: {self.found.name})")
        if judges_edges(s):
            rows = ctx.execute(
                sql("WITH {edges} SELECT DATE FROM EDGES WHERE PARTIAL ORDER BY DATE", edges=edges_query(s))
            )
            said += [
                f"the {s.every.noun} of {str(row[0]).removesuffix(' 00:00:00')} is not whole" for row in rows
            ]
        return said

    def _events_without_series(self, ctx: RunContext) -> dict[str, int]:
        """Return the number of events that are not in any series, by reason."""
        s = self.settings
        days, uncovered, weekend = Sql(""), Sql("0"), Sql("0")
        if not s.periods.weekends:
            weekend = sql("COUNT_IF(DAYOFWEEKISO({day}) > 5)", day=s.periods.of(s.timestamp))
        if s.calendar is not None:
            days = sql(
                'LEFT JOIN (SELECT DATE AS "_DAY" FROM ({calendar})) ON "_DAY" = {period}',
                calendar=calendar_days(s),
                period=s.periods.of(s.timestamp),
            )
            uncovered = sql(
                'COUNT_IF({key} IS NOT NULL AND {timestamp} IS NOT NULL AND "_DAY" IS NULL)',
                key=s.partition_by,
                timestamp=s.timestamp,
            )
        levels = Sql("0")
        if len(s.hierarchy) > 1:
            lacking = join(" OR ", [sql("{column} IS NULL", column=column) for column in s.hierarchy[:-1]])
            levels = sql("COUNT_IF({key} IS NOT NULL AND ({lacking}))", key=s.partition_by, lacking=lacking)
        row = ctx.execute(
            sql(
                "SELECT COUNT_IF({key} IS NULL), COUNT_IF({key} IS NOT NULL AND {timestamp} IS NULL), "
                "{uncovered}, {weekend}, {levels} "
                "FROM {events} {days}",
                key=s.partition_by,
                timestamp=s.timestamp,
                uncovered=uncovered,
                weekend=weekend,
                levels=levels,
                events=s.from_,
                days=days,
            )
        )[0]
        reasons = (
            f"{s.partition_by} is NULL",
            f"{s.timestamp} is NULL",
            f"their {s.every.noun} is not in {s.calendar}",
            "they are on a Saturday or Sunday",
            "a column of `hierarchy` is NULL",
        )
        return {reason: int(count) for reason, count in zip(reasons, row, strict=True) if count}

    def _nothing_left(self, every: int, reasons: list[Row]) -> str:
        """Return the reason why no series is left; tables of earlier runs are not changed."""
        s = self.settings
        if not every:
            return f"{s.from_} has no event with a {s.partition_by} and a {s.timestamp}"
        found = [f"all {every} series are excluded ({', '.join(row['REASON'] for row in reasons)})"]
        past = max(s.past(), key=lambda feature: feature.days, default=None)
        short = next((row for row in reasons if row["REASON"] == _SHORT), None)
        if short is not None:
            lacking = f" and {past.column}" if past is not None else ""
            found.append(
                f"the longest has {short['MOST']} {s.every.plural} in which the target{lacking} are known, but "
                f"min_history is {s.min_history}: use shorter lags, a lower min_history or more data"
            )
        return ": ".join(found)


def _given(name: Identifier, policy: str, joined: Joined | None) -> dict[str, str | int]:
    """Return a feature that is not of the target's past, as the forecaster's code expects it."""
    lag = {"days": joined.lag} if joined is not None and joined.lag else {}
    return {"name": name.name, "future": policy, **lag}


def _added(
    one: tuple[list[Sql], list[Sql]], other: tuple[list[Sql], list[Sql]]
) -> tuple[list[Sql], list[Sql]]:
    return [*one[0], *other[0]], [*one[1], *other[1]]


def check_timezone(ctx: RunContext, settings: FeatureSettings) -> None:
    """Refuse timestamps whose time zone the settings do not say.

    Raises:
        StepError: it names the column, and the setting that is missing or has no effect.
    """
    s = settings
    described = ctx.execute(sql("DESCRIBE TABLE {name}", name=s.from_))
    kind = next(str(row["type"]) for row in described if row["name"] == s.timestamp.name).partition("(")[0]
    zoned = kind in ("TIMESTAMP_TZ", "TIMESTAMP_LTZ")
    if zoned and s.timezone is None and s.every.within_a_day:
        raise StepError(f"{s.timestamp} of {s.from_} is a {kind}: set `timezone` to that of the seasons")
    if zoned and s.stored_timezone is not None:
        raise StepError(
            f"{s.timestamp} of {s.from_} is a {kind}, which has a time zone: remove `stored_timezone`"
        )
    if not zoned and s.timezone is not None and s.stored_timezone is None:
        raise StepError(
            f"{s.timestamp} of {s.from_} is a {kind}, which has no time zone: set `stored_timezone` to that of its "
            "times, such as UTC"
        )
