"""``Duck``, a DuckDB connection whose statements are complete when ``execute`` returns.

DuckDB allows no other statement on a connection until a result is fetched completely.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa
from duckdb import _seam
from duckdb.func import FunctionNullHandling, PythonUDFType
from duckdb.sqltypes import DuckDBPyType

from snowpipe_ml.local.core.cancellation import Cancellation
from snowpipe_ml.local.core.values import Row

# Statements that complete an operation or record it in the catalog (names.CATALOG). They are fast and are not
# interrupted, because a cancellation at this point would leave the operation half done.
_COMPLETING = re.compile(
    r"\s*(?:(?:COMMIT|ROLLBACK|DROP|COMMENT|SET|USE)\b|(?:INSERT INTO|DELETE FROM|UPDATE|SELECT [\w, ]+ FROM) "
    r'"(?:[^"]|"")*"\."_SNOWPIPE"\.)'
)
# Statements that change a table or view that other statements can name, or its declared columns.
_DEFINING = re.compile(
    r"\s*(?:(?:CREATE(?! TEMP)|ALTER|DROP|COMMENT|ROLLBACK)\b|(?:INSERT INTO|DELETE FROM|UPDATE) "
    r'"(?:[^"]|"")*"\."_SNOWPIPE"\."COLUMNS")',
    re.I,
)
_ABORTED = "TransactionContext Error: Current transaction is aborted (please ROLLBACK)"
# Statements that DuckDB can bind without running them.
_BINDABLE = re.compile(r"\s*(?:SELECT|WITH|FROM|VALUES|INSERT|UPDATE|DELETE|MERGE|DESCRIBE)\b", re.I)


class Rows:
    """A completely fetched result."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def fetchall(self) -> list[Row]:
        """Return all rows."""
        return self._rows

    def fetchone(self) -> Row | None:
        """Return the first row, or None."""
        return self._rows[0] if self._rows else None


class Relation:
    """A bound query that runs when its rows are requested."""

    def __init__(self, duck: Duck, relation: duckdb.DuckDBPyRelation) -> None:
        self._duck = duck
        self._relation = relation

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        return self._relation.columns

    @property
    def types(self) -> list[DuckDBPyType]:
        """The types of its columns."""
        return self._relation.types

    def to_arrow_table(self) -> pa.Table:
        """Run the query and return its rows."""
        with self._duck.stoppable():
            return self._relation.to_arrow_table()


class Duck:
    """A session's connection to DuckDB.

    Args:
        connection: the connection that is wrapped.
        cancellation: returns the cancellation of the Snowflake statement that is being executed; None if
            there is none.

    Attributes:
        definitions: how many statements have run on this connection that may have changed a table or view.
        in_transaction: whether a transaction is open.
        binds_first: whether a statement is bound before it runs. A statement that cannot be bound, such as one
            that names a missing column, aborts a transaction of DuckDB only if it has been sent to be run.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        cancellation: Callable[[], Cancellation | None] | None = None,
    ) -> None:
        self._connection = connection
        self._cancellation = cancellation
        self.definitions = 0
        self.in_transaction = False
        self.binds_first = False

    @contextmanager
    def stoppable(self, text: str = "") -> Iterator[None]:
        """Interrupt the DuckDB statement in the block when the Snowflake statement around it is canceled.

        Raises:
            ProgrammingError: it was canceled before the block began.
        """
        cancellation = self._cancellation() if self._cancellation is not None else None
        if cancellation is None or _COMPLETING.match(text):
            yield
        elif text.startswith("BEGIN"):  # an interrupt could leave a transaction open that is never ended
            cancellation.check()
            yield
        else:
            # Repeatedly, because DuckDB ignores an interrupt that arrives just before a statement begins.
            with cancellation.stopping(self.interrupt, again=True):
                try:
                    yield
                except duckdb.InterruptException as raised:
                    if cancellation.requested:
                        raise
                    # In an aborted transaction, DuckDB interrupts a statement whose constants cannot be computed.
                    raise duckdb.TransactionException(_ABORTED) from raised

    def execute(self, text: str, parameters: Sequence[object] | None = None) -> Rows:
        """Run a statement and fetch its rows."""
        if _DEFINING.match(text):
            self.definitions += 1
        with self.stoppable(text):
            if self.binds_first and not parameters:
                self._bind(text)
            if text.startswith(("COMMIT", "ROLLBACK")):  # one that fails ends the transaction too
                self.in_transaction = False
            cursor = self._connection.execute(text, parameters)
            if text.startswith("BEGIN"):
                self.in_transaction = True
            return Rows(cursor.fetchall())

    def _bind(self, text: str) -> None:
        if _BINDABLE.match(text):
            _seam.bind(self._connection, text.removeprefix("DESCRIBE "))

    def executemany(self, text: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement once for each row of parameters."""
        with self.stoppable(text):
            self._connection.executemany(text, rows)

    def query(self, text: str) -> Relation | None:
        """Bind a query as a relation; None for a statement that returns no rows."""
        with self.stoppable(text):
            relation = self._connection.sql(text)
        return Relation(self, relation) if relation is not None else None

    def fetch(self, text: str) -> tuple[list[tuple[str, str]], pa.Table]:
        """Run a query; return the (name, DuckDB type) of its columns, and its rows.

        DuckDB's public functions either bind the query a second time to describe it, or copy its rows: see
        docs/decisions/0052-queries-are-bound-once.md.
        """
        with self.stoppable(text):
            if self.binds_first:
                self._bind(text)
            result = _seam.submit(self._connection, text, None, "arrow")
            return [(name, str(kind)) for name, kind, *_ in result.description], result.arrow_table()

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable under a name, on this connection only."""
        self._connection.register(name, table)

    def unregister(self, name: str) -> None:
        """Remove a registered Arrow table."""
        self._connection.unregister(name)

    def cursor(self, cancellation: Callable[[], Cancellation | None] | None = None) -> Duck:
        """Open another connection to the same databases, by default with the same cancellation."""
        return Duck(self._connection.cursor(), cancellation or self._cancellation)

    def create_function(
        self,
        name: str,
        function: Callable[..., pa.Array | pa.ChunkedArray],
        parameters: list[DuckDBPyType] | None,
        returns: DuckDBPyType,
        *,
        pure: bool = False,
    ) -> None:
        """Register a Python function of Arrow columns for all connections of the instance.

        Without ``parameters`` it takes any number of arguments of any types. DuckDB passes NULLs to it.
        Unless it is pure, it is called wherever it is written, also where its
        arguments are constant.
        """
        self._connection.create_function(
            name,
            function,
            None if parameters is None else list(parameters),
            returns,
            type=PythonUDFType.ARROW,
            null_handling=FunctionNullHandling.SPECIAL,
            side_effects=not pure,
        )

    def interrupt(self) -> None:
        """Interrupt the running statement."""
        self._connection.interrupt()

    def remove_function(self, name: str) -> None:
        """Remove a registered Python function."""
        self._connection.remove_function(name)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
