"""Sessions on a Snowflake account, from a named connection of the user's ``connections.toml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowpipe_ml.errors import TargetError
from snowpipe_ml.sql import Fragment, Identifier, Sql, sql

if TYPE_CHECKING:
    from snowflake.snowpark import Session


def open_session(
    connection: str, database: Identifier, schema: Identifier, role: Identifier | None, warehouse: Identifier | None
) -> Session:
    """A Session that works in a database and schema; they are made if they are not there.

    Args:
        connection: the connection's name in ``connections.toml``; how to log in stands there, and
            never in a spec.
        database: the database to work in.
        schema: the schema to work in.
        role: the role to take; the connection's own if None.
        warehouse: the warehouse to use; the connection's own if None.

    Raises:
        TargetError: there is no such connection, or the account refuses it.
    """
    from snowflake.connector.errors import Error
    from snowflake.snowpark import Session
    from snowflake.snowpark.exceptions import SnowparkClientException

    try:
        session: Session = Session.builder.config("connection_name", connection).create()
        for statement in session_setup(database, schema, role, warehouse):
            session.sql(statement.text).collect()
    except (Error, SnowparkClientException, OSError) as error:
        raise TargetError(f"cannot connect with {connection!r} of connections.toml: {error}") from error
    return session


def session_setup(
    database: Identifier, schema: Identifier, role: Identifier | None, warehouse: Identifier | None
) -> list[Sql]:
    """The statements that begin every Session on a Snowflake target."""
    statements: list[Sql] = []

    def add(template: str, **names: Fragment) -> None:
        statements.append(sql(template, **names))

    if role is not None:
        add("USE ROLE {role}", role=role)
    if warehouse is not None:
        add("USE WAREHOUSE {warehouse}", warehouse=warehouse)
    add("CREATE DATABASE IF NOT EXISTS {database}", database=database)
    add("USE DATABASE {database}", database=database)
    add("CREATE SCHEMA IF NOT EXISTS {schema}", schema=schema)
    add("USE SCHEMA {schema}", schema=schema)
    return statements
