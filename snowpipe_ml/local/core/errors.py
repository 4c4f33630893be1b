"""Errors of the embedded warehouse, with the classes, codes and messages of Snowflake's connector.

Codes and messages follow those that Snowflake returns to its connector, such as
``002003 (42S02): SQL compilation error: Object 'X' does not exist or not authorized.``
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from snowpipe_ml.errors import LockedError, SnowpipeMLError
from snowpipe_ml.local.core import connector

if TYPE_CHECKING:
    from snowflake.connector.errors import ProgrammingError

# DuckDB ignores case in names. Where a statement has two names that differ only in case ("twins", such
# as "a" and A), this invisible character is appended to one of them to keep them apart. It is removed
# from the names of results and from messages: see translate/names.py.
TWIN = "\u2060"


class UnsupportedError(SnowpipeMLError, connector.LateProgrammingError):
    """A feature that Snowflake has and the embedded warehouse does not.

    Args:
        what: the feature, as a noun phrase.
        instead: a workaround, as a sentence without its period.
    """

    def __init__(self, what: str, instead: str | None = None) -> None:
        message = f"the embedded warehouse does not support {what}; Snowflake does"
        connector.ProgrammingError.__init__(
            self, f"{message}. {instead}" if instead else message, errno=2, sqlstate="0A000"
        )

    @classmethod
    def of(cls, message: str) -> UnsupportedError:
        """Recreate the error from a complete message, such as one from another process."""
        made = cls("")
        connector.ProgrammingError.__init__(made, message, errno=2, sqlstate="0A000")
        return made

    @classmethod
    def unread(cls, text: str) -> UnsupportedError:
        """Make the error of a statement that parses as Snowflake SQL but whose translation DuckDB rejects."""
        return cls.of(
            f"the embedded warehouse does not support a part of this statement: DuckDB says {text!r}. "
            "Snowflake may support it; otherwise the statement is invalid"
        )


class HolderGoneError(SnowpipeMLError, connector.LateOperationalError):
    """The process that had the warehouse open has ended, and with it this session."""

    def __init__(self, holder: str) -> None:
        connector.OperationalError.__init__(
            self,
            f"the session is lost: {holder}, which had the embedded warehouse open, has ended. "
            "A statement that was running was either completed or not applied at all; "
            "open a new session to continue",
            errno=250002,
        )


class WarehouseLockedError(LockedError, connector.LateOperationalError):
    """Another process has the warehouse's folder open."""

    def __init__(self, path: object, holder: str) -> None:
        connector.OperationalError.__init__(
            self,
            f"the embedded warehouse at {path} is open in another process ({holder}); "
            "wait until that process ends, or use another folder",
            errno=250001,
        )


class DamagedError(SnowpipeMLError, connector.LateProgrammingError):
    """A file of the warehouse cannot be read."""

    def __init__(self, file: object, reason: str) -> None:
        connector.ProgrammingError.__init__(
            self,
            f"the database file {file} is damaged ({reason}); it was not changed. "
            "`snowpipe-ml repair FOLDER NEW_FOLDER` copies what can be read of the warehouse",
            errno=250003,
        )


NOTHING_CHANGED = "the statement changed nothing"


class DiskError(SnowpipeMLError, connector.LateProgrammingError):
    """The disk that holds the warehouse refused to read or write a file.

    Args:
        reason: what the operating system said.
        effect: whether the statement took effect, as a sentence without its period.
        stopped: whether DuckDB runs no statement until the warehouse is opened again.
    """

    def __init__(self, reason: str, effect: str = NOTHING_CHANGED, *, stopped: bool = False) -> None:
        connector.ProgrammingError.__init__(
            self,
            f"the disk of the embedded warehouse failed ({reason}); {effect}. "
            + ("Close the warehouse in all processes and open it again" if stopped else "Check the disk"),
            errno=4,
            sqlstate="58030",
        )


class DiskFullError(DiskError):
    """The disk that holds the warehouse is full."""

    def __init__(self, reason: str, effect: str = NOTHING_CHANGED) -> None:
        connector.ProgrammingError.__init__(
            self,
            f"the disk of the embedded warehouse is full ({reason}); {effect}. "
            "Drop tables or stages, or free disk space outside the warehouse",
            errno=3,
            sqlstate="53100",
        )


class InternalFaultError(SnowpipeMLError, connector.LateProgrammingError):
    """An exception that no rule of the embedded warehouse foresaw. Its cause is that exception."""

    is_terminal = True  # unlike Snowflake's errors of this number, which pass

    def __init__(self, raised: Exception) -> None:
        connector.ProgrammingError.__init__(
            self,
            f"SQL execution internal error: the embedded warehouse failed with {type(raised).__name__}: {raised}. "
            "This is a fault of snowpipe-ml; please report it with the statement",
            errno=603,
            sqlstate="XX000",
        )


def error(number: int, sqlstate: str, message: str) -> ProgrammingError:
    """Make a ProgrammingError as the connector raises it: ``000904 (42000): message``."""
    return connector.ProgrammingError(message, errno=number, sqlstate=sqlstate)


def compilation(message: str, sqlstate: str = "42601") -> ProgrammingError:
    """Make an error of a statement's compilation whose number on Snowflake is not documented; it has none."""
    return connector.ProgrammingError(f"SQL compilation error:\n{message}", sqlstate=sqlstate)


def statement_count(found: int, wanted: int) -> ProgrammingError:
    """Make the error for a text with another number of statements than the client expects."""
    text = f"Actual statement count {found} did not match the desired statement count {wanted}."
    return error(8, "0A000", text)


def unnumbered(message: str, sqlstate: str) -> ProgrammingError:
    """Make an error that Snowflake raises while a statement runs, with a number that is not documented."""
    return connector.ProgrammingError(message, sqlstate=sqlstate)


def missing(kind: str, name: object) -> ProgrammingError:
    """Make the error for an object that does not exist."""
    table = kind in ("Object", "Table", "View")
    return error(
        2003,
        "42S02" if table else "02000",
        f"SQL compilation error:\n{kind} '{str(name).replace(TWIN, '')}' does not exist or not authorized.",
    )


def absent() -> ProgrammingError:
    """Make the error for a missing object that Snowflake does not name."""
    return error(
        2043, "02000", "SQL compilation error:\nObject does not exist, or operation cannot be performed."
    )


def unknown_function(parts: Sequence[str]) -> ProgrammingError:
    """Make the error for a function or procedure that is neither built in nor defined by a user."""
    if len(parts) > 1:
        return error(
            2141, "42601", f"SQL compilation error:\nUnknown user-defined function {'.'.join(parts)}"
        )
    # https://docs.snowflake.com/en/release-notes/bcr-bundles/2026_01/bcr-2124
    return error(2139, "42601", f"SQL compilation error:\nUnknown function {parts[0]}")


def missing_target(name: object) -> ProgrammingError:
    """Make the error for a missing target table of COPY or TRUNCATE; clients check the end of its message."""
    return error(2003, "42S02", f"SQL compilation error:\nTable '{name}' does not exist")


def exists(name: object) -> ProgrammingError:
    """Make the error for an object that already exists."""
    return error(2002, "42710", f"SQL compilation error:\nObject '{name}' already exists.")


def exists_column(name: object) -> ProgrammingError:
    """Make the error for a column that the table already has."""
    return error(1430, "42601", f"SQL compilation error:\ncolumn '{name}' already exists")


def exists_as(name: object, kind: str) -> ProgrammingError:
    """Make the error for an object whose name another kind of object has; tables, views and streams share names."""
    return error(1998, "42710", f"SQL compilation error:\nObject '{name}' already exists as {kind}")


_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# DuckDB's file errors by class name, so that this module need not import DuckDB. Messages of its other errors
# are not searched for "disk full" texts, because they quote the user's values and names. Messages of
# transaction errors are searched only when the write-ahead log could not be written.
_FILE_ERRORS = frozenset({"IOException", "FatalException"})
_LOG_NOT_WRITTEN = "Failed to commit: C"  # Could not write, Cannot open
_BROKEN_DISK = frozenset(
    {errno.EIO, errno.EROFS, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.EMFILE, errno.ENFILE}
)
_STOPPED = ("fsync failed", "database has been invalidated")  # in FatalException


def is_full_disk(raised: BaseException) -> bool:
    """Return whether an error of DuckDB or of the operating system says that a file could not grow."""
    return _says(raised, _FULL_DISK)


def _says(raised: BaseException, numbers: frozenset[int]) -> bool:
    if isinstance(raised, OSError):
        return raised.errno in numbers
    return _is_of_files(raised) and any(os.strerror(number) in str(raised) for number in numbers)


def _is_of_files(raised: BaseException) -> bool:
    name = type(raised).__name__
    return name in _FILE_ERRORS or (name == "TransactionException" and _LOG_NOT_WRITTEN in str(raised))


def disk_error(raised: BaseException, effect: str = NOTHING_CHANGED) -> DiskError | None:
    """Make the error for one of DuckDB or the operating system that says that the disk failed; else None.

    A commit whose log could not be written or synchronized has no effect: DuckDB cuts the log.
    """
    text = (raised.strerror or str(raised)) if isinstance(raised, OSError) else _last_part(str(raised))
    if _says(raised, _FULL_DISK):
        return DiskFullError(text, effect)
    if _says(raised, _BROKEN_DISK):
        return DiskError(text, effect)
    if type(raised).__name__ == "FatalException" and any(each in str(raised) for each in _STOPPED):
        return DiskError("a file could not be synchronized", effect, stopped=True)
    return None


_DAMAGED = re.compile(
    r"(?:IO Error: )?(?:Corrupt database file|Could not read (?:enough bytes )?from file \"([^\"\n]*\.duckdb)\").*"
)


def damaged(raised: BaseException) -> DamagedError | None:
    """Make the error for one of DuckDB that says that a database file is damaged; else None."""
    match = _DAMAGED.match(str(raised).strip()) if type(raised).__name__ in ("Error", "IOException") else None
    return DamagedError(match.group(1) or "of the statement's tables", match.group(0)) if match else None


def _last_part(text: str) -> str:
    return text.partition("\n")[0].rpartition(": ")[2]


@contextmanager
def of_disks() -> Iterator[None]:
    """Convert operating system errors of a full or broken disk to an error of the statement.

    Raises:
        DiskError: a file could not be read or written; the statement changed nothing.
    """
    try:
        yield
    except OSError as raised:
        converted = disk_error(raised)
        if converted is None:
            raise
        raise converted from raised


def canceled() -> ProgrammingError:
    """Make the error for a statement that was canceled while it ran."""
    return error(604, "57014", "SQL execution canceled")


def timed_out(seconds: float) -> ProgrammingError:
    """Make the error for a statement that ran longer than STATEMENT_TIMEOUT_IN_SECONDS."""
    return error(
        630,
        "57014",
        f"Statement reached its statement or warehouse timeout of {seconds:g} second(s) and was canceled.",
    )


def syntax(message: str) -> ProgrammingError:
    """Make the error for a statement that cannot be parsed."""
    return error(1003, "42000", f"SQL compilation error:\n{message}")


def invalid_property(name: str, kind: str) -> ProgrammingError:
    """Make the error for an option that objects of a kind do not have."""
    return error(1420, "22023", f"SQL compilation error:\ninvalid property '{name}' for '{kind}'")


def no_database(command: str) -> ProgrammingError:
    """Make the error for a command that needs a current database in a session that has none."""
    return error(
        90105,
        "22000",
        f"Cannot perform {command}. This session does not have a current database. "
        "Call 'USE DATABASE', or use a qualified name.",
    )


def unforeseen(text: str) -> ProgrammingError:
    """Make the error for a DuckDB error that no pattern knows: in the product's words, without a number."""
    return connector.ProgrammingError(
        f"the embedded warehouse could not run this statement; DuckDB says {text!r}. "
        "Snowflake may run it; otherwise the statement is invalid"
    )


_PLAIN = re.compile(r"[A-Z_][A-Z0-9_$]*|\$\d+")


def invalid_identifier(name: str) -> ProgrammingError:
    """Make the error for a name that does not refer to a column; Snowflake quotes names that need it."""
    if '"' not in name:
        name = ".".join(part if _PLAIN.fullmatch(part) else f'"{part}"' for part in name.split("."))
    return error(904, "42000", f"SQL compilation error:\ninvalid identifier '{name}'")
