"""``expect``: what must be true of a table, and the rows of which it is not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated
from typing import Literal as Choice

from pydantic import Field, model_validator

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import (
    ColumnKey,
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


@register("expect")
class Expect(Step["Expect.Settings"]):
    """Check a table: its number of rows, NULLs, duplicates, values, ranges, and a predicate of one's own.

    A failed check fails the step, and what depends on it does not run; with ``severity: warn`` it is a
    warning. The rows that fail a check are kept in ``failures``.
    """

    class Settings(StepSettings):
        """Settings of ``expect``."""

        table: TableName
        min_rows: int | None = Field(None, ge=0)
        max_rows: int | None = Field(None, ge=0)
        not_null: tuple[ColumnName, ...] = ()
        unique: tuple[ColumnName, ...] = Field((), description="Columns that together tell the rows apart")
        accepted_values: dict[ColumnKey, Annotated[tuple[str | int | float | bool, ...], Field(min_length=1)]] = Field(
            {}, description="Column: its values"
        )
        ranges: dict[ColumnKey, tuple[float | None, float | None]] = Field({}, description="Column: [lowest, highest]")
        predicate: str | None = Field(None, description="SQL that is true of every row")
        severity: Choice["error", "warn"] = "error"
        failures: TableName | None = Field(None, description="Written: the failing rows, with the CHECK that they fail")

        @model_validator(mode="after")
        def _something(self) -> Expect.Settings:
            checks = (self.min_rows, self.max_rows, self.predicate)
            if not any((*self.not_null, *self.unique, self.accepted_values, self.ranges)) and not any(
                check is not None for check in checks
            ):
                raise ValueError("give at least one check")
            return self

    settings: Expect.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.table, "table")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        if self.settings.failures is not None:
            yield table(self.settings.failures, "failures")

    def _checks(self) -> Iterator[tuple[str, Sql]]:
        """(name, condition of a row that fails it). NULL fails only the checks of NULLs and the predicate."""
        s = self.settings
        for column in s.not_null:
            yield f"not_null {column}", sql("{name} IS NULL", name=column)
        if s.unique:
            keys = join(", ", list(s.unique))
            known = join(" AND ", [sql("{name} IS NOT NULL", name=name) for name in s.unique])
            yield (
                f"unique {', '.join(map(str, s.unique))}",
                sql("COUNT(*) OVER (PARTITION BY {keys}) > 1 AND {known}", keys=keys, known=known),
            )
        for text, values in s.accepted_values.items():
            listed = join(", ", [Literal(value) for value in values])
            yield f"accepted_values {text}", sql("{name} NOT IN ({listed})", name=Identifier.parse(text), listed=listed)
        for text, (low, high) in s.ranges.items():
            name = Identifier.parse(text)
            bounds = [sql("{name} < {low}", name=name, low=Literal(low))] if low is not None else []
            bounds += [sql("{name} > {high}", name=name, high=Literal(high))] if high is not None else []
            if bounds:
                yield f"ranges {text}", join(" OR ", bounds)
        if s.predicate is not None:
            # The author of the spec writes SQL here on purpose.
            yield "predicate", sql("NOT COALESCE(({predicate}\n), FALSE)", predicate=Sql(s.predicate))

    def _failing(self) -> Sql | None:
        checks = list(self._checks())
        if not checks:
            return None
        # The condition stands alone in a column, where a window function may be, and on a line that a comment may end.
        parts = [
            sql('SELECT {name} AS "CHECK", * EXCLUDE ("_FAILS") '
                'FROM (SELECT *, ({condition}\n) AS "_FAILS" FROM {table}) WHERE "_FAILS"',
                name=Literal(name), table=self.settings.table, condition=condition)
            for name, condition in checks
        ]  # fmt: skip
        return join("\nUNION ALL\n", parts)

    def plan(self, ctx: PlanContext) -> StepPlan:
        failing = self._failing()
        return StepPlan(f"check {self.settings.table}", (failing,) if failing is not None else ())

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        failing, broken = self._failing(), []
        rows = ctx.count(s.table)
        if s.min_rows is not None and rows < s.min_rows:
            broken.append(f"{rows:,} rows, at least {s.min_rows:,} expected")
        if s.max_rows is not None and rows > s.max_rows:
            broken.append(f"{rows:,} rows, at most {s.max_rows:,} expected")
        if failing is not None:
            source = failing
            if s.failures is not None:
                publish_table(ctx, s.failures, failing)
                source = sql("SELECT * FROM {name}", name=s.failures)
            counts = ctx.execute(
                sql('SELECT "CHECK", COUNT(*) FROM ({source}\n) GROUP BY "CHECK" ORDER BY "CHECK"', source=source)
            )
            broken += [f"{name}: {count:,} rows" for name, count in counts]
        total = sum(1 for _ in self._checks()) + (s.min_rows is not None) + (s.max_rows is not None)
        if not broken:
            return StepResult(rows=rows, message=f"{total} checks hold")
        where = f"; the rows are in {s.failures}" if s.failures is not None and failing is not None else ""
        text = f"{s.table}: {'; '.join(broken)}{where}"
        if s.severity == "error":
            raise StepError(text)
        return StepResult(rows=rows, message=f"{len(broken)} of {total} checks fail", warnings=(text,))
