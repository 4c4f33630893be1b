"""The contract of a target: its settings in a spec, how sessions on it are opened, and what it can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Protocol, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from snowpipe_ml.errors import PluginError, UsageError
from snowpipe_ml.plugins.connection import Connection
from snowpipe_ml.plugins.fields import ObjectName
from snowpipe_ml.registry import Registry
from snowpipe_ml.sql import Identifier

if TYPE_CHECKING:
    from snowflake.snowpark import Session


class Server(Protocol):
    """A running server of a target; see :meth:`Target.serve`."""

    @property
    def entry(self) -> str:
        """The entry of ``connections.toml`` for clients."""

    @property
    def port(self) -> int:
        """The port that it listens on."""

    def serve_forever(self) -> None:
        """Serve until the process is interrupted."""


DEFAULT_TIME_ZONE = "America/Los_Angeles"  # Snowflake's default


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, ZoneInfoNotFoundError, OSError):
        raise ValueError(
            f"{name!r} is not a time zone of the IANA database, such as UTC or Europe/Berlin"
        ) from None
    return name


class Target(BaseModel, ABC):
    """Base of all targets: a pydantic model of the settings, with the methods that the engine calls.

    A subclass declares ``type: Literal["name"]`` and is registered with :func:`register_target`, or named
    under the entry-point group ``snowpipe_ml.targets``. Relative paths start from the folder of the spec,
    which every method receives as ``base_dir``.

    Attributes:
        guards_tables: whether a run must be told before it replaces a table that no run has created.
        needs_warehouse: whether queries need a warehouse.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, populate_by_name=True, defer_build=True
    )
    guards_tables: ClassVar[bool] = True
    needs_warehouse: ClassVar[bool] = True

    type: str
    database: ObjectName
    schema_: ObjectName = Field("PUBLIC", alias="schema", validate_default=True)
    vars: dict[str, object] = Field({}, description="Values that override `vars` on this target")
    timezone: Annotated[str, AfterValidator(_time_zone)] = Field(
        DEFAULT_TIME_ZONE, description="Time zone of the sessions, such as UTC or Europe/Berlin"
    )
    week_start: int = Field(
        0, ge=0, le=7, description="WEEK_START of the sessions: 1 is Monday, 7 Sunday, 0 ISO"
    )

    @property
    def default_warehouse(self) -> Identifier | None:
        """The warehouse of steps that name none; None if the connection's own is used."""
        return None

    @abstractmethod
    def open_session(self, base_dir: Path, warehouse: Identifier | None) -> Session:
        """Open a Session in the database and schema, which are created if they do not exist.

        Args:
            base_dir: the folder of the spec.
            warehouse: the warehouse to use; None to leave it alone, because the run creates it first.

        Raises:
            TargetError: the target cannot be reached.
        """

    def connect(self, base_dir: Path, warehouse: Identifier | None) -> Connection:
        """Open a connection as :meth:`open_session` does, for statements that need no Session.

        A target overrides it to open the connection without importing Snowpark.

        Args:
            base_dir: the folder of the spec.
            warehouse: the warehouse to use; None to leave it alone.

        Raises:
            TargetError: the target cannot be reached.
        """
        connection: Connection = self.open_session(base_dir, warehouse).connection
        return connection

    def log_in(self, base_dir: Path) -> Connection:
        """Open a connection only to look at the target: it enters no database, and creates nothing.

        A target overrides it if :meth:`connect` may create something.

        Raises:
            TargetError: the target cannot be reached.
        """
        return self.connect(base_dir, None)

    def asks_at_login(self, base_dir: Path) -> bool:
        """Return whether each login asks the user for something, such as to confirm a push notification.

        A run then logs in once, and runs its steps one after the other on one Session.
        """
        return False

    @abstractmethod
    def namespace(self, base_dir: Path) -> str:
        """Identify the target in lineage events, as a URL."""

    def is_empty(self, base_dir: Path) -> bool:
        """Return whether nothing can exist on the target yet, so that a plan need not connect to it."""
        return False

    def serve(
        self, base_dir: Path, port: int, *, tasks: bool = False, strict: bool = False
    ) -> AbstractContextManager[Server]:
        """Serve the target to Snowflake's own clients, while the context is open.

        Args:
            base_dir: the folder of the spec.
            port: the port on 127.0.0.1; any free one if 0.
            tasks: run the tasks of the target by their schedules.
            strict: be as strict as an account that has no defaults.

        Raises:
            UsageError: the target cannot be served.
        """
        raise UsageError(f"a target of type {self.type} cannot be served; only a local one can")


_TargetT = TypeVar("_TargetT", bound=type[Target])


def _check(name: str, cls: type[Target]) -> None:
    if not (isinstance(cls, type) and issubclass(cls, Target)):
        raise PluginError(f"the target {name!r} is not a subclass of Target: {cls!r}")


TARGETS: Registry[type[Target]] = Registry(
    "target",
    "snowpipe_ml.targets",
    builtin=("snowpipe_ml.targets.local", "snowpipe_ml.targets.snowflake"),
    check=_check,
)


def register_target(name: str) -> Callable[[_TargetT], _TargetT]:
    """Make a class a target under the name that specs give as its ``type``.

    Raises:
        PluginError: the name is taken, or the class is not a Target.
    """
    return TARGETS.register(name)
