"""The cursor: it passes a statement to its connection and keeps the result for fetching."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Protocol, Self, TypeAlias

import pyarrow as pa

from snowpipe_ml.errors import SnowpipeMLError
from snowpipe_ml.local.core import connector, errors
from snowpipe_ml.local.core.connector_errors import connector_errors
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.types import Column, Description, arrow_result, python_values
from snowpipe_ml.local.core.values import Params, Row
from snowpipe_ml.local.statements.several import several
from snowpipe_ml.local.syntax.script import FIRST_WORD

if TYPE_CHECKING:
    import pandas as pd
    from snowflake.connector.cursor import ResultMetadataV2
    from snowflake.connector.errors import ProgrammingError

Fetched: TypeAlias = Row | dict[str, Any]
"""A row as ``fetchone`` returns it: a tuple, or by name with a DictCursor."""


_COMPILATION = "SQL compilation error"
_NULL_IN_REQUIRED = 100072
"""NULL in a column that is NOT NULL: the only error that the connector raises as an IntegrityError."""


class Statements(Protocol):
    """The methods of a connection that a cursor calls."""

    lock: threading.RLock
    listeners: list[Callable[[str], None]]
    failures: dict[str, connector.Error]
    texts: dict[str, list[str]]

    def perform(
        self,
        command: str,
        params: Params,
        query_id: str,
        file_stream: IO[bytes] | None,
        settings: Mapping[str, object],
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
        """Return the columns of a statement's result without running it."""

    def result(self, query_id: str) -> tuple[list[Column], pa.Table]:
        """Return the result of an earlier statement."""

    def translated(self, raised: Exception) -> ProgrammingError | None:
        """Return the original error of a handler that DuckDB re-raised, if it is known."""

    def aside(self, command: str) -> Result | None:
        """Run a statement that need not wait for the running one; return None for any other statement."""

    def remember(self, query_ids: list[str]) -> str:
        """Keep the query ids of the statements of one text under a new query id, and return it."""

    def is_closed(self) -> bool:
        """Return whether the connection was closed."""


class Cursor:
    """Implements the part of ``SnowflakeCursor`` that Snowpark and ordinary clients use."""

    def __init__(self, connection: Statements, as_dict: bool = False) -> None:
        self.connection = connection
        self.arraysize = 1
        self.query: str | None = None
        self.sfqid: str | None = None
        self.sqlstate: str | None = None
        self.rowcount: int | None = None
        self.multi_statement_savedIds: list[str] = []  # the connector's name
        self._request_id: str | None = None
        self._further: deque[str] = deque()  # the query ids of the statements whose results follow
        self._as_dict = as_dict
        self._columns: list[Column] = []
        self._table: pa.Table = pa.table({})
        self._rows: Iterator[Fetched] | None = None

    def execute(
        self,
        command: str,
        params: Params = None,
        *,
        _statement_params: dict[str, str] | None = None,
        file_stream: IO[bytes] | None = None,
        num_statements: int | None = None,
        **_: object,
    ) -> Self:
        """Run one statement, or several.

        Args:
            command: the statement.
            params: its bound values.
            _statement_params: parameters for this statement only.
            file_stream: the stream that a PUT uploads.
            num_statements: the number of statements in ``command``, 0 for any; the result is that of the first, and
                :meth:`nextset` goes on to the next.

        Raises:
            ProgrammingError: the statement failed, as it would on Snowflake. UnsupportedError names a
                feature that only Snowflake has.
        """
        if num_statements not in (None, 1):
            self._execute_several(command, params, num_statements or 0, _statement_params)
            return self
        connection = self.connection
        if connection.is_closed():
            raise errors.error(250002, "08003", "Connection is closed")
        if file_stream is not None and file_stream.closed:
            raise ValueError(
                "I/O operation on closed file."
            )  # as the connector, which reads it before the statement
        for listener in connection.listeners:
            listener(command)
        self.query = command.strip(" \t\n\r")  # as the connector keeps it
        self.sfqid = str(uuid.uuid4())
        self._request_id = self.sfqid
        result = connection.aside(command)
        if result is None:
            with connection.lock, _as_snowflake(self):
                result = connection.perform(
                    command, params, self.sfqid, file_stream, dict(_statement_params or {})
                )
        self._load(result.columns, result.table)
        self.rowcount = result.rowcount if result.rowcount is not None else result.table.num_rows
        return self

    def _execute_several(
        self, command: str, params: Params, wanted: int, settings: dict[str, str] | None
    ) -> str:
        """Run the statements of a text, load the result of the first, and return the query id of the text."""
        query_ids = []
        for text, values in several(command, params, wanted):
            self.execute(text, values, _statement_params=settings)
            query_ids.append(str(self.sfqid))
        if not query_ids:
            self.execute(command)  # it is empty
        own = self.connection.remember(query_ids)
        self.query = command
        self.get_results_from_sfqid(own)
        return own

    def nextset(self) -> Self | None:
        """Load the result of the next statement of ``execute(..., num_statements=n)``; return None after the last."""
        if not self._further:
            return None
        self._load_kept(self._further.popleft())
        return self

    def executemany(
        self,
        command: str,
        seqparams: Sequence[Sequence[object]],
        *,
        _statement_params: dict[str, str] | None = None,
        **_: object,
    ) -> Self:
        """Run an INSERT for many rows in one statement."""
        for listener in self.connection.listeners:
            listener(command)
        self.query = command
        self.sfqid = str(uuid.uuid4())
        with self.connection.lock, _as_snowflake(self):
            result = self.connection.perform_many(command, seqparams, self.sfqid, _statement_params)
        self._load(result.columns, result.table)
        self.rowcount = result.rowcount
        return self

    def execute_async(self, command: str, params: Params = None, **kwargs: Any) -> dict[str, object]:
        """Run a statement; it has finished when this method returns.

        Its error is raised when its result is asked for, unless it does not compile.
        """
        wanted = kwargs.pop("num_statements", None)
        try:
            if wanted not in (None, 1):
                own = self._execute_several(command, params, wanted or 0, kwargs.get("_statement_params"))
                return {"queryId": own, "success": True}
            self.execute(command, params, **kwargs)
        except (connector.ProgrammingError, connector.IntegrityError) as raised:
            if isinstance(raised, errors.UnsupportedError) or str(raised.raw_msg).startswith(_COMPILATION):
                raise
            self.connection.failures[str(self.sfqid)] = raised
        return {"queryId": self.sfqid, "success": True}

    def get_results_from_sfqid(self, sfqid: str) -> None:
        """Load the result of an earlier statement."""
        if sfqid in self.connection.failures:
            raise self.connection.failures[sfqid]
        self.multi_statement_savedIds = self.connection.texts.get(sfqid, [])
        first, *others = self.multi_statement_savedIds or [sfqid]
        self._further = deque(others)
        self._load_kept(first)

    def _load_kept(self, sfqid: str) -> None:
        columns, table = self.connection.result(sfqid)
        self.sfqid = sfqid
        self._load(columns, table)

    def _load(self, columns: list[Column], table: pa.Table) -> None:
        self._columns, self._table, self._rows = columns, table, None

    def _describe_internal(self, command: str, params: Params = None, **_: object) -> list[ResultMetadataV2]:
        with self.connection.lock, _as_snowflake(self):
            return [column.metadata for column in self.connection.describe(command, params)]

    def describe(self, command: str, params: Params = None, **_: object) -> list[Description]:
        """Return the columns of a statement's result without running it."""
        with self.connection.lock, _as_snowflake(self):
            return [column.description for column in self.connection.describe(command, params)]

    @property
    def _description_internal(self) -> list[ResultMetadataV2]:
        return [column.metadata for column in self._columns]

    @property
    def description(self) -> list[Description]:
        """The columns of the last result."""
        return [column.description for column in self._columns]

    def _iterate(self) -> Iterator[Fetched]:
        # Convert by column, not into dicts: two columns may have the same name.
        by_column = [
            python_values(column, values)
            for column, values in zip(self._columns, self._table.columns, strict=True)
        ]
        rows: Iterator[Fetched] = zip(*by_column, strict=True)
        if self._as_dict:
            names = [column.name for column in self._columns]
            return (dict(zip(names, row, strict=True)) for row in rows)
        return rows

    def __iter__(self) -> Iterator[Fetched]:
        if self._rows is None:
            self._rows = self._iterate()
        return self._rows

    def fetchone(self) -> Fetched | None:
        """Return the next row, or None."""
        return next(iter(self), None)

    def fetchmany(self, size: int | None = None) -> list[Fetched]:
        """Return the next rows."""
        rows = iter(self)
        return [row for _, row in zip(range(size or self.arraysize), rows, strict=False)]

    def fetchall(self) -> list[Fetched]:
        """Return the remaining rows."""
        return list(iter(self))

    def _check_arrow(self) -> None:
        """Allow Arrow for query results only, as on Snowflake; Snowpark reads other results as rows."""
        word = FIRST_WORD.match(self.query or "")
        if word and word.group(1).upper() not in ("SELECT", "WITH", "VALUES", "CALL"):
            raise connector.NotSupportedError

    def fetch_arrow_all(self, force_return_table: bool = False) -> pa.Table | None:
        """Return the whole result as an Arrow table; None if it has no rows, unless forced.

        Raises:
            NotSupportedError: the statement was not a query.
        """
        self._check_arrow()
        table = arrow_result(self._columns, self._table)
        return table if table.num_rows or force_return_table else None

    def fetch_arrow_batches(self) -> Iterator[pa.Table]:
        """Yield the result as Arrow tables."""
        self._check_arrow()
        yield arrow_result(self._columns, self._table)

    def fetch_pandas_all(self, **_: object) -> pd.DataFrame:
        """Return the whole result as a DataFrame."""
        self._check_arrow()
        frame: pd.DataFrame = arrow_result(self._columns, self._table).to_pandas(date_as_object=True)
        return frame

    def fetch_pandas_batches(self, **kwargs: Any) -> Iterator[pd.DataFrame]:
        """Yield the result as DataFrames."""
        yield self.fetch_pandas_all(**kwargs)

    def _upload(
        self, local_file_name: str, stage_location: str, options: Mapping[str, object], **_: object
    ) -> None:
        pairs = " ".join(f"{key} = {value}" for key, value in options.items())
        self.execute(f"PUT {local_file_name} {_quote_stage(stage_location)} {pairs}")

    def _log_telemetry_job_data(self, *_: object, **__: object) -> None:
        """Do nothing: the embedded warehouse has no telemetry."""

    def close(self) -> bool:
        """Discard the result."""
        self._load([], pa.table({}))
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _quote_stage(location: str) -> str:
    return location if location.startswith("'") else "'" + location.replace("'", "\\'") + "'"


@contextlib.contextmanager
def _as_snowflake(cursor: Cursor) -> Iterator[None]:
    """Raise errors as errors of the connector, with the statement and its query id."""
    try:
        with connector_errors(cursor.connection.translated):
            yield
    except connector.ProgrammingError as raised:
        raised.sfqid, raised.query = raised.sfqid or cursor.sfqid, raised.query or cursor.query
        cursor.sqlstate = raised.sqlstate
        if raised.errno == _NULL_IN_REQUIRED:
            raise connector.IntegrityError(
                raised.raw_msg, raised.errno, raised.sqlstate, raised.sfqid, raised.query
            ) from raised
        raise
    except (connector.Error, SnowpipeMLError):
        raise
    except Exception as raised:
        fault = errors.InternalFaultError(raised)
        fault.sfqid, fault.query, cursor.sqlstate = cursor.sfqid, cursor.query, fault.sqlstate
        raise fault from raised
