"""Stages, tables, tags, roles and sources as steps that create them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from snowpipe_ml.errors import StepError, TemplateError
from snowpipe_ml.plugins import (
    Change,
    Changes,
    Finding,
    Kind,
    PlanContext,
    Resource,
    RunContext,
    StepPlan,
    StepResult,
    declared,
    table,
)
from snowpipe_ml.plugins.connection import Asks
from snowpipe_ml.spec import models
from snowpipe_ml.spec.privileges import securable_of
from snowpipe_ml.spec.templates import render_statement
from snowpipe_ml.sql import (
    DataType,
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
from snowpipe_ml.steps.declared.column_changes import column_changes
from snowpipe_ml.steps.declared.step import DeclaredStep


def _option(template: str, value: object) -> Sql | None:
    return (
        None
        if value is None
        else sql(template, value=value if isinstance(value, Identifier) else Literal(value))
    )


def _spaced(parts: Iterable[Sql | None]) -> Sql:
    return join(" ", [part for part in parts if part is not None])


class StageStep(DeclaredStep):
    """A stage."""

    type_name = "stage"
    kind = Kind.STAGE
    listed_as = "STAGES"

    def statements(self, ctx: PlanContext) -> Iterator[Sql]:
        s: models.Stage = self.model
        options = _spaced(
            [
                _option("URL = {value}", self._url(ctx)),
                _option("STORAGE_INTEGRATION = {value}", s.storage_integration),
                Sql("DIRECTORY = (ENABLE = TRUE)") if s.directory else None,
                _option("COMMENT = {value}", s.comment),
            ]
        )
        yield sql("CREATE STAGE IF NOT EXISTS {name} {options}", name=self.object, options=options)

    def differences(self, ctx: PlanContext, target: Asks, shown: Mapping[str, object]) -> Changes:
        """Compare the settings that the spec names; an internal stage cannot become an external one, or back.

        https://docs.snowflake.com/en/sql-reference/sql/alter-stage
        """
        s: models.Stage = self.model
        wanted, there = self._url(ctx) or "", str(shown["url"] or "")
        if bool(wanted) != bool(there):
            lost = "" if there else ", which deletes its files,"
            return Changes(
                refused=f"the stage {self.object} is {there or 'internal'}, but the spec declares "
                f"{wanted or 'an internal one'}: drop it with DROP STAGE {self.object.sql}{lost} and run again, "
                "or rename the stage in the spec"
            )
        told, options = [], []
        if there.rstrip("/") != wanted.rstrip("/"):
            told.append(Change("url", there, wanted))
            options.append(_option("URL = {value}", wanted))
        integration = shown["storage_integration"]
        if s.storage_integration is not None and s.storage_integration.name != integration:
            told.append(Change("storage_integration", str(integration or "none"), str(s.storage_integration)))
            options.append(_option("STORAGE_INTEGRATION = {value}", s.storage_integration))
        changes = self.comment_change(shown)
        if options:
            alter = sql("ALTER STAGE {name} SET {options}", name=self.object, options=_spaced(options))
            changes = Changes(tuple(told), (alter,)) + changes
        enabled = str(shown["directory_enabled"]).upper() == "Y"
        if "directory" in s.model_fields_set and s.directory != enabled:
            alter = sql(
                "ALTER STAGE {name} SET DIRECTORY = (ENABLE = {value})",
                name=self.object,
                value=Literal(s.directory),
            )
            told = [Change("directory", str(enabled).lower(), str(s.directory).lower())]
            changes += Changes(tuple(told), (alter,))
        return changes

    def _url(self, ctx: PlanContext) -> str | None:
        url: str | None = self.model.url
        if url and url.startswith("file://") and not url.startswith("file:///"):
            return "file://" + str(ctx.path(url.removeprefix("file://")))
        return url


def _stored(columns: Mapping[str, DataType]) -> dict[str, str]:
    return {Identifier.parse(name).name: str(kind) for name, kind in columns.items()}


def _columns(columns: Mapping[str, DataType]) -> Sql:
    return join(
        ", ", [sql("{name} {kind}", name=Identifier.parse(name), kind=kind) for name, kind in columns.items()]
    )


class TableStep(DeclaredStep):
    """A declared table: created if it does not exist, never replaced."""

    type_name = "table"
    kind = Kind.TABLE
    listed_as = "OBJECTS"

    @property
    def declared_columns(self) -> Mapping[str, str]:
        return _stored(self.model.columns)

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(QualifiedName((self.object,)), adds=True)

    def statements(self, ctx: PlanContext) -> Iterator[Sql]:
        t: models.Table = self.model
        yield sql(
            "CREATE TABLE IF NOT EXISTS {name} ({columns}) {comment}",
            name=self.object,
            columns=_columns(t.columns),
            comment=_option("COMMENT = {value}", t.comment) or Sql(""),
        )

    def require(self, ctx: RunContext) -> None:
        """Check that the table exists with the declared columns; it is managed elsewhere, and not changed."""
        shown = self.shown(ctx)
        if shown is None or shown["kind"] != "TABLE":
            raise self.missing()
        found = self._column_changes(ctx, shown)
        if found.told:
            by_hand = "; ".join(statement.text for statement in found.statements)
            raise StepError(
                found.refused
                or f"{self.object} does not match its declaration in the spec: {found}. Change the spec, or have the "
                f"table changed with: {by_hand};"
            )

    def differences(self, ctx: PlanContext, target: Asks, shown: Mapping[str, object]) -> Changes:
        if shown["kind"] != "TABLE":
            kind = str(shown["kind"]).lower()
            return Changes(
                refused=f"{self.object} is a {kind}, but the spec declares a table: drop it, or rename the table"
            )
        return self._column_changes(target, shown) + self.comment_change(shown)

    def _column_changes(self, target: Asks, shown: Mapping[str, object]) -> Changes:
        name = QualifiedName((self.object,))

        def has_values(column: Identifier) -> bool:
            if shown["rows"] == 0:  # known without a warehouse
                return False
            count = sql("SELECT COUNT({column}) AS N FROM {name}", column=column, name=name)
            return bool(target.execute(count)[0]["N"])

        declared = {Identifier.parse(text).name: given for text, given in self.model.columns.items()}
        described = target.execute(sql("DESCRIBE TABLE {name}", name=name))
        columns = [(str(row["name"]), str(row["type"])) for row in described]
        return column_changes(name, declared, columns, has_values)


class TagStep(DeclaredStep):
    """An object tag."""

    type_name = "tag"
    kind = Kind.TAG
    listed_as = "TAGS"

    def statements(self, ctx: PlanContext) -> Iterator[Sql]:
        comment = _option("COMMENT = {value}", self.model.comment) or Sql("")
        yield sql("CREATE TAG IF NOT EXISTS {name} {comment}", name=self.object, comment=comment)

    def differences(self, ctx: PlanContext, target: Asks, shown: Mapping[str, object]) -> Changes:
        return self.comment_change(shown)


class RoleStep(DeclaredStep):
    """A role and its privileges."""

    type_name = "role"
    kind = Kind.ROLE
    listed_as = "ROLES"
    in_schema = False

    def __init__(
        self, name: str, object_name: str, model: models.Role, grants: dict[str, tuple[str, ...]]
    ) -> None:
        super().__init__(name, object_name, model)
        self.grants = grants

    def run(self, ctx: RunContext) -> StepResult:
        """Create the role, or check that it exists, and grant it its privileges."""
        if self.elsewhere:
            self.require(ctx)
        for statement in self.statements(ctx):
            ctx.execute(statement)
        return StepResult()

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        for target in self.grants:
            kind, name = securable_of(target)
            if kind in ("TABLE", "VIEW"):
                yield table(name, target)
            elif kind == "WAREHOUSE":
                yield declared(Kind.WAREHOUSE, name.name, target)
            elif kind == "STAGE":
                yield declared(Kind.STAGE, name.name, target)

    def statements(self, ctx: PlanContext) -> Iterator[Sql]:
        if not self.elsewhere:
            comment = _option("COMMENT = {value}", self.model.comment) or Sql("")
            yield sql("CREATE ROLE IF NOT EXISTS {name} {comment}", name=self.object, comment=comment)
        for target, privileges in self.grants.items():
            kind, name = securable_of(target)
            listed = join(", ", [Sql(privilege) for privilege in privileges])
            yield sql(
                "GRANT {listed} ON {kind} {name} TO ROLE {role}",
                listed=listed,
                kind=Sql(kind),
                name=name,
                role=self.object,
            )


def _format_options(source: models.SourceFrom) -> Sql:
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

    def __init__(
        self, name: str, object_name: str, model: models.Source, target: str, target_type: str
    ) -> None:
        super().__init__(name, object_name, model)
        self.key = target if target in model.from_ else target_type
        self.source: models.SourceFrom | None = model.from_.get(self.key)
        self.target = target

    @property
    def declared_columns(self) -> Mapping[str, str]:
        return _stored(self.model.columns)

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

    def _source(self) -> models.SourceFrom:
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
    def _mount_share(ctx: RunContext, source: models.SourceFrom) -> None:
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

    def _load(self, ctx: RunContext, source: models.SourceFrom, path: Path) -> StepResult:
        """Stage the file and COPY it, matching columns by the header."""
        fields_of = positions(source, self.model.columns, path)
        name = QualifiedName((self.object,))
        stage = self._temporary_name
        ctx.execute(sql("CREATE OR REPLACE TEMPORARY STAGE {stage}", stage=stage))
        place = StagePath(QualifiedName((stage,)))
        ctx.put([path], place, compress=True)
        # Load into a temporary table first: if a value does not fit, the target keeps its current rows.
        aside = self._temporary_name
        columns = _columns(self.model.columns)
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
