"""``expect``: check conditions on a table, and keep the rows that violate them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated
from typing import Literal as Choice

from pydantic import BaseModel, ConfigDict, Field, model_validator

from snowpipe_ml.errors import ExpectationError
from snowpipe_ml.plugins import (
    Check,
    ColumnKey,
    ColumnName,
    ColumnUse,
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
from snowpipe_ml.spec.templates import render_query, render_sql
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.data.publish import publish_table

_EXPLAINED = 5  # rows of the explaining query that are shown


def _shown(name: str, value: object) -> str:
    return f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}"


class Freshness(BaseModel):
    """The maximum age of the newest row of a table. A timestamp without a time zone is in UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    column: ColumnName = Field(description="Date or timestamp column")
    within_hours: float = Field(gt=0)


class Relation(BaseModel):
    """The table and column that must contain the values of a column."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    table: TableName
    column: ColumnName


@register("expect")
class Expect(Step["Expect.Settings"]):
    """Check a table: row count, NULLs, duplicates, values, ranges, freshness, relations, a custom predicate.

    A failed check fails the step, and the steps that depend on it do not run; with ``severity: warn`` it is
    only a warning. The rows that fail a check are written to ``failures``.
    """

    class Settings(StepSettings):
        """Settings of ``expect``."""

        table: TableName
        min_rows: int | None = Field(None, ge=0)
        max_rows: int | None = Field(None, ge=0)
        not_null: tuple[ColumnName, ...] = ()
        unique: tuple[ColumnName, ...] = Field((), description="Columns that together identify a row")
        accepted_values: dict[
            ColumnKey, Annotated[tuple[str | int | float | bool, ...], Field(min_length=1)]
        ] = Field({}, description="Column: its accepted values")
        ranges: dict[ColumnKey, tuple[float | None, float | None]] = Field(
            {}, description="Column: [lowest, highest]"
        )
        freshness: Freshness | None = Field(None, description="Maximum age of the newest row")
        relations: dict[ColumnKey, Relation] = Field(
            {}, description="Column: the table and column that must contain its values"
        )
        predicate: str | None = Field(
            None, description="SQL that must be true of every row; {{ vars.x | literal }} inserts a value"
        )
        severity: Choice["error", "warn"] = "error"
        explain: str | None = Field(
            None,
            description="SQL file, relative to the spec, that is run when a check fails; its first rows, such as "
            "the files that the failing rows came from, are added to the message; {{ ref('name') }} is a table that "
            "it reads",
        )
        failures: TableName | None = Field(
            None, description="Output table: the failing rows, with the CHECK that they fail"
        )

        @model_validator(mode="after")
        def _something(self) -> Expect.Settings:
            checks = (self.min_rows, self.max_rows, self.predicate, self.freshness)
            many = (*self.not_null, *self.unique, self.accepted_values, self.ranges, self.relations)
            if not any(many) and not any(check is not None for check in checks):
                raise ValueError("give at least one check")
            return self

    settings: Expect.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.table, "table")
        for column, relation in self.settings.relations.items():
            yield table(relation.table, "relations", column, "table")
        if self.settings.explain is not None:
            yield from (table(name, "explain") for name in self._explanation(ctx)[1])

    def columns_read(self, ctx: PlanContext) -> Iterable[ColumnUse]:
        s = self.settings
        for name in ("not_null", "unique"):
            columns: tuple[Identifier, ...] = getattr(s, name)
            for index, column in enumerate(columns):
                yield ColumnUse(s.table, column, (name, index))
        for name in ("accepted_values", "ranges", "relations"):
            for key in getattr(s, name):
                yield ColumnUse(s.table, Identifier.parse(key), (name, key), key=True)
        for key, relation in s.relations.items():
            yield ColumnUse(relation.table, relation.column, ("relations", key, "column"))
        if s.freshness is not None:
            yield ColumnUse(s.table, s.freshness.column, ("freshness", "column"))

    def always_runs(self, ctx: PlanContext) -> str | None:
        return "the freshness of a table changes with time" if self.settings.freshness is not None else None

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        if self.settings.failures is not None:
            yield table(self.settings.failures, "failures")

    def _checks(self, ctx: PlanContext) -> Iterator[tuple[str, Sql]]:
        """Yield (name, condition of a failing row). NULL fails only ``not_null`` and the predicate."""
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
            yield (
                f"accepted_values {text}",
                sql("{name} NOT IN ({listed})", name=Identifier.parse(text), listed=listed),
            )
        for text, (low, high) in s.ranges.items():
            name = Identifier.parse(text)
            bounds = [sql("{name} < {low}", name=name, low=Literal(low))] if low is not None else []
            bounds += [sql("{name} > {high}", name=name, high=Literal(high))] if high is not None else []
            if bounds:
                yield f"ranges {text}", join(" OR ", bounds)
        for text, relation in s.relations.items():
            yield (
                f"relations {text}",
                sql(
                    "{name} IS NOT NULL AND {name} NOT IN (SELECT {column} FROM {table} WHERE {column} IS NOT NULL)",
                    name=Identifier.parse(text),
                    column=relation.column,
                    table=relation.table,
                ),
            )
        if s.predicate is not None:
            # The predicate is SQL by the author of the spec; filters insert its values.
            predicate = render_sql(s.predicate, self.scope(ctx), {})
            yield "predicate", sql("NOT COALESCE(({predicate}\n), FALSE)", predicate=predicate)

    def _failing(self, ctx: PlanContext) -> Sql | None:
        checks = list(self._checks(ctx))
        if not checks:
            return None
        # The condition is a column, so that it may use a window function, and ends with a line break, so that
        # it may end with a comment.
        parts = [
            sql(
                'SELECT {name} AS "CHECK", * EXCLUDE ("_FAILS") '
                'FROM (SELECT *, ({condition}\n) AS "_FAILS" FROM {table}) WHERE "_FAILS"',
                name=Literal(name),
                table=self.settings.table,
                condition=condition,
            )
            for name, condition in checks
        ]
        return join("\nUNION ALL\n", parts)

    def plan(self, ctx: PlanContext) -> StepPlan:
        failing = self._failing(ctx)
        statements = [failing] if failing is not None else []
        if self.settings.explain is not None:
            statements.append(self._explanation(ctx)[0])
        return StepPlan(f"check {self.settings.table}", tuple(statements))

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        failing = self._failing(ctx)
        rows = ctx.count(s.table)
        checks = []
        if s.min_rows is not None:
            text = f"{rows:,} rows, at least {s.min_rows:,} expected"
            checks.append(Check("min_rows", rows >= s.min_rows, message=text))
        if s.max_rows is not None:
            text = f"{rows:,} rows, at most {s.max_rows:,} expected"
            checks.append(Check("max_rows", rows <= s.max_rows, message=text))
        if s.freshness is not None:
            checks.append(self._fresh(ctx, s.freshness))
        if failing is not None:
            source = failing
            if s.failures is not None:
                publish_table(ctx, s.failures, failing)
                source = sql("SELECT * FROM {name}", name=s.failures)
            counts: dict[str, int] = dict(
                ctx.execute(sql('SELECT "CHECK", COUNT(*) FROM ({source}\n) GROUP BY "CHECK"', source=source))
            )
            for name, _ in self._checks(ctx):
                count = int(counts.get(name, 0))
                checks.append(Check(name, not count, count, f"{name}: {count:,} rows"))
        broken = [check.message for check in checks if not check.ok]
        if not broken:
            return StepResult(
                rows=rows,
                message=f"{len(checks)} check{'' if len(checks) == 1 else 's'} passed",
                checks=tuple(checks),
            )
        where = f"; the rows are in {s.failures}" if s.failures is not None and failing is not None else ""
        text = f"{s.table}: {'; '.join(broken)}{where}{self._explained(ctx)}"
        if s.severity == "error":
            raise ExpectationError(text, checks)
        return StepResult(
            rows=rows,
            message=f"{len(broken)} of {len(checks)} checks fail: {'; '.join(broken)}",
            warnings=(text,),
            checks=tuple(checks),
        )

    def _explanation(self, ctx: PlanContext) -> tuple[Sql, list[QualifiedName]]:
        assert self.settings.explain is not None
        return render_query(ctx.read_text(self.settings.explain), self.scope(ctx))

    def _explained(self, ctx: RunContext) -> str:
        """Return the first rows of the explaining query, for the message."""
        from snowflake.snowpark.exceptions import SnowparkSQLException

        if self.settings.explain is None:
            return ""
        query = self._explanation(ctx)[0]
        try:
            rows = ctx.execute(
                sql("SELECT * FROM ({query}\n) LIMIT {n}", query=query, n=Literal(_EXPLAINED + 1))
            )
        except SnowparkSQLException as error:
            # The failure of the checks is reported even if the explaining query fails.
            return f"; the explaining query failed: {error.message}"
        shown = [
            ", ".join(_shown(name, value) for name, value in row.as_dict().items())
            for row in rows[:_EXPLAINED]
        ]
        more = ["..."] if len(rows) > _EXPLAINED else []
        return "; " + "; ".join([*shown, *more]) if shown else ""

    def _fresh(self, ctx: RunContext, freshness: Freshness) -> Check:
        name = f"freshness {freshness.column}"
        row = ctx.execute(
            sql(
                "SELECT MAX({column}), DATEDIFF(minute, MAX({column})::TIMESTAMP_NTZ, SYSDATE()) / 60 FROM {table}",
                column=freshness.column,
                table=self.settings.table,
            )
        )[0]
        newest, hours = row[0], row[1]
        if newest is None:
            return Check(name, False, message=f"{name}: the column has no value")
        text = f"{name}: the newest row is from {newest}, {float(hours):,.1f} hours ago"
        return Check(name, hours <= freshness.within_hours, message=text)
