"""Stages, tables, tags and roles as steps that create them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import (
    Change,
    Changes,
    Kind,
    PlanContext,
    Resource,
    RunContext,
    StepResult,
    declared,
    table,
)
from snowpipe_ml.plugins.connection import Asks
from snowpipe_ml.spec import models
from snowpipe_ml.spec.privileges import securable_of
from snowpipe_ml.sql import (
    DataType,
    Identifier,
    Literal,
    QualifiedName,
    Sql,
    join,
    sql,
)
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


def stored_types(columns: Mapping[str, DataType]) -> dict[str, str]:
    """Return the types of declared columns by their names as Snowflake stores them."""
    return {Identifier.parse(name).name: str(kind) for name, kind in columns.items()}


def columns_sql(columns: Mapping[str, DataType]) -> Sql:
    """Return the definitions of columns in CREATE TABLE."""
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
        return stored_types(self.model.columns)

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(QualifiedName((self.object,)), adds=True)

    def statements(self, ctx: PlanContext) -> Iterator[Sql]:
        t: models.Table = self.model
        yield sql(
            "CREATE TABLE IF NOT EXISTS {name} ({columns}) {comment}",
            name=self.object,
            columns=columns_sql(t.columns),
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
