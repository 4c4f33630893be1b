"""A Snowflake account as a target: sessions from a named connection of the user's ``connections.toml``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import Field

from snowpipe_ml.errors import TargetError
from snowpipe_ml.plugins.connection import Connection, Row, execute
from snowpipe_ml.plugins.fields import ObjectName
from snowpipe_ml.plugins.target import Target, register_target
from snowpipe_ml.sql import Fragment, Identifier, like_pattern, sql
from snowpipe_ml.targets.session_settings import session_settings
from snowpipe_ml.text.redaction import remember_secrets

if TYPE_CHECKING:
    from snowflake.snowpark import Session

# What makes the connector cache the answer to what an authenticator asks the user.
_CACHED_BY = {
    "EXTERNALBROWSER": "client_store_temporary_credential",
    "OAUTH_AUTHORIZATION_CODE": "client_store_temporary_credential",
    "USERNAME_PASSWORD_MFA": "client_request_mfa_token",
}


@register_target("snowflake")
class SnowflakeTarget(Target):
    """A Snowflake account, reached by a named connection in the user's connections.toml."""

    type: Literal["snowflake"]
    connection: str = Field(description="Name of a connection in connections.toml")
    role: ObjectName | None = None
    warehouse: ObjectName | None = Field(None, description="Warehouse of the steps that do not name one")

    @property
    def default_warehouse(self) -> Identifier | None:
        """The warehouse of the settings."""
        return self.warehouse

    def open_session(self, base_dir: Path, warehouse: Identifier | None) -> Session:
        """Open a Session with the named connection."""
        return open_session(
            self.connection, self.database, self.schema_, self.role, warehouse, session_settings(self)
        )

    def connect(self, base_dir: Path, warehouse: Identifier | None) -> Connection:
        """Connect with the named connection."""
        return connect(
            self.connection, self.database, self.schema_, self.role, warehouse, session_settings(self)
        )

    def log_in(self, base_dir: Path) -> Connection:
        """Log in with the named connection; its own role, warehouse and database are the current ones."""
        return log_in(self.connection, session_settings(self))

    def asks_at_login(self, base_dir: Path) -> bool:
        """Return whether the connection's authenticator asks the user, and its answer is not cached."""
        return asks_at_login(_entry(self.connection), sys.platform)

    def namespace(self, base_dir: Path) -> str:
        """The connection's name as a URL: an account is not known before the login."""
        return f"snowflake://{self.connection}"


def open_session(
    connection: str,
    database: Identifier,
    schema: Identifier,
    role: Identifier | None,
    warehouse: Identifier | None,
    settings: Mapping[str, bool | int | str] = {},
) -> Session:
    """Open a Session in a database and schema, which are created if they do not exist.

    Args:
        connection: the name of the connection in ``connections.toml``. Credentials belong there, never
            in a spec.
        database: the database to use.
        schema: the schema to use.
        role: the role to use; the connection's own if None.
        warehouse: the warehouse to use; the connection's own if None.
        settings: session parameters, which precede those of the connection.

    Raises:
        TargetError: the connection does not exist, or the account refuses it.
    """
    from snowflake.connector.errors import Error
    from snowflake.snowpark import Session
    from snowflake.snowpark.exceptions import SnowparkClientException

    try:
        session: Session = Session.builder.configs(_login(connection, settings)).create()
    except (Error, SnowparkClientException, OSError) as error:
        raise TargetError(f"cannot connect with {connection!r} of connections.toml: {error}") from error
    _enter_or_close(session.connection, connection, database, schema, role, warehouse)
    return session


def connect(
    connection: str,
    database: Identifier,
    schema: Identifier,
    role: Identifier | None,
    warehouse: Identifier | None,
    settings: Mapping[str, bool | int | str] = {},
) -> Connection:
    """Open a connection in a database and schema, which are created if they do not exist.

    The arguments are those of :func:`open_session`.

    Raises:
        TargetError: the connection does not exist, or the account refuses it.
    """
    opened = log_in(connection, settings)
    _enter_or_close(opened, connection, database, schema, role, warehouse)
    return opened


def log_in(connection: str, settings: Mapping[str, bool | int | str]) -> Connection:
    """Log in with a named connection.

    Raises:
        TargetError: the connection does not exist, or the account refuses it.
    """
    import snowflake.connector
    from snowflake.connector.errors import Error

    try:
        opened: Connection = snowflake.connector.connect(**_login(connection, settings))
    except (Error, OSError) as error:
        raise TargetError(f"cannot connect with {connection!r} of connections.toml: {error}") from error
    return opened


def _enter_or_close(
    opened: Connection,
    name: str,
    database: Identifier,
    schema: Identifier,
    role: Identifier | None,
    warehouse: Identifier | None,
) -> None:
    from snowflake.connector.errors import Error

    try:
        enter(opened, database, schema, role, warehouse)
    except Error as error:
        opened.close()
        raise TargetError(
            f"connected with {name!r}, but cannot work in {database}.{schema}: {error}"
        ) from error


def _login(connection: str, settings: Mapping[str, bool | int | str]) -> dict[str, Any]:
    """Return the arguments of a login, which sets the session parameters without a statement."""
    entry = _entry(connection)
    remember_secrets(entry)
    parameters = {**entry.get("session_parameters", {}), **settings}
    return {"connection_name": connection, "session_parameters": parameters}


def _entry(connection: str) -> Mapping[str, Any]:
    """The entry of a connection in ``connections.toml``; empty if missing, which the connector reports."""
    from snowflake.connector.config_manager import CONFIG_MANAGER
    from snowflake.connector.errors import ConfigSourceError, MissingConfigOptionError

    try:
        found: Mapping[str, Any] = cast(Any, CONFIG_MANAGER)["connections"][connection]
    except (KeyError, ConfigSourceError, MissingConfigOptionError):
        return {}
    return found


def asks_at_login(entry: Mapping[str, Any], platform: str) -> bool:
    """Return whether each login with an entry of ``connections.toml`` asks the user.

    The connector caches the answer on macOS and Windows, and on Linux if the entry says so:
    https://docs.snowflake.com/en/developer-guide/python-connector/python-connector-connect
    A passcode can be used only once. A password without an authenticator is not known to be asked for.
    """
    if entry.get("passcode") or entry.get("passcode_in_password"):
        return True
    authenticator = str(entry.get("authenticator") or "").upper()
    setting = _CACHED_BY.get(authenticator)
    if setting is None:
        return False
    if platform in ("darwin", "win32") and authenticator != "OAUTH_AUTHORIZATION_CODE":
        return False
    return not entry.get(setting)


def enter(
    connection: Connection,
    database: Identifier,
    schema: Identifier,
    role: Identifier | None,
    warehouse: Identifier | None,
) -> None:
    """Use the role, warehouse, database and schema; a missing database or schema is created.

    Existing objects are looked up first, because ``CREATE ... IF NOT EXISTS`` requires the privilege to
    create even if the object exists.
    """

    def run(template: str, **names: Fragment) -> list[Row]:
        return execute(connection, sql(template, **names))

    if role is not None:
        run("USE ROLE {role}", role=role)
    if warehouse is not None:
        run("USE WAREHOUSE {warehouse}", warehouse=warehouse)
    shown = run("SHOW DATABASES LIKE {name}", name=like_pattern(database))
    if any(row["name"] == database.name for row in shown):
        run("USE DATABASE {database}", database=database)
        shown = run(
            "SHOW SCHEMAS LIKE {name} IN DATABASE {database}", name=like_pattern(schema), database=database
        )
        there = any(row["name"] == schema.name for row in shown)
    else:  # what is created becomes the current database and schema
        run("CREATE DATABASE {database}", database=database)
        there = schema.name == "PUBLIC"
    if there:
        run("USE SCHEMA {schema}", schema=schema)
    else:
        run("CREATE SCHEMA {schema}", schema=schema)
