"""Sessions with the credentials of a connection of Airflow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow.sdk import Connection

if TYPE_CHECKING:
    from snowflake.snowpark import Session


def sessions_of(conn_id: str | None) -> Callable[[], Session] | None:
    """Return what opens Sessions with a connection of Airflow; None without one.

    The parameters are those of the connection type ``snowflake``: login, password and schema, and in its extra
    ``account``, ``database``, ``warehouse``, ``role``, ``authenticator``, ``token``, ``private_key_file`` and others
    of the connector.

    https://airflow.apache.org/docs/apache-airflow-providers-snowflake/stable/connections/snowflake.html
    """
    if conn_id is None:
        return None

    def open_session() -> Session:
        from snowflake.snowpark import Session

        found = Connection.get(conn_id)
        given = {"user": found.login, "password": found.password, "schema": found.schema, "host": found.host}
        extra = {name.removeprefix("extra__snowflake__"): value for name, value in found.extra_dejson.items()}
        values = {name: value for name, value in {**given, **extra}.items() if value not in (None, "")}
        return Session.builder.configs(values).create()

    return open_session
