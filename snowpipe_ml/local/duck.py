"""A DuckDB connection whose statements are finished when ``execute`` returns.

DuckDB refuses any other work on a connection while a result is not fetched to its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa


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


class Duck:
    """One session's connection to DuckDB."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, text: str, parameters: Sequence[Any] | None = None) -> Rows:
        """Run a statement and fetch its rows."""
        cursor = self._connection.execute(text, parameters)
        return Rows(cursor.fetchall())

    def executemany(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once a row."""
        self._connection.executemany(text, rows)

    def query(self, text: str) -> duckdb.DuckDBPyRelation | None:
        """A query as a relation; None for what returns nothing."""
        return self._connection.sql(text)

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable under a name, by this connection alone."""
        self._connection.register(name, table)

    def unregister(self, name: str) -> None:
        """Forget an Arrow table."""
        self._connection.unregister(name)

    def cursor(self) -> Duck:
        """Another connection to the same databases."""
        return Duck(self._connection.cursor())

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
