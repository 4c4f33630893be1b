"""The Session of a stored procedure: it hands each statement to the connection of the caller.

Imported in worker processes only, before the sandbox closes. What a procedure does happens in the
caller's session and transaction: its temporary tables, its database, its warehouse.
"""

from __future__ import annotations

from typing import Any

from snowpipe_ml.local.client.proxy import ProxyConnection
from snowpipe_ml.local.core.exchange import Exchange


def open_session(exchange: Exchange, state: dict[str, Any]) -> Any:
    """The Snowpark Session that is a procedure's first argument."""
    from snowflake.snowpark import Session

    return Session.builder.configs({"connection": ProxyConnection(exchange, state)}).create()


def run_table(result: Any) -> str:
    """Run the DataFrame that a procedure returns; the id of the query that gives its rows."""
    return str(result._execute_and_get_query_id())
