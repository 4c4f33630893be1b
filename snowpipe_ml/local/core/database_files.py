"""The files of a database: NAME.duckdb, its write-ahead log, and its undo file during a checkpoint."""

from __future__ import annotations

import contextlib
from pathlib import Path

from snowpipe_ml.local.core import private, undo_file
from snowpipe_ml.local.core.duck import Duck
from snowpipe_ml.local.core.names import literal

# Classes of DuckDB's errors for a file that is no intact database; others are about names and transactions.
DAMAGES = frozenset({"Error", "IOException", "SerializationException", "InternalException", "FatalException"})
CREATING = "_creating"  # the name under which a new file is attached until it has its own name
_NEW = ".new"  # ends the name of a file until DuckDB has written its headers
_DROPPED = ".dropped"  # ends the name of the file of a database that is being dropped


def create(duck: Duck, file: Path) -> None:
    """Create an empty database file; under its name it is complete, even if the process is killed.

    Raises:
        duckdb.Error: DuckDB could not write it.
        OSError: it could not be renamed.
    """
    new = Path(f"{file}{_NEW}")
    private.remove(new)
    try:
        Path(f"{file}.wal").unlink(missing_ok=True)  # of a database of the name whose DROP was interrupted
        duck.execute(f"ATTACH {literal(str(new))} AS {CREATING}")
        duck.execute(f"DETACH {CREATING}")
        private.restrict(new)
        new.rename(file)
    except BaseException:
        private.remove(new)
        raise


def remove(file: Path) -> None:
    """Remove a database; from the renaming of its file on, it is gone.

    Raises:
        OSError: it is still there.
    """
    with contextlib.suppress(FileNotFoundError):
        file.rename(f"{file}{_DROPPED}")
    _sweep(file)


def sweep(folder: Path) -> None:
    """Remove what is left of databases that a process was creating or dropping when it ended."""
    for new in folder.glob(f"*.duckdb{_NEW}"):
        private.remove(new)
    for dropped in folder.glob(f"*.duckdb{_DROPPED}"):
        _sweep(dropped.with_name(dropped.name.removesuffix(_DROPPED)))


def _sweep(file: Path) -> None:
    log = Path(f"{file}.wal")
    private.remove(log)
    private.remove(undo_file.path_of(file))
    if not log.exists():  # the log of a dropped database must not meet a new one of the name
        private.remove(Path(f"{file}{_DROPPED}"))
