"""Checkpoints: write the write-ahead log (WAL) of a database to its file, and recover from a full disk.

DuckDB makes a checkpoint during the commit that lets the log exceed a certain size. On a full disk it then
reports a failed commit although the rows are durable, and the database becomes unusable. Therefore automatic
checkpoints are disabled. They are made here instead, after a statement and when the warehouse closes, where
a failed checkpoint is distinguishable from a failed commit:
https://duckdb.org/docs/stable/sql/statements/checkpoint
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

from snowpipe_ml.local.core import errors, private, undo_file
from snowpipe_ml.local.core.duck import Duck

log = logging.getLogger("snowpipe_ml.local")

SETTINGS = (
    "SET GLOBAL wal_autocheckpoint = '1TB'",
    "PRAGMA disable_checkpoint_on_shutdown",
    "SET GLOBAL checkpoint_on_detach = 'DISABLED'",
)
_LOG_SIZE = 16 * 2**20  # bytes; a longer log is written to its database file, as by DuckDB's default
_RESERVE = 2**20  # bytes of disk space reserved for statements that free space, such as DROP


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class Checkpoints:
    """Makes checkpoints of the databases in a folder.

    Args:
        duck: a connection to the DuckDB instance, on which another connection is opened.
        folder: the folder of the database files.
        attach: attaches a database by its name.
        attaching: a lock that is held while databases are attached and detached.
    """

    def __init__(
        self, duck: Duck, folder: Path, attach: Callable[[str], None], attaching: threading.RLock
    ) -> None:
        self._duck, self._folder, self._attach, self._attaching = duck.cursor(), folder, attach, attaching
        self._lock = threading.Lock()
        self._reserve = folder.parent / ".reserve"
        # By database, the size of the log when its last checkpoint failed.
        self._failed: dict[str, int] = {}
        # The databases that have to be reattached after a failed checkpoint.
        self._invalid: set[str] = set()

    def after_statement(self) -> None:
        """Restrict the logs to the user, and checkpoint the long ones if the disk has enough free space.

        The statement is already committed, so a failure here is not an error of the statement.
        """
        if not self._lock.acquire(blocking=False):
            return  # another session is doing it
        try:
            self._attach_invalid()
            for log_file, size in self._logs():
                private.restrict(log_file)
                name = log_file.name.removesuffix(".duckdb.wal")
                if size > _LOG_SIZE and size >= self._failed.get(name, 0) + _LOG_SIZE and self._free() > size:
                    self._checkpoint(name, size)
        except OSError as raised:
            log.warning("the write-ahead logs of the embedded warehouse could not be checked: %s", raised)
        finally:
            self._lock.release()

    def before_statement(self) -> None:
        """Reattach databases whose last checkpoint failed."""
        if self._invalid and self._lock.acquire(blocking=False):
            try:
                self._attach_invalid()
            finally:
                self._lock.release()

    def forget(self, name: str) -> None:
        """Remove the state of a dropped database."""
        self._invalid.discard(name)
        self._failed.pop(name, None)

    def all(self) -> None:
        """Checkpoint every database, as far as the disk has free space."""
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
        file = self._folder / f"{name}.duckdb"
        try:
            undo_file.write(self._duck, name, file)
            self._duck.execute(f"CHECKPOINT {_quoted(name)}")
        except duckdb.TransactionException:
            undo_file.discard(file)  # another session is writing; retried after the next statement
        except (duckdb.BinderException, duckdb.CatalogException):
            undo_file.discard(file)  # another session has just dropped it
        except duckdb.Error as raised:
            log.warning(
                "the write-ahead log of database %s could not be written to its file: %s", name, raised
            )
            self._failed[name] = size
            self._invalid.add(name)
            self._attach_invalid()
        else:
            undo_file.discard(file)
            self._failed.pop(name, None)

    @property
    def reattaching(self) -> bool:
        """Whether a database is detached until it can be attached again."""
        return bool(self._invalid)

    def _attach_invalid(self) -> None:
        """Reattach databases after a failed checkpoint; their logs still contain every commit."""
        for name in list(self._invalid):
            with self._attaching:
                if not (self._folder / f"{name}.duckdb").exists():
                    self.forget(name)  # dropped in the meantime; ATTACH would create an empty database
                    continue
                try:
                    if self._is_attached(name):
                        self._duck.execute(f"DETACH {_quoted(name)}")
                except duckdb.FatalException as raised:
                    log.debug("the database %s can only be reopened with the warehouse: %s", name, raised)
                    return
                except duckdb.Error as raised:
                    if self._is_attached(name):
                        log.debug("the database %s is still in use: %s", name, raised)
                        continue  # a transaction is open on it; retried with the next statement
                try:
                    self._attach(name)
                except (duckdb.Error, errors.DiskError) as raised:
                    log.warning(
                        "the database %s cannot be reopened while other sessions use it: %s", name, raised
                    )
                    continue  # a transaction still has its file open; retried with the next statement
                self._invalid.discard(name)

    def _is_attached(self, name: str) -> bool:
        found = self._duck.execute("SELECT 1 FROM duckdb_databases() WHERE database_name = ?", [name])
        return found.fetchone() is not None

    def reserve(self) -> None:
        """Reserve disk space for statements that free space; on a full disk there is nothing to reserve."""
        try:
            with private.create_file(self._reserve) as file:
                os.posix_fallocate(file.fileno(), 0, _RESERVE)
        except OSError:
            self.release()

    def release(self) -> None:
        """Release the reserved disk space, for a statement that frees more."""
        self._reserve.unlink(missing_ok=True)

    def reclaim(self) -> None:
        """Return the space of deleted rows and dropped objects to the file system, on a nearly full disk."""
        if self._free() < _LOG_SIZE:
            self.release()
            self.all()
            self.reserve()
