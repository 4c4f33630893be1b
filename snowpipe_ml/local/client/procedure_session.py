"""The Session of a stored procedure: it sends each statement to the connection of the caller.

This module is imported in worker processes only, before the sandbox is installed. A procedure runs in the
session and transaction of its caller: it sees the caller's temporary tables, database and warehouse.
"""

from __future__ import annotations

from typing import Any

from snowpipe_ml.local.client.proxy import ProxyConnection
from snowpipe_ml.local.core.exchange import Exchange


def open_session(exchange: Exchange, state: dict[str, Any]) -> Any:
    """Return the Snowpark Session that is passed to a procedure as its first argument."""
    from snowflake.snowpark import Session

    return Session.builder.configs({"connection": ProxyConnection(exchange, state)}).create()


def run_table(result: Any) -> str:
    """Run the DataFrame that a procedure returned, and return the id of the query."""
    return str(result._execute_and_get_query_id())
