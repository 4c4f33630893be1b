"""``split``: divide a table into training and test rows."""

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
    register,
    table,
)
from snowpipe_ml.sql import Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.data.publish import publish_tables


@register("split")
class Split(Step["Split.Settings"]):
    """Split a table into training and test rows, by a seed: the result does not depend on their order.

    Rows are ordered by a hash of the seed and of the columns of ``by``, and the first of them are held
    out. Rows that agree in all of these columns are in the same part, so that no training row is also
    a test row.
    """

    class Settings(StepSettings):
        """Settings of ``split``."""

        from_: TableName = Field(alias="from")
        by: tuple[ColumnName, ...] = Field(min_length=1, description="Columns that identify a row")
        test_fraction: float = Field(0.2, gt=0, lt=1, description="Fraction of the rows to hold out")
        seed: int = 0
        train: TableName
        test: TableName

    settings: Split.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.from_, "from")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.train, "train")
        yield table(self.settings.test, "test")

    def _queries(self) -> list[tuple[QualifiedName, Sql]]:
        s = self.settings
        texts = join(
            ", ", [Literal(str(s.seed)), *(sql("COALESCE({name}::VARCHAR, '')", name=name) for name in s.by)]
        )
        found = []
        for name, sign in ((s.train, ">"), (s.test, "<=")):
            # RANK gives rows with the same hash the same rank.
            query = sql(
                "SELECT * FROM {name} QUALIFY RANK() OVER (ORDER BY MD5(CONCAT_WS('|', {texts}))) {sign} "
                "{fraction} * COUNT(*) OVER ()",
                name=s.from_,
                texts=texts,
                sign=Sql(sign),
                fraction=Literal(s.test_fraction),
            )
            found.append((name, query))
        return found

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        statements = tuple(
            sql("CREATE OR REPLACE TABLE {name} AS {query}", name=name, query=query)
            for name, query in self._queries()
        )
        return StepPlan(f"hold out {s.test_fraction:.0%} of {s.from_} as {s.test}", statements)

    def run(self, ctx: RunContext) -> StepResult:
        train, test = publish_tables(ctx, self._queries())
        return StepResult(rows=train + test, message=f"{train:,} to train on, {test:,} held out")
