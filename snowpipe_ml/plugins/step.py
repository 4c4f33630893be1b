"""The contract of a step type: its settings, what it may know at plan time and at run time, and its methods."""

from __future__ import annotations

import enum
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins.fields import (
    ObjectName,
)
from snowpipe_ml.plugins.resources import (
    ColumnUse,
    PackageList,
    Resource,
)
from snowpipe_ml.plugins.results import Finding, StepPlan, StepResult
from snowpipe_ml.sql import QualifiedName, Sql, like_pattern
from snowpipe_ml.text.files import read_text

if TYPE_CHECKING:
    from snowflake.snowpark import Row, Session


_READS = re.compile(r"\s*(?:SELECT|SHOW|LIST|DESCRIBE)\b", re.I)
log = logging.getLogger("snowpipe_ml.plugins")


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Which run this is.

    Attributes:
        id: sorts by time.
        started_at: when it began.
        model_id: names the models trained in it, and tags its outputs.
        date: the day that it is for, as schedulers have it: RUN_DATE in the metrics.
    """

    id: str
    started_at: datetime
    model_id: str
    date: date


class Progress(Protocol):
    """Where a step says how far it is."""

    def __call__(self, done: int, total: int | None = None, note: str = "") -> None:
        """``done`` of ``total`` things; ``note`` says which was the last."""


@dataclass(frozen=True)
class PlanContext:
    """What a step may know before anything runs.

    Attributes:
        base_dir: the folder of the spec, which relative paths start from.
        cache_dir: a folder for files that can be made again.
        target: the target's name.
        scope: ``vars``, ``env``, ``target`` and ``run`` for templates.
        packages: the declared package lists, by name.
        lock_file: the file beside the spec that says what its imports were resolved to.
        threads: how many threads a step may use for its own work.
        producer: the step that writes a resource, if one of this pipeline does.
    """

    base_dir: Path
    cache_dir: Path
    target: str
    scope: Mapping[str, Any]
    packages: Mapping[str, PackageList] = field(default_factory=dict)
    lock_file: Path = Path("pipeline.lock.yaml")
    threads: int = 4
    producer: Callable[[Resource], Step[Any] | None] = lambda resource: None

    def path(self, text: str) -> Path:
        """A file or folder that a setting names.

        A relative one is beside the spec, or else, as a ``--var`` of the command line may mean it, in
        the current folder.
        """
        beside = (self.base_dir / Path(text).expanduser()).resolve()
        here = Path(text).expanduser().resolve()
        return here if here.exists() and not beside.exists() else beside

    def read_text(self, text: str) -> str:
        """The text of a file named in the spec.

        Raises:
            StepError: there is no such file, or it is not UTF-8.
        """
        try:
            return read_text(self.path(text))
        except (OSError, UnicodeDecodeError) as error:
            raise StepError(f"cannot read {text!r}: {getattr(error, 'strerror', None) or error}") from error

    def package_list(self, name: str) -> PackageList:
        """A declared list of packages.

        Raises:
            StepError: there is none of the name.
        """
        if name not in self.packages:
            raise StepError(
                f"no list {name!r} under `packages`; there are: {', '.join(self.packages) or 'none'}"
            )
        return self.packages[name]

    def producer_of(self, resource: Resource, kind: type[_StepT]) -> _StepT:
        """The step of a type that writes a resource.

        Raises:
            StepError: no step of this pipeline writes it, or one of another type does.
        """
        step = self.producer(resource)
        if not isinstance(step, kind):
            raise StepError(f"{resource} must be written by a {kind.type_name} step of this pipeline")
        return step


@dataclass(frozen=True, kw_only=True)
class RunContext(PlanContext):
    """What a step has while it runs.

    Attributes:
        session: a Snowpark Session of its own, its warehouse and query tag set.
        run: the run's ids.
        logger: for a line that should be in the log.
        progress: for a display of how far the step is.
        again: does something that may be done twice, and does it again after an error that passes by itself.
        fence: raises if another run has taken this run's place; see :meth:`before_publishing`.
    """

    session: Session
    run: RunInfo
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("snowpipe_ml.steps"))
    progress: Progress = lambda done, total=None, note="": None
    again: Callable[[Callable[[], list[Row]]], list[Row]] = lambda action: action()
    fence: Callable[[Session], None] = lambda session: None

    def before_publishing(self) -> None:
        """To be called before an output is put in place.

        Raises:
            LockedError: this run was believed dead, and another one has begun.
        """
        self.fence(self.session)

    def execute(self, statement: Sql) -> list[Row]:
        """Run one statement and give its rows; only trusted SQL is taken.

        One that only reads is run again after an error that passes by itself; any other fails, and the step with it.
        """
        if not isinstance(statement, Sql):
            raise TypeError("execute() takes Sql, not bare text: see snowpipe_ml.sql.sql")
        run = self.session.sql(statement.text).collect
        return self.again(run) if _READS.match(statement.text) else run()

    def scalar(self, statement: Sql) -> Any:
        """Run one statement and give the first column of its first row; None without rows."""
        rows = self.execute(statement)
        return rows[0][0] if rows else None

    def count(self, name: QualifiedName) -> int:
        """The number of rows of a table."""
        return int(self.scalar(Sql(f"SELECT COUNT(*) FROM {name.sql}")))

    def current_schema(self) -> Sql:
        """The schema, with its database, in which a plain name is looked up."""
        return Sql(f"{self.session.get_current_database()}.{self.session.get_current_schema()}")

    def kind_of(self, name: QualifiedName) -> str | None:
        """``TABLE`` or ``VIEW``; None if there is nothing of this name."""
        # Without a schema SHOW would look through the whole database.
        schema = QualifiedName(name.parts[:-1]).sql if len(name.parts) > 1 else self.current_schema().text
        rows = self.execute(Sql(f"SHOW OBJECTS LIKE {like_pattern(name.name).sql} IN SCHEMA {schema}"))
        return next((str(row["kind"]) for row in rows if row["name"] == name.name.name), None)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements inside, or none of them."""
        try:
            self.execute(Sql("BEGIN TRANSACTION"))
            yield
        except BaseException:
            self.execute(Sql("ROLLBACK"))
            raise
        self.execute(Sql("COMMIT"))


class Query(BaseModel):
    """A query in a setting: a template, as the query of a ``transform`` step is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: str = Field(description="SQL; {{ ref('name') }} is a table that it reads")


Item = str | int | float | bool | dict[str, str | int | float | bool | None]


def _no_text(value: Any) -> Any:
    """Take no text for a truth value: ``off`` would be false here, and true in a template."""
    if isinstance(value, str):
        raise ValueError(
            f"'when' must be true or false, not the text {value!r}; compare it, as in {{{{ env.X == 'on' }}}}"
        )
    return value


class StepSettings(BaseModel):
    """Settings that every step has. A step type adds its own."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, populate_by_name=True, defer_build=True
    )

    type: str = Field(description="The step type")
    description: str = Field("", description="What the step is for, shown by plan and graph")
    needs: tuple[str, ...] = Field(
        (), description="Steps that must be done first, where data does not show it"
    )
    warehouse: ObjectName | None = Field(None, description="The declared warehouse that the step uses")
    tags: tuple[str, ...] = Field((), description="For --select tag:NAME; not Snowflake's object tags")
    foreach: tuple[Item, ...] | Query | None = Field(
        None, description="A node an item: of this list, or of the rows of a query; {{ item }} is the item"
    )
    when: Annotated[bool | Query, BeforeValidator(_no_text)] = Field(
        True,
        description="Skip this step when false, or when the first value that the query returns is FALSE, 0 or NULL, or "
        "there is no row; a text is an error. Steps that depend on an output it has never produced are skipped too.",
    )
    retries: int = Field(
        3, ge=0, le=20, description="How often the step is tried again after a transient error"
    )
    timeout: int | None = Field(None, ge=1, description="Seconds that each of its statements may take")


S = TypeVar("S", bound=StepSettings)
_StepT = TypeVar("_StepT", bound="Step[Any]")


class RunsIn(enum.StrEnum):
    """Where the work of a step can be started from."""

    CLIENT = "client"
    WAREHOUSE = "warehouse"


class Step(ABC, Generic[S]):
    """Base of all step types; see the module's docstring for one.

    Args:
        name: the step's name in the spec.
        settings: its settings, checked.

    Attributes:
        example: a step of the type as a spec has it, in YAML; shown by ``snowpipe-ml steps TYPE``.
        item: the item of a ``foreach`` that this node is for; None if it is not for one.
    """

    item: Any = None
    type_name: ClassVar[str] = ""
    example: ClassVar[str | None] = None
    Settings: ClassVar[type[StepSettings]]
    runs_in: ClassVar[RunsIn] = RunsIn.WAREHOUSE

    def __init__(self, name: str, settings: S) -> None:
        self.name = name
        self.settings = settings

    def scope(self, ctx: PlanContext) -> Mapping[str, Any]:
        """What the templates of its SQL see."""
        return ctx.scope if self.item is None else {**ctx.scope, "item": self.item}

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        """What must be there before the step runs."""
        return ()

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        """What the step makes or changes."""
        return ()

    def columns_read(self, ctx: PlanContext) -> Iterable[ColumnUse]:
        """The columns of other tables that its settings name; checked where the spec declares these tables."""
        return ()

    def findings(self, ctx: PlanContext) -> Iterable[Finding]:
        """The faults that this machine knows of, such as a file that is missing; asked by ``validate`` alone."""
        return ()

    def external_version(self, ctx: PlanContext) -> str | None:
        """A text that changes when the outside world that the step reads does (a folder, a URL)."""
        return None

    def imports_here(self) -> Mapping[str, str]:
        """What the step imports in this process beside our own requirements, with the extra that brings it."""
        return {}

    def always_runs(self, ctx: PlanContext) -> str | None:
        """Why the step cannot be skipped although nothing that is known changed; None if it can."""
        return None

    def plan(self, ctx: PlanContext) -> StepPlan:
        """What the step would do. Needs no connection."""
        return StepPlan(self.settings.description or (type(self).__doc__ or "").split("\n")[0])

    @abstractmethod
    def run(self, ctx: RunContext) -> StepResult:
        """Do it. An exception fails the step and skips what depends on it."""

    def __repr__(self) -> str:
        return f"<{self.type_name} {self.name}>"
