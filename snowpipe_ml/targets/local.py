"""Sessions on the embedded warehouse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from snowpipe_ml.errors import MissingExtraError, TargetError

if TYPE_CHECKING:
    from snowflake.snowpark import Session


def open_session(path: str | Path | None, database: str, schema: str, **options: Any) -> Session:
    """A Session on the warehouse in a folder; see :func:`snowpipe_ml.local_session`."""
    try:
        import duckdb  # noqa: F401
        import fakesnow  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("local", "the embedded warehouse") from error
    from snowflake.snowpark import Session

    from snowpipe_ml.local.connection import connect

    try:
        connection = connect(path, database, schema, **options)
    except OSError as error:
        raise TargetError(f"cannot open the embedded warehouse at {path}: {error}") from error
    session: Session = Session.builder.configs({"connection": connection}).create()
    return session
