"""Sessions with the credentials of a connection of Airflow."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow.sdk import Connection

from snowpipe_ml.errors import UsageError
from snowpipe_ml.text.redaction import remember_secrets

if TYPE_CHECKING:
    from snowflake.snowpark import Session


def sessions_of(conn_id: str | None) -> Callable[[], Session] | None:
    """Return what opens Sessions with a connection of Airflow; None without one.

    The parameters are those of the connection type ``snowflake``: login, password and schema, and in its extra
    ``account``, ``database``, ``warehouse``, ``role``, ``authenticator``, ``token`` and others of the connector. With
    ``private_key_file``, or ``private_key_content`` in base64, the password is the passphrase of the key.

    https://airflow.apache.org/docs/apache-airflow-providers-snowflake/stable/connections/snowflake.html
    """
    if conn_id is None:
        return None

    def open_session() -> Session:
        from snowflake.snowpark import Session

        return Session.builder.configs(parameters_of(Connection.get(conn_id))).create()

    return open_session


def parameters_of(connection: Connection) -> dict[str, object]:
    """Return a connection of Airflow as parameters of the connector.

    Raises:
        UsageError: the private key cannot be read.
    """
    given = {
        "user": connection.login,
        "password": connection.password,
        "schema": connection.schema,
        "host": connection.host,
        "port": connection.port,
    }
    extra = {
        name.removeprefix("extra__snowflake__"): value for name, value in connection.extra_dejson.items()
    }
    values = {name: value for name, value in {**given, **extra}.items() if value not in (None, "")}
    remember_secrets(values)
    content = values.pop("private_key_content", None)
    if content is not None:
        values["private_key"] = _private_key(str(content), values.pop("password", None), connection.conn_id)
    elif "private_key_file" in values and "password" in values:
        values["private_key_file_pwd"] = values.pop("password")
    return values


def _private_key(content: str, passphrase: object, conn_id: str) -> bytes:
    """Read a private key in PEM and base64, and return it as the connector takes it."""
    from cryptography.hazmat.primitives import serialization  # of the connector; not needed to draw a DAG

    try:
        key = serialization.load_pem_private_key(
            base64.b64decode(content, validate=True), None if passphrase is None else str(passphrase).encode()
        )
    except (binascii.Error, ValueError, TypeError) as error:
        raise UsageError(
            f"the private_key_content of the connection {conn_id} is not a private key in PEM, encoded in base64, or the "
            f"password is not its passphrase: {error}"
        ) from error
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
