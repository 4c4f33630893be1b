"""The Session of a stored procedure: it sends each statement to the connection of the caller.

This module is imported in worker processes only, before the sandbox is installed. A procedure runs in the
session and transaction of its caller: it sees the caller's temporary tables, database and warehouse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowpipe_ml.local.client.proxy import ProxyConnection
from snowpipe_ml.local.core.exchange import Exchange, State

if TYPE_CHECKING:
    from snowflake.snowpark import DataFrame, Session


def open_session(exchange: Exchange, state: State) -> Session:
    """Return the Snowpark Session that is passed to a procedure as its first argument."""
    from snowflake.snowpark import Session

    session: Session = Session.builder.configs({"connection": ProxyConnection(exchange, state)}).create()
    return session


def run_table(result: DataFrame) -> str:
    """Run the DataFrame that a procedure returned, and return the id of the query."""
    return str(result._execute_and_get_query_id())
