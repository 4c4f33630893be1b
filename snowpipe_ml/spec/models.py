"""Frozen models of the declared objects of a spec. The settings of a step are defined by its step type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Union, get_args

from pydantic import (
    BeforeValidator,
    Field,
    model_validator,
)

from snowpipe_ml.cron import Cron
from snowpipe_ml.plugins import TARGETS, ColumnType, ObjectName, TableName, Target
from snowpipe_ml.plugins.step import StreamTrigger
from snowpipe_ml.spec.base import Model, ObjectKey, PlainKey
from snowpipe_ml.spec.packages import PACKAGES_SCHEMA, Packages, Python, WheelImport, as_packages
from snowpipe_ml.spec.privileges import Privilege, Securable
from snowpipe_ml.spec.setup import Setup
from snowpipe_ml.spec.sources import Source
from snowpipe_ml.spec.tests import UnitTests
from snowpipe_ml.text.encodings import Encoding

Size = Literal[
    "xsmall", "small", "medium", "large", "xlarge", "xxlarge", "xxxlarge", "x4large", "x5large", "x6large"
]


if TYPE_CHECKING:
    TargetSettings = Target
else:  # a union of the registered targets, by their type
    TargetSettings = Annotated[Union[tuple(TARGETS.values())], Field(discriminator="type")]  # noqa: UP007


class Managed(Model):
    """Base class of the declared objects that something else can manage."""

    managed: Literal["here", "elsewhere"] = Field(
        "here",
        description="elsewhere: the object must exist, and no run creates or changes it; Terraform, a DCM project or "
        "an administrator does",
    )


class Warehouse(Managed):
    """A virtual warehouse. It does not affect performance on the embedded warehouse.

    It is created if it does not exist. Of an existing warehouse, only the settings that the spec names are
    changed. https://docs.snowflake.com/en/sql-reference/sql/create-warehouse
    """

    size: Size = "xsmall"
    type: Literal["standard", "snowpark-optimized", "adaptive"] = "standard"
    generation: Literal[1, 2] | None = Field(
        None, description="Generation of a standard warehouse; Snowflake's default if not given"
    )
    resource_constraint: str | None = Field(
        None,
        pattern="^MEMORY_(1X|16X|64X)(_x86)?$",
        description="Memory and CPU of the nodes of a Snowpark-optimized warehouse",
    )
    min_cluster_count: int | None = Field(None, ge=1)
    max_cluster_count: int | None = Field(None, ge=1)
    scaling_policy: Literal["standard", "economy"] | None = None
    auto_suspend: int = Field(60, ge=0, description="Seconds of inactivity before the warehouse suspends")
    auto_resume: bool = True
    resource_monitor: ObjectName | None = None
    enable_query_acceleration: bool | None = None
    query_acceleration_max_scale_factor: int | None = Field(None, ge=0, le=100)
    max_concurrency_level: int | None = Field(None, ge=1)
    statement_queued_timeout_in_seconds: int | None = Field(None, ge=0)
    statement_timeout_in_seconds: int | None = Field(None, ge=0, le=604800)
    comment: str | None = None

    @model_validator(mode="after")
    def _possible(self) -> Warehouse:
        """Check that the settings go together.

        https://docs.snowflake.com/en/user-guide/warehouses-snowpark-optimized
        """
        if self.type != "snowpark-optimized" and self.resource_constraint:
            raise ValueError(
                f"resource_constraint {self.resource_constraint} is for warehouses of type snowpark-optimized, "
                f"not {self.type}; the generation of a standard one is `generation`"
            )
        if self.type != "standard" and self.generation is not None:
            raise ValueError(f"generation is for warehouses of type standard, not {self.type}")
        fixed = self.model_fields_set & {
            "size",
            "min_cluster_count",
            "max_cluster_count",
            "scaling_policy",
            "auto_suspend",
            "auto_resume",
        }
        if self.type == "adaptive" and fixed:
            raise ValueError(f"Snowflake decides {', '.join(sorted(fixed))} of a warehouse of type adaptive")
        if (self.min_cluster_count or 1) > (self.max_cluster_count or 1):
            raise ValueError(
                f"min_cluster_count {self.min_cluster_count} is above max_cluster_count {self.max_cluster_count or 1}"
            )
        order = get_args(Size)
        constraint = self.resource_constraint or ("MEMORY_16X" if self.type == "snowpark-optimized" else "")
        smallest = {"MEMORY_16X": "medium", "MEMORY_64X": "large"}.get(constraint.removesuffix("_x86"))
        if smallest and order.index(self.size) < order.index(smallest):
            raise ValueError(f"a warehouse with {constraint} must be at least {smallest}, not {self.size}")
        limited = "generation 2" if self.generation == 2 else constraint
        if limited not in ("", "MEMORY_16X") and order.index(self.size) > order.index("x4large"):
            raise ValueError(f"a warehouse with {limited} must be at most x4large, not {self.size}")
        return self


class Stage(Managed):
    """An internal stage, or an external one with a ``url``."""

    url: str | None = Field(
        None, pattern=r"^(s3|s3gov|gcs|azure|file)://", description="Bucket URL; file:// on a local target"
    )
    storage_integration: ObjectName | None = None
    directory: bool = Field(False, description="Enable a directory table")
    comment: str | None = None

    @model_validator(mode="after")
    def _integration_needs_url(self) -> Stage:
        if self.storage_integration and not self.url:
            raise ValueError("storage_integration requires an external stage: add its url")
        return self


class FileFormat(Managed):
    """A named file format for delimited text.

    https://docs.snowflake.com/en/sql-reference/sql/create-file-format
    """

    type: Literal["csv"] = "csv"
    compression: Literal["auto", "gzip", "none"] = "auto"
    field_delimiter: str = ","
    skip_header: int = Field(0, ge=0)
    field_optionally_enclosed_by: Literal['"', "'"] | None = None
    escape_unenclosed_field: Literal["none", "\\"] = Field(
        "\\", description="Whether a backslash outside of quotes escapes the next character; none: it is text"
    )
    null_if: tuple[str, ...] = ("\\N",)
    empty_field_as_null: bool = True
    trim_space: bool = False
    error_on_column_count_mismatch: bool = True
    encoding: Encoding = "UTF8"
    date_format: str | None = Field(None, description="Format of dates, such as DD/MM/YYYY; AUTO by default")
    time_format: str | None = Field(None, description="Format of times, such as HH12:MI AM; AUTO by default")
    timestamp_format: str | None = Field(
        None, description="Format of timestamps, such as MM/DD/YYYY HH24:MI; AUTO by default"
    )


class Table(Managed):
    """A table that steps load into. It is created if it does not exist, and never replaced."""

    columns: dict[ObjectKey, ColumnType] = Field(min_length=1, description="Column name: data type")
    comment: str | None = None


class Stream(Managed):
    """A stream: the changes of a table, of a view or of the files on a stage since a statement last consumed them.

    It is created if it does not exist, and never replaced, as changes that nothing has read would be lost.
    https://docs.snowflake.com/en/user-guide/streams-intro
    """

    table: TableName | None = Field(None, description="Table whose changes it tracks")
    view: TableName | None = Field(None, description="View whose changes it tracks")
    stage: ObjectName | None = Field(
        None, description="Declared stage with a directory table, whose new and deleted files it tracks"
    )
    append_only: bool = Field(False, description="Track inserted rows only, even if they are deleted later")
    show_initial_rows: bool = Field(
        False, description="Begin with the rows that exist when the stream is created, as inserted rows"
    )
    comment: str | None = None

    @model_validator(mode="after")
    def _possible(self) -> Stream:
        if sum(source is not None for source in (self.table, self.view, self.stage)) != 1:
            raise ValueError("give exactly one of table, view and stage")
        for setting in ("append_only", "show_initial_rows"):
            if self.stage is not None and getattr(self, setting):
                raise ValueError(f"a stream on a stage has no {setting}")
        return self


class Tag(Managed):
    """An object tag. If it has a ``value``, the tag is set on every table and view that a step writes."""

    value: str | None = Field(None, description="For example {{ run.model_id }}")
    comment: str | None = None


class Role(Managed):
    """A role, created if it does not exist."""

    comment: str | None = None


class Hook(Model):
    """An action at the end of a run: a statement on the target, or a command on this machine.

    ``run.id``, ``run.model_id``, ``run.date``, ``run.status`` and ``run.failed`` (the names of the failed
    steps) are in scope in both. A statement is a SQL template.
    """

    query: str | None = Field(
        None, description="Statement, such as CALL SYSTEM$SEND_EMAIL(...); filters insert values"
    )
    command: tuple[str, ...] = Field((), description="Program and arguments, run without a shell")

    @model_validator(mode="after")
    def _one(self) -> Hook:
        if (self.query is None) == (not self.command):
            raise ValueError("give either query (a statement) or command (a program and its arguments)")
        return self


class Schedule(Model):
    """When the pipeline runs as a graph of Snowflake's tasks: see `snowpipe-ml export tasks`."""

    cron: str | None = Field(
        None,
        description="Minute, hour, day of month, month and day of week, such as `0 6 2 * *`; L is the last day",
    )
    on_changes: bool = Field(
        False,
        description="Run only if a stream that a step consumes has changes: at the times of `cron`, or without it as soon "
        "as there are changes",
    )
    min_interval: int = Field(
        30,
        ge=10,
        le=604_800,
        description="Seconds between two runs that changes start, at least; with `on_changes` and without `cron`",
    )
    timezone: str = Field("UTC", description="Time zone of `cron` and of the run date")
    warehouse: ObjectName | None = Field(
        None, description="Warehouse of the tasks whose steps name none; they are serverless if not given"
    )
    retries: int = Field(
        0, ge=0, le=30, description="How many times Snowflake runs the failed tasks of a graph again"
    )
    timeout: int = Field(360, ge=1, le=10080, description="Time limit of each task, in minutes")
    external_access: tuple[ObjectName, ...] = Field(
        (), description="External access integrations of the steps that reach a URL"
    )
    python: Literal["3.11", "3.12"] = Field("3.11", description="Python of the procedure that runs the steps")
    artifact_repository: TableName | None = Field(
        None,
        description="Artifact repository of the packages that the engine needs, such as "
        "snowflake.snowpark.pypi_shared_repository; Snowflake's Anaconda channel if not given",
    )

    @model_validator(mode="after")
    def _possible(self) -> Schedule:
        if self.cron is not None:
            Cron.parse(self.cron, self.timezone)
        elif not self.on_changes:
            raise ValueError("give cron, or on_changes: true, or both")
        return self


class Dashboard(Model):
    """The dashboard: see `snowpipe-ml dashboard`."""

    can_run: bool = Field(False, description="Whether the dashboard may start and cancel runs")
    choices: dict[str, Annotated[tuple[str | int | float | bool, ...], Field(min_length=1)]] = Field(
        {}, description="The values of a variable that the form of a run offers, by variable"
    )
    warehouse: ObjectName | None = Field(
        None, description="Warehouse of a deployed dashboard; that of the target if not given"
    )
    compute_pool: ObjectName | None = Field(
        None,
        description="Compute pool of a deployed dashboard, which then runs in a container that all viewers share; without it, "
        "the warehouse runs it, once for each viewer",
    )
    artifact_repository: TableName | None = Field(
        None,
        description="Artifact repository of the packages of a container; snowflake.snowpark.pypi_shared_repository if not "
        "given",
    )


class Pipeline(Model):
    """The whole spec, except for the settings of the steps, which the step types validate."""

    name: str = Field(pattern="^[A-Za-z][A-Za-z0-9_-]*$", description="The pipeline's name")
    version: Literal[1] = 1
    description: str = ""
    vars: dict[str, object] = Field({}, description="Values for {{ vars.NAME }}; --var overrides them")
    targets: dict[PlainKey, TargetSettings] = Field(min_length=1)
    default_target: str | None = None
    state: ObjectName = Field("SNOWPIPE_ML", validate_default=True, description="Schema of the state store")
    keep_runs: int | None = Field(
        None,
        ge=1,
        description="How many runs keep their records. Of older ones, the last success of each step is kept; all are kept "
        "by default",
    )
    budget: float | None = Field(
        None,
        gt=0,
        description="Credits that the steps of a run may use, by the sizes of their warehouses: a step that would pass "
        "them is not started, and a running one is canceled",
    )
    roles: dict[ObjectKey, Role] = Field({})
    grants: dict[str, dict[Securable, tuple[Privilege, ...]]] = Field(
        {}, description="Privileges by role and object: {ROLE: {'table NAME': [PRIVILEGE]}}"
    )
    warehouses: dict[ObjectKey, Warehouse] = Field({})
    stages: dict[ObjectKey, Stage] = Field({})
    file_formats: dict[ObjectKey, FileFormat] = Field({})
    python: Python = Field(
        "3.11", description="Python of all functions and procedures; Snowflake deprecated 3.10 on 2026-10-04"
    )
    sources: dict[ObjectKey, Source] = Field({})
    tables: dict[ObjectKey, Table] = Field({})
    streams: dict[ObjectKey, Stream] = Field({})
    tags: dict[ObjectKey, Tag] = Field({})
    packages: dict[PlainKey, Annotated[Packages, BeforeValidator(as_packages), PACKAGES_SCHEMA]] = Field(
        {}, description="Lists of packages of Snowflake's Anaconda channel or of an artifact repository"
    )
    imports: dict[ObjectKey, WheelImport] = Field({})
    setup: Setup | None = None
    schedule: Schedule | None = None
    trigger: StreamTrigger | None = Field(
        None,
        description="A stream whose changes start the pipeline as a graph of tasks; also a setting of steps",
    )
    dashboard: Dashboard = Dashboard(can_run=False, choices={})
    on_success: tuple[Hook, ...] = Field((), description="Actions after a run in which no step failed")
    on_failure: tuple[Hook, ...] = Field(
        (), description="Actions after a run in which a step failed, or that was interrupted"
    )
    tests: UnitTests = Field({}, description="Unit tests: see `snowpipe-ml test`")
    steps: dict[PlainKey, Mapping[str, object]] = Field(min_length=1)

    @property
    def task_schedule(self) -> Schedule | None:
        """When the pipeline runs as a graph of tasks; None if it says neither `schedule` nor `trigger`."""
        triggered = self.trigger is not None or any(step.get("trigger") for step in self.steps.values())
        if self.schedule is None and triggered:
            return Schedule.model_validate({"on_changes": True})
        return self.schedule

    @model_validator(mode="after")
    def _choices_are_of_variables(self) -> Pipeline:
        for name in self.dashboard.choices:
            if name not in self.vars:
                raise ValueError(f"dashboard.choices: the spec declares no variable {name!r}")
        return self
