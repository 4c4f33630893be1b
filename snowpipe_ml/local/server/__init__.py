"""Snowflake's wire protocol over HTTP."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snowpipe_ml.local.server.http import WarehouseServer
    from snowpipe_ml.local.server.tokens import token_of

__all__ = ["WarehouseServer", "token_of"]
_MODULES = {"WarehouseServer": "http", "token_of": "tokens"}


def __getattr__(name: str) -> object:
    # Imported when first used, like the warehouse itself.
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
