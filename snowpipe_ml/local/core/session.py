"""A session: current database, schema and role, parameters, transaction and running statement."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Protocol, TypeVar

import pyarrow as pa

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.cancellation import Cancellation
from snowpipe_ml.local.core.duck import Duck
from snowpipe_ml.local.core.history import Query
from snowpipe_ml.local.core.names import CATALOG, SESSION_VARIABLE, Name, quoted
from snowpipe_ml.local.core.parameters import DEFAULT_TIME_ZONE, HONOURED, apply
from snowpipe_ml.local.core.reserved import check_names
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.storage import Storage
from snowpipe_ml.local.core.transactional import Transactional
from snowpipe_ml.local.core.translations import Facts, KnownNames, Latest, Translated
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Options, Params, number_option

if TYPE_CHECKING:
    from snowflake.connector.errors import ProgrammingError

    from snowpipe_ml.local.core.task_runs import TaskRun

T = TypeVar("T")
_IDS = itertools.count(1)
_SESSIONS: weakref.WeakValueDictionary[int, Session] = weakref.WeakValueDictionary()


class Client(Protocol):
    """The part of a session's connection that nested statements use, such as those of a stored procedure."""

    session: Session
    lock: threading.RLock
    listeners: list[Callable[[str], None]]

    def perform(
        self,
        command: str,
        params: Params,
        query_id: str,
        file_stream: IO[bytes] | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> Result:
        """Run a statement."""

    def perform_many(
        self,
        command: str,
        rows: Sequence[Sequence[object]],
        query_id: str,
        settings: Mapping[str, object] | None = None,
    ) -> Result:
        """Run an INSERT for many rows."""

    def describe(self, command: str, params: Params) -> list[Column]:
        """Return the columns of a statement's result without running the statement."""

    def result(self, query_id: str) -> tuple[list[Column], pa.Table]:
        """Return the result of an earlier statement."""

    def translated(self, raised: Exception) -> ProgrammingError | None:
        """Return the original error that a DuckDB error wraps, if any."""

    def another(self, database: str, schema: str) -> Client:
        """Open another session on the warehouse, such as that of a task."""

    def close(self) -> None:
        """Close the session."""


class Session(Transactional):
    """One session on an embedded warehouse.

    Args:
        storage: the open warehouse.
        database: the database to work in; created if it does not exist.
        schema: the schema to work in; created if it does not exist.

    Attributes:
        client: the connection on which nested statements run.
        folder: the base folder of relative paths in PUT and GET.
        worker_folder: the temporary folder of the procedure whose statement is running; None outside of one.
        shares: scripts that replace shares, by the share's name; each script fills the database that is
            created from the share.
        translations: the translations of the last queries.
        descriptions: the columns of the last queries that were described.
        temporary_in: the databases in which it may have temporary objects.
        known_names: the names of the schemas and tables; see core/catalog_names.py.
        task: the run of a task whose session this is; None in other sessions.
        task_seconds: how long a statement of the task may run.
    """

    KEPT_QUERIES = 100
    """How many of the latest query ids LAST_QUERY_ID can refer to."""

    client: Client

    def __init__(self, storage: Storage, database: str | None, schema: str | None) -> None:
        super().__init__()
        self.storage = storage
        self.session_id = next(_IDS)
        _SESSIONS[self.session_id] = self
        # The running statements, outermost first; each is nested in the one before, as in a procedure.
        self._running = list[Cancellation]()
        self.database: str | None = None
        self.schema: str | None = None
        self.warehouse: str | None = None
        self.role: str | None = "SYSADMIN"
        self.parameters: Options = {}
        # Values as clients bind them: those of TIMESTAMP_LTZ and TIMESTAMP_TZ with the name of the type.
        self.variables: dict[str, object] = {}
        self.duck = self.open_duck()
        # Whether whole numbers have 38 digits in the statement that is translated, and not 64 bits.
        self.wide_numbers = False
        self.last_query_ids: list[str] = []
        self.shares: dict[str, list[str]] = {}
        self.task: TaskRun | None = None
        self.task_seconds: float | None = None
        self.folder = os.getcwd()
        self.worker_folder: str | None = None
        self.translations = Latest[Translated]()
        self.descriptions = Latest[list[Column]]()
        self._facts = Facts()
        self.temporary_in: set[str] = set()
        self.known_names: KnownNames | None = None
        if database:
            with storage.lock:  # two sessions may start at the same time
                if database not in storage.databases():
                    storage.create_database(database)
            check_names(database, schema)
            if schema and schema != "PUBLIC":
                self.duck.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(database, schema)}")
            self.use(database, schema or "PUBLIC")
            if schema is None:
                self.schema = None  # as on Snowflake: a connection without a schema has no current schema

    @property
    def state(self) -> Hashable:
        """Everything except the text of a query that its translation depends on."""
        settings = tuple(
            sorted((name, str(value)) for name, value in self.parameters.items() if name != "QUERY_TAG")
        )
        # CURRENT_TIMESTAMP() is translated otherwise in a transaction.
        in_transaction = self.transaction is not None
        return self.storage.catalog_version, self.database, self.schema, settings, in_transaction

    @property
    def catalog_version(self) -> Hashable:
        """A value that differs after each statement that may have changed a table or view."""
        return self.storage.catalog_version, self.duck.definitions

    def known(self, key: Hashable, find: Callable[[], T]) -> T:
        """Return what ``find`` finds out about tables and views, once until a statement may have changed one.

        In a transaction it is always called, because the transaction may see other versions of them.

        Args:
            key: the kind of fact, and what it is about.
            find: finds it out.
        """
        if self.in_transaction or self.duck.in_transaction:
            return find()
        return self._facts.known(self.catalog_version, key, find)

    def owner(self, database: str) -> str:
        """Return the mark of this session on a temporary object, which is dropped when the session ends."""
        self.temporary_in.add(database)
        return str(self.session_id)

    def use(self, database: str, schema: str | None) -> None:
        """Change the current database and schema.

        Raises:
            ProgrammingError: the database or schema does not exist.
        """
        check_names(database, schema)
        if database not in self.storage.databases():
            raise errors.missing("Database", database)
        wanted = schema or "PUBLIC"
        found = self.duck.execute(
            "SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ?", [database, wanted]
        ).fetchone()
        if not found and schema is not None:
            raise errors.missing("Schema", f"{database}.{schema}")
        if found:
            self.duck.execute(f"USE {quoted(database, wanted)}")
        self.database = database
        self.schema = wanted if found else None

    def resolve(self, name: tuple[str, ...], command: str = "this statement") -> Name:
        """Complete a name with the current database and schema.

        Raises:
            ProgrammingError: a part is missing and the session has no current database or schema.
        """
        found = self._resolved(name, command)
        check_names(found[0], found[1])
        return self.storage.covers.get((self.session_id, found), found) if self.storage.covers else found

    def _resolved(self, name: tuple[str, ...], command: str) -> Name:
        if len(name) == 3:
            return name[0], name[1], name[2]
        if not self.database:
            raise errors.no_database(command)
        if len(name) == 2:
            return self.database, name[0], name[1]
        if not self.schema:
            raise errors.error(
                90106,
                "22000",
                f"Cannot perform {command}. This session does not have a current schema. "
                "Call 'USE SCHEMA', or use a qualified name.",
            )
        return self.database, self.schema, name[0]

    def catalog(self, database: str, table: str) -> str:
        """Return the quoted DuckDB name of a table in a database's catalog.

        Raises:
            ProgrammingError: the database does not exist.
        """
        if database not in self.storage.databases():
            raise errors.missing("Database", database)
        return quoted(database, CATALOG, table)

    def hidden(self, table: Name) -> bool:
        """Return whether a table or view belongs to another session or is hidden by a temporary one."""
        if self.storage.covers and (self.session_id, table) in self.storage.covers:
            return True
        return self.storage.owners.get(table, self.session_id) != self.session_id

    def table_kind(self, table: Name) -> str:
        """Return the kind of a table: TABLE, TRANSIENT or TEMPORARY."""
        temporary = self.duck.execute(
            f"SELECT 1 FROM {self.catalog(table[0], 'TEMPORARY')} WHERE schema_name = ? AND name = ?",
            list(table[1:]),
        ).fetchone()
        if temporary:
            return "TEMPORARY"
        transient = self.duck.execute(
            f"SELECT 1 FROM {self.catalog(table[0], 'TRANSIENT')} WHERE schema_name = ? AND name = ?",
            list(table[1:]),
        ).fetchone()
        return "TRANSIENT" if transient else "TABLE"

    def table_kinds(self, database: str) -> dict[tuple[str, str], str]:
        """Return the kinds of the TEMPORARY and TRANSIENT tables of a database, by schema and name."""
        found = self.duck.execute(
            f"SELECT schema_name, name, 'TRANSIENT' FROM {self.catalog(database, 'TRANSIENT')} "
            f"UNION ALL SELECT schema_name, name, 'TEMPORARY' FROM {self.catalog(database, 'TEMPORARY')}"
        )
        return {(schema, name): kind for schema, name, kind in found.fetchall()}

    def open_duck(self) -> Duck:
        """Open another connection to DuckDB with the settings of the session."""
        running = self._running
        duck = self.storage.root.cursor(lambda: running[-1] if running else None)
        duck.execute(f"SET TimeZone = '{DEFAULT_TIME_ZONE}'")
        duck.execute(f"SET VARIABLE {SESSION_VARIABLE} = {self.session_id}::BIGINT")
        for name, value in self.parameters.items():
            apply(duck, name, value)
        if self.database:
            duck.execute(f"USE {quoted(self.database, self.schema or 'PUBLIC')}")
        return duck

    def adjust_duck(self) -> None:
        """Give the connection to DuckDB the settings that the session has now."""
        for name in HONOURED:
            apply(self.duck, name, self.parameters.get(name))
        if self.database and self.schema:
            self.duck.execute(f"USE {quoted(self.database, self.schema)}")

    @property
    def autocommits(self) -> bool:
        """Whether a statement outside of a transaction is committed by itself: the parameter AUTOCOMMIT."""
        return str(self.parameters.get("AUTOCOMMIT", True)).upper() != "FALSE"

    @property
    def time_zone(self) -> str:
        """The session's time zone, from the parameter TIMEZONE."""
        return str(self.parameters.get("TIMEZONE", DEFAULT_TIME_ZONE))

    @property
    def statement_timeout(self) -> float | None:
        """The timeout of statements in seconds; None for no limit.

        It is the lower of STATEMENT_TIMEOUT_IN_SECONDS and, in a task, USER_TASK_TIMEOUT_MS.
        https://docs.snowflake.com/en/sql-reference/sql/create-task
        """
        given = float(number_option(self.parameters, "STATEMENT_TIMEOUT_IN_SECONDS", 0)) or None
        return min((limit for limit in (given, self.task_seconds) if limit is not None), default=None)

    @property
    def cancellation(self) -> Cancellation:
        """The cancellation of the running statement; an unused one if no statement is running."""
        return self._running[-1] if self._running else Cancellation()

    @contextmanager
    def cancellable(self) -> Iterator[None]:
        """Make the block cancellable: by :meth:`interrupt`, by its timeout, and with the enclosing statement.

        Raises:
            ProgrammingError: the statement was canceled.
        """
        outer = self._running[-1] if self._running else None
        inner = Cancellation()
        try:
            with ExitStack() as stack:
                if outer is not None:
                    stack.enter_context(outer.stopping(inner.cancel))
                stack.enter_context(inner.within(self.statement_timeout))
                self._running.append(inner)
                stack.callback(self._running.pop)
                yield
        except Exception as raised:
            # The stopped work may raise any error.
            if inner.requested and raised is not inner.error():
                raise inner.error() from raised
            raise

    def interrupt(self) -> bool:
        """Cancel the running statement and the work it waits for; return whether a statement was running."""
        running = self._running[:1]
        for statement in running:
            statement.cancel()
        return bool(running)

    def query(self, query_id: str, text: str, tag: str | None = None) -> Query:
        """Create the history entry of a statement that starts now."""
        return Query(
            query_id,
            text,
            self.session_id,
            self.database,
            self.schema,
            self.warehouse,
            self.role,
            tag or str(self.parameters.get("QUERY_TAG", "")),
            dt.datetime.now(dt.UTC),
        )


def find_session(session_id: int) -> Session | None:
    """Return the open session with this id, on any warehouse of this process."""
    return _SESSIONS.get(session_id)


def open_sessions(storage: Storage) -> list[Session]:
    """List the open sessions on a warehouse."""
    return [found for _, found in sorted(_SESSIONS.items()) if found.storage is storage]
