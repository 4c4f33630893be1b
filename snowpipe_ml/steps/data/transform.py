"""``transform``: create a table or a view from a query, or add its new rows to a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated
from typing import Literal as Choice

from pydantic import AfterValidator, Field, model_validator

from snowpipe_ml.errors import TemplateError
from snowpipe_ml.plugins import (
    ColumnName,
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
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.data.dynamic_table import (
    DynamicTable,
    Initialize,
    RefreshMode,
    publish_dynamic_table,
)
from snowpipe_ml.steps.data.incremental import Incremental, Lookback, Strategy, add_new_rows, fill_interval
from snowpipe_ml.steps.data.new_rows import OnSchemaChange
from snowpipe_ml.steps.data.publish import Layout, publish_table, publish_view
from snowpipe_ml.steps.data.row_versions import Versions, record_versions
from snowpipe_ml.steps.data.target_lag import TargetLag


def _lookback(text: str) -> str:
    Lookback.parse(text)
    return text


def _target_lag(text: str) -> str:
    TargetLag.parse(text)
    return text


_OF = {
    "strategy": ("incremental",),
    "since": ("incremental",),
    "lookback": ("incremental",),
    "key": ("incremental", "snapshot"),
    "on_schema_change": ("incremental", "snapshot"),
    "check": ("snapshot",),
    "updated_at": ("snapshot",),
    "deleted": ("snapshot",),
    "transient": ("table", "incremental", "dynamic_table"),
    "cluster_by": ("table", "incremental", "dynamic_table"),
    "target_lag": ("dynamic_table",),
    "refresh_mode": ("dynamic_table",),
    "initialize": ("dynamic_table",),
}


@register("transform")
class Transform(Step["Transform.Settings"]):
    """Create a table or a view from a query, or add its new rows to a table.

    The query is a template: ``{{ ref('trips') }}`` is a table that it reads, so that the step depends on
    the step that writes the table; ``{{ vars.city | literal }}`` and ``{{ vars.column | identifier }}``
    insert values.

    With ``materialized: incremental``, the first run and a run with ``--full-refresh`` create the table. Any other
    run adds the new rows: those whose value of ``since`` is above the greatest one in the table. A query can also
    choose them itself: ``{% if incremental %} WHERE STARTED_AT > {{ previous('STARTED_AT') }} {% endif %}``, where
    ``previous`` is the greatest value of a column in the table. Rows that are late by no more than ``lookback`` are
    new too, so that it needs a key. A row whose ``since`` is NULL is added by the first run only.

    With ``materialized: snapshot``, the table keeps the history of the rows (a type 2 slowly changing dimension): each
    version is valid from ``VALID_FROM`` until before ``VALID_TO``, which is NULL for the current one. A row has a new
    version if one of its ``check`` columns differs, or its ``updated_at`` is later. ``--full-refresh`` keeps it too.

    With ``materialized: dynamic_table``, Snowflake computes the rows again by itself, on ``warehouse`` and so that they lag
    behind the tables that the query reads by no more than ``target_lag``. The step creates the table, replaces it if
    the query differs, and else refreshes it. The embedded warehouse refreshes it at the run's turn only.
    """

    class Settings(StepSettings):
        """Settings of ``transform``."""

        sql: str | None = Field(None, description="SQL file, relative to the spec")
        query: str | None = Field(None, description="Text of the query")
        writes: TableName
        materialized: Choice["table", "view", "incremental", "snapshot", "dynamic_table"] = "table"
        strategy: Strategy | None = Field(
            None,
            description="How an incremental table gets new rows. append: insert them; merge: update the row with the "
            "same key, or insert; delete_insert: replace all rows with the same key. merge if there is a key, else append",
        )
        key: tuple[ColumnName, ...] = Field(
            (), description="Columns that identify a row, or a partition of rows"
        )
        since: ColumnName | None = Field(
            None,
            description="Column whose greatest value in the table separates new rows of the query from old ones",
        )
        lookback: Annotated[str, AfterValidator(_lookback)] | None = Field(
            None, description="How late rows may arrive, such as 3 days: rows since then are new"
        )
        on_schema_change: OnSchemaChange = Field(
            "fail",
            description="What to do if the query has other columns than the incremental table or snapshot",
        )
        check: tuple[ColumnName, ...] = Field(
            (),
            description="Columns of a snapshot whose change makes a new version; all but the key by default",
        )
        updated_at: ColumnName | None = Field(
            None, description="Column of a snapshot with the time of a row's last change, instead of `check`"
        )
        deleted: Choice["keep", "close"] = Field(
            "keep", description="Whether a snapshot closes the version of a row that the query no longer has"
        )

        transient: bool = Field(
            False,
            description="Create a transient table, which has no Fail-safe and at most one day of Time Travel",
        )
        cluster_by: tuple[ColumnName, ...] = Field(
            (), description="Columns of the clustering key of the table"
        )

        target_lag: Annotated[str, AfterValidator(_target_lag)] | None = Field(
            None,
            description="How far a dynamic table may lag behind what it reads, such as 20 minutes; or downstream",
        )
        refresh_mode: RefreshMode | None = Field(
            None, description="How a dynamic table is refreshed; Snowflake chooses by default"
        )
        initialize: Initialize | None = Field(
            None, description="When a dynamic table has its first rows; when it is created by default"
        )

        @model_validator(mode="after")
        def _one_query(self) -> Transform.Settings:
            if (self.sql is None) == (self.query is None):
                raise ValueError("give one of sql (a file) and query (the text)")
            return self

        @model_validator(mode="after")
        def _incremental(self) -> Transform.Settings:
            for setting in sorted(self.model_fields_set & _OF.keys()):
                if self.materialized not in _OF[setting]:
                    raise ValueError(f"{setting} is for `materialized: {' or '.join(_OF[setting])}` only")
            if self.materialized == "dynamic_table" and (self.target_lag is None or self.warehouse is None):
                raise ValueError("a dynamic table needs target_lag, and the warehouse that refreshes it")
            if self.materialized == "snapshot" and not self.key:
                raise ValueError("a snapshot needs the key of a row")
            if self.updated_at is not None and self.check:
                raise ValueError("give either check or updated_at")
            if self.materialized != "incremental":
                return self
            if self.added_by != "append" and not self.key:
                raise ValueError(f"the strategy {self.added_by} needs a key")
            if self.added_by == "append" and self.key:
                raise ValueError("the strategy append has no key: remove it, or use merge or delete_insert")
            if self.added_by == "append" and self.since is None:
                raise ValueError(
                    "the strategy append needs since: without it, a repeated run would add rows twice"
                )
            if self.added_by == "delete_insert" and self.since not in (None, *self.key):
                raise ValueError(
                    f"with delete_insert, {self.since} must be a column of the key: the rows of a key are replaced whole"
                )
            if self.lookback is not None and (self.since is None or self.added_by == "append"):
                raise ValueError(
                    "lookback needs since and a key: late rows are found again with rows that are not"
                )
            return self

        @property
        def added_by(self) -> Strategy:
            """How an incremental table gets new rows."""
            return self.strategy or ("merge" if self.key else "append")

    settings: Transform.Settings

    @property
    def _table(self) -> Incremental:
        s = self.settings
        lookback = None if s.lookback is None else Lookback.parse(s.lookback)
        return Incremental(s.writes, s.added_by, s.key, s.since, lookback, s.on_schema_change)

    @property
    def _versions(self) -> Versions:
        s = self.settings
        return Versions(s.writes, s.key, s.check, s.updated_at, s.deleted == "close", s.on_schema_change)

    @property
    def _dynamic(self) -> DynamicTable:
        s = self.settings
        assert s.target_lag is not None
        assert s.warehouse is not None
        lag = TargetLag.parse(s.target_lag)
        return DynamicTable(s.writes, lag, s.warehouse, s.refresh_mode, s.initialize, self._layout)

    @property
    def _layout(self) -> Layout:
        return Layout(self.settings.transient, self.settings.cluster_by)

    def _render(self, ctx: PlanContext, *, incremental: bool = False) -> tuple[Sql, list[QualifiedName]]:
        """Render the query, and return the tables that it reads.

        Args:
            ctx: the context.
            incremental: whether the query is for new rows of an existing table.
        """
        file = self.settings.sql
        text = (self.settings.query or "") if file is None else ctx.read_text(file)
        scope = self.scope(ctx)
        functions = {}
        if self.settings.materialized == "incremental":
            interval = ctx.interval
            bounds = interval and {"start": Literal(interval.start), "end": Literal(interval.end)}
            scope = {**scope, "incremental": incremental, "interval": bounds}
            functions["previous"] = lambda column: self._table.previous(Identifier.parse(column))
        try:
            return render_query(text, scope, functions)
        except TemplateError as error:
            error.file = None if file is None else str(ctx.path(file))
            raise

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        at = "sql" if self.settings.sql is not None else "query"
        named = dict.fromkeys(self._render(ctx)[1])
        if self.settings.materialized == "incremental":
            named |= dict.fromkeys(self._render(ctx, incremental=True)[1])
        for name in named:
            yield table(name, at)

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        s = self.settings
        yield Resource(
            Kind.TABLE,
            s.writes,
            ("writes",),
            view=s.materialized == "view",
            dynamic=s.materialized == "dynamic_table",
        )

    def fills_intervals(self, ctx: PlanContext) -> bool:
        return self.settings.materialized == "incremental" and self.settings.since is not None

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        if s.materialized == "snapshot":
            return StepPlan(
                f"record the new versions of rows in {s.writes}",
                (self._versions.stage(self._render(ctx)[0]),),
            )
        if s.materialized == "dynamic_table":
            statement = self._dynamic.creation(self._render(ctx)[0])
            return StepPlan(f"create the dynamic table {s.writes}, or refresh it", (statement,))
        view = s.materialized == "view"
        statement = sql(
            "CREATE OR REPLACE {kind} {clauses} AS {query}",
            kind=Sql("VIEW") if view else self._layout.kind,
            clauses=join(" ", [s.writes, *self._layout.clauses]),
            query=self._render(ctx)[0],
        )
        if s.materialized != "incremental":
            return StepPlan(f"create the {'view' if view else 'table'} {s.writes}", (statement,))
        staged = self._table.stage(self._table.new_rows(self._render(ctx, incremental=True)[0]))
        return StepPlan(
            f"create the table {s.writes}, or add the new rows ({s.added_by})", (statement, staged)
        )

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        if s.materialized == "view":
            publish_view(ctx, s.writes, self._render(ctx)[0])
            return StepResult(message="view")
        if s.materialized == "snapshot":
            return record_versions(ctx, self._versions, self._render(ctx)[0])
        if s.materialized == "dynamic_table":
            return publish_dynamic_table(ctx, self._dynamic, self._render(ctx)[0])
        if ctx.interval is not None:
            return fill_interval(ctx, self._table, self._render(ctx)[0], ctx.interval, self._layout)
        if s.materialized == "incremental" and not ctx.full_refresh and ctx.kind_of(s.writes) == "TABLE":
            return add_new_rows(ctx, self._table, self._render(ctx, incremental=True)[0])
        return StepResult(rows=publish_table(ctx, s.writes, self._render(ctx)[0], self._layout))
