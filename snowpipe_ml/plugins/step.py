"""The contract of a step type: its settings, its methods, and its context at plan time and at run time."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins.connection import Asks
from snowpipe_ml.plugins.fields import (
    ObjectName,
)
from snowpipe_ml.plugins.intervals import Interval
from snowpipe_ml.plugins.resources import (
    ColumnUse,
    PackageList,
    Resource,
)
from snowpipe_ml.plugins.results import Changes, Finding, StepPlan, StepResult
from snowpipe_ml.plugins.running import Running
from snowpipe_ml.text.files import read_text


@dataclass(frozen=True)
class PlanContext:
    """The context of a step at plan time, before anything runs.

    Attributes:
        base_dir: the folder of the spec; relative paths are resolved against it.
        cache_dir: a folder for files that can be created again.
        target: the target's name.
        scope: ``vars``, ``env``, ``target`` and ``run`` for templates.
        packages: the declared package lists, by name.
        lock_file: the lock file beside the spec, with the resolved requirements of its imports.
        python: the version of Python of functions and procedures, such as ``3.11``.
        threads: how many threads a step may use for its own work.
        full_refresh: whether the run computes all outputs again, instead of adding new rows to them.
        interval: the interval that a backfill computes of the step; None in any other run.
        producer: returns the step of this pipeline that writes a resource, or None.
        aliases: names in an environment, with the names on the target that they stand for in fingerprints.
    """

    base_dir: Path
    cache_dir: Path
    target: str
    scope: Mapping[str, Mapping[str, object]]
    packages: Mapping[str, PackageList] = field(default_factory=dict)
    lock_file: Path = Path("pipeline.lock.yaml")
    python: str = "3.11"
    threads: int = 4
    full_refresh: bool = False
    interval: Interval | None = None
    producer: Callable[[Resource], Step[StepSettings] | None] = lambda resource: None
    aliases: Mapping[str, str] = field(default_factory=dict)

    def path(self, text: str) -> Path:
        """Return the path of a file or folder that a setting names.

        A relative path is resolved against the folder of the spec. If nothing exists there, the current
        folder is tried, since the value may be from a ``--var`` of the command line.
        """
        beside = (self.base_dir / Path(text).expanduser()).resolve()
        here = Path(text).expanduser().resolve()
        return here if here.exists() and not beside.exists() else beside

    def outside(self, text: str) -> str | None:
        """Return why a file or folder cannot be read inside Snowflake; None if it is in the folder of the spec."""
        path = self.path(text)
        if path.is_relative_to(self.base_dir.resolve()):
            return None
        return f"it reads {path}, which is outside of the folder of the spec"

    def read_text(self, text: str) -> str:
        """Return the text of a file named in the spec.

        Raises:
            StepError: the file does not exist, or is not UTF-8.
        """
        try:
            return read_text(self.path(text))
        except (OSError, UnicodeDecodeError) as error:
            raise StepError(f"cannot read {text!r}: {getattr(error, 'strerror', None) or error}") from error

    def package_list(self, name: str) -> PackageList:
        """Return a declared package list.

        Raises:
            StepError: no package list has this name.
        """
        if name not in self.packages:
            raise StepError(
                f"no list {name!r} under `packages`; there are: {', '.join(self.packages) or 'none'}"
            )
        return self.packages[name]

    def producer_of(self, resource: Resource, kind: type[_StepT]) -> _StepT:
        """Return the step that writes a resource, which must be of the given type.

        Raises:
            StepError: no step of this pipeline writes it, or a step of another type does.
        """
        step = self.producer(resource)
        if not isinstance(step, kind):
            raise StepError(f"{resource} must be written by a {kind.type_name} step of this pipeline")
        return step


@dataclass(frozen=True, kw_only=True)
class RunContext(PlanContext, Running):
    """The context of a step while it runs: that of the plan, and the target."""


class Query(BaseModel):
    """A query in a setting: a template, like the query of a ``transform`` step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: str = Field(description="SQL; {{ ref('name') }} inserts the name of a table that it reads")


Item = str | int | float | bool | dict[str, str | int | float | bool | None]


def _no_text(value: object) -> object:
    """Reject a text as a truth value: ``off`` would be false here, but true in a template."""
    if isinstance(value, str):
        raise ValueError(
            f"'when' must be true or false, not the text {value!r}; compare it, as in {{{{ env.X == 'on' }}}}"
        )
    return value


class StreamTrigger(BaseModel):
    """A stream whose changes start the pipeline, where it runs as a graph of tasks.

    https://docs.snowflake.com/en/user-guide/tasks-triggered
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    stream: ObjectName = Field(description="The declared stream")
    minutes: int | None = Field(
        None,
        ge=1,
        le=11_520,
        description="How often the graph looks for changes; without it, changes start the graph at once",
    )


class StepSettings(BaseModel):
    """The settings that all steps share. A step type adds its own."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, populate_by_name=True, defer_build=True
    )

    type: str = Field(description="The step type")
    description: str = Field("", description="The purpose of the step, shown by plan and graph")
    needs: tuple[str, ...] = Field(
        (), description="Steps that must finish first, beyond those whose outputs this step reads"
    )
    warehouse: ObjectName | None = Field(None, description="The declared warehouse that the step uses")
    tags: tuple[str, ...] = Field((), description="For --select tag:NAME; not Snowflake's object tags")
    foreach: tuple[Item, ...] | Query | None = Field(
        None,
        description="Run the step once for each item of this list, or for each row that the query returns; "
        "{{ item }} is the item",
    )
    when: Annotated[bool | Query, BeforeValidator(_no_text)] = Field(
        True,
        description="Skip this step when false, or when the first value that the query returns is FALSE, 0 or NULL, or "
        "there is no row; a text is an error. Steps that depend on an output it has never produced are skipped too.",
    )
    retries: int = Field(
        3, ge=0, le=20, description="How many times the step is retried after a transient error"
    )
    timeout: int | None = Field(None, ge=1, description="Time limit of each of its statements, in seconds")
    budget: float | None = Field(
        None,
        gt=0,
        exclude=True,  # fingerprints do not contain it
        description="Credits that the step may use, by the size of its warehouse: it is canceled before it passes them",
    )
    trigger: StreamTrigger | None = Field(
        None, description="A stream whose changes start the graph of tasks of `snowpipe-ml export tasks`"
    )


# A step type can be used where a step with any settings is expected: Step[StepSettings].
S_co = TypeVar("S_co", bound=StepSettings, covariant=True)
_StepT = TypeVar("_StepT", bound="Step[StepSettings]")


class RunsIn(enum.StrEnum):
    """Where a step can run: in the client's process only, or also in a procedure on the warehouse."""

    CLIENT = "client"
    WAREHOUSE = "warehouse"


class Step(ABC, Generic[S_co]):
    """Base class of all step types; see the docstring of :mod:`snowpipe_ml.plugins` for an example.

    Args:
        name: the step's name in the spec.
        settings: its validated settings.

    Attributes:
        example: an example of the step in YAML, as in a spec; shown by ``snowpipe-ml steps TYPE``.
        item: the ``foreach`` item of this node; None if the step has no ``foreach``.
        dated: whether its outputs have the run date even if no template names it. It then runs for each
            date, changed or not.
    """

    item: object = None
    type_name: ClassVar[str] = ""
    example: ClassVar[str | None] = None
    Settings: ClassVar[type[StepSettings]]
    dated: ClassVar[bool] = False

    def __init__(self, name: str, settings: S_co) -> None:
        self.name = name
        self.settings = settings

    @property
    def declared_columns(self) -> Mapping[str, str]:
        """The stored names and the types of the columns that the spec declares; empty for most steps."""
        return {}

    @property
    def keeps(self) -> int | None:
        """How many tables it keeps that it has made in earlier runs under other names; None for all."""
        return None

    def scope(self, ctx: PlanContext) -> Mapping[str, object]:
        """The variables of its SQL templates."""
        return ctx.scope if self.item is None else {**ctx.scope, "item": self.item}

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        """The resources that must exist before the step runs."""
        return ()

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        """The resources that the step creates or changes."""
        return ()

    def columns_read(self, ctx: PlanContext) -> Iterable[ColumnUse]:
        """The columns of other tables that its settings name; checked if the spec declares these tables."""
        return ()

    def findings(self, ctx: PlanContext) -> Iterable[Finding]:
        """The problems that ``validate`` can find without a connection, such as a missing file."""
        return ()

    def external_version(self, ctx: PlanContext) -> str | None:
        """A text that changes when an external source that the step reads changes (a folder, a URL)."""
        return None

    def needs_client(self, ctx: PlanContext) -> str | None:
        """The reason that the step runs in the client's process only; None if it can also run inside Snowflake.

        Inside Snowflake it finds the files in the folder of the spec, and no other files of the client.
        """
        return None

    def needs_network(self, ctx: PlanContext) -> bool:
        """Whether the step reaches a URL, for which a procedure needs an external access integration."""
        return False

    def runs_in(self, ctx: PlanContext) -> RunsIn:
        """Where the step can run."""
        client = self.needs_client(ctx) is not None or self.needs_network(ctx)
        return RunsIn.CLIENT if client else RunsIn.WAREHOUSE

    def imports_here(self) -> Mapping[str, str]:
        """The optional modules that the step imports in this process, and the extras that install them."""
        return {}

    def always_runs(self, ctx: PlanContext) -> str | None:
        """The reason the step must run although no change was detected; None if it can be skipped."""
        return None

    def fills_intervals(self, ctx: PlanContext) -> bool:
        """Return whether :meth:`run` can compute the rows of ``ctx.interval`` alone, for ``run --backfill``.

        The rows of the interval must be replaced whole, so that computing it again leaves the same rows.
        """
        return False

    def plan(self, ctx: PlanContext) -> StepPlan:
        """Describe what the step would do, without a connection."""
        return StepPlan(self.settings.description or (type(self).__doc__ or "").split("\n")[0])

    def changes(self, ctx: PlanContext, target: Asks) -> Changes | None:
        """The changes that a run would make to the existing object of a declared step; None if there is none.

        Args:
            ctx: the planning context.
            target: answers statements that only read.
        """
        return None

    @abstractmethod
    def run(self, ctx: RunContext) -> StepResult:
        """Run the step. An exception fails the step, and the steps that depend on it are skipped."""

    def __repr__(self) -> str:
        return f"<{self.type_name} {self.name}>"
