"""snowpipe-ml: ML pipelines on Snowflake from one YAML file, and the same on a laptop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snowflake.snowpark import Session

    from snowpipe_ml.engine.pipeline import Pipeline

__version__ = "0.1.0"
__all__ = ["Pipeline", "__version__", "local_session"]


def local_session(
    path: str | Path | None = None,
    database: str = "LOCAL",
    schema: str = "PUBLIC",
    **options: Any,
) -> Session:
    """A Snowpark Session on an embedded warehouse.

    Args:
        path: the warehouse's folder, made if it is not there; a temporary one if None.
        database: the database to work in, made if it is not there.
        schema: the schema to work in, made if it is not there.
        **options: see :func:`snowpipe_ml.local.connect`.

    Raises:
        MissingExtraError: the extra ``local`` is not installed.
        WarehouseLockedError: another process holds the folder.
    """
    from snowpipe_ml.targets.local import open_session

    return open_session(path, database, schema, **options)


def __getattr__(name: str) -> Any:
    if name == "Pipeline":
        from snowpipe_ml.engine.pipeline import Pipeline

        return Pipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
