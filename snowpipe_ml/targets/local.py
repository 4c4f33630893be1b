"""Sessions on the embedded warehouse, and a server for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snowpipe_ml.errors import MissingExtraError, TargetError

if TYPE_CHECKING:
    from snowflake.snowpark import Session

    from snowpipe_ml.local.server.http import WarehouseServer


def open_session(path: str | Path | None, database: str, schema: str, **options: Any) -> Session:
    """Open a Session on the warehouse in a folder; see :func:`snowpipe_ml.local_session`."""
    _check_extra()
    from snowflake.snowpark import Session

    from snowpipe_ml.local.client.connect import connect

    try:
        connection = connect(path, database, schema, **options)
    except OSError as error:
        raise TargetError(f"cannot open the embedded warehouse at {path}: {error}") from error
    session: Session = Session.builder.configs({"connection": connection}).create()
    return session


@contextlib.contextmanager
def serve(path: Path, database: str, schema: str, port: int) -> Iterator[WarehouseServer]:
    """Lock the warehouse in a folder and serve it to Snowflake's clients; Ctrl-C ends the block.

    Raises:
        TargetError: the port is in use.
        WarehouseLockedError: another process has locked the warehouse.
    """
    _check_extra()
    from snowpipe_ml.local.server.http import WarehouseServer, token_of

    path.mkdir(parents=True, exist_ok=True)
    try:
        server = WarehouseServer(path, port, token_of(path), database, schema)
    except OSError as error:
        raise TargetError(f"cannot serve on 127.0.0.1:{port}: {error}") from error
    with contextlib.closing(server), contextlib.suppress(KeyboardInterrupt):
        yield server


def _check_extra() -> None:
    try:
        import duckdb  # noqa: F401
        import fakesnow  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("local", "the embedded warehouse") from error
