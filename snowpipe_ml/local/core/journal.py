"""The statements of an open transaction, to run them again after a failed one.

On Snowflake a failed statement leaves its transaction open, with the effects of the statements before it. DuckDB ends
a transaction with the first error at run time, and has no savepoints. So a session keeps the DuckDB statements that
changed something in its transaction; after a failure it rolls back, begins again and repeats them. See
``docs/decisions/0054-failed-statements-in-transactions.md``.

https://docs.snowflake.com/en/sql-reference/transactions
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import duckdb

from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.values import Row

# Statements that change nothing.
_READING = re.compile(r"\s*(?:SELECT|FROM|DESCRIBE|EXPLAIN|SHOW|SUMMARIZE|VALUES|PRAGMA)\b", re.I)
_WITH = re.compile(r"\s*WITH\b", re.I)
_WRITING = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE)\b", re.I)
# Functions that give another value the next time. The changes of streams have keys that nobody sees.
_VOLATILE = re.compile(
    r"\b(?:(?:random|sf_random|uuid|gen_random_uuid|nextval|_py_\w+)\b\"?\(|\w*encrypt)", re.I
)
_KEYS_OF_CHANGES = "uuid() AS change"


def changes_something(text: str) -> bool:
    """Return whether a DuckDB statement may change something."""
    if _WITH.match(text):
        return _WRITING.search(text) is not None
    return _READING.match(text) is None


def is_volatile(text: str) -> bool:
    """Return whether a DuckDB statement, or a default of a column, gives another result the next time."""
    return _VOLATILE.search(text.replace(_KEYS_OF_CHANGES, "")) is not None


def _summary(rows: list[Row]) -> object:
    """Return how many rows a result says were changed, by which two results are compared."""
    return rows if len(rows) == 1 else len(rows)


Repeat = Callable[[duckdb.DuckDBPyConnection], object]


@dataclass
class Journal:
    """The changes that a transaction has made so far.

    Attributes:
        commits: the number of commits on the warehouse when the transaction began.
        done: the changes, in order: how each is repeated, and what it returned; None if that does not matter.
        volatile_tables: by table into which the transaction inserts: whether it has columns with such defaults.
        volatile: the number of changes before the first one that cannot be repeated; None if all can be.
    """

    commits: int
    done: list[tuple[Repeat, object]] = field(default_factory=list)
    volatile: int | None = None
    volatile_tables: dict[Name, bool] = field(default_factory=dict)

    def add(self, repeat: Repeat, found: object = None) -> None:
        """Record a change."""
        self.done.append((repeat, found))

    def add_statement(self, text: str, parameters: Sequence[object] | None, found: list[Row]) -> None:
        """Record a statement that has run, unless it changes nothing."""
        if not changes_something(text):
            return
        if is_volatile(text) and self.volatile is None:
            self.volatile = len(self.done)
        self.add(
            lambda connection: _summary(connection.execute(text, parameters).fetchall()), _summary(found)
        )

    def cut(self, length: int) -> None:
        """Forget the changes behind the first ones."""
        del self.done[length:]
        if self.volatile is not None and self.volatile >= length:
            self.volatile = None

    def repeat(self, connection: duckdb.DuckDBPyConnection, commits: int) -> str | None:
        """Repeat all changes in a new transaction of a connection; return why that is impossible, if it is.

        Args:
            connection: the connection, in the new transaction.
            commits: the number of commits on the warehouse now.
        """
        if self.done and commits != self.commits:
            return "another session has changed the warehouse since the transaction began"
        if self.volatile is not None:
            return "an earlier statement used random values, a sequence or a Python function"
        for repeat, found in self.done:
            again = repeat(connection)
            if found is not None and again != found:
                return "an earlier statement had another result when it was repeated"
        self.commits = commits
        return None
