"""The connection under a Snowpark Session, and what a session is: where it works and as whom."""

from __future__ import annotations

import itertools
import logging
import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from snowflake.connector.errors import ProgrammingError

from snowpipe_ml.local import errors
from snowpipe_ml.local.cancellation import Cancellation, canceled_queries
from snowpipe_ml.local.face import ConnectionFace
from snowpipe_ml.local.reserved import check_names
from snowpipe_ml.local.sharing import Guest, join
from snowpipe_ml.local.storage import CATALOG, SESSION_VARIABLE, Storage, close_storage, open_storage, quoted

if TYPE_CHECKING:
    from snowpipe_ml.local.statements import Result
    from snowpipe_ml.local.types import Column

log = logging.getLogger("snowpipe_ml.local")
_SESSION_IDS = itertools.count(1)

_MAKES_ROOM = re.compile(r"\s*(?:DROP|TRUNCATE|DELETE)\b", re.I)
_CANCEL_ALL = re.compile(r"\s*SELECT\s+SYSTEM\$CANCEL_ALL_QUERIES\s*\(\s*'?(\d+)'?\s*\)\s*;?\s*", re.I)

# What Snowpark asks of a server's parameters. Thread-safe sessions give each thread a cursor.
_SESSION_PARAMETERS = {
    "PYTHON_SNOWPARK_ENABLE_THREAD_SAFE_SESSION": True,
    "PYTHON_SNOWPARK_USE_SCOPED_TEMP_OBJECTS": True,
}


class Connection(ConnectionFace):
    """Speaks the part of ``SnowflakeConnection`` that Snowpark and ordinary clients use.

    Args:
        storage: the open warehouse.
        database: the database to work in; created if it is not there.
        schema: the schema to work in; created if it is not there.
        shared: whether another process's session, which does not keep the warehouse open.

    Attributes:
        folder: where a relative path of PUT and GET begins.
        listeners: called with each statement's text, before it is read: the SQL that Snowflake
            would get.
        shares: scripts of statements that stand in for shares, by the share's name; each fills the
            database that is created from it.
    """

    def __init__(
        self, storage: Storage, database: str | None, schema: str | None, *, shared: bool = False
    ) -> None:
        self.storage = storage
        self.session_id = next(_SESSION_IDS)
        storage.sessions[self.session_id] = self
        # Of the statements that run, each inside the one before: a procedure runs statements of its own.
        self._running = running = list[Cancellation]()
        self.duck = storage.root.cursor(lambda: running[-1] if running else None)
        self.duck.execute("SET TimeZone = 'America/Los_Angeles'")
        self.duck.execute(f"SET VARIABLE {SESSION_VARIABLE} = {self.session_id}::BIGINT")
        self.lock = threading.RLock()
        self.database: str | None = None
        self.schema: str | None = None
        self.warehouse: str | None = None
        self.role: str | None = "SYSADMIN"
        self.account = "LOCAL"
        self.user = "LOCAL"
        self.host = "localhost"
        self.parameters: dict[str, Any] = {}
        self.variables: dict[str, str] = {}
        self.in_transaction = False
        self._keeps_transaction = False
        # The Python functions that were registered with DuckDB when the open transaction began.
        self.visible_functions: frozenset[str] = frozenset()
        self.transaction_id = ""
        self.last_query_ids: list[str] = []
        self.listeners: list[Callable[[str], None]] = []
        self.shares: dict[str, list[str]] = {}
        self.expired = False
        self._paramstyle = "qmark"
        self._session_parameters = dict(_SESSION_PARAMETERS)
        self._telemetry = None
        self._closed = False
        self._shared = shared
        self.folder = os.getcwd()
        if database:
            with storage.lock:  # two sessions may begin at once
                if database not in storage.databases():
                    storage.create_database(database)
            self.use(database, None)
            if schema and schema != "PUBLIC":
                self.duck.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(database, schema)}")
            self.use(database, schema or "PUBLIC")
            if schema is None:
                self.schema = None  # as on Snowflake: a connection that names none has none

    def use(self, database: str, schema: str | None) -> None:
        """Change the current database and schema.

        Raises:
            ProgrammingError: there is no such database or schema.
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

    def resolve(self, name: tuple[str, ...], command: str = "this statement") -> tuple[str, str, str]:
        """A name with all three parts.

        Raises:
            ProgrammingError: a part is missing and the session has no current one.
        """
        found = self._resolved(name, command)
        check_names(found[0], found[1])
        return found

    def _resolved(self, name: tuple[str, ...], command: str) -> tuple[str, str, str]:
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
        """A table of a database's catalog, as a DuckDB name.

        Raises:
            ProgrammingError: there is no such database.
        """
        if database not in self.storage.databases():
            raise errors.missing("Database", database)
        return quoted(database, CATALOG, table)

    def hidden(self, table: tuple[str, str, str]) -> bool:
        """Return whether it is another session's temporary table or view."""
        return self.storage.owners.get(table, self.session_id) != self.session_id

    def table_kind(self, table: tuple[str, str, str]) -> str:
        """TABLE, TRANSIENT or TEMPORARY."""
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

    def commit_open(self) -> None:
        """End an open transaction before DDL, as Snowflake does."""
        if self.in_transaction and not self._keeps_transaction:
            self.commit_transaction()

    def begin_transaction(self) -> None:
        """Begin a transaction."""
        functions = self.storage.functions_if_any
        self.visible_functions = functions.registered if functions else frozenset()
        self.transaction_id = uuid.uuid4().hex[:8]
        self.duck.execute("BEGIN TRANSACTION")
        self.in_transaction = True

    def commit_transaction(self) -> None:
        """Commit the open transaction.

        Raises:
            UnsupportedError: a statement in it failed. Snowflake commits the others; DuckDB has given
                all of them up, and would say nothing of it.
        """
        self.in_transaction = False
        try:
            self.duck.execute("SELECT 1")
        except duckdb.TransactionException as raised:
            self.duck.execute("ROLLBACK")
            raise errors.UnsupportedError(
                "COMMIT of a transaction in which a statement failed",
                "All of it is rolled back: begin it again",
            ) from raised
        self.duck.execute("COMMIT")

    @property
    def time_zone(self) -> str:
        """The session's time zone; set by TIMEZONE."""
        return str(self.parameters.get("TIMEZONE", "America/Los_Angeles"))

    @property
    def statement_timeout(self) -> float | None:
        """Seconds a statement may take; None for no limit. Set by STATEMENT_TIMEOUT_IN_SECONDS."""
        return float(self.parameters.get("STATEMENT_TIMEOUT_IN_SECONDS", 0)) or None

    def perform(
        self,
        command: str,
        params: Any,
        query_id: str,
        file_stream: IO[bytes] | None = None,
        settings: dict[str, Any] | None = None,
    ) -> Result:
        """Run a statement, and keep its result and its place in the history.

        Args:
            command: the statement.
            params: its bound values.
            query_id: the id under which its result is kept.
            file_stream: what a PUT uploads, if it is not a file.
            settings: what holds for this statement alone: QUERY_TAG, and whether DDL on a temporary
                object leaves the transaction open, as Snowpark asks.
        """
        from snowpipe_ml.local.statements import run

        tag = (settings or {}).get("QUERY_TAG")
        self._keeps_transaction = bool((settings or {}).get("SNOWPARK_SKIP_TXN_COMMIT_IN_DDL"))

        def attempt() -> Result:
            with self._cancellable():
                return run(self, command, params, query_id, file_stream)

        self.storage.checkpoints.before_statement()
        with self.storage.history.running(self, query_id, command, tag), errors.of_full_disks():
            if not _MAKES_ROOM.match(command) or self.in_transaction:
                result = attempt()
            else:
                result = self._making_room(attempt)
        return self._kept(query_id, result)

    def _making_room(self, attempt: Callable[[], Result]) -> Result:
        """Run a statement that drops rows or objects, on a full disk too."""
        try:
            result = attempt()
        except duckdb.Error as raised:
            if not errors.is_full_disk(raised):
                raise
            self.storage.checkpoints.release()
            result = attempt()
        self.storage.checkpoints.reclaim()
        return result

    @property
    def cancellation(self) -> Cancellation:
        """Of the statement that runs; of none if none does."""
        return self._running[-1] if self._running else Cancellation()

    @contextmanager
    def _cancellable(self) -> Iterator[None]:
        """Let a statement be stopped by :meth:`interrupt`, by its time limit, and with the statement around it.

        Raises:
            ProgrammingError: it was stopped.
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
            # Whatever the work said when it was ended.
            if inner.requested and raised is not inner.error():
                raise inner.error() from raised
            raise

    def perform_many(self, command: str, rows: Sequence[Sequence[Any]], query_id: str) -> Result:
        """Run an INSERT for many rows."""
        from snowpipe_ml.local.statements import insert_many

        with (
            self.storage.history.running(self, query_id, command),
            errors.of_full_disks(),
            self._cancellable(),
        ):
            result = insert_many(self, command, rows)
        return self._kept(query_id, result)

    def _kept(self, query_id: str, result: Result) -> Result:
        self.last_query_ids.append(query_id)
        del self.last_query_ids[:-100]
        if not self.in_transaction:
            self.storage.checkpoints.after_statement()
        self.storage.results.keep(query_id, result.columns, result.table)
        return result

    def describe(self, command: str, params: Any) -> list[Column]:
        """The columns a statement would return; it is not run."""
        from snowpipe_ml.local.statements import describe

        return describe(self, command, params)

    def result(self, query_id: str) -> tuple[list[Column], pa.Table]:
        """The result of an earlier statement."""
        return self.storage.results.get(query_id)

    def translated(self, raised: Exception) -> ProgrammingError | None:
        """The error that a handler raised, where DuckDB carried only its ticket."""
        functions = self.storage.functions_if_any
        return functions.raised_in(str(raised)) if functions else None

    def interrupt(self) -> bool:
        """Cancel the statement that runs, and what it waits for; whether one does."""
        running = self._running[:1]
        for statement in running:
            statement.cancel()
        return bool(running)

    def aside(self, command: str) -> Result | None:
        """Cancel the statement that runs, when this very session asks for it from another thread."""
        found = _CANCEL_ALL.fullmatch(command)
        if found is None or int(found.group(1)) != self.session_id:
            return None
        from snowpipe_ml.local.statements import rows

        return rows([("SYSTEM$CANCEL_ALL_QUERIES", "VARCHAR")], [(canceled_queries(int(self.interrupt())),)])

    def close(self, retry: bool = True) -> None:
        """Drop the session's temporary objects and let the warehouse go."""
        if self._closed:
            return
        self._closed = True
        from snowpipe_ml.local.objects import drop_temporary

        try:
            with self.lock:
                if self.in_transaction:
                    self.duck.execute("ROLLBACK")
                try:
                    drop_temporary(self)
                except duckdb.Error as raised:  # the next process to open the warehouse drops them
                    log.warning("temporary objects of the session stay: %s", raised)
                self.duck.close()
        finally:
            if not self._shared:
                close_storage(self.storage)


def connect(
    path: str | Path | None = None,
    database: str | None = None,
    schema: str | None = "PUBLIC",
    *,
    timeout: float = 30.0,
    share: bool = True,
    function_memory: int | None = None,
    **ignored: Any,
) -> Connection | Guest:
    """Open an embedded warehouse.

    Args:
        path: its folder, made if it is not there; a temporary warehouse if None.
        database: the database to work in, made if it is not there. An unquoted name: ``citibike``
            is CITIBIKE.
        schema: the schema to work in; with None the session has no current schema.
        timeout: seconds to wait for a process that holds the folder and gives no session.
        share: whether to work through the process that holds the folder, and to let others work
            through this one. Without it, a second process is refused.
        function_memory: bytes that a worker process of Python functions may hold; None for no limit.
        **ignored: what a connection to an account would take: user, account, role...

    Raises:
        WarehouseLockedError: another process holds the folder.
        duckdb.Error: the folder's files cannot be read.
    """
    from snowpipe_ml.sql import Identifier

    names = [Identifier.parse(name).name if name else None for name in (database, schema)]
    if path is None or not share:
        storage = open_storage(Path(path) if path is not None else None, share=share)
    else:
        found = _hold_or_join(Path(path), names, timeout)
        if isinstance(found, Guest):
            return found
        storage = found
    if function_memory is not None:
        storage.function_memory = function_memory
    try:
        return Connection(storage, names[0], names[1])
    except duckdb.Error as raised:
        close_storage(storage)
        raise errors.translate(raised) from raised
    except BaseException:
        close_storage(storage)
        raise


def _hold_or_join(path: Path, names: list[str | None], timeout: float) -> Storage | Guest:
    """The warehouse, if no other process holds it; else a session through the one that does.

    Raises:
        WarehouseLockedError: the holder gives no session, for as long as the time-out.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return open_storage(path)
        except errors.WarehouseLockedError:
            guest = join(path.resolve(), names[0], names[1])
            if guest is not None:
                return guest
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.05)
