"""The step type ``deduplicate``, which keeps the newest row of each key."""

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

    If several rows of a key are equally new, an arbitrary one of them is kept.
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

        from_: TableName = Field(alias="from", description="The table that contains duplicates")
        by: tuple[ColumnName, ...] = Field(min_length=1, description="The columns of the key")
        newest: ColumnName = Field(
            description="The column that orders the rows of a key; the highest value is newest"
        )
        writes: TableName

    settings: Deduplicate.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.from_, "from")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")

    def _statement(self) -> Sql:
        s = self.settings
        # Names are Identifiers, which are quoted in SQL if necessary. A plain string would be refused.
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
            rows=after, message=f"{before - after:,} duplicates removed", metrics={"kept": after}
        )
