"""Statements about transactions: BEGIN, COMMIT, ROLLBACK and SHOW TRANSACTIONS."""

from __future__ import annotations

from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import open_sessions
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.listing import listing
from snowpipe_ml.local.statements.scripting import run_anonymous
from snowpipe_ml.local.syntax.script import starts_block

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


@command("BEGIN", "START TRANSACTION", "BEGIN TRANSACTION")
def begin(statement: Statement) -> Result:
    """``BEGIN [TRANSACTION|WORK]``, which has no effect in a transaction; or a block of Snowflake Scripting."""
    reader = statement.reader
    if starts_block(reader.tokens, 0):
        return run_anonymous(statement)
    reader.next()
    reader.accept("TRANSACTION") or reader.accept("WORK")
    session = statement.session
    if not session.in_transaction:
        session.begin_transaction()
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
            "id": session.transaction_number,
            "session": session.session_id,
            "name": session.transaction_id,
            "started_on": session.transaction_began,
        }
        for session in open_sessions(statement.session.storage)
        if session.in_transaction
    ]
    return listing(_TRANSACTIONS, found)
