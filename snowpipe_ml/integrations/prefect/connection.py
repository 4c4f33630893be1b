"""The connection to Snowflake as a block of Prefect."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from snowpipe_ml.text.redaction import remember_secrets

if TYPE_CHECKING:
    from snowflake.snowpark import Session


class SnowflakeConnection(Block):
    """The parameters of a connection to Snowflake, kept by Prefect.

    https://docs.snowflake.com/en/developer-guide/snowpark/reference/python/latest/snowpark/session

    Attributes:
        parameters: parameters of the connector, such as ``account``, ``user``, ``role``, ``warehouse``,
            ``database`` and ``schema``.
        secrets: parameters that are secret, such as ``password``, ``token`` or ``private_key_file_pwd``.
    """

    _block_type_name: ClassVar[str] = "snowpipe-ml Snowflake connection"
    _block_type_slug: ClassVar[str] = "snowpipe-ml-snowflake-connection"
    _description: ClassVar[str] = "A connection of snowpipe-ml to Snowflake"

    parameters: dict[str, str] = Field(default_factory=dict)
    secrets: dict[str, SecretStr] = Field(default_factory=dict)

    def session(self) -> Session:
        """Open a Session."""
        from snowflake.snowpark import Session

        secrets = {name: secret.get_secret_value() for name, secret in self.secrets.items()}
        remember_secrets({"secrets": secrets})
        values = {**self.parameters, **secrets}
        return Session.builder.configs(dict(values)).create()
