"""Find delimited files that DuckDB's reader would read differently than Snowflake.

It skips blank lines of tables with several columns, and it knows no escape character outside quotes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snowpipe_ml.local.core.names import literal, quoted
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.files.csv import CsvFormat

_CHUNK = 2**22
# The bytes of one piece that are searched again with the next one, because a match may lie on the boundary.
_OVERLAP = 64
# DuckDB's casts take more texts for numbers and for dates than Snowflake's.
_ODD_NUMBER = "[0-9]_[0-9]"
_ODD_WHOLE_NUMBER = f"{_ODD_NUMBER}|^[ +-]*0[xXbBoO]"
_ODD_TIME = r"/|inf|epoch|\(BC|UTC"
# Characters that such a value has between two digits. Words such as "infinity" are found by the values that DuckDB
# makes of them.
_BETWEEN_DIGITS = {_ODD_NUMBER: b"_", _ODD_WHOLE_NUMBER: b"_", _ODD_TIME: b"/"}
_PREFIXED = re.compile(rb"0(?:[xX][0-9a-fA-F]|[bB][01]|[oO][0-7])[0-9a-fA-F_]*(?![0-9A-Za-z])")
_ZERO = ord("0")
_TIMES = ("DATE", "TIME")


@dataclass(frozen=True)
class Findings:
    """How a delimited file must be read where DuckDB's reader differs from Snowflake.

    Attributes:
        irregular: whether it must be read record by record.
        odd: if its bytes may hold values that only DuckDB takes for numbers or dates, the condition over its
            columns as text that it does.
    """

    irregular: bool
    odd: str | None = None


def examine(fmt: CsvFormat, path: Path, columns: Sequence[Column]) -> Findings:
    """Scan a file for content that DuckDB's reader handles differently from Snowflake.

    Args:
        fmt: its format.
        path: the file.
        columns: the columns of the table.
    """
    if not fmt.is_plain or fmt.compression_of(path) not in ("NONE", "GZIP"):
        return Findings(True)
    if len(columns) == 1 and fmt.skip_blank:
        return Findings(True)
    blank = len(columns) > 1 and not fmt.skip_blank  # a blank line is a valid record of one column
    escaped = _escaped(fmt) if fmt.escape_unenclosed else None
    odd = {column.name: pattern for column in columns if (pattern := _odd(column)) is not None}
    between = {_BETWEEN_DIGITS[pattern] for pattern in odd.values()}
    prefixed = _ODD_WHOLE_NUMBER in odd.values()
    suspected = False
    if not (blank or escaped or between):
        return Findings(False)
    with fmt.open_bytes(path) as file:
        for _ in range(fmt.skip):
            file.readline()
        held = b"\n" if blank else b""
        while chunk := file.read(_CHUNK):
            piece = held + chunk
            if blank and _has_blank_line(piece):
                return Findings(True)
            if escaped is not None and b"\\" in piece and escaped.search(piece):
                return Findings(True)
            suspected = suspected or _has_odd_number(piece, between, prefixed)
            held = piece[-_OVERLAP:]
    if not suspected:
        return Findings(False)
    listed = (f"regexp_matches({quoted(name)}, {literal(pattern)})" for name, pattern in odd.items())
    return Findings(False, " OR ".join(listed))


def is_irregular(fmt: CsvFormat, path: Path) -> bool:
    """Return whether a file must be read record by record in a query, which has several columns of text."""
    return examine(fmt, path, [Column("_1", "VARCHAR"), Column("_2", "VARCHAR")]).irregular


def _has_blank_line(piece: bytes) -> bool:
    return b"\n\n" in piece or (b"\r" in piece and (b"\n\r\n" in piece or b"\r\r" in piece))


def _has_odd_number(piece: bytes, between: Collection[bytes], prefixed: bool) -> bool:
    """Return whether bytes have one of the characters between two digits, or a number such as ``0x1F``.

    NumPy looks through all bytes at once, which is many times faster than a regular expression.
    """
    codes = np.frombuffer(piece, np.uint8)
    for character in between:
        at = np.flatnonzero(codes[1:-1] == ord(character)) + 1 if character in piece else np.empty(0, np.intp)
        if at.size and bool(np.any((codes[at - 1] - _ZERO < 10) & (codes[at + 1] - _ZERO < 10))):
            return True
    if not prefixed:
        return False
    letters = codes[1:] | 0x20  # in lower case
    letters = (letters == ord("x")) | (letters == ord("b")) | (letters == ord("o"))
    found = np.flatnonzero(letters & (codes[:-1] == _ZERO)).tolist()
    return any(
        not piece[max(at - 1, 0) : at].isalnum() and _PREFIXED.match(piece, at) is not None for at in found
    )


def _odd(column: Column) -> str | None:
    if column.duckdb == "BIGINT":
        return _ODD_WHOLE_NUMBER
    if column.duckdb == "DOUBLE" or column.duckdb.startswith("DECIMAL"):
        return _ODD_NUMBER
    return _ODD_TIME if column.duckdb.startswith(_TIMES) else None


def _escaped(fmt: CsvFormat) -> re.Pattern[bytes]:
    r"""Return a pattern of a backslash that is not a part of a field that is NULL, such as ``\N``."""
    ends = rf"(?:{re.escape(fmt.delimiter)}|[\r\n]|\Z)"
    starts = rf"(?<!{re.escape(fmt.delimiter)})(?<![\r\n])"
    marks = [null[1:] for null in fmt.null_if if null.startswith("\\") and null[1:].isalnum()]
    if not marks:
        return re.compile(rb"\\")
    listed = "|".join(map(re.escape, marks))
    return re.compile(rf"\\(?!(?:{listed}){ends})|{starts}(?<!\A)\\".encode())
