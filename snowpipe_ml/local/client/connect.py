"""Open an embedded warehouse, or a session on one that another process has open.

The first process to open a warehouse is its *holder*: it has the files open and runs all statements. Other
processes are its *guests*; see :mod:`snowpipe_ml.local.client.sharing`.
"""

from __future__ import annotations

import time
from pathlib import Path

import duckdb

from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.local.client.sharing import Guest, Host, join
from snowpipe_ml.local.core import duckdb_errors, errors
from snowpipe_ml.local.core.storage import Storage, close_storage, open_storage
from snowpipe_ml.sql import Identifier


def connect(
    path: str | Path | None = None,
    database: str | None = None,
    schema: str | None = "PUBLIC",
    *,
    timeout: float = 30.0,
    share: bool = True,
    function_memory: int | None = None,
    **ignored: object,
) -> Connection | Guest:
    """Open an embedded warehouse.

    Args:
        path: the folder of the warehouse, created if it does not exist; None for a temporary warehouse.
        database: the current database, created if it does not exist. Unquoted names are folded to upper
            case: ``citibike`` is CITIBIKE.
        schema: the current schema; with None the session has no current schema.
        timeout: seconds to wait for a holder that does not answer.
        share: whether to become a guest of the process that holds the folder, and to accept guests
            when this process holds it. Otherwise a second process is refused.
        function_memory: bytes of memory that a worker process of Python functions may use; None for no limit.
        **ignored: arguments of a connection to a Snowflake account: user, account, role...

    Raises:
        WarehouseLockedError: another process holds the folder.
        DamagedError: a file of the warehouse cannot be read.
        DiskError: the disk refused to read or write a file.
    """
    names = [Identifier.parse(name).name if name else None for name in (database, schema)]
    try:
        if path is None or not share:
            storage = open_storage(Path(path) if path is not None else None, Host if share else None)
        else:
            found = _hold_or_join(Path(path), names, timeout)
            if isinstance(found, Guest):
                return found
            storage = found
    except (duckdb.Error, OSError) as raised:
        failed = errors.disk_error(raised, "the warehouse was not opened")
        raise failed or raised from raised
    if function_memory is not None:
        storage.function_memory = function_memory
    try:
        return Connection(storage, names[0], names[1])
    except duckdb.Error as raised:
        close_storage(storage)
        raise duckdb_errors.translate(raised) from raised
    except BaseException:
        close_storage(storage)
        raise


def _hold_or_join(path: Path, names: list[str | None], timeout: float) -> Storage | Guest:
    """Open the warehouse if no other process holds it; otherwise open a session through its holder.

    Raises:
        WarehouseLockedError: the holder does not open a session within the timeout.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return open_storage(path, Host)
        except errors.WarehouseLockedError:
            guest = join(path.resolve(), names[0], names[1])
            if guest is not None:
                return guest
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.05)
