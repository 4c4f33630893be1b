"""snowpipe-ml: ML pipelines from one YAML file, on Snowflake or on a laptop."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snowpipe_ml.version import __version__

if TYPE_CHECKING:
    from snowflake.snowpark import Session

    from snowpipe_ml.engine.pipeline import Pipeline
    from snowpipe_ml.exploration.explore import explore
    from snowpipe_ml.exploration.trial import try_model

__all__ = ["Pipeline", "__version__", "explore", "local_session", "try_model"]

_PLACES = {"Pipeline": "engine.pipeline", "explore": "exploration.explore", "try_model": "exploration.trial"}


def local_session(
    path: str | Path | None = None,
    database: str = "LOCAL",
    schema: str = "PUBLIC",
    **options: Any,
) -> Session:
    """Open a Snowpark Session on an embedded warehouse.

    Args:
        path: the warehouse's folder, created if it does not exist; a temporary folder if None.
        database: the current database, created if it does not exist.
        schema: the current schema, created if it does not exist.
        **options: see :func:`snowpipe_ml.local.connect`.

    Raises:
        MissingExtraError: the extra ``local`` is not installed.
        WarehouseLockedError: another process has the folder open.
    """
    session: Session = _lazy("targets.local", "open_session")(path, database, schema, **options)
    return session


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return _lazy(_PLACES[name], name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _lazy(module: str, name: str) -> Any:
    # Imported when first used, so that a command that needs no engine starts at once.
    return getattr(import_module(f"{__name__}.{module}"), name)
