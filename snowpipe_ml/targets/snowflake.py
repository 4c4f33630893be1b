"""Sessions on a Snowflake account, from a named connection of the user's ``connections.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from snowpipe_ml.errors import TargetError
from snowpipe_ml.sql import Fragment, Identifier, like_pattern, sql
from snowpipe_ml.text.redaction import remember_secrets

if TYPE_CHECKING:
    from snowflake.snowpark import Session


def open_session(
    connection: str,
    database: Identifier,
    schema: Identifier,
    role: Identifier | None,
    warehouse: Identifier | None,
) -> Session:
    """A Session that works in a database and schema; what is not there is made.

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

    remember_secrets(_entry(connection))
    try:
        session: Session = Session.builder.config("connection_name", connection).create()
    except (Error, SnowparkClientException, OSError) as error:
        raise TargetError(f"cannot connect with {connection!r} of connections.toml: {error}") from error
    try:
        enter(session, database, schema, role, warehouse)
    except (Error, SnowparkClientException) as error:
        session.close()
        raise TargetError(
            f"connected with {connection!r}, but cannot work in {database}.{schema}: {error}"
        ) from error
    return session


def _entry(connection: str) -> Mapping[str, Any]:
    """What ``connections.toml`` says of a connection; nothing where there is none, which the connector then tells."""
    from snowflake.connector.config_manager import CONFIG_MANAGER
    from snowflake.connector.errors import ConfigSourceError, MissingConfigOptionError

    try:
        found: Mapping[str, Any] = cast(Any, CONFIG_MANAGER)["connections"][connection]
    except (KeyError, ConfigSourceError, MissingConfigOptionError):
        return {}
    return found


def enter(
    session: Session,
    database: Identifier,
    schema: Identifier,
    role: Identifier | None,
    warehouse: Identifier | None,
) -> None:
    """Take the role and warehouse, and go to the schema; what is not there is created.

    It is looked for first: ``CREATE ... IF NOT EXISTS`` asks for the privilege to create even where
    there is nothing to be created.
    """

    def run(template: str, **names: Fragment) -> list[Any]:
        return session.sql(sql(template, **names).text).collect()

    if role is not None:
        run("USE ROLE {role}", role=role)
    if warehouse is not None:
        run("USE WAREHOUSE {warehouse}", warehouse=warehouse)
    shown = run("SHOW DATABASES LIKE {name}", name=like_pattern(database))
    if not any(row["name"] == database.name for row in shown):
        run("CREATE DATABASE {database}", database=database)
    run("USE DATABASE {database}", database=database)
    shown = run(
        "SHOW SCHEMAS LIKE {name} IN DATABASE {database}", name=like_pattern(schema), database=database
    )
    if not any(row["name"] == schema.name for row in shown):
        run("CREATE SCHEMA {schema}", schema=schema)
    run("USE SCHEMA {schema}", schema=schema)
