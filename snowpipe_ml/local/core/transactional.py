"""The transactions of a session: failed statements, procedures and AUTOCOMMIT.

A failed statement leaves the transaction open without its own effects: see journal.py. A transaction that begins in
a procedure is independent of the one in which the procedure was called, and ends in the procedure: it runs on
another connection to DuckDB.

https://docs.snowflake.com/en/sql-reference/transactions
"""

from __future__ import annotations

import copy
import datetime as dt
import itertools
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.duck import Duck
from snowpipe_ml.local.core.journal import Journal
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.storage import Storage

_NUMBERS = itertools.count(time.time_ns() // 1000)  # no number is given twice, in later processes either

Acts = dict[Name, Callable[[], None]]
_AGAIN = "All of it is rolled back: begin the transaction again"


@dataclass
class Transaction:
    """An open transaction.

    Attributes:
        duck: the connection to DuckDB on which it runs.
        depth: how many procedures were running when it began.
        number: its number.
        name: its name.
        began: when it began.
        at_commit: by stream that it has consumed: what moves the stream's offset when it is committed.
        visible_functions: the Python functions registered with DuckDB when it began.
        lost: why DuckDB could not go on after a failed statement; None if it could.
    """

    duck: Duck
    depth: int
    number: int
    name: str
    began: dt.datetime
    at_commit: Acts
    visible_functions: frozenset[str]
    lost: str | None = None


@dataclass(frozen=True)
class Savepoint:
    """The state of a transaction before a statement."""

    transaction: Transaction
    length: int
    at_commit: Acts


class Transactional(ABC):
    """The part of a session that knows its transactions.

    Attributes:
        duck: the connection to DuckDB on which statements run.
        in_transaction: whether a transaction is open.
        keeps_transaction: whether DDL in the running statement leaves the transaction open.
        depth: how many procedures are running, each called by the one before.
    """

    storage: Storage
    duck: Duck
    transaction: Transaction | None
    in_transaction: bool
    keeps_transaction: bool

    def __init__(self) -> None:
        self.transaction = None
        self.in_transaction = self.keeps_transaction = False
        self.depth = 0
        self._outer: list[Transaction] = []
        self._acts: Acts = {}

    @abstractmethod
    def open_duck(self) -> Duck:
        """Open another connection to DuckDB with the settings of the session."""

    @abstractmethod
    def adjust_duck(self) -> None:
        """Give the connection to DuckDB the settings that the session has now."""

    @property
    def at_commit(self) -> Acts:
        """The actions that move the offsets of the streams that the transaction consumes, by stream."""
        return self._acts if self.transaction is None else self.transaction.at_commit

    @property
    def visible_functions(self) -> frozenset[str]:
        """The Python functions registered with DuckDB when the open transaction began."""
        return frozenset() if self.transaction is None else self.transaction.visible_functions

    def begin_transaction(self) -> None:
        """Begin a transaction; without effect in one that began in the same procedure."""
        before = self.transaction
        if before is not None:
            if before.depth == self.depth:
                return
            self._outer.append(before)
            self.duck = self.open_duck()
        functions = self.storage.functions
        self.transaction = Transaction(
            self.duck,
            self.depth,
            next(_NUMBERS),
            uuid.uuid4().hex[:8],
            dt.datetime.now(dt.UTC),
            {},
            functions.registered if functions is not None else frozenset(),
        )
        self.duck.execute("BEGIN TRANSACTION")
        self.duck.journal = Journal(self.duck.commits.count)
        self.in_transaction = True

    def commit_open(self) -> None:
        """Commit an open transaction before DDL, as Snowflake does.

        Raises:
            ProgrammingError: the transaction began outside of the running procedure.
        """
        if self.in_transaction and not self.keeps_transaction:
            self.commit_transaction()

    def commit_transaction(self) -> None:
        """Commit the open transaction.

        Raises:
            ProgrammingError: it began outside of the running procedure.
            UnsupportedError: a statement in it failed, and DuckDB could not go on.
        """
        open_ = self._own_transaction()
        if open_.lost is not None:
            self._end("")
            raise errors.UnsupportedError(
                f"COMMIT of a transaction in which a statement failed, because {open_.lost}", _AGAIN
            )
        try:
            for act in open_.at_commit.values():
                act()
        except BaseException:
            self._end("ROLLBACK")
            raise
        self._end("COMMIT")

    def roll_back(self) -> None:
        """Roll back the open transaction, if there is one.

        Raises:
            ProgrammingError: it began outside of the running procedure.
        """
        if self.in_transaction:
            self._end("" if self._own_transaction().lost is not None else "ROLLBACK")

    def _own_transaction(self) -> Transaction:
        assert self.transaction is not None
        if self.transaction.depth != self.depth:
            raise errors.unnumbered(
                "Modifying a transaction that has started at a different scope is not allowed.", "55000"
            )
        return self.transaction

    def _end(self, word: str) -> None:
        """Commit or roll back, and return to the transaction around this one."""
        self.in_transaction = False
        self.transaction = None
        self.duck.journal = None
        try:
            if word:
                self.duck.execute(word)
        finally:
            if self._outer:
                inner = self.duck
                inner.close()
                self.transaction = self._outer.pop()
                self.duck = self.transaction.duck
                self.duck.definitions += inner.definitions
                self.in_transaction = True
                self.adjust_duck()

    def check_transaction(self) -> None:
        """Check that the open transaction can go on.

        Raises:
            UnsupportedError: a statement in it failed, and DuckDB could not go on.
        """
        if self.transaction is not None and self.transaction.lost is not None:
            raise errors.UnsupportedError(
                f"a transaction after a failed statement, because {self.transaction.lost}", _AGAIN
            )

    def savepoint(self) -> Savepoint | None:
        """Return the state of the open transaction, to which a failed statement returns; None without one."""
        journal = self.duck.journal
        if self.transaction is None or journal is None or self.transaction.lost is not None:
            return None
        acts = {name: copy.copy(act) for name, act in self.transaction.at_commit.items()}
        return Savepoint(self.transaction, len(journal.done), acts)

    def return_to(self, savepoint: Savepoint | None) -> None:
        """Undo what the open transaction has done since a savepoint, after a statement has failed."""
        open_ = self.transaction
        if savepoint is None or open_ is not savepoint.transaction or open_.lost is not None:
            return
        open_.at_commit.clear()
        open_.at_commit.update(savepoint.at_commit)
        open_.lost = self.duck.repeat_transaction(savepoint.length)

    @contextmanager
    def inside_procedure(self) -> Iterator[None]:
        """Run the block as a procedure: a transaction that begins in it is its own, and ends in it.

        Raises:
            ProgrammingError: the block left a transaction open, which is rolled back.
        """
        self.depth += 1
        try:
            yield
        except BaseException:
            self._roll_back_own()
            raise
        else:
            if self._roll_back_own():
                raise errors.unnumbered(
                    "Stored procedure execution error: Scoped transaction started in stored procedure is "
                    "incomplete and it was rolled back.",
                    "55000",
                )
        finally:
            self.depth -= 1

    def _roll_back_own(self) -> bool:
        """Roll back the transaction that the running procedure began; return whether there was one."""
        if self.transaction is None or self.transaction.depth != self.depth:
            return False
        self.roll_back()
        return True
