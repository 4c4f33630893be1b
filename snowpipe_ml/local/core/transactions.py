"""DuckDB transactions, and retries of statements that conflict with another session."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import duckdb

from snowpipe_ml.local.core.duck import Duck
from snowpipe_ml.local.core.duckdb_errors import needs_wide_numbers
from snowpipe_ml.local.core.session import Session

T = TypeVar("T")


def retry_conflicts(session: Session, run: Callable[[], T], attempts: int = 40) -> T:
    """Run a statement, and retry it when another session has changed the same rows or catalog entry concurrently.

    Snowflake queues such statements, whereas in DuckDB one of them fails.
    """
    savepoint = session.savepoint()
    for attempt in range(attempts):
        try:
            return run()
        except duckdb.TransactionException as error:
            conflict = "onflict" in str(error) or "Attempting to modify" in str(error)
            if not conflict or attempt == attempts - 1:
                raise
            session.return_to(savepoint)
            if session.transaction is not None and session.transaction.lost is not None:
                raise
            time.sleep(min(0.002 * 2**attempt, 0.25))
    raise AssertionError("unreachable")


def with_wide_numbers(session: Session, run: Callable[[], T]) -> T:
    """Run a statement whose whole numbers have 64 bits, with which DuckDB is fastest.

    If it fails because they are not enough, it runs again with numbers of 38 digits.
    """
    savepoint = session.savepoint()
    try:
        return run()
    except duckdb.Error as raised:
        if session.wide_numbers or not needs_wide_numbers(raised):
            raise
        session.return_to(savepoint)
        session.check_transaction()
    session.wide_numbers = True
    try:
        return run()
    finally:
        session.wide_numbers = False


@contextlib.contextmanager
def transaction(session: Duck) -> Iterator[None]:
    """Run the block in a DuckDB transaction that is rolled back on any exception."""
    session.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        session.execute("ROLLBACK")
        raise
    session.execute("COMMIT")


@contextmanager
def in_transaction(session: Session) -> Iterator[None]:
    """Run the block in the session's open transaction, or in a new one if none is open."""
    if session.in_transaction:
        yield
    else:
        with transaction(session.duck):
            yield
