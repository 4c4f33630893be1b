"""Rescue the databases of a damaged warehouse into a new one; the damaged files are only read.

A database that DuckDB still opens is copied table by table. Of a table with damaged blocks, the groups of rows that can
be read are kept. A damaged header is replaced by the other one; a damaged write-ahead log is left out.
"""

from __future__ import annotations

import shutil
import struct
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from snowpipe_ml.errors import UsageError
from snowpipe_ml.local.core import checkpoints, private, undo_file
from snowpipe_ml.local.core.duck import Duck
from snowpipe_ml.local.core.functions import register_functions
from snowpipe_ml.local.core.lock_file import LockFile
from snowpipe_ml.local.core.names import literal, quoted
from snowpipe_ml.temporary import TemporaryFolder

_GROUP = 122_880  # rows in a group of DuckDB's
_PAGE = 4096
DAMAGED, NEW = "damaged", "rescued"


@dataclass(frozen=True)
class Rescued:
    """The outcome for one object.

    Attributes:
        database: its database.
        name: the object with its schema; empty for the database as a whole.
        rows: the rows that were copied; None for objects without rows.
        lost: what could not be read; empty if nothing.
    """

    database: str
    name: str
    rows: int | None
    lost: str


def repair(folder: Path, new: Path) -> list[Rescued]:
    """Copy what can be read of a warehouse to a new folder.

    Raises:
        UsageError: there is no warehouse, or the new folder exists.
        WarehouseLockedError: a process has the warehouse open.
    """
    files = sorted((folder / "databases").glob("*.duckdb"))
    if not files:
        raise UsageError(f"{folder} has no databases/*.duckdb: it is not the folder of an embedded warehouse")
    if new.exists():
        raise UsageError(f"{new} exists; name a folder that does not, for the rescued warehouse")
    lock = LockFile(folder)
    try:
        private.make_folder(new / "databases")
        if (folder / "stages").is_dir():
            shutil.copytree(folder / "stages", new / "stages")
        found: list[Rescued] = []
        for file in files:
            found += _rescue(file, new / "databases" / file.name)
        return found
    finally:
        lock.release()


def _rescue(file: Path, target: Path) -> list[Rescued]:
    database = file.stem
    with TemporaryFolder("repair", target.parent.parent) as scratch:
        copy = scratch / file.name
        lost = _copy(file, copy, with_log=True)
        instance = _Instance(copy, target)
        try:
            instance.run("SELECT 1")
        except duckdb.Error as raised:
            first = _first_line(raised)
            _copy(file, copy, with_log=False)
            try:
                instance.run("SELECT 1")
            except duckdb.Error as again:
                target.unlink(missing_ok=True)
                return [
                    Rescued(
                        database,
                        "",
                        None,
                        f"nothing can be read: {_first_line(again)}".replace(str(copy), str(file)),
                    )
                ]
            lost = "; ".join(filter(None, [lost, f"the statements since the last checkpoint: {first}"]))
        done = [Rescued(database, "", None, lost)] if lost else []
        try:
            found = done + _copy_objects(instance, database)
            return [replace(each, lost=each.lost.replace(str(copy), str(file))) for each in found]
        finally:
            instance.close()


def _copy(file: Path, copy: Path, *, with_log: bool) -> str:
    """Copy a database file, and put its headers in order; return what is lost by that."""
    log = Path(f"{copy}.wal")
    log.unlink(missing_ok=True)
    shutil.copyfile(file, copy)
    undo = undo_file.path_of(file)
    if undo.exists():
        shutil.copyfile(undo, undo_file.path_of(copy))
        undo_file.restore(copy)
    if with_log and Path(f"{file}.wal").exists():
        shutil.copyfile(f"{file}.wal", log)
    with copy.open("r+b") as target:
        headers = target.read(undo_file.HEADERS)
        if headers and not _is_intact(headers[:_PAGE]):
            # It says only which program wrote the file: that of another file will do.
            target.seek(0)
            target.write(_first_page(copy.with_name("empty")))
        intact = [
            headers[at : at + _PAGE] for at in (_PAGE, 2 * _PAGE) if _is_intact(headers[at : at + _PAGE])
        ]
        if len(intact) == 1:
            target.seek(_PAGE)
            target.write(intact[0] * 2)
            return "one of the two headers, which may have been the newer one"
    return ""


def _first_page(empty: Path) -> bytes:
    with duckdb.connect(str(empty)):
        pass
    return empty.read_bytes()[:_PAGE]


def _is_intact(page: bytes) -> bool:
    return len(page) == _PAGE and bool(struct.unpack_from("<Q", page)[0] == undo_file.checksum(page[8:]))


class _Instance:
    """A copy attached as DAMAGED and a new database as NEW, in a separate instance of DuckDB.

    DuckDB may stop an instance that has met a damaged block, so that it begins again after an error.
    """

    def __init__(self, copy: Path, target: Path) -> None:
        self._copy, self._target = copy, target
        self._connection: duckdb.DuckDBPyConnection | None = None

    def run(self, text: str, parameters: list[str] | None = None) -> list[Any]:
        """Run a statement, and return its rows.

        Raises:
            duckdb.Error: something that it needs is damaged.
        """
        if self._connection is None:
            self._connection = self._open()
        try:
            return self._connection.execute(text, parameters).fetchall()
        except duckdb.Error:
            self.close()
            raise

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._copy.stat().st_size == 0:
            raise duckdb.IOException("the file is empty")
        connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
        try:
            for setting in checkpoints.SETTINGS:
                connection.execute(setting)
            register_functions(Duck(connection))
            connection.execute(f"ATTACH {literal(str(self._copy))} AS {DAMAGED}")
            connection.execute(f"ATTACH {literal(str(self._target))} AS {NEW}")
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """End the instance."""
        if self._connection is not None:
            with suppress(duckdb.Error):
                self._connection.close()
            self._connection = None


def _copy_objects(instance: _Instance, database: str) -> list[Rescued]:
    found: list[Rescued] = []
    for (schema,) in instance.run(
        f"SELECT schema_name FROM duckdb_schemas() WHERE database_name = '{DAMAGED}' AND NOT internal"
    ):
        instance.run(f"CREATE SCHEMA IF NOT EXISTS {quoted(NEW, schema)}")
    for kind in ("sequence", "table", "view"):
        internal = "" if kind == "sequence" else "AND NOT internal"
        for schema, name, text in instance.run(
            f"SELECT schema_name, {kind}_name, sql FROM duckdb_{kind}s() WHERE database_name = '{DAMAGED}' {internal}"
        ):
            rows, lost = None, ""
            try:
                instance.run(f"USE {quoted(NEW, schema)}")
                instance.run(text)
            except duckdb.Error as raised:
                lost = _first_line(raised)
            else:
                if kind == "table":
                    rows, lost = _copy_rows(instance, schema, name)
            found.append(Rescued(database, f"{schema}.{name}", rows, lost))
    return found


def _copy_rows(instance: _Instance, schema: str, name: str) -> tuple[int, str]:
    insert = f"INSERT INTO {quoted(NEW, schema, name)} SELECT * FROM {quoted(DAMAGED, schema, name)}"
    try:
        return int(instance.run(insert)[0][0]), ""
    except duckdb.Error as raised:
        reason = _first_line(raised)
    ((total,),) = instance.run(
        f"SELECT estimated_size FROM duckdb_tables() WHERE database_name = '{DAMAGED}' AND schema_name = ? AND table_name = ?",
        [schema, name],
    )
    rows = lost = 0
    for start in range(0, total, _GROUP):
        try:
            rows += int(instance.run(f"{insert} WHERE rowid >= {start} AND rowid < {start + _GROUP}")[0][0])
        except duckdb.Error:
            lost += 1
    return rows, f"{lost} of {-(-total // _GROUP)} groups of rows: {reason}"


def _first_line(raised: duckdb.Error) -> str:
    return str(raised).partition("\n")[0]
