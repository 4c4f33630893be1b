"""The step type ``deduplicate``: the newest row of each key."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

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
    table,
)
from snowpipe_ml.sql import Sql, join, sql


class Deduplicate(Step["Deduplicate.Settings"]):
    """Keep the newest row of each key.

    Of rows that are equally new one is kept, whichever.
    """

    example = """
newest_orders:
  type: deduplicate
  from: orders
  by: [ORDER_ID]
  newest: CHANGED_AT
  writes: newest_orders
"""

    class Settings(StepSettings):
        """Settings of ``deduplicate``."""

        from_: TableName = Field(alias="from", description="The table with the duplicates")
        by: tuple[ColumnName, ...] = Field(min_length=1, description="The key")
        newest: ColumnName = Field(description="The column by which a row is newer than another")
        writes: TableName

    settings: Deduplicate.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.from_, "from")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")

    def _statement(self) -> Sql:
        s = self.settings
        # Names are Identifiers and enter SQL quoted where they must be; bare text would be refused.
        return sql(
            "CREATE OR REPLACE TABLE {name} AS SELECT * FROM {source} "
            "QUALIFY ROW_NUMBER() OVER (PARTITION BY {keys} ORDER BY {newest} DESC NULLS LAST) = 1",
            name=s.writes,
            source=s.from_,
            keys=join(", ", list(s.by)),
            newest=s.newest,
        )

    def plan(self, ctx: PlanContext) -> StepPlan:
        return StepPlan(
            f"the newest row of each {', '.join(map(str, self.settings.by))}", (self._statement(),)
        )

    def run(self, ctx: RunContext) -> StepResult:
        ctx.before_publishing()
        ctx.execute(self._statement())
        before, after = ctx.count(self.settings.from_), ctx.count(self.settings.writes)
        return StepResult(
            rows=after, message=f"{before - after:,} duplicates left out", metrics={"kept": after}
        )
