"""A step type."""

from __future__ import annotations

from collections.abc import Iterable

from snowpipe_ml.plugins import (
    PlanContext,
    Resource,
    RunContext,
    Step,
    StepResult,
    StepSettings,
    TableName,
    table,
)


class CountRows(Step["CountRows.Settings"]):
    """Count the rows of a table."""

    example = "orders_count:\n  type: count_rows\n  table: orders\n"

    class Settings(StepSettings):
        """Settings of ``count_rows``."""

        table: TableName

    settings: CountRows.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.table, "table")

    def run(self, ctx: RunContext) -> StepResult:
        return StepResult(rows=ctx.count(self.settings.table))
