"""A DuckDB connection whose statements are finished when ``execute`` returns.

DuckDB refuses any other work on a connection while a result is not fetched to its end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from snowpipe_ml.local.core.cancellation import Cancellation

# What ends a piece of work, or notes in the catalog (storage.CATALOG) that it was done. It takes no time, and a
# cancellation between the work and its end would leave half of it.
_CLOSING = re.compile(
    r'\s*(?:(?:COMMIT|ROLLBACK|DROP|COMMENT|SET|USE)\b|(?:INSERT INTO|DELETE FROM|UPDATE) "(?:[^"]|"")*"\."_SNOWPIPE"\.)'
)


class Rows:
    """A result that is fetched already."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def fetchall(self) -> list[Any]:
        """All rows."""
        return self._rows

    def fetchone(self) -> Any:
        """The first row, or None."""
        return self._rows[0] if self._rows else None


class Relation:
    """A query that is bound, and run when its rows are asked for."""

    def __init__(self, duck: Duck, relation: duckdb.DuckDBPyRelation) -> None:
        self._duck = duck
        self._relation = relation

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        return self._relation.columns

    @property
    def types(self) -> list[Any]:
        """The types of its columns."""
        return self._relation.types

    def to_arrow_table(self) -> pa.Table:
        """Run it."""
        with self._duck.stoppable():
            return self._relation.to_arrow_table()


class Duck:
    """One session's connection to DuckDB.

    Args:
        connection: DuckDB's own.
        cancellation: gives that of the statement for which it works now; None if there is none.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        cancellation: Callable[[], Cancellation | None] | None = None,
    ) -> None:
        self._connection = connection
        self._cancellation = cancellation

    @contextmanager
    def stoppable(self, text: str = "") -> Iterator[None]:
        """Run one statement of DuckDB, which is interrupted when the statement around it is to stop.

        Raises:
            ProgrammingError: it was to stop before.
        """
        cancellation = self._cancellation() if self._cancellation is not None else None
        if cancellation is None or _CLOSING.match(text):
            yield
        elif text.startswith("BEGIN"):  # interrupted, it might leave a transaction that nobody ends
            cancellation.check()
            yield
        else:
            # Again and again: DuckDB forgets an interrupt that comes just before it begins.
            with cancellation.stopping(self.interrupt, again=True):
                yield

    def execute(self, text: str, parameters: Sequence[Any] | None = None) -> Rows:
        """Run a statement and fetch its rows."""
        with self.stoppable(text):
            cursor = self._connection.execute(text, parameters)
            return Rows(cursor.fetchall())

    def executemany(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once a row."""
        with self.stoppable(text):
            self._connection.executemany(text, rows)

    def query(self, text: str) -> Relation | None:
        """A query as a relation; None for what returns nothing."""
        with self.stoppable(text):
            relation = self._connection.sql(text)
        return Relation(self, relation) if relation is not None else None

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable under a name, by this connection alone."""
        self._connection.register(name, table)

    def unregister(self, name: str) -> None:
        """Forget an Arrow table."""
        self._connection.unregister(name)

    def cursor(self, cancellation: Callable[[], Cancellation | None] | None = None) -> Duck:
        """Another connection to the same databases; it works for the same statements unless told otherwise."""
        return Duck(self._connection.cursor(), cancellation or self._cancellation)

    def create_function(self, *args: Any, **kwargs: Any) -> None:
        """Register a Python function with the whole instance."""
        self._connection.create_function(*args, **kwargs)

    def interrupt(self) -> None:
        """Cancel the statement that runs."""
        self._connection.interrupt()

    def remove_function(self, name: str) -> None:
        """Forget a Python function."""
        self._connection.remove_function(name)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
