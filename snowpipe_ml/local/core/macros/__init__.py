"""Snowflake functions that a single DuckDB expression can compute, as macros named ``sf_...``.

A file ``<family>.sql`` has the macros of a family of functions; a macro may call those of the files before it.

Creating hundreds of macros takes half a second of CPU, several times what the rest of opening a warehouse takes.
So they are created once, in a DuckDB database in the user's cache folder, which every warehouse attaches
read-only under the name ``names.MACROS``; calls use the qualified name ``_MACROS.main.sf_...``. The name of the
file has a digest of the macros and of DuckDB's version: another version of either has another file.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
import time
from importlib.resources import files
from pathlib import Path

import duckdb

from snowpipe_ml.local.core import private
from snowpipe_ml.local.core.duck import Duck
from snowpipe_ml.local.core.names import MACROS, literal

log = logging.getLogger("snowpipe_ml.local")

_FAMILIES = (
    "common",
    "numbers",
    "bitwise",
    "generation",
    "dates",
    "strings",
    "regular_expressions",
    "variants",
    "arrays",
    "aggregates",
)
_MONTH = 30 * 24 * 3600  # seconds


def script() -> str:
    """Return the script that creates the macros."""
    folder = files(__name__)
    return "".join((folder / f"{family}.sql").read_text("utf-8") for family in _FAMILIES)


def attach_macros(duck: Duck) -> None:
    """Attach the database of the macros, which is created if there is none.

    The functions that the macros call must be registered. Where the cache folder cannot be written to, the
    macros are created in memory.
    """
    created = script()
    try:
        path = _file(created)
        if not _attach(duck, path):
            _sweep(path.parent)
            _create(duck, path, created)
            if not _attach(duck, path):
                raise OSError(f"{path} cannot be read back")
    except (OSError, duckdb.Error) as raised:
        log.warning(
            "the macros of the embedded warehouse could not be kept in the cache folder (%s): every warehouse "
            "takes half a second longer to open; set XDG_CACHE_HOME to a folder that can be written to",
            raised,
        )
        duck.execute(f"ATTACH ':memory:' AS {MACROS}")
        _run(duck, created)


def _file(created: str) -> Path:
    """Return the path of the file of these macros, in the user's cache folder, which is created."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(home).absolute() / "snowpipe-ml" / "macros"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    digest = hashlib.sha256(f"{duckdb.__version__}\n{created}".encode()).hexdigest()[:16]
    return folder / f"macros-{digest}.duckdb"


def _attach(duck: Duck, path: Path) -> bool:
    """Attach a file of macros; return False if there is none, or if it is damaged."""
    if not path.is_file() or path.stat().st_uid != os.getuid():
        return False
    try:
        duck.execute(f"ATTACH {literal(str(path))} AS {MACROS} (READ_ONLY)")
    except duckdb.Error as raised:
        log.debug("%s is created again: %s", path, raised)
        return False
    try:
        duck.execute(f"FROM {MACROS}.main.complete")
    except duckdb.Error as raised:  # such as an empty file
        log.debug("%s is created again: %s", path, raised)
        duck.execute(f"DETACH {MACROS}")
        return False
    return True


def _create(duck: Duck, path: Path, created: str) -> None:
    """Create a file of macros under a temporary name, then rename it, so that readers see it complete."""
    handle, name = tempfile.mkstemp(prefix=f"{path.stem}-", suffix=".part", dir=path.parent)
    os.close(handle)
    part = Path(name)
    part.unlink()  # DuckDB takes an empty file for a damaged one
    try:
        duck.execute(f"ATTACH {literal(name)} AS {MACROS}")
        try:
            _run(duck, created)
            duck.execute(f"CHECKPOINT {MACROS}")
        finally:
            duck.execute(f"DETACH {MACROS}")
        private.restrict(part)
        part.replace(path)
    finally:
        for leftover in (part, Path(f"{part}.wal")):
            leftover.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Delete the files of other versions that are older than a month; a version that needs its file creates it again."""
    for file in folder.glob("macros-*"):
        with contextlib.suppress(FileNotFoundError):  # another process deleted it
            if time.time() - file.stat().st_mtime > _MONTH:
                file.unlink()


def _run(duck: Duck, created: str) -> None:
    """Create the macros in the attached database of the macros, all or none."""
    duck.execute(f"USE {MACROS}")
    try:
        duck.execute("BEGIN")
        try:
            duck.execute(created)
            duck.execute("CREATE TABLE complete AS SELECT true AS complete")
            duck.execute("COMMIT")
        except duckdb.Error:
            with contextlib.suppress(duckdb.Error):  # a failed COMMIT has ended the transaction
                duck.execute("ROLLBACK")
            raise
    finally:
        duck.execute("USE memory")
