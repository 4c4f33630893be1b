"""The embedded warehouse as a target: sessions on it, and a server for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from snowpipe_ml import local
from snowpipe_ml.errors import MissingExtraError, TargetError
from snowpipe_ml.local import server
from snowpipe_ml.plugins.connection import Connection, execute
from snowpipe_ml.plugins.fields import ObjectName
from snowpipe_ml.plugins.target import DEFAULT_TIME_ZONE, Server, Target, register_target
from snowpipe_ml.sql import Identifier, Sql, sql
from snowpipe_ml.sql import Literal as SqlLiteral

if TYPE_CHECKING:
    from snowflake.snowpark import Session


@register_target("local")
class LocalTarget(Target):
    """The embedded warehouse, stored in a folder."""

    guards_tables: ClassVar[bool] = False
    needs_warehouse: ClassVar[bool] = False

    type: Literal["local"]
    path: str = Field(".snowpipe", description="Folder of the warehouse, relative to the spec")
    database: ObjectName = Field("PIPELINE", validate_default=True, description="Current database")

    @classmethod
    def in_place_of(cls, target: Target, folder: Path) -> LocalTarget:
        """Make an embedded warehouse in a folder, with the names and the session parameters of another target."""
        return cls(
            type="local",
            path=str(folder),
            database=target.database if target.database is not None else Identifier("PIPELINE"),
            schema_=target.schema_,
            timezone=target.timezone,
            week_start=target.week_start,
        )

    def folder(self, base_dir: Path) -> Path:
        """The warehouse's folder."""
        return (base_dir / Path(self.path).expanduser()).resolve()

    def open_session(self, base_dir: Path, warehouse: Identifier | None) -> Session:
        """Open a Session on the warehouse in the folder."""
        session = open_session(self.folder(base_dir), self.database.sql, self.schema_.sql)
        self._set(session.connection)
        return session

    def connect(self, base_dir: Path, warehouse: Identifier | None) -> Connection:
        """Open a connection to the warehouse in the folder."""
        connection = connect(self.folder(base_dir), self.database.sql, self.schema_.sql)
        self._set(connection)
        return connection

    def _set(self, connection: Connection) -> None:
        """Set the session parameters; a new session has Snowflake's defaults."""
        given = {"TIMEZONE": self.timezone, "WEEK_START": self.week_start}
        defaults = {"TIMEZONE": DEFAULT_TIME_ZONE, "WEEK_START": 0}
        for name, value in given.items():
            if value != defaults[name]:
                statement = sql("ALTER SESSION SET {name} = {value}", name=Sql(name), value=SqlLiteral(value))
                execute(connection, statement)

    def namespace(self, base_dir: Path) -> str:
        """The folder as a URL."""
        return f"file://{self.folder(base_dir)}"

    def is_empty(self, base_dir: Path) -> bool:
        """Return whether the folder does not exist."""
        return not self.folder(base_dir).is_dir()

    def serve(
        self, base_dir: Path, port: int, *, tasks: bool = False, strict: bool = False
    ) -> AbstractContextManager[Server]:
        """Serve the warehouse on 127.0.0.1; see :func:`serve`."""
        return serve(
            self.folder(base_dir), self.database.sql, self.schema_.sql, port, tasks=tasks, strict=strict
        )


def open_session(path: str | Path | None, database: str, schema: str, **options: Any) -> Session:
    """Open a Session on the warehouse in a folder; see :func:`snowpipe_ml.local_session`."""
    connection = connect(path, database, schema, **options)
    from snowflake.snowpark import Session

    session: Session = Session.builder.configs({"connection": connection}).create()
    return session


def connect(path: str | Path | None, database: str, schema: str, **options: Any) -> Connection:
    """Open a connection to the warehouse in a folder.

    Raises:
        TargetError: the folder cannot be used.
        WarehouseLockedError: another process has locked the warehouse.
    """
    _check_extra()
    try:
        return local.connect(path, database, schema, **options)
    except OSError as error:
        raise TargetError(f"cannot open the embedded warehouse at {path}: {error}") from error


@contextlib.contextmanager
def serve(
    path: Path, database: str, schema: str, port: int, *, tasks: bool = False, strict: bool = False
) -> Iterator[Server]:
    """Lock the warehouse in a folder and serve it to Snowflake's clients; Ctrl-C ends the block.

    Args:
        path: the folder.
        database: the database of clients that do not name one.
        schema: the schema of such clients.
        port: the port on 127.0.0.1; any free one if 0.
        tasks: run the tasks of the warehouse by their schedules.
        strict: require warehouses and privileges, and give sessions odd parameters.

    Raises:
        TargetError: the port is in use.
        WarehouseLockedError: another process has locked the warehouse.
    """
    _check_extra()
    path.mkdir(parents=True, exist_ok=True)
    try:
        token = server.token_of(path)
        running = server.WarehouseServer(path, port, token, database, schema, tasks=tasks, strict=strict)
    except OSError as error:
        raise TargetError(f"cannot serve on 127.0.0.1:{port}: {error}") from error
    with contextlib.closing(running), contextlib.suppress(KeyboardInterrupt):
        yield running


def _check_extra() -> None:
    if find_spec("duckdb") is None or find_spec("sqlglot") is None:
        raise MissingExtraError("local", "the embedded warehouse")
    parser = find_spec("sqlglot.parser")
    if parser is not None and not str(parser.origin).endswith(".py"):
        raise TargetError(
            "the embedded warehouse extends sqlglot's parser, and the compiled one of sqlglotc cannot be extended: "
            "run `pip uninstall sqlglotc`"
        )
