"""Sources as steps: a file is loaded into a table, and a query or an existing table becomes a view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from snowpipe_ml.errors import StepError, TemplateError
from snowpipe_ml.plugins import (
    Finding,
    Kind,
    PlanContext,
    Resource,
    RunContext,
    StepPlan,
    StepResult,
)
from snowpipe_ml.spec.sources import Source, SourceFrom
from snowpipe_ml.spec.templates import render_statement
from snowpipe_ml.sql import (
    Fragment,
    Identifier,
    Literal,
    QualifiedName,
    Sql,
    StagePath,
    join,
    like_pattern,
    sql,
)
from snowpipe_ml.steps.data.generated import SAMPLE, generate, given_version
from snowpipe_ml.steps.data.publish import publish_table, replace_view
from snowpipe_ml.steps.data.source_files import findings, positions
from snowpipe_ml.steps.declared.objects import columns_sql, stored_types
from snowpipe_ml.steps.declared.step import DeclaredStep


def _format_options(source: SourceFrom) -> Sql:
    """The options of a file format that are not the defaults: a changed text would load every file again."""
    options = Sql("")
    if source.field_delimiter != ",":
        options = sql(
            "{options} FIELD_DELIMITER = {value}", options=options, value=Literal(source.field_delimiter)
        )
    if source.encoding != "UTF8":
        options = sql("{options} ENCODING = {value}", options=options, value=Literal(source.encoding))
    return options


class SourceStep(DeclaredStep):
    """An input table or view: a CSV file is loaded; a query or a table becomes a view."""

    type_name = "source"
    kind = Kind.TABLE

    def __init__(self, name: str, object_name: str, model: Source, target: str, target_type: str) -> None:
        super().__init__(name, object_name, model)
        self.key = target if target in model.from_ else target_type
        self.source: SourceFrom | None = model.from_.get(self.key)
        self.target = target

    @property
    def declared_columns(self) -> Mapping[str, str]:
        return stored_types(self.model.columns)

    def findings(self, ctx: PlanContext) -> Iterable[Finding]:
        return () if self.source is None else findings(ctx, self.source, self.model.columns, self.key)

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        is_view = self.source is not None and self.source.file is None
        yield Resource(Kind.TABLE, QualifiedName((self.object,)), view=is_view)

    def needs_client(self, ctx: PlanContext) -> str | None:
        file = None if self.source is None else self.source.file
        return None if file is None or file == SAMPLE else ctx.outside(file)

    def external_version(self, ctx: PlanContext) -> str | None:
        source = self._source()
        return None if source.file is None else given_version(ctx, source.generator, source.file)

    def statements(self, ctx: PlanContext) -> Iterator[Sql]:
        query = self._view(ctx)
        if query is not None:
            yield sql("CREATE OR REPLACE VIEW {name} AS {query}", name=self.object, query=query)

    def create(self, ctx: RunContext) -> StepResult:
        """Create the view, or replace it and keep what others have given it."""
        query, name = self._view(ctx), QualifiedName((self.object,))
        if query is not None:
            replace_view(ctx, name, query, ctx.shown(name))
        return StepResult()

    def _view(self, ctx: PlanContext) -> Sql | None:
        """Return the query of the view; None for a source that is loaded from a file."""
        source = self._source()
        columns = join(
            ", ",
            [
                sql("CAST({name} AS {kind}) AS {name}", name=Identifier.parse(name), kind=kind)
                for name, kind in self.model.columns.items()
            ],
        )
        if source.query is not None:
            query: Fragment = sql("({query}\n)", query=self._query(ctx, source.query))
        elif source.table is not None:
            query = source.table
        else:
            return None
        return sql("SELECT {columns} FROM {query} AS SOURCE", columns=columns, query=query)

    @staticmethod
    def _query(ctx: PlanContext, file: str) -> Sql:
        try:
            return render_statement(ctx.read_text(file), ctx.scope, {})
        except TemplateError as error:
            error.file = str(ctx.path(file))
            raise

    def plan(self, ctx: PlanContext) -> StepPlan:
        source = self._source()
        if source.file is not None:
            put = sql(
                "PUT {file} {place} PARALLEL = 4 AUTO_COMPRESS = TRUE SOURCE_COMPRESSION = AUTO_DETECT OVERWRITE = TRUE",
                file=Literal(f"file://{source.file}"),
                place=StagePath(QualifiedName((self._temporary_name,))),
            )
            return StepPlan(f"load the source {self.object} from {source.file}", (put,))
        return StepPlan(f"create the source {self.object} as a view", tuple(self.statements(ctx)))

    def _source(self) -> SourceFrom:
        if self.source is None:
            ways = ", ".join(self.model.from_)
            raise StepError(
                f"the source {self.object} has no origin for the target {self.target!r}, only for: {ways}"
            )
        return self.source

    def run(self, ctx: RunContext) -> StepResult:
        source = self._source()
        if source.file is None:
            self._mount_share(ctx, source)
            return super().run(ctx)
        path = generate(ctx, source.generator, source.file)
        return self._load(ctx, source, path)

    @staticmethod
    def _mount_share(ctx: RunContext, source: SourceFrom) -> None:
        """Create the share's database if it does not exist; a share allows no IF NOT EXISTS."""
        if source.database is None:
            return
        shown = ctx.execute(sql("SHOW DATABASES LIKE {name}", name=like_pattern(source.database)))
        if not any(row["name"] == source.database.name for row in shown):
            share = QualifiedName.parse(source.share or "")
            ctx.execute(sql("CREATE DATABASE {name} FROM SHARE {share}", name=source.database, share=share))

    @property
    def _temporary_name(self) -> Identifier:
        """The name of the temporary stage and of the temporary table that a file is loaded through."""
        return Identifier(f"SOURCE_{self.object.name}")

    def _load(self, ctx: RunContext, source: SourceFrom, path: Path) -> StepResult:
        """Stage the file and COPY it, matching columns by the header."""
        fields_of = positions(source, self.model.columns, path)
        name = QualifiedName((self.object,))
        stage = self._temporary_name
        ctx.execute(sql("CREATE OR REPLACE TEMPORARY STAGE {stage}", stage=stage))
        place = StagePath(QualifiedName((stage,)))
        ctx.put([path], place, compress=True)
        # Load into a temporary table first: if a value does not fit, the target keeps its current rows.
        aside = self._temporary_name
        columns = columns_sql(self.model.columns)
        ctx.execute(
            sql("CREATE OR REPLACE TEMPORARY TABLE {aside} ({columns})", aside=aside, columns=columns)
        )
        fields = join(
            ", ",
            [
                sql("{field}::{kind}", field=Sql(f"${fields_of[column]}"), kind=kind)
                for column, kind in self.model.columns.items()
            ],
        )
        ctx.execute(
            sql(
                "COPY INTO {aside} FROM (SELECT {fields} FROM {place}) FILE_FORMAT = (TYPE = CSV SKIP_HEADER = 1 "
                "FIELD_OPTIONALLY_ENCLOSED_BY = '\"'{options})",
                aside=aside,
                options=_format_options(source),
                fields=fields,
                place=place,
            )
        )
        rows = publish_table(ctx, name, sql("SELECT * FROM {aside}", aside=aside))
        ctx.execute(sql("DROP TABLE {aside}", aside=aside))
        ctx.execute(sql("DROP STAGE {stage}", stage=stage))
        return StepResult(rows=rows, message=f"from {path.name}")
