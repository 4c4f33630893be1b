"""When the log of a database is written into its file, and how a full disk is survived.

DuckDB makes a checkpoint in the commit that lets the log grow beyond a size. Without room on the disk it then reports a
failed commit although the rows are durable, and the database cannot be used any more. So checkpoints of DuckDB's own are
switched off, and made here, after a statement and when the warehouse closes, where a failure can be told from a failed
commit: https://duckdb.org/docs/stable/sql/statements/checkpoint
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import duckdb

from snowpipe_ml.local import private
from snowpipe_ml.local.duck import Duck

log = logging.getLogger("snowpipe_ml.local")

SETTINGS = (
    "SET GLOBAL wal_autocheckpoint = '1TB'",
    "PRAGMA disable_checkpoint_on_shutdown",
    "SET GLOBAL checkpoint_on_detach = 'DISABLED'",
)
_LOG_SIZE = 16 * 2**20  # bytes of a log after which it is written into its file, as DuckDB does it
_RESERVE = 2**20  # bytes that are kept for statements that make room


class Checkpoints:
    """Makes checkpoints of the databases in a folder.

    Args:
        duck: a connection to the instance; another one is opened to it.
        folder: the folder of the databases' files.
        attach: attaches a database by its name.
    """

    def __init__(self, duck: Duck, folder: Path, attach: Callable[[str], None]) -> None:
        self._duck, self._folder, self._attach = duck.cursor(), folder, attach
        self._lock = threading.Lock()
        self._reserve = folder.parent / ".reserve"
        # The size of the log at which the last checkpoint of a database failed, and whether it must be attached again.
        self._failed: dict[str, int] = {}
        self._invalid: set[str] = set()

    def after_statement(self) -> None:
        """Keep the logs to the user, and write the long ones into their files where the disk has room."""
        if not self._lock.acquire(blocking=False):
            return  # another session is at it
        try:
            for name in list(self._invalid):
                self._attach_again(name)
            for log_file, size in self._logs():
                private.restrict(log_file)
                name = log_file.name.removesuffix(".duckdb.wal")
                if size > _LOG_SIZE and size >= self._failed.get(name, 0) + _LOG_SIZE and self._free() > size:
                    self._checkpoint(name, size)
        finally:
            self._lock.release()

    def all(self) -> None:
        """Write every log into its file, as far as the disk has room."""
        with self._lock:
            for log_file, size in self._logs():
                self._checkpoint(log_file.name.removesuffix(".duckdb.wal"), size)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._duck.close()

    def _logs(self) -> list[tuple[Path, int]]:
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(".duckdb.wal"):
                    with suppress(FileNotFoundError):  # a checkpoint of another session has just removed it
                        found.append((Path(entry.path), entry.stat().st_size))
        return found

    def _free(self) -> int:
        return shutil.disk_usage(self._folder).free

    def _checkpoint(self, name: str, size: int) -> None:
        try:
            self._duck.execute(f'CHECKPOINT "{name}"')
        except duckdb.TransactionException:
            return  # another session is writing: after its next statement
        except (duckdb.IOException, duckdb.FatalException) as raised:
            log.warning("the log of the database %s could not be written into its file: %s", name, raised)
            self._failed[name] = size
            self._invalid.add(name)
            self._attach_again(name)
        else:
            self._failed.pop(name, None)

    def _attach_again(self, name: str) -> None:
        """Make a database usable after a failed checkpoint: its log has all that was committed."""
        try:
            self._duck.execute(f'DETACH "{name}"')
        except duckdb.Error as raised:
            if self._is_attached(name):
                log.debug("the database %s is still in use: %s", name, raised)
                return  # a transaction is open on it: after the next statement
        self._attach(name)
        self._invalid.discard(name)

    def _is_attached(self, name: str) -> bool:
        found = self._duck.execute("SELECT 1 FROM duckdb_databases() WHERE database_name = ?", [name])
        return found.fetchone() is not None

    # ----------------------------------------------------------------------- a full disk

    def reserve(self) -> None:
        """Keep some room for statements that make more; on a full disk there is none to keep."""
        try:
            with private.create_file(self._reserve) as file:
                os.posix_fallocate(file.fileno(), 0, _RESERVE)
        except OSError:
            self.release()

    def release(self) -> None:
        """Give the room that is kept to a statement that makes more."""
        self._reserve.unlink(missing_ok=True)

    def reclaim(self) -> None:
        """After rows or objects were dropped on a nearly full disk: give their room back to the disk."""
        if self._free() < _LOG_SIZE:
            self.release()
            self.all()
            self.reserve()
