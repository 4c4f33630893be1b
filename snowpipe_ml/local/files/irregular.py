"""Find delimited files that DuckDB's reader would read differently than Snowflake.

It skips blank lines of tables with several columns, and it knows no escape character outside quotes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from snowpipe_ml.local.core.names import literal, quoted
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.files.csv import CsvFormat

_CHUNK = 2**22
# The bytes of one piece that are searched again with the next one, because a match may lie on the boundary.
_OVERLAP = 64


def is_irregular(fmt: CsvFormat, path: Path, *, columns: int) -> bool:
    """Return whether a file must be read record by record.

    Args:
        fmt: its format.
        path: the file.
        columns: the number of columns of the table; a blank line is a valid record if there is one.
    """
    if not fmt.is_plain or fmt.compression_of(path) not in ("NONE", "GZIP"):
        return True
    if columns == 1 and fmt.skip_blank:
        return True
    blank = columns > 1 and not fmt.skip_blank
    escaped = _escaped(fmt) if fmt.escape_unenclosed else None
    if not blank and escaped is None:
        return False
    with fmt.open_bytes(path) as file:
        for _ in range(fmt.skip):
            file.readline()
        held = b"\n" if blank else b""
        while chunk := file.read(_CHUNK):
            piece = held + chunk
            if blank and (b"\n\n" in piece or b"\n\r\n" in piece or b"\r\r" in piece):
                return True
            if escaped is not None and b"\\" in piece and escaped.search(piece):
                return True
            held = piece[-_OVERLAP:]
    return False


def _escaped(fmt: CsvFormat) -> re.Pattern[bytes]:
    r"""Return a pattern of a backslash that is not a part of a field that is NULL, such as ``\N``."""
    ends = rf"(?:{re.escape(fmt.delimiter)}|[\r\n]|\Z)"
    starts = rf"(?<!{re.escape(fmt.delimiter)})(?<![\r\n])"
    marks = [null[1:] for null in fmt.null_if if null.startswith("\\") and null[1:].isalnum()]
    if not marks:
        return re.compile(rb"\\")
    listed = "|".join(map(re.escape, marks))
    return re.compile(rf"\\(?!(?:{listed}){ends})|{starts}(?<!\A)\\".encode())


# DuckDB's casts take more texts for numbers and for dates than Snowflake's.
_ODD_NUMBER = "[0-9]_[0-9]|0[xXbBoO]"
_ODD_TIME = "/|inf|epoch|BC|UTC"
_TIMES = ("DATE", "TIME")


def odd_values(fmt: CsvFormat, path: Path, columns: Sequence[Column]) -> str | None:
    """Return the condition that a value of a file is one only for DuckDB, such as ``1_000`` and ``2024/01/05``.

    None if the bytes of the file show that there is no such value. The columns are read as text.
    """
    patterns = {}
    for column in columns:
        if column.duckdb in ("BIGINT", "DOUBLE") or column.duckdb.startswith("DECIMAL"):
            patterns[column.name] = _ODD_NUMBER
        elif column.duckdb.startswith(_TIMES):
            patterns[column.name] = _ODD_TIME
    wanted = "|".join(sorted(set(patterns.values())))
    if not wanted or not _contains(fmt, path, re.compile(wanted.encode())):
        return None
    return " OR ".join(
        f"regexp_matches({quoted(name)}, {literal(pattern)})" for name, pattern in patterns.items()
    )


def _contains(fmt: CsvFormat, path: Path, pattern: re.Pattern[bytes]) -> bool:
    held = b""
    with fmt.open_bytes(path) as file:
        while chunk := file.read(_CHUNK):
            if pattern.search(held + chunk):
                return True
            held = chunk[-_OVERLAP:]
    return False
