"""The connection of a Snowpark Session: it runs statements and keeps their results."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING

import duckdb
import pyarrow as pa

from snowpipe_ml.local.catalog.kinds import drop_temporary
from snowpipe_ml.local.client.base import ClientConnection
from snowpipe_ml.local.core import connector, errors
from snowpipe_ml.local.core.cancellation import canceled_queries
from snowpipe_ml.local.core.result import Result, rows
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.storage import Storage, close_storage
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Params
from snowpipe_ml.local.statements.dispatch import describe, insert_many, run
from snowpipe_ml.local.statements.session import parameters_of
from snowpipe_ml.local.statements.transactions import in_own_part

if TYPE_CHECKING:
    from snowflake.connector.errors import ProgrammingError

log = logging.getLogger("snowpipe_ml.local")

_FREES_SPACE = re.compile(r"\s*(?:DROP|TRUNCATE|DELETE)\b", re.I)
_CANCEL_ALL = re.compile(r"\s*SELECT\s+SYSTEM\$CANCEL_ALL_QUERIES\s*\(\s*'?(\d+)'?\s*\)\s*;?\s*", re.I)


class Connection(ClientConnection):
    """Implements the part of ``SnowflakeConnection`` that Snowpark and ordinary clients use.

    Args:
        storage: the open warehouse.
        database: the current database; created if it does not exist.
        schema: the current schema; created if it does not exist.
        shared: whether the session belongs to another process. Closing it then leaves the warehouse open.

    Attributes:
        session: the session in which statements run.
        listeners: called with the text of each statement before it is parsed, as Snowflake would
            receive it.
    """

    def __init__(
        self, storage: Storage, database: str | None, schema: str | None, *, shared: bool = False
    ) -> None:
        self.session = Session(storage, database, schema)
        self.session.client = self
        self.lock = threading.RLock()
        self.listeners: list[Callable[[str], None]] = []
        self.failures: dict[str, connector.Error] = {}
        self.texts: dict[str, list[str]] = {}
        self._shared = shared

    @property
    def storage(self) -> Storage:
        """The warehouse."""
        return self.session.storage

    @property
    def session_id(self) -> int:
        """The number of the session."""
        return self.session.session_id

    @property
    def database(self) -> str | None:
        """The current database."""
        return self.session.database

    @property
    def schema(self) -> str | None:
        """The current schema."""
        return self.session.schema

    @property
    def warehouse(self) -> str | None:
        """The current warehouse."""
        return self.session.warehouse

    @property
    def role(self) -> str | None:
        """The current role."""
        return self.session.role

    @property
    def shares(self) -> dict[str, list[str]]:
        """Scripts that replace shares; see :class:`Session`."""
        return self.session.shares

    def perform(
        self,
        command: str,
        params: Params,
        query_id: str,
        file_stream: IO[bytes] | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> Result:
        """Run a statement, keep its result and record it in the query history.

        Args:
            command: the statement.
            params: its bound values.
            query_id: the id under which the result is kept.
            file_stream: the stream that a PUT uploads, if it does not upload files.
            settings: settings of this statement only: QUERY_TAG and other parameters of sessions, and Snowpark's
                request that DDL on a temporary object leave the transaction open.
        """
        settings = settings or {}
        tag = str(settings.get("QUERY_TAG") or "")
        self.session.keeps_transaction = bool(settings.get("SNOWPARK_SKIP_TXN_COMMIT_IN_DDL"))

        def attempt() -> Result:
            with self.session.cancellable(), parameters_of(self.session, settings):
                return run(self.session, command, params, query_id, file_stream)

        self.storage.checkpoints.before_statement()
        with (
            self.storage.history.running(self.session.query(query_id, command, tag)),
            errors.of_disks(),
            in_own_part(self.session, command),
        ):
            if not _FREES_SPACE.match(command) or self.session.in_transaction:
                result = attempt()
            else:
                result = self._run_on_full_disk(attempt)
        return self._kept(query_id, result)

    def _run_on_full_disk(self, attempt: Callable[[], Result]) -> Result:
        """Run a statement that drops rows or objects, even when the disk is full."""
        try:
            result = attempt()
        except duckdb.Error as raised:
            if not errors.is_full_disk(raised):
                raise
            self.storage.checkpoints.release()
            result = attempt()
        self.storage.checkpoints.reclaim()
        return result

    def perform_many(
        self,
        command: str,
        rows: Sequence[Sequence[object]],
        query_id: str,
        settings: Mapping[str, object] | None = None,
    ) -> Result:
        """Run an INSERT for many rows."""
        settings = settings or {}
        with (
            self.storage.history.running(
                self.session.query(query_id, command, str(settings.get("QUERY_TAG") or ""))
            ),
            errors.of_disks(),
            in_own_part(self.session, command),
            self.session.cancellable(),
            parameters_of(self.session, settings),
        ):
            result = insert_many(self.session, command, rows, query_id)
        return self._kept(query_id, result)

    def _kept(self, query_id: str, result: Result) -> Result:
        self.session.last_query_ids.append(query_id)
        del self.session.last_query_ids[: -self.session.KEPT_QUERIES]
        if not self.session.in_transaction:
            self.storage.checkpoints.after_statement()
        self.storage.results.keep(query_id, result.columns, result.table)
        return result

    def describe(self, command: str, params: Params) -> list[Column]:
        """Return the columns of a statement's result without running it."""
        return describe(self.session, command, params)

    def result(self, query_id: str) -> tuple[list[Column], pa.Table]:
        """Return the result of an earlier statement."""
        return self.storage.results.get(query_id)

    def translated(self, raised: Exception) -> ProgrammingError | None:
        """Return the error of a handler whose ticket is in the text of a DuckDB error."""
        functions = self.storage.functions
        return functions.raised_in(str(raised)) if functions is not None else None

    def another(self, database: str, schema: str) -> Connection:
        """Open another session on the warehouse, such as that of a task."""
        return Connection(self.storage, database, schema, shared=True)

    def aside(self, command: str) -> Result | None:
        """Cancel the running statement if another thread of this session asks for it with the command."""
        found = _CANCEL_ALL.fullmatch(command)
        if found is None or int(found.group(1)) != self.session_id:
            return None
        return rows(
            [("SYSTEM$CANCEL_ALL_QUERIES", "VARCHAR")], [(canceled_queries(int(self.session.interrupt())),)]
        )

    def close(self, retry: bool = True) -> None:
        """Drop the temporary objects of the session and release the warehouse."""
        if self._closed:
            return
        self._closed = True
        try:
            with self.lock:
                if self.session.in_transaction:
                    self.session.duck.execute("ROLLBACK")
                try:
                    drop_temporary(self.session)
                    self.storage.catalog_version += 1
                except duckdb.Error as raised:  # the next process to open the warehouse drops them
                    log.warning("the temporary objects of the session could not be dropped: %s", raised)
                self.session.duck.close()
        finally:
            if not self._shared:
                close_storage(self.storage)
