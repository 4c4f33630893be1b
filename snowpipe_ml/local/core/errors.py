"""Errors of the embedded warehouse, in the classes, codes and words that Snowflake's clients see.

Codes and texts follow what Snowflake returns to its connector, such as
``002003 (42S02): SQL compilation error: Object 'X' does not exist or not authorized.``
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from snowflake.connector.errors import OperationalError, ProgrammingError

from snowpipe_ml.errors import LockedError, SnowpipeMLError

# Stands behind one of two names of a statement that differ by case alone: see rewrite/names.py.
TWIN = "\u2060"


class UnsupportedError(SnowpipeMLError, ProgrammingError):
    """Something that Snowflake does and the embedded warehouse does not.

    Args:
        what: the feature, as a noun phrase.
        instead: what to do.
    """

    def __init__(self, what: str, instead: str | None = None) -> None:
        message = f"the embedded warehouse does not support {what}; Snowflake does"
        ProgrammingError.__init__(
            self, f"{message}. {instead}" if instead else message, errno=2, sqlstate="0A000"
        )

    @classmethod
    def of(cls, message: str) -> UnsupportedError:
        """The error with a message as another process worded it."""
        made = cls("")
        ProgrammingError.__init__(made, message, errno=2, sqlstate="0A000")
        return made

    @classmethod
    def unread(cls, text: str) -> UnsupportedError:
        """A statement that reads as Snowflake's SQL, and that DuckDB does not take as it was rewritten."""
        return cls.of(
            f"the embedded warehouse does not support a part of this statement: DuckDB says {text!r}. Snowflake may; "
            "if not, the statement is mistaken"
        )


class HolderGoneError(SnowpipeMLError, OperationalError):
    """The process that held the warehouse has ended, and with it this session."""

    def __init__(self, holder: str) -> None:
        OperationalError.__init__(
            self,
            f"the session is lost: {holder}, which held the embedded warehouse, has ended. A statement that was "
            "under way was done whole or not at all; open a new session to go on",
            errno=250002,
        )


class WarehouseLockedError(LockedError, OperationalError):
    """Another process has the warehouse's folder open."""

    def __init__(self, path: object, holder: str) -> None:
        OperationalError.__init__(
            self,
            f"the embedded warehouse at {path} is open in another process ({holder}); "
            "wait for it to end, or give this one a folder of its own",
            errno=250001,
        )


class DiskFullError(SnowpipeMLError, ProgrammingError):
    """The disk under the warehouse has no room."""

    def __init__(self, reason: str) -> None:
        ProgrammingError.__init__(
            self,
            f"the disk of the embedded warehouse is full ({reason}); the statement changed nothing. Drop tables or stages, "
            "or make room outside of the warehouse",
            errno=3,
            sqlstate="53100",
        )


def error(number: int, sqlstate: str, message: str) -> ProgrammingError:
    """A ProgrammingError as the connector raises it: ``000904 (42000): message``."""
    return ProgrammingError(message, errno=number, sqlstate=sqlstate)


def missing(kind: str, name: object) -> ProgrammingError:
    """An object that does not exist."""
    table = kind in ("Object", "Table", "View")
    return error(
        2003,
        "42S02" if table else "02000",
        f"SQL compilation error:\n{kind} '{name}' does not exist or not authorized.",
    )


def missing_target(name: object) -> ProgrammingError:
    """A table that COPY or TRUNCATE names and that is not there; clients look at how the text ends."""
    return error(2003, "42S02", f"SQL compilation error:\nTable '{name}' does not exist")


def exists(name: object) -> ProgrammingError:
    """An object that exists already."""
    return error(2002, "42710", f"SQL compilation error:\nObject '{name}' already exists.")


_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# DuckDB's errors of files, by name, as this module does not need DuckDB. The texts of others hold the user's values and
# names, and so do those of transactions, but for a log that could not be written.
_OF_FILES = frozenset({"IOException", "FatalException"})
_UNLOGGED = "Failed to commit: Could not "


def is_full_disk(raised: BaseException) -> bool:
    """Return whether an error of DuckDB or of the system says that a file could not grow."""
    if isinstance(raised, OSError):
        return raised.errno in _FULL_DISK
    text = str(raised)
    name = type(raised).__name__
    if name not in _OF_FILES and not (name == "TransactionException" and _UNLOGGED in text):
        return False
    return any(os.strerror(number) in text for number in _FULL_DISK)


@contextmanager
def of_full_disks() -> Iterator[None]:
    """Raise what a full disk causes as an error of the statement.

    Raises:
        DiskFullError: a file could not grow; the statement changed nothing.
    """
    try:
        yield
    except OSError as raised:
        if not is_full_disk(raised):
            raise
        raise DiskFullError(raised.strerror or str(raised)) from raised


def canceled() -> ProgrammingError:
    """A statement that was canceled while it ran."""
    return error(604, "57014", "SQL execution canceled")


def timed_out(seconds: float) -> ProgrammingError:
    """A statement that ran longer than STATEMENT_TIMEOUT_IN_SECONDS."""
    return error(
        630,
        "57014",
        f"Statement reached its statement or warehouse timeout of {seconds:g} second(s) and was canceled.",
    )


def syntax(message: str) -> ProgrammingError:
    """A statement that cannot be read."""
    return error(1003, "42000", f"SQL compilation error:\n{message}")


def no_database(command: str) -> ProgrammingError:
    """A session without a database."""
    return error(
        90105,
        "22000",
        f"Cannot perform {command}. This session does not have a current database. "
        "Call 'USE DATABASE', or use a qualified name.",
    )


_FORBIDDEN_FILE = re.compile(r'Cannot access file "([^"]*)"')
_MISSING_TABLE = re.compile(r"Table with name (\S+?) does not exist", re.I)
_MISSING_SCHEMA = re.compile(r"(?:Schema with name|schema) \"?(\S+?)\"? (?:does not exist|not found)", re.I)
_MISSING_COLUMN = re.compile(
    r'(?:Referenced column|column named|Referenced table) "?([^"\s]+)"? (?:not found|does not)?', re.I
)
_MISSING_FUNCTION = re.compile(
    r"(?:Scalar|Table|Aggregate|Macro)?\s*Function with name \"?([^\s\"]+)\"? ", re.I
)
_EXISTING = re.compile(r'(?:Table|View|Schema|Sequence) with name "?([^"\s]+)"? already exists', re.I)
_CONVERSION = re.compile(r"Could not convert string ['\"](.*?)['\"] to (\w+)", re.I | re.S)
_TIMESTAMP = re.compile(
    r'(?:timestamp|date|time) field value out of range: "([^"]*)"|invalid (timestamp|date) field format: "([^"]*)"',
    re.I,
)
_NOT_NULL = re.compile(r"NOT NULL constraint failed: (?:\w+\.)?(\w+)", re.I)


def invalid_identifier(name: str) -> ProgrammingError:
    """A name that no column in its place has."""
    return error(904, "42000", f"SQL compilation error:\ninvalid identifier '{name}'")


# What DuckDB says, and what Snowflake says of the same.
_SPECIFIC: tuple[tuple[re.Pattern[str], Callable[..., ProgrammingError]], ...] = (
    (
        re.compile(r"cast \(TIMESTAMP(?:TZ_NS| WITH TIME ZONE) -> TIME\)"),
        lambda: UnsupportedError("a time zone in a TIME", "Read it as a TIMESTAMP_TZ first"),
    ),
    (
        re.compile(r"STRUCT\(utc TIMESTAMP, tz SMALLINT\)"),
        lambda: UnsupportedError("this use of a TIMESTAMP_TZ"),
    ),
    (
        re.compile("Current transaction is aborted"),
        lambda: UnsupportedError(
            "going on in a transaction after a statement failed", "ROLLBACK, and begin it again"
        ),
    ),
    (re.compile("Division by zero", re.I), lambda: error(100051, "22012", "Division by zero")),
    (
        re.compile(r'CHECK\(\(length\("?(.*?)"?\) <= (\d+)\)\)'),
        lambda column, size: error(
            100078, "22000", f"String is too long for column {column}, which holds {size} characters"
        ),
    ),
    (
        re.compile("cannot affect the same target row more than once"),
        lambda: error(100090, "42P18", "Duplicate row detected during DML action"),
    ),
    (
        re.compile(r"Could not cast value (\S+) to DECIMAL"),
        lambda value: error(100039, "22003", f"Numeric value '{value}' is out of range"),
    ),
    (
        re.compile(r'Ambiguous reference to column name "?([^"\s]+)"?'),
        lambda name: error(2028, "42601", f"SQL compilation error:\nambiguous column name '{name}'"),
    ),
    (
        re.compile("cannot contain aggregates"),
        lambda: error(
            979, "42601", "SQL compilation error:\nan aggregate is not a valid group by expression"
        ),
    ),
    (
        re.compile("Frame (?:starting|ending|start|end)"),
        lambda: error(
            2303, "0A000", "SQL compilation error:\nInvalid window frame: its start lies behind its end"
        ),
    ),
    (
        re.compile(r'Could not parse string "(.*?)" according to format specifier', re.S),
        lambda value: error(100035, "22007", f"Timestamp '{value}' is not recognized"),
    ),
    (re.compile("Map keys must be unique"), lambda: syntax("Duplicate field key of an OBJECT")),
    (
        re.compile(
            "no argument for repetition|missing [\\])]|invalid (?:character class|escape sequence)|Invalid regular"
        ),
        lambda: error(100048, "2201B", "Invalid regular expression"),
    ),
    (
        re.compile(r'column "([^"]+)" must appear in the GROUP BY'),
        lambda name: error(
            979, "42601", f"SQL compilation error:\n[{name}] is not a valid group by expression"
        ),
    ),
    (
        re.compile(r'(?:does not have a column with name "|Referenced update column )([^"\s]+)'),
        invalid_identifier,
    ),
    # What DuckDB does not take although it reads as Snowflake's SQL, and no line above knows better.
    (re.compile(r"^(?:Parser|Not implemented) Error: ([^\n]*)"), lambda text: UnsupportedError.unread(text)),
    (
        re.compile(
            r"^Binder Error: ([^\n]*(?:cannot be volatile|not yet supported|not supported|not implemented)[^\n]*)"
        ),
        lambda text: UnsupportedError.unread(text),
    ),
    (
        re.compile(r"cast \((\w+) -> (\w+)"),
        lambda source, target: error(
            1065,
            "22023",
            f"SQL compilation error:\nInvalid argument types for function 'CAST': ({source}) to {target}",
        ),
    ),
)


def _is_snowflakes(name: str) -> bool:
    """Return whether Snowflake has a function of the name, as far as sqlglot knows its functions."""
    from sqlglot.dialects.snowflake import Snowflake

    name = name.rpartition(".")[2].strip('"').upper()
    return name in Snowflake.Parser.FUNCTIONS or name.startswith(
        ("APPROX_", "BITMAP_", "HLL", "REGR_", "ST_", "AI_")
    )


def translate(raised: Exception) -> ProgrammingError:
    """A DuckDB error in the shape in which Snowflake reports the same mistake."""
    text = str(raised).strip().replace(TWIN, "")
    first = text.split("\n\n")[0].split("\nLINE ")[0]
    if type(raised).__name__ == "InterruptException":  # DuckDB's; this module does not need it otherwise
        return canceled()
    if type(raised).__name__ == "PermissionException" and (match := _FORBIDDEN_FILE.search(text)):
        return missing(
            "Object", match.group(1)
        )  # a table that is missing, whose name DuckDB takes for a file's
    if is_full_disk(raised):
        return DiskFullError(first.rpartition(": ")[2])
    for pattern, known in _SPECIFIC:
        if match := pattern.search(text):
            return known(*match.groups())
    if match := _MISSING_TABLE.search(text):
        return missing("Object", match.group(1).strip("!").upper())
    if match := _EXISTING.search(text):
        return exists(match.group(1))
    if match := _CONVERSION.search(text):
        value, kind = match.groups()
        if "DATE" in kind.upper() or "TIME" in kind.upper():
            return error(100035, "22007", f"Timestamp '{value}' is not recognized")
        if kind.upper() == "BOOL" or kind.upper() == "BOOLEAN":
            return error(100037, "22018", f"Boolean value '{value}' is not recognized")
        if kind.upper() == "DECIMAL" and re.fullmatch(r"[+-]?\d+(\.\d+)?", value.strip()):
            return error(100039, "22003", f"Numeric value '{value}' is out of range")
        return error(100038, "22018", f"Numeric value '{value}' is not recognized")
    if match := _TIMESTAMP.search(text):
        value = next(g for g in match.groups() if g is not None and g.lower() not in ("timestamp", "date"))
        return error(100035, "22007", f"Timestamp '{value}' is not recognized")
    if match := _NOT_NULL.search(text):
        return error(100072, "22000", f"NULL result in a non-nullable column {match.group(1)}")
    if "Referenced column" in text and (match := _MISSING_COLUMN.search(text)):
        return error(904, "42000", f"SQL compilation error:\ninvalid identifier '{match.group(1)}'")
    if match := _MISSING_FUNCTION.search(text):
        if _is_snowflakes(match.group(1)):
            return UnsupportedError(f"the function {match.group(1).upper()}")
        return error(2140, "42601", f"SQL compilation error:\nUnknown function {match.group(1).upper()}")
    if "Schema" in text and (match := _MISSING_SCHEMA.search(text)):
        return missing("Schema", match.group(1))
    return error(1003, "42000", f"SQL compilation error:\n{first}")
