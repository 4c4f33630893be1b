"""A warehouse on disk: a DuckDB file per database, the staged files, and a lock file.

::

    PATH/
      warehouse.lock              locked by the process that has the warehouse open
      databases/NAME.duckdb       the database's tables, and its catalog in the schema _SNOWPIPE
      databases/_ACCOUNT.duckdb   account-level objects: warehouses, roles, grants
      stages/ID/...               files of a stage
      dropped/...                 the files of dropped databases, for UNDROP
      external/...                files of external stages while statements read them

The catalog of a database is stored in the database's own file, because one DuckDB transaction cannot
write to two files.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import duckdb

from snowpipe_ml.local.core import checkpoints, database_files, errors, private, undo_file
from snowpipe_ml.local.core.catalog_tables import create_catalog
from snowpipe_ml.local.core.checkpoints import Checkpoints
from snowpipe_ml.local.core.database_files import CREATING
from snowpipe_ml.local.core.dropped_databases import DroppedDatabases
from snowpipe_ml.local.core.duck import Duck
from snowpipe_ml.local.core.functions import register_functions
from snowpipe_ml.local.core.history import History
from snowpipe_ml.local.core.leftovers import drop_leftovers
from snowpipe_ml.local.core.lock_file import LockFile
from snowpipe_ml.local.core.names import ACCOUNT, CATALOG, MACROS, Name, literal, quoted
from snowpipe_ml.local.core.results import Results
from snowpipe_ml.temporary import TemporaryFolder

if TYPE_CHECKING:
    from snowflake.connector.errors import ProgrammingError

log = logging.getLogger("snowpipe_ml.local")


_SETTINGS = (
    *checkpoints.SETTINGS,
    "SET GLOBAL ieee_floating_point_ops = false",
    # sqlglot generates lambdas with an arrow.
    "SET GLOBAL lambda_syntax = 'ENABLE_SINGLE_ARROW'",
)


class Clock:
    """A strictly increasing clock in nanoseconds."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def tick(self) -> int:
        """Return the current time, later than any value returned before."""
        with self._lock:
            self._last = max(time.time_ns(), self._last + 1)
            return self._last


class Host(Protocol):
    """A server that lets other processes use the warehouse that this process has open."""

    address: str

    def close(self) -> None:
        """Wait for the other processes to disconnect, then stop serving."""


class Interruptible(Protocol):
    """A session whose running statement can be canceled."""

    def interrupt(self) -> bool:
        """Cancel the running statement; return whether one was running."""


class Functions(Protocol):
    """The part of the registry of Python functions that sessions use."""

    @property
    def registered(self) -> frozenset[str]:
        """The names of the DuckDB functions registered so far."""

    def raised_in(self, text: str) -> ProgrammingError | None:
        """Return the error of a handler that a DuckDB message refers to, if any."""

    def close(self) -> None:
        """Stop all worker processes."""


class Storage:
    """An open warehouse, shared by all sessions of this process on the same folder.

    Args:
        path: its folder; a new temporary one if None.
        host: creates the server for other processes; None to lock them out.
    """

    def __init__(self, path: Path | None, host: Callable[[Storage], Host] | None = None) -> None:
        self.function_memory: int | None = None
        # Whether warehouses and privileges are required, as on an account.
        self.strict = False
        # The instant that CURRENT_TIMESTAMP and the like return, for tests; None for the real time.
        self.fixed_time: datetime | None = None
        self._host: Host | None = None
        # The session that each temporary table or view belongs to; other sessions do not see it.
        self.owners: dict[Name, int] = {}
        # The name under which a temporary table is stored that hides another table of its name, by session.
        self.covers: dict[tuple[int, Name], Name] = {}
        # Counts the statements that may have changed an object: translations made before are not used again.
        self.catalog_version = 0
        # By database, DATA_RETENTION_TIME_IN_DAYS by schema and table; read when first needed.
        self.retentions: dict[str, dict[tuple[str, str], int]] = {}
        self.has_streams = False  # lets statements skip the lookup of streams where there are none
        self._temporary: TemporaryFolder | None = None
        if path is None:
            self._temporary = TemporaryFolder("warehouse", at_exit=False)
            path = self._temporary.path
        self.path = path
        self.id = uuid.uuid4().hex
        self.results = Results()
        self.history = History()
        self.clock = Clock()
        self.lock = threading.RLock()
        self._names: dict[tuple[str, ...], threading.RLock] = {}
        self._users = 0
        self.running_tasks: dict[Name, list[Interruptible]] = {}  # the sessions in which a task runs
        self.functions: Functions | None = None  # set when the first Python function is needed
        for folder in ("databases", "stages", "spill", "external"):
            private.make_folder(self.path / folder)
        for folder in ("databases", "stages", "spill", "external", "functions"):
            private.restrict(self.path / folder)
        self._lock_file = LockFile(self.path)
        self.dropped = DroppedDatabases(self.path / "dropped", self.path / "stages")
        with contextlib.ExitStack() as undo:
            undo.callback(self._lock_file.release)
            self.root = Duck(
                duckdb.connect(
                    ":memory:",
                    config={
                        "autoinstall_known_extensions": "false",
                        "default_transaction_invalidation_policy": "SYNTACTIC_ERRORS_DO_NOT_INVALIDATE",
                        "preserve_insertion_order": "true",
                        "temp_directory": str(self.path / "spill"),
                    },
                )
            )
            undo.callback(self.root.close)
            for setting in _SETTINGS:
                self.root.execute(setting)
            register_functions(self.root)
            self._attachments = 0  # counts ATTACH and DETACH
            self._databases: tuple[int, tuple[str, ...]] = (-1, ())  # the names, and that count
            self.checkpoints = Checkpoints(self.root, self.path / "databases", self._attach, self.lock)
            undo.callback(self.checkpoints.close)
            database_files.sweep(self.path / "databases")
            self._attach(ACCOUNT)
            for file in sorted((self.path / "databases").glob("*.duckdb")):
                if file.stem != ACCOUNT:
                    self._attach(file.stem)
                    self._begin(file.stem)
            for leftover in (*(self.path / "external").iterdir(), *(self.path / "spill").iterdir()):
                if leftover.is_dir():
                    shutil.rmtree(leftover, ignore_errors=True)
                else:  # left by an unload (COPY INTO a location) or a large query that was killed
                    leftover.unlink(missing_ok=True)
            self._restrict_file_access()
            self.checkpoints.after_statement()
            self.checkpoints.reserve()
            if host is not None and not self._temporary:
                self._host = host(self)
                self._lock_file.note(self._host.address)
            undo.pop_all()

    def _restrict_file_access(self) -> None:
        """Restrict DuckDB to the files in the warehouse's own folders, irrevocably.

        https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview
        """
        own = ", ".join("'" + str(folder).replace("'", "''") + "'" for folder in self._readable())
        self.root.execute("SET allowed_configs = ['TimeZone']")
        self.root.execute(f"SET allowed_directories = [{own}]")
        self.root.execute("SET enable_external_access = false")
        self.root.execute("SET lock_configuration = true")

    def _readable(self) -> list[Path]:
        return [self.path.resolve() / folder for folder in ("databases", "stages", "external")]

    def _file(self, database: str) -> Path:
        return self.path / "databases" / f"{database}.duckdb"

    def _attach(self, database: str) -> None:
        """Attach a database, creating its file if there is none.

        Raises:
            DiskError: the disk refused to read or write it.
            DamagedError: it is no intact database.
        """
        file = self._file(database)
        try:
            undo_file.restore(file)
            if not file.exists():
                database_files.create(self.root, file)
            elif not file.stat().st_size:  # DuckDB would take it for a new database
                raise errors.DamagedError(file, "it is empty")
            self.root.execute(f"ATTACH {literal(str(file))} AS {quoted(database)}")
            private.restrict(file)
            create_catalog(self.root, database)
        except (duckdb.Error, OSError) as raised:
            if failed := errors.disk_error(raised):
                raise failed from raised
            if type(raised).__name__ in database_files.DAMAGES:
                raise errors.DamagedError(file, str(raised).partition("\n")[0]) from raised
            raise
        finally:
            self._attachments += 1

    def _detach(self, database: str) -> None:
        try:
            self.root.execute(f"DETACH {quoted(database)}")
        finally:
            self._attachments += 1

    def databases(self) -> list[str]:
        """List the names of the databases."""
        # Every statement asks for them several times.
        version, known = self._databases
        if version == self._attachments and not self.checkpoints.reattaching:
            return list(known)
        version = self._attachments
        rows = self.root.cursor().execute(
            "SELECT database_name FROM duckdb_databases() WHERE NOT internal AND path IS NOT NULL ORDER BY 1"
        )
        found = [name for (name,) in rows.fetchall() if name not in (ACCOUNT, MACROS, CREATING)]
        self._databases = version, tuple(found)
        return found

    def create_database(self, name: str) -> None:
        """Create a database with its schema PUBLIC.

        Raises:
            ProgrammingError: a database with this name exists.
            UnsupportedError: the name cannot be a file name, or differs from another one only in case.
        """
        own = name.lower() in ("system", "temp", "memory")
        if own or name.startswith(("_", ".")) or '"' in name or "/" in name or not name.isprintable():
            raise errors.UnsupportedError(f"a database named {name!r}")
        with self.lock:
            # A database that could not be reattached after a full disk is found by its file only.
            there = {*self.databases(), *(file.stem for file in (self.path / "databases").glob("*.duckdb"))}
            if name in there:
                raise errors.exists(name)
            for other in there:
                if other.lower() == name.lower():
                    raise errors.UnsupportedError(
                        f"databases whose names differ by case alone ({other} and {name})"
                    )
            try:
                self._attach(name)
            except BaseException:
                # An incomplete database file would prevent the warehouse from being opened.
                self.undo_database(name)
                raise

    def undo_database(self, name: str) -> None:
        """Remove a database whose creation failed."""
        with self.lock:
            with contextlib.suppress(duckdb.Error):
                self._detach(name)
            database_files.remove(self._file(name))
            self.checkpoints.forget(name)

    def drop_database(self, name: str, days: int = 0, note: str = "") -> None:
        """Drop a database; it can be restored for some days, with a note, if its files are small enough."""
        with self.lock:
            ids = self.root.execute(f"SELECT id FROM {quoted(name, CATALOG, 'STAGES')}").fetchall()
            stages = [stage_id for (stage_id,) in ids]
            try:
                self._detach(name)
            except duckdb.Error:
                if name in self.databases():  # on a full disk DETACH raises although it has detached
                    raise
            self.retentions.pop(name, None)
            try:
                kept = days > 0 and self.dropped.keep(self._file(name), days, stages, note)
                database_files.remove(self._file(name))
            except OSError:
                self._attach(name)
                raise
            self.checkpoints.forget(name)
            if not kept:
                for stage_id in stages:
                    shutil.rmtree(self.path / "stages" / stage_id, ignore_errors=True)

    def undrop_database(self, name: str) -> str | None:
        """Restore the latest dropped database of a name; return the text that was kept with it, None without one."""
        with self.lock:
            note = self.dropped.restore(name, self._file(name))
            if note is not None:
                self._attach(name)
                self._begin(name)
            return note

    def _begin(self, database: str) -> None:
        """Begin to use an attached database: drop what ended sessions have left, and look for streams."""
        try:
            drop_leftovers(self.root, database, self.path / "stages")
        except duckdb.Error as raised:  # on a full disk the database can still be read
            left = "temporary objects of earlier sessions could not be dropped from %s: %s"
            log.warning(left, database, raised)
        streams = f"SELECT 1 FROM {quoted(database, CATALOG, 'STREAMS')} LIMIT 1"
        self.has_streams = self.has_streams or bool(self.root.execute(streams).fetchone())

    @contextlib.contextmanager
    def naming(self, name: tuple[str, ...]) -> Iterator[None]:
        """Lock a name while an object is created, replaced or dropped, against concurrent sessions."""
        with self.lock:
            lock = self._names.setdefault(name, threading.RLock())
        with lock:
            yield

    def close(self) -> None:
        """Wait for processes that use the warehouse through this one, stop the workers, close the files."""
        if self._host is not None:
            self._host.close()
        try:
            if self.functions is not None:
                self.functions.close()
            self.checkpoints.all()
            self.checkpoints.close()
            self.root.close()
        finally:
            self._lock_file.release()
        if self._temporary:
            self._temporary.remove()


_OPEN: dict[Path | str, Storage] = {}
_OPEN_LOCK = threading.Lock()


def open_storage(path: Path | None, host: Callable[[Storage], Host] | None = None) -> Storage:
    """Open a warehouse, or share the one that this process already has open.

    Args:
        path: its folder; a new temporary one if None.
        host: creates the server for other processes; None to lock them out.

    Raises:
        WarehouseLockedError: another process has it open.
    """
    key = path.resolve() if path else uuid.uuid4().hex
    with _OPEN_LOCK:
        if key not in _OPEN:
            _OPEN[key] = Storage(key if isinstance(key, Path) else None, host)
        _OPEN[key]._users += 1
        return _OPEN[key]


def close_storage(storage: Storage) -> None:
    """Release a warehouse; it is closed when its last user releases it."""
    with _OPEN_LOCK:
        storage._users -= 1
        if storage._users > 0:
            return
        for key in [key for key, value in _OPEN.items() if value is storage]:
            del _OPEN[key]
    storage.close()  # outside the lock, because it may wait for other processes


@atexit.register
def _close_all() -> None:
    for storage in list(_OPEN.values()):
        with contextlib.suppress(Exception):
            storage.close()
    _OPEN.clear()
