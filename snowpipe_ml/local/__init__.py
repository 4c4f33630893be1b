"""An embedded Snowflake: real Snowpark on a laptop and in CI, without an account.

It knows nothing of pipelines. What it does not support it refuses by name
(:class:`UnsupportedError`): a wrong answer is worse than a refusal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection, connect
    from snowpipe_ml.local.errors import UnsupportedError, WarehouseLockedError

__all__ = ["Connection", "UnsupportedError", "WarehouseLockedError", "connect"]


def __getattr__(name: str) -> Any:
    # Imported when first used: the connector alone takes most of a second.
    if name in ("Connection", "connect"):
        from snowpipe_ml.local import connection

        return getattr(connection, name)
    if name in ("UnsupportedError", "WarehouseLockedError"):
        from snowpipe_ml.local import errors

        return getattr(errors, name)
    raise AttributeError(name)
