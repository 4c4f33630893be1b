"""``snapshot``: keep the current state of a table under another name."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

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
from snowpipe_ml.steps.data.publish import replace_table


@register("snapshot")
class Snapshot(Step["Snapshot.Settings"]):
    """Clone a table without copying its data, to keep the rows that a model was trained on."""

    class Settings(StepSettings):
        """Settings of ``snapshot``."""

        table: TableName
        into: TableName
        keep: int | None = Field(
            None,
            ge=1,
            exclude=True,  # fingerprints do not contain it
            description="How many snapshots are kept if `into` names another table in each run, as {{ run.model_id }} does: "
            "older ones that this step has made are dropped; all are kept by default",
        )

    settings: Snapshot.Settings

    @property
    def keeps(self) -> int | None:
        return self.settings.keep

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
        into = self.settings.into
        replace_table(ctx, into, sql("CLONE {name}", name=self.settings.table), ctx.shown(into))
        ctx.set_tags(into)
        return StepResult(rows=ctx.count(self.settings.into), message=str(self.settings.into))
