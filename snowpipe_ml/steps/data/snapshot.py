"""``snapshot``: keep the current state of a table under another name."""

from __future__ import annotations

from collections.abc import Iterable

from snowpipe_ml.plugins import (
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
from snowpipe_ml.sql import Sql, sql


@register("snapshot")
class Snapshot(Step["Snapshot.Settings"]):
    """Clone a table without copying its data, to keep the rows that a model was trained on."""

    class Settings(StepSettings):
        """Settings of ``snapshot``."""

        table: TableName
        into: TableName

    settings: Snapshot.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.table, "table")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.into, "into")

    def _statement(self) -> Sql:
        return sql(
            "CREATE OR REPLACE TABLE {into} CLONE {name}", into=self.settings.into, name=self.settings.table
        )

    def plan(self, ctx: PlanContext) -> StepPlan:
        return StepPlan(f"clone {self.settings.table} to {self.settings.into}", (self._statement(),))

    def run(self, ctx: RunContext) -> StepResult:
        ctx.before_publishing()
        ctx.execute(self._statement())
        return StepResult(rows=ctx.count(self.settings.into), message=str(self.settings.into))
