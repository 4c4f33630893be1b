"""``merge``: bring a table up to date with the changes of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict, Field, model_validator

from snowpipe_ml.errors import StepError, TemplateError
from snowpipe_ml.plugins import (
    ColumnName,
    ColumnUse,
    Kind,
    ObjectName,
    PlanContext,
    Resource,
    RunContext,
    Step,
    StepPlan,
    StepResult,
    StepSettings,
    TableName,
    declared,
    register,
    stage,
    table,
)
from snowpipe_ml.spec.templates import render_query, render_sql
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, StagePath, sql
from snowpipe_ml.steps.changes.merging import Merging, deleted, inserted
from snowpipe_ml.steps.data.new_rows import Added, OnSchemaChange, count, schema_changes
from snowpipe_ml.steps.data.publish import columns_of, columns_of_query
from snowpipe_ml.steps.declared.streams import StreamStep


class StreamSource(BaseModel):
    """The origin of changes: a declared stream."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    stream: ObjectName = Field(description="A stream that the spec declares; each is consumed by one step")


class Deletion(BaseModel):
    """Which changes delete a row, where a source has its deletions as rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    predicate: str = Field(
        description="SQL condition on the columns of the query, such as OPERATION = 'D'; filters insert values"
    )


@register("merge")
class Merge(Step["Merge.Settings"]):
    """Bring a table up to date with the changes of a stream, each change exactly once.

    Of several changes of a key, only the latest counts. One MERGE inserts, updates and deletes rows, in the
    transaction that moves the offset of the stream. So a run that is killed has merged the changes, or the next run
    finds them again. Without a ``key``, the new rows of the stream are inserted.

    The query cleans the changed rows: ``SELECT RIDE_ID, TRY_TO_TIMESTAMP(AT) AS AT FROM {{ changes }}``. It is a
    template as in ``transform``, and must give the columns of the key for each row. ``{{ changes }}`` has the columns of
    the stream's table, once with the new rows and once, with ``delete``, with the deleted ones.

    The step runs if the stream has data. With ``--full-refresh``, all rows of the stream's table are merged into the
    emptied table, if the stream has ``show_initial_rows`` or is on a stage; so are they if the table has no rows.
    """

    example = """
      merge_trips:
        type: merge
        from: {stream: trips_changes}
        into: trips
        key: [RIDE_ID]
        delete: true
        query: SELECT RIDE_ID, STARTED_AT::TIMESTAMP_NTZ AS STARTED_AT FROM {{ changes }}
    """

    class Settings(StepSettings):
        """Settings of ``merge``."""

        from_: StreamSource = Field(alias="from")
        into: TableName
        key: tuple[ColumnName, ...] = Field(
            (), description="Columns that identify a row; without a key, new rows are inserted"
        )
        latest_by: ColumnName | None = Field(
            None,
            description="Column whose greatest value is the latest change of a key. An older change than that in the "
            "table is ignored. Without it, a key that has several new rows is an error",
        )
        delete: bool | Deletion = Field(
            False,
            description="Delete rows: true if they were deleted from the stream's table, or those for which a predicate "
            "holds",
        )
        sql: str | None = Field(None, description="SQL file, relative to the spec")
        query: str | None = Field(
            None, description="Text of the query, or a file whose name ends in .sql; all columns by default"
        )
        on_schema_change: OnSchemaChange = Field(
            "fail", description="What to do if the query has other columns than the table"
        )

        @model_validator(mode="after")
        def _possible(self) -> Merge.Settings:
            if self.sql is not None and self.query is not None:
                raise ValueError("give one of sql (a file) and query (the text)")
            for setting in ("latest_by", "delete"):
                if getattr(self, setting) and not self.key:
                    raise ValueError(f"{setting} needs the key of a row")
            return self

        @property
        def file(self) -> str | None:
            """The file of the query."""
            named = self.query is not None and self.query.endswith(".sql") and len(self.query.split()) == 1
            return self.query if named else self.sql

    settings: Merge.Settings

    @property
    def _name(self) -> QualifiedName:
        return QualifiedName((self.settings.from_.stream,))

    def _stream(self, ctx: PlanContext) -> StreamStep:
        resource = declared(Kind.STREAM, self.settings.from_.stream)
        step = ctx.producer(resource)
        if not isinstance(step, StreamStep):
            raise StepError(f"the {resource} is not declared under `streams`")
        return step

    def _query(self, ctx: PlanContext, changes: Sql) -> tuple[Sql, list[QualifiedName]]:
        """Render the query over a relation of changes, and return the tables that it reads."""
        s = self.settings
        text = s.query or "SELECT * FROM {{ changes }}"
        try:
            if s.file is not None:
                text = ctx.read_text(s.file)
            query, named = render_query(text, {**self.scope(ctx), "changes": changes})
            if changes.text not in query.text:
                raise TemplateError("the query does not read {{ changes }}", "write FROM {{ changes }}")
        except TemplateError as error:
            error.file = None if s.file is None else str(ctx.path(s.file))
            raise
        return query, named

    def _merging(self, ctx: PlanContext, inserts: Sql, deletes: Sql | None) -> Merging:
        """Render the query over the relations of new and of deleted rows."""
        s = self.settings
        predicate = s.delete.predicate if isinstance(s.delete, Deletion) else None
        return Merging(
            s.into,
            s.key,
            self._query(ctx, inserts)[0],
            None if deletes is None or s.delete is not True else self._query(ctx, deletes)[0],
            None if predicate is None else render_sql(predicate, self.scope(ctx), {}),
            s.latest_by,
        )

    def _changes(self, ctx: PlanContext) -> Merging:
        return self._merging(ctx, inserted(self._name), deleted(self._name))

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        s = self.settings
        yield declared(Kind.STREAM, s.from_.stream, "from", "stream")
        step = ctx.producer(declared(Kind.STREAM, s.from_.stream))
        if isinstance(step, StreamStep) and step.model.stage is not None:
            yield stage(StagePath(QualifiedName((step.model.stage,))))
        at = "sql" if s.sql is not None else "query"
        for name in self._query(ctx, inserted(self._name))[1]:
            yield table(name, at)

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield Resource(Kind.TABLE, self.settings.into, ("into",), adds=True, alone=True)

    def columns_read(self, ctx: PlanContext) -> Iterable[ColumnUse]:
        s = self.settings
        step = ctx.producer(declared(Kind.STREAM, s.from_.stream))
        if s.query is not None or s.sql is not None or not isinstance(step, StreamStep):
            return
        if step.model.table is not None:
            for number, column in enumerate(s.key):
                yield ColumnUse(step.model.table, column, ("key", number))
            if s.latest_by is not None:
                yield ColumnUse(step.model.table, s.latest_by, ("latest_by",))

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        how = (
            f"merge the changes of the stream {s.from_.stream} into {s.into} by {', '.join(map(str, s.key))}"
        )
        if not s.key:
            how = f"insert the new rows of the stream {s.from_.stream} into {s.into}"
        return StepPlan(how, (self._changes(ctx).latest,))

    def run(self, ctx: RunContext) -> StepResult:
        stream = self._stream(ctx)
        shown = ctx.shown(self.settings.into)
        if shown is not None and shown["kind"] == "VIEW":
            raise StepError(f"{self.settings.into} is a view, and a merge needs a table: drop it")
        if stream.model.stage is not None:
            ctx.execute(sql("ALTER STAGE {name} REFRESH", name=stream.model.stage))
        if shown is None:
            self._create(ctx, stream)
        # An empty table may have been created, or created again, after the stream was last consumed.
        empty = shown is None or int(shown["rows"] or 0) == 0
        if stream.whole and (ctx.full_refresh or empty):
            return self._merge_all(ctx, stream)
        with _explained(ctx, stream):
            result = self._merge_changes(ctx)
        if not ctx.full_refresh:
            return result
        return StepResult(
            result.rows,
            result.message,
            (
                f"the stream {stream.object} has no show_initial_rows: --full-refresh merges its changes only, and does not "
                f"compute {self.settings.into} again",
            ),
            result.metrics,
        )

    def _merge_changes(self, ctx: RunContext) -> StepResult:
        """Merge the changes of the stream."""
        name = self._name
        if not ctx.scalar(sql("SELECT SYSTEM$STREAM_HAS_DATA({name})", name=Literal(name.sql))):
            return StepResult(rows=0, message="no changes")
        merging, added = self._changes(ctx), Added()
        columns = self._columns(ctx, merging, added)
        with ctx.transaction():
            self._check_keys(ctx, merging)
            count(added, ctx, merging.statement(columns))
        return added.result()

    def _merge_all(self, ctx: RunContext, stream: StreamStep) -> StepResult:
        """Merge all rows that the stream tracks into the emptied table, and consume the stream.

        The rows are those of a second stream, so that both streams have the same rows at the beginning of the
        transaction. A stream that is stale is created again afterwards, at the offset of the second one: until then,
        a killed run leaves it stale, and the next one begins again.
        """
        second = Identifier(f"{stream.object.name}__REFRESH")
        shown = ctx.listed("STREAMS", self._name)
        stale = bool(shown) and stream.is_stale(shown[0])
        if stream.model.stage is None:
            ctx.execute(stream.creation(Sql("OR REPLACE STREAM"), second, initial_rows=True))
            rows = inserted(second)
        else:
            rows = sql("(SELECT * FROM {files})", files=stream.relation)
        merging, added = self._merging(ctx, rows, None), Added()
        columns = self._columns(ctx, merging, added)
        with ctx.transaction():
            self._check_keys(ctx, merging)
            ctx.execute(sql("DELETE FROM {into}", into=self.settings.into))
            count(added, ctx, merging.statement(columns))
            if not stale:
                ctx.execute(self._changes(ctx).consume(columns))
        if stale:
            ctx.execute(stream.again(None if stream.model.stage is not None else second))
        if stream.model.stage is None:
            ctx.execute(sql("DROP STREAM IF EXISTS {name}", name=second))
        return added.result()

    def _create(self, ctx: RunContext, stream: StreamStep) -> None:
        """Create the table with the columns of the query, without reading the stream, which would consume it."""
        nothing = sql("(SELECT * FROM {source} WHERE FALSE)", source=stream.relation)
        ctx.before_publishing()
        ctx.execute(
            sql(
                "CREATE TABLE IF NOT EXISTS {into} AS SELECT * FROM ({query}\n)",
                into=self.settings.into,
                query=self._query(ctx, nothing)[0],
            )
        )

    def _columns(self, ctx: RunContext, merging: Merging, added: Added) -> tuple[Identifier, ...]:
        """Return the columns of the query that the table has too, after it was changed for new ones.

        Raises:
            StepError: the columns differ in a way that ``on_schema_change`` does not allow.
        """
        s = self.settings
        new, there = columns_of_query(ctx, merging.inserts), columns_of(ctx, s.into)
        for column in (*s.key, *([] if s.latest_by is None else [s.latest_by])):
            if column.name not in new:
                raise StepError(f"the query has no column {column}, only {', '.join(new)}")
        changes = schema_changes(s.into, s.on_schema_change, new, there, added, "change the table by hand")
        if changes:
            ctx.before_publishing()
        for statement in changes:
            ctx.execute(statement)
        known = {*there, *added.columns}
        return tuple(Identifier(column) for column in new if column in known)

    def _check_keys(self, ctx: RunContext, merging: Merging) -> None:
        """Refuse new rows without a key, and several with the same key, of which none is the latest.

        Raises:
            StepError: there are such rows.
        """
        s = self.settings
        found = ctx.execute(merging.wrong_keys()) if s.key else []
        if not found:
            return
        *values, rows = found[0]
        shown = ", ".join(f"{column} {value}" for column, value in zip(s.key, values, strict=True))
        if None in values:
            raise StepError(f"a new row for {s.into} has no key ({shown}): filter such rows out in the query")
        raise StepError(
            f"{rows} new rows for {s.into} have the same key ({shown}): name the column that orders the changes of a key "
            "with latest_by, or keep one row of each key in the query"
        )


@contextmanager
def _explained(ctx: RunContext, stream: StreamStep) -> Iterator[None]:
    """Explain an error of the block by a stale stream."""
    try:
        yield
    except Exception as error:
        shown = ctx.listed("STREAMS", QualifiedName((stream.object,)))
        if shown and stream.is_stale(shown[0]):
            raise StepError(stream.advice(shown[0])) from error
        raise
