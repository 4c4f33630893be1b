"""Checkpoints: the log of a database is written into its file, and a full disk is survived.

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

from snowpipe_ml.local.core import private
from snowpipe_ml.local.core.duck import Duck

log = logging.getLogger("snowpipe_ml.local")

SETTINGS = (
    "SET GLOBAL wal_autocheckpoint = '1TB'",
    "PRAGMA disable_checkpoint_on_shutdown",
    "SET GLOBAL checkpoint_on_detach = 'DISABLED'",
)
_LOG_SIZE = 16 * 2**20  # bytes of a log after which it is written into its file, as DuckDB does it
_RESERVE = 2**20  # bytes that are kept for statements that make room


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class Checkpoints:
    """Makes checkpoints of the databases in a folder.

    Args:
        duck: a connection to the instance; another one is opened to it.
        folder: the folder of the databases' files.
        attach: attaches a database by its name.
        attaching: held while databases are attached and detached.
    """

    def __init__(
        self, duck: Duck, folder: Path, attach: Callable[[str], None], attaching: threading.RLock
    ) -> None:
        self._duck, self._folder, self._attach, self._attaching = duck.cursor(), folder, attach, attaching
        self._lock = threading.Lock()
        self._reserve = folder.parent / ".reserve"
        # The size of the log at which the last checkpoint of a database failed, and whether it must be attached again.
        self._failed: dict[str, int] = {}
        self._invalid: set[str] = set()

    def after_statement(self) -> None:
        """Keep the logs to the user, and write the long ones into their files where the disk has room.

        The statement is committed, so nothing that goes wrong here is an error of it.
        """
        if not self._lock.acquire(blocking=False):
            return  # another session is at it
        try:
            self._attach_invalid()
            for log_file, size in self._logs():
                private.restrict(log_file)
                name = log_file.name.removesuffix(".duckdb.wal")
                if size > _LOG_SIZE and size >= self._failed.get(name, 0) + _LOG_SIZE and self._free() > size:
                    self._checkpoint(name, size)
        except OSError as raised:
            log.warning("the logs of the embedded warehouse could not be looked at: %s", raised)
        finally:
            self._lock.release()

    def before_statement(self) -> None:
        """Make databases usable again whose last checkpoint failed."""
        if self._invalid and self._lock.acquire(blocking=False):
            try:
                self._attach_invalid()
            finally:
                self._lock.release()

    def forget(self, name: str) -> None:
        """Take note that a database is dropped."""
        self._invalid.discard(name)
        self._failed.pop(name, None)

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
            self._duck.execute(f"CHECKPOINT {_quoted(name)}")
        except duckdb.TransactionException:
            return  # another session is writing: after its next statement
        except (duckdb.BinderException, duckdb.CatalogException):
            return  # another session has just dropped it
        except duckdb.Error as raised:
            log.warning("the log of the database %s could not be written into its file: %s", name, raised)
            self._failed[name] = size
            self._invalid.add(name)
            self._attach_invalid()
        else:
            self._failed.pop(name, None)

    def _attach_invalid(self) -> None:
        """Make databases usable after a failed checkpoint: their logs have all that was committed."""
        for name in list(self._invalid):
            with self._attaching:
                if not (self._folder / f"{name}.duckdb").exists():
                    self.forget(name)  # dropped meanwhile: ATTACH would make an empty one
                    continue
                try:
                    if self._is_attached(name):
                        self._duck.execute(f"DETACH {_quoted(name)}")
                except duckdb.Error as raised:
                    if self._is_attached(name):
                        log.debug("the database %s is still in use: %s", name, raised)
                        continue  # a transaction is open on it: with the next statement
                try:
                    self._attach(name)
                except duckdb.Error as raised:
                    log.warning(
                        "the database %s cannot be opened until others have ended with it: %s", name, raised
                    )
                    continue  # a transaction has its file still: with the next statement
                self._invalid.discard(name)

    def _is_attached(self, name: str) -> bool:
        found = self._duck.execute("SELECT 1 FROM duckdb_databases() WHERE database_name = ?", [name])
        return found.fetchone() is not None

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
