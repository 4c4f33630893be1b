"""The declared objects of a spec, as frozen models. A step's settings come from its plugin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from snowpipe_ml.plugins import TARGETS, ColumnName, ColumnType, ObjectName, StageLocation, TableName, Target
from snowpipe_ml.sql import Identifier, QualifiedName
from snowpipe_ml.text.problems import did_you_mean

Size = Literal[
    "xsmall", "small", "medium", "large", "xlarge", "xxlarge", "xxxlarge", "x4large", "x5large", "x6large"
]


def _object_name(text: str) -> str:
    Identifier.parse(text)
    return text


def _plain_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", text):
        raise ValueError(f"a name of letters, digits, _ and -: {text!r}")
    return text


_SECURABLES = ("TABLE", "VIEW", "SCHEMA", "DATABASE", "WAREHOUSE", "STAGE")


def securable_of(text: str) -> tuple[str, QualifiedName]:
    """The kind and name of what a grant is on: ``table flat_forecast``.

    Raises:
        ValueError: it is no kind that grants are on, or no name.
    """
    kind, _, name = text.strip().partition(" ")
    if kind.upper() not in _SECURABLES or not name:
        raise ValueError(f"a grant is on 'table NAME', 'view NAME', 'schema NAME'...: {text!r}")
    return kind.upper(), QualifiedName.parse(name.strip())


def _securable(text: str) -> str:
    securable_of(text)
    return text


# https://docs.snowflake.com/en/user-guide/security-access-control-privileges
_PRIVILEGES = frozenset(
    {
        "ADD SEARCH OPTIMIZATION",
        "ALL",
        "ALL PRIVILEGES",
        "APPLYBUDGET",
        "DELETE",
        "EVOLVE SCHEMA",
        "INSERT",
        "MODIFY",
        "MONITOR",
        "OPERATE",
        "READ",
        "REBUILD",
        "REFERENCES",
        "SELECT",
        "TRUNCATE",
        "UPDATE",
        "USAGE",
        "WRITE",
        *(
            f"CREATE {kind}"
            for kind in (
                "DATABASE ROLE",
                "DYNAMIC TABLE",
                "EXTERNAL TABLE",
                "FILE FORMAT",
                "FUNCTION",
                "ICEBERG TABLE",
                "MATERIALIZED VIEW",
                "MODEL",
                "NOTEBOOK",
                "PIPE",
                "PROCEDURE",
                "SCHEMA",
                "SEQUENCE",
                "STAGE",
                "STREAM",
                "STREAMLIT",
                "TABLE",
                "TAG",
                "TASK",
                "TEMPORARY TABLE",
                "VIEW",
            )
        ),
    }
)


def _privilege(text: str) -> str:
    name = " ".join(text.upper().split())
    if name not in _PRIVILEGES:
        hint = did_you_mean(name, sorted(_PRIVILEGES))
        raise ValueError(f"not a privilege: {text!r}" + (f"; {hint}" if hint else ""))
    return name


Securable = Annotated[str, AfterValidator(_securable)]
Privilege = Annotated[str, AfterValidator(_privilege)]

# Keys of sections. The first become names in Snowflake; the second are the spec's own.
ObjectKey = Annotated[str, AfterValidator(_object_name)]
PlainKey = Annotated[str, AfterValidator(_plain_name)]


class Model(BaseModel):
    """Base of all declared objects."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, populate_by_name=True, defer_build=True
    )


if TYPE_CHECKING:
    TargetSettings = Target
else:  # a union of the registered targets, by their type
    TargetSettings = Annotated[Union[tuple(TARGETS.values())], Field(discriminator="type")]  # noqa: UP007


class Warehouse(Model):
    """A virtual warehouse. Nothing is slower or faster for it on the embedded warehouse.

    https://docs.snowflake.com/en/sql-reference/sql/create-warehouse
    """

    size: Size = "xsmall"
    type: Literal["standard", "snowpark-optimized"] = "standard"
    auto_suspend: int = Field(60, ge=0, description="Seconds of idleness before it is suspended")
    auto_resume: bool = True
    resource_constraint: str | None = Field(
        None,
        pattern="^(MEMORY_(1X|16X|64X)(_x86)?|STANDARD_GEN_[12])$",
        description="Memory and CPU of a Snowpark-optimized warehouse's nodes",
    )
    max_concurrency_level: int | None = Field(None, ge=1)
    comment: str | None = None

    @model_validator(mode="after")
    def _large_enough(self) -> Warehouse:
        # https://docs.snowflake.com/en/user-guide/warehouses-snowpark-optimized
        order = get_args(Size)
        constraint = self.resource_constraint or ("MEMORY_16X" if self.type == "snowpark-optimized" else "")
        smallest = {"MEMORY_16X": "medium", "MEMORY_64X": "large"}.get(constraint.removesuffix("_x86"))
        if smallest and order.index(self.size) < order.index(smallest):
            raise ValueError(f"a warehouse with {constraint} is at least {smallest}, not {self.size}")
        return self


class Stage(Model):
    """An internal stage, or an external one with a ``url``."""

    url: str | None = Field(
        None, pattern=r"^(s3|s3gov|gcs|azure|file)://", description="A bucket; file:// locally"
    )
    storage_integration: ObjectName | None = None
    directory: bool = Field(False, description="Keep a directory table")
    comment: str | None = None

    @model_validator(mode="after")
    def _integration_needs_url(self) -> Stage:
        if self.storage_integration and not self.url:
            raise ValueError("storage_integration belongs to an external stage: add its url")
        return self


class FileFormat(Model):
    """A named file format for delimited text.

    https://docs.snowflake.com/en/sql-reference/sql/create-file-format
    """

    type: Literal["csv"] = "csv"
    compression: Literal["auto", "gzip", "none"] = "auto"
    field_delimiter: str = ","
    skip_header: int = Field(0, ge=0)
    field_optionally_enclosed_by: Literal['"', "'"] | None = None
    null_if: tuple[str, ...] = ("\\N",)
    empty_field_as_null: bool = True
    trim_space: bool = False
    error_on_column_count_mismatch: bool = True
    encoding: Literal["UTF8"] = "UTF8"
    date_format: str | None = Field(None, description="Format of dates, such as DD/MM/YYYY; AUTO by default")
    time_format: str | None = Field(None, description="Format of times, such as HH12:MI AM; AUTO by default")
    timestamp_format: str | None = Field(
        None, description="Format of timestamps, such as MM/DD/YYYY HH24:MI; AUTO by default"
    )


class Table(Model):
    """A table that steps load into. It is created if it is not there, and never replaced."""

    columns: dict[ObjectKey, ColumnType] = Field(min_length=1, description="Column name: data type")
    comment: str | None = None


class SourceFrom(Model):
    """Where a source's rows come from on one target: a file, a query, or a table."""

    file: str | None = Field(None, description="A CSV file with a header line")
    generator: str | None = Field(
        None, description="module.py:function that writes the file when `file` is 'sample'"
    )
    rename: dict[str, ColumnName] = Field({}, description="Header in the file: column of the source")
    share: str | None = Field(None, description="A share to create `database` from")
    database: ObjectName | None = None
    query: str | None = Field(None, description="A SQL file with the SELECT of a view")
    table: TableName | None = Field(None, description="An existing table or view")

    @model_validator(mode="after")
    def _one_way(self) -> SourceFrom:
        if sum(way is not None for way in (self.file, self.query, self.table)) != 1:
            raise ValueError("give exactly one of file, query and table")
        if (self.share is None) != (self.database is None):
            raise ValueError("share and database go together: the database is created from the share")
        return self


class Source(Model):
    """A table or view that comes from outside the pipeline, another way on each target."""

    columns: dict[ObjectKey, ColumnType] = Field(min_length=1)
    from_: dict[str, SourceFrom] = Field(
        alias="from", min_length=1, description="By target name, or by target type"
    )
    comment: str | None = None


class Tag(Model):
    """An object tag. With a ``value`` it is set on every table and view that a step writes."""

    value: str | None = Field(None, description="For example {{ run.model_id }}")
    comment: str | None = None


def _requirement(text: str) -> str:
    """A requirement that pip could read; without an address, because the lock names files and hashes."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(
            f"{text!r} is no requirement, such as 'autogluon.tabular==1.6.3': {str(error).splitlines()[0]}"
        ) from None
    if requirement.marker is not None:
        raise ValueError(
            f"{text!r} has a marker, and an import is for one Python and one platform: leave it out"
        )
    if requirement.url:
        raise ValueError(
            f"{text!r} names an address; put the wheel into a folder and name that under find_links"
        )
    return text


def _package(text: str) -> str:
    """A package as PACKAGES takes it; conda's single '=' too."""
    _requirement(re.sub(r"^([A-Za-z0-9._-]+)=([^=].*)$", r"\1==\2", text.strip()))
    return text


class Packages(Model):
    """A list of packages, and where they come from."""

    packages: tuple[Annotated[str, AfterValidator(_package)], ...] = Field(
        min_length=1, description="Such as pandas, or scikit-learn==1.5.2"
    )
    artifact_repository: TableName | None = Field(
        None,
        description="Such as snowflake.snowpark.pypi_shared_repository; Snowflake's channel if not given",
    )


_PACKAGES_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"type": "array", "items": {"type": "string"}},
            {
                "type": "object",
                "required": ["packages"],
                "additionalProperties": False,
                "properties": {
                    "packages": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                    "artifact_repository": {
                        "type": "string",
                        "description": "Such as snowflake.snowpark.pypi_shared_repository",
                    },
                },
            },
        ],
    }
)


def _as_packages(value: object) -> object:
    return {"packages": value} if isinstance(value, list | tuple) else value


class WheelImport(Model):
    """Python packages that Snowflake's channel lacks, staged as wheels for functions to import."""

    stage: ObjectName
    requirements: tuple[Annotated[str, AfterValidator(_requirement)], ...] = Field(
        (), description="What is wanted; all that it needs is worked out and locked"
    )
    packages: PlainKey | None = Field(
        None, description="The list of packages that functions declare beside the import"
    )
    native: tuple[str, ...] = Field(
        (), description="Distributions whose native wheels may be staged all the same"
    )
    find_links: str | None = Field(None, description="A folder of wheels that stands in for the index")
    python: Literal["3.10", "3.11", "3.12", "3.13"] = Field("3.11", description="The functions' Python")
    wheels: tuple[str, ...] = Field(
        (), description="Instead: exactly these, as NAME==VERSION or files, and no more"
    )

    @model_validator(mode="after")
    def _one_way(self) -> WheelImport:
        if bool(self.requirements) == bool(self.wheels):
            raise ValueError("give one of requirements (with all they need) and wheels (exactly these)")
        if self.wheels and (self.packages or self.native or self.find_links):
            raise ValueError("packages, native and find_links go with requirements")
        return self


class Role(Model):
    """A role, created if it is not there."""

    comment: str | None = None


class Hook(Model):
    """What is done when a run has ended: a statement on the target, or a command on this machine.

    In both ``run.id``, ``run.model_id``, ``run.date``, ``run.status`` and ``run.failed`` (the names of the steps that
    failed) are in scope. A statement is a SQL template.
    """

    query: str | None = Field(
        None, description="Such as CALL SYSTEM$SEND_EMAIL(...); values enter by a filter"
    )
    command: tuple[str, ...] = Field((), description="A program and its arguments; no shell reads them")

    @model_validator(mode="after")
    def _one(self) -> Hook:
        if (self.query is None) == (not self.command):
            raise ValueError("give one of query (a statement) and command (a program and its arguments)")
        return self


class Pipeline(Model):
    """The whole file, but for the settings of the steps, which the step types check."""

    name: str = Field(pattern="^[A-Za-z][A-Za-z0-9_-]*$", description="The pipeline's name")
    version: Literal[1] = 1
    description: str = ""
    vars: dict[str, Any] = Field({}, description="Values for {{ vars.NAME }}; --var overrides them")
    targets: dict[PlainKey, TargetSettings] = Field(min_length=1)
    default_target: str | None = None
    state: ObjectName = Field("SNOWPIPE_ML", validate_default=True, description="Schema of the run records")
    roles: dict[ObjectKey, Role] = {}
    grants: dict[str, dict[Securable, tuple[Privilege, ...]]] = Field(
        {}, description="Role: {'table NAME': [privileges]}"
    )
    warehouses: dict[ObjectKey, Warehouse] = {}
    stages: dict[ObjectKey, Stage] = {}
    file_formats: dict[ObjectKey, FileFormat] = {}
    sources: dict[ObjectKey, Source] = {}
    tables: dict[ObjectKey, Table] = {}
    tags: dict[ObjectKey, Tag] = {}
    packages: dict[PlainKey, Annotated[Packages, BeforeValidator(_as_packages), _PACKAGES_SCHEMA]] = Field(
        {}, description="Lists of packages of Snowflake's channel, or of an artifact repository"
    )
    imports: dict[ObjectKey, WheelImport] = {}
    on_success: tuple[Hook, ...] = Field((), description="Done after a run in which nothing failed")
    on_failure: tuple[Hook, ...] = Field(
        (), description="Done after a run in which a step failed, or that was interrupted"
    )
    steps: dict[PlainKey, Mapping[str, Any]] = Field(min_length=1)


__all__ = [
    "FileFormat",
    "Packages",
    "Pipeline",
    "Role",
    "Source",
    "SourceFrom",
    "Stage",
    "StageLocation",
    "Table",
    "Tag",
    "TargetSettings",
    "Warehouse",
    "WheelImport",
]
