"""An embedded Snowflake: real Snowpark on a laptop and in CI, without an account.

It does not depend on the pipelines. A feature that it does not support raises an
:class:`UnsupportedError` that names the feature, because a wrong result is worse than an error.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snowpipe_ml.local.client.connect import connect
    from snowpipe_ml.local.client.connection import Connection
    from snowpipe_ml.local.core.errors import UnsupportedError, WarehouseLockedError

__all__ = ["Connection", "UnsupportedError", "WarehouseLockedError", "connect"]

# Imported on first use: importing the Snowflake connector alone takes most of a second.
_MODULES = {
    "Connection": "client.connection",
    "connect": "client.connect",
    "UnsupportedError": "core.errors",
    "WarehouseLockedError": "core.errors",
}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
