"""``transform``: create a table or a view from a query."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal as Choice

from pydantic import Field, model_validator

from snowpipe_ml.errors import TemplateError
from snowpipe_ml.plugins import (
    Kind,
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
from snowpipe_ml.spec.templates import render_query
from snowpipe_ml.sql import QualifiedName, Sql, sql
from snowpipe_ml.steps.data.publish import publish_table, publish_view


@register("transform")
class Transform(Step["Transform.Settings"]):
    """Create a table or a view from a query.

    The query is a template: ``{{ ref('trips') }}`` is a table that it reads, so that the step depends on
    the step that writes the table; ``{{ vars.city | literal }}`` and ``{{ vars.column | identifier }}``
    insert values.
    """

    class Settings(StepSettings):
        """Settings of ``transform``."""

        sql: str | None = Field(None, description="SQL file, relative to the spec")
        query: str | None = Field(None, description="Text of the query")
        writes: TableName
        materialized: Choice["table", "view"] = "table"

        @model_validator(mode="after")
        def _one_query(self) -> Transform.Settings:
            if (self.sql is None) == (self.query is None):
                raise ValueError("give one of sql (a file) and query (the text)")
            return self

    settings: Transform.Settings

    def _render(self, ctx: PlanContext) -> tuple[Sql, list[QualifiedName]]:
        file = self.settings.sql
        text = (self.settings.query or "") if file is None else ctx.read_text(file)
        try:
            return render_query(text, self.scope(ctx))
        except TemplateError as error:
            error.file = None if file is None else str(ctx.path(file))
            raise

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        at = "sql" if self.settings.sql is not None else "query"
        for name in self._render(ctx)[1]:
            yield table(name, at)

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield Resource(
            Kind.TABLE, self.settings.writes, ("writes",), view=self.settings.materialized == "view"
        )

    def plan(self, ctx: PlanContext) -> StepPlan:
        kind = "VIEW" if self.settings.materialized == "view" else "TABLE"
        statement = sql(
            "CREATE OR REPLACE {kind} {name} AS {query}",
            kind=Sql(kind),
            name=self.settings.writes,
            query=self._render(ctx)[0],
        )
        return StepPlan(f"create the {kind.lower()} {self.settings.writes}", (statement,))

    def run(self, ctx: RunContext) -> StepResult:
        query = self._render(ctx)[0]
        if self.settings.materialized == "view":
            publish_view(ctx, self.settings.writes, query)
            return StepResult(message="view")
        return StepResult(rows=publish_table(ctx, self.settings.writes, query))
