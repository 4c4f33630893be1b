"""``Duck``, a DuckDB connection whose statements are complete when ``execute`` returns.

DuckDB allows no other statement on a connection until a result is fetched completely.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa
from duckdb import _seam
from duckdb.func import FunctionNullHandling, PythonUDFType
from duckdb.sqltypes import DuckDBPyType

from snowpipe_ml.local.core.cancellation import Cancellation
from snowpipe_ml.local.core.journal import Journal, changes_something
from snowpipe_ml.local.core.values import Row

# Statements that complete an operation or record it in the catalog (names.CATALOG). They are fast and are not
# interrupted, because a cancellation at this point would leave the operation half done.
_COMPLETING = re.compile(
    r"\s*(?:(?:COMMIT|ROLLBACK|DROP|COMMENT|SET|USE)\b|(?:INSERT INTO|DELETE FROM|UPDATE|SELECT [\w, ]+ FROM) "
    r'"(?:[^"]|"")*"\."_SNOWPIPE"\.)'
)
# Statements that change a table or view that other statements can name, or its declared columns; not the copies
# for Time Travel.
_VERSION = r'"(?:[^"]|"")*"\."_SNOWPIPE"\."VERSION_'
_DEFINING = re.compile(
    rf"\s*(?:(?:CREATE(?! TEMP| TABLE {_VERSION})|ALTER|DROP(?! TABLE IF EXISTS {_VERSION})|COMMENT|ROLLBACK)\b|"
    r'(?:INSERT INTO|DELETE FROM|UPDATE) "(?:[^"]|"")*"\."_SNOWPIPE"\."COLUMNS")',
    re.I,
)
_ABORTED = "TransactionContext Error: Current transaction is aborted (please ROLLBACK)"

# Statements that other connections do not notice, and the ends of transactions.
_PRIVATE = re.compile(
    r"\s*(?:(?:BEGIN|ROLLBACK|SET|RESET|USE|CHECKPOINT|FORCE CHECKPOINT|LOAD)\b|CREATE (?:OR REPLACE )?TEMP\b|"
    r"DROP (?:TABLE|VIEW) (?:IF EXISTS )?_)",
    re.I,
)


def _sign(function: Any) -> None:
    """Keep the signature of a function with it.

    DuckDB asks for the signature of each function whenever an instance is opened, and Python would evaluate its
    annotations each time. DuckDB needs no annotations here, since it is given the types.
    """
    if not hasattr(function, "__signature__"):
        found = inspect.signature(function)
        parameters = [one.replace(annotation=one.empty) for one in found.parameters.values()]
        function.__signature__ = found.replace(
            parameters=parameters, return_annotation=inspect.Signature.empty
        )


class Commits:
    """How many statements and transactions have changed an instance of DuckDB."""

    def __init__(self) -> None:
        self.count = 0


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
        commits: counts the changes of the instance; a new one for a new instance.

    Attributes:
        definitions: how many statements have run on this connection that may have changed a table or view.
        in_transaction: whether a transaction is open.
        journal: records the changes of an open transaction of the session; None outside of one.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        cancellation: Callable[[], Cancellation | None] | None = None,
        commits: Commits | None = None,
    ) -> None:
        self._connection = connection
        self._cancellation = cancellation
        self.commits = commits or Commits()
        self.definitions = 0
        self.journal: Journal | None = None
        self.in_transaction = self._has_changed = False

    @contextmanager
    def stoppable(self, text: str = "") -> Iterator[None]:
        """Interrupt the DuckDB statement in the block when the Snowflake statement around it is canceled.

        Raises:
            ProgrammingError: it was canceled before the block began.
        """
        cancellation = self._cancellation() if self._cancellation is not None else None
        try:
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
        except RuntimeError as raised:
            # The handler of a signal that arrived meanwhile, such as Ctrl-C, has raised KeyboardInterrupt.
            if str(raised) == "Query interrupted":
                raise KeyboardInterrupt from raised
            raise

    def execute(self, text: str, parameters: Sequence[object] | None = None) -> Rows:
        """Run a statement and fetch its rows."""
        if _DEFINING.match(text):
            self.definitions += 1
        with self.stoppable(text):
            if text.startswith(("COMMIT", "ROLLBACK")):  # one that fails ends the transaction too
                self.in_transaction = False
            found = self._connection.execute(text, parameters).fetchall()
        if self.journal is not None:
            self.journal.add_statement(text, parameters, found)
        self._note(text)
        return Rows(found)

    def _note(self, text: str) -> None:
        """Count a statement that other connections can notice, or the end of its transaction."""
        if text.startswith("BEGIN"):
            self.in_transaction, self._has_changed = True, False
        elif text.startswith("COMMIT"):
            self.commits.count += self._has_changed
        elif changes_something(text) and not _PRIVATE.match(text):
            self._has_changed = True
            self.commits.count += not self.in_transaction

    def insert_captured(self, text: str, target: str) -> int:
        """Run an INSERT whose rows differ when it runs again; a repetition inserts the same rows."""
        assert self.journal is not None
        with self.stoppable(text):
            new: pa.Table = self._connection.sql(f"{text} RETURNING *").to_arrow_table()
        new = new.rename_columns([f"c{place}" for place in range(new.num_columns)])

        def repeat(connection: duckdb.DuckDBPyConnection) -> None:
            connection.register("_repeated", new)
            connection.execute(f"INSERT INTO {target} SELECT * FROM _repeated")
            connection.unregister("_repeated")

        self.journal.add(repeat)
        self._note(text)
        return int(new.num_rows)

    def repeat_transaction(self, length: int) -> str | None:
        """Undo what the open transaction has done since its journal had a length; return why it is impossible.

        It is not canceled, because the transaction would be lost.
        """
        journal = self.journal
        if journal is None or (len(journal.done) == length and self._is_valid()):
            return None
        journal.cut(length)
        self._connection.execute("ROLLBACK")
        self._connection.execute("BEGIN TRANSACTION")
        try:
            reason = journal.repeat(self._connection, self.commits.count)
        except duckdb.Error as raised:
            reason = f"an earlier statement failed when it was repeated ({raised})"
        if reason is not None:
            self._connection.execute("ROLLBACK")
        return reason

    def _is_valid(self) -> bool:
        try:
            self._connection.execute("SELECT 1").fetchall()
        except duckdb.TransactionException:
            return False
        return True

    def executemany(self, text: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement once for each row of parameters."""
        with self.stoppable(text):
            self._connection.executemany(text, rows)
        if self.journal is not None:
            self.journal.add(lambda connection: connection.executemany(text, rows))
        self._note(text)

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
            result = _seam.submit(self._connection, text, None, "arrow")
            return [(name, str(kind)) for name, kind, *_ in result.description], result.arrow_table()

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable under a name, on this connection only."""
        self._connection.register(name, table)
        if self.journal is not None:
            self.journal.add(lambda connection: connection.register(name, table))

    def unregister(self, name: str) -> None:
        """Remove a registered Arrow table."""
        self._connection.unregister(name)
        if self.journal is not None:
            self.journal.add(lambda connection: connection.unregister(name))

    def cursor(self, cancellation: Callable[[], Cancellation | None] | None = None) -> Duck:
        """Open another connection to the same databases, by default with the same cancellation."""
        return Duck(self._connection.cursor(), cancellation or self._cancellation, self.commits)

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
        _sign(function)

        def create(connection: duckdb.DuckDBPyConnection) -> None:
            connection.create_function(
                name,
                function,
                None if parameters is None else list(parameters),
                returns,
                type=PythonUDFType.ARROW,
                null_handling=FunctionNullHandling.SPECIAL,
                side_effects=not pure,
            )

        create(self._connection)
        if self.journal is not None:
            self.journal.add(create)

    def interrupt(self) -> None:
        """Interrupt the running statement."""
        self._connection.interrupt()

    def remove_function(self, name: str) -> None:
        """Remove a registered Python function."""
        self._connection.remove_function(name)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
