"""Snowflake's wire protocol over HTTP."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snowpipe_ml.local.server.http import WarehouseServer, token_of

__all__ = ["WarehouseServer", "token_of"]


def __getattr__(name: str) -> object:
    # Imported when first used, like the warehouse itself.
    if name in __all__:
        return getattr(import_module(f"{__name__}.http"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
