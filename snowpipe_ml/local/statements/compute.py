"""Statements that need a warehouse. They are refused without one where the warehouse is served strictly."""

from __future__ import annotations

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.reader import Reader

_ALWAYS = {"CALL", "COPY", "DELETE", "INSERT", "MERGE", "UPDATE"}
_QUERIES = {"SELECT", "WITH"}


def check_warehouse(session: Session, text: str) -> None:
    """Check that a session has a warehouse for a query of tables, for DML, COPY, CALL and CREATE TABLE AS.

    Other DDL, SHOW and queries of constants need none: https://docs.snowflake.com/en/user-guide/warehouses-overview

    Raises:
        ProgrammingError: the statement needs a warehouse, and the session has none.
    """
    if session.warehouse is not None or not session.storage.strict:
        return
    words = [token.upper for token in Reader(text).tokens if token.kind == "word"]
    first = words[0] if words else ""
    reads = first in _QUERIES and "FROM" in words
    makes = first == "CREATE" and "TABLE" in words[:5] and bool(_QUERIES & set(words))
    if first in _ALWAYS or reads or makes:
        raise errors.error(
            606,
            "57P03",
            "No active warehouse selected in the current session.  "
            "Select an active warehouse with the 'use warehouse' command.",
        )
