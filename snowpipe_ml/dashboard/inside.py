"""The session of the dashboard where Snowflake runs it.

https://docs.snowflake.com/en/developer-guide/streamlit/migrations-and-upgrades/runtime-migration
"""

from __future__ import annotations

from typing import Literal

import streamlit as st

from snowpipe_ml.plugins.connection import Connection

Runtime = Literal["warehouse", "container"]
"""The runtimes of Streamlit in Snowflake."""


def connection_of(runtime: Runtime) -> Connection:
    """Return the connection of the session: a viewer's own in a warehouse, and one for all viewers in a container."""
    from snowflake.snowpark.context import get_active_session

    session = st.connection("snowflake").session() if runtime == "container" else get_active_session()
    connection: Connection = session.connection
    return connection
