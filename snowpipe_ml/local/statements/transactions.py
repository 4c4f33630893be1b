"""Statements about transactions: BEGIN, COMMIT, ROLLBACK and SHOW TRANSACTIONS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session, open_sessions
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.listing import listing
from snowpipe_ml.local.statements.scripting import run_anonymous
from snowpipe_ml.local.syntax.script import starts_block

# With AUTOCOMMIT = FALSE these statements begin a transaction.
_DML = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|MERGE|TRUNCATE|COPY\s+INTO\s+[^@'\s])", re.I)
_ENDING = re.compile(r"\s*(?:COMMIT|ROLLBACK)\b", re.I)
_DONE = "Statement executed successfully."
_TRANSACTIONS = {
    "id": None,
    "user": "LOCAL",
    "session": None,
    "name": None,
    "started_on": None,
    "state": "running",
    "scope": 0,
}


@contextmanager
def in_own_part(session: Session, text: str) -> Iterator[None]:
    """Run a statement as one part of the open transaction: if it fails, the transaction is as before.

    With AUTOCOMMIT = FALSE, DML begins a transaction.

    Raises:
        UnsupportedError: the transaction cannot go on after an earlier failure.
    """
    if not _ENDING.match(text):
        session.check_transaction()
    if session.transaction is None and not session.autocommits and _DML.match(text):
        session.begin_transaction()
    savepoint = session.savepoint()
    try:
        yield
    except BaseException:
        session.return_to(savepoint)
        raise


@command("BEGIN", "START TRANSACTION", "BEGIN TRANSACTION")
def begin(statement: Statement) -> Result:
    """``BEGIN [TRANSACTION|WORK]``, which has no effect in a transaction; or a block of Snowflake Scripting."""
    reader = statement.reader
    if starts_block(reader.tokens, 0):
        return run_anonymous(statement)
    reader.next()
    reader.accept("TRANSACTION") or reader.accept("WORK")
    statement.session.begin_transaction()
    return status(_DONE)


@command("COMMIT", "ROLLBACK")
def end_transaction(statement: Statement) -> Result:
    """``COMMIT`` and ``ROLLBACK``; without a transaction they have no effect."""
    session = statement.session
    word = statement.reader.next().upper
    if session.in_transaction and word == "COMMIT":
        session.commit_transaction()
    else:
        session.roll_back()
    return status(_DONE)


@command("SHOW TRANSACTIONS")
def show_transactions(statement: Statement) -> Result:
    """``SHOW TRANSACTIONS [IN ACCOUNT]``: those of all sessions, which belong to one user here.

    https://docs.snowflake.com/en/sql-reference/sql/show-transactions
    """
    reader = statement.reader
    reader.expect("SHOW", "TRANSACTIONS")
    reader.accept("IN", "ACCOUNT")
    reader.end()
    found = [
        {
            "id": session.transaction.number,
            "session": session.session_id,
            "name": session.transaction.name,
            "started_on": session.transaction.began,
            "scope": session.transaction.depth,
        }
        for session in open_sessions(statement.session.storage)
        if session.transaction is not None
    ]
    return listing(_TRANSACTIONS, found)
