"""Find delimited files that DuckDB's reader would read differently than Snowflake.

It skips blank lines of tables with several columns, knows no escape character outside quotes, and takes a quote in a line
of the header for one of a field. It drops fields, see :mod:`surplus`, and has other rules for quotes, see :mod:`quoting`.
For a line of many megabytes, and for one with many fields too many, it takes many times the memory.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

import numpy as np
from isal import igzip
from isal.igzip_lib import IsalError

from snowpipe_ml.local.core.names import literal, quoted
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.files.csv import CsvFormat
from snowpipe_ml.local.files.quoting import Quoting, has_regular_quotes
from snowpipe_ml.local.files.surplus import SurplusFields, has_pair

_CHUNK = 2**22
# The bytes of one piece that are searched again with the next one, because a match may lie on the boundary.
_OVERLAP = 64
# In so many bytes, records may have some delimiters more than the table has columns; many within quotes.
_WINDOW = 2**16
_FEW = 64
_MANY = 2**11
# The length of lines for which DuckDB's reader needs too much memory.
_LONG = 2**20
# DuckDB's casts take more texts for numbers and for dates than Snowflake's.
_ODD_NUMBER = "[0-9]_[0-9]"
_ODD_WHOLE_NUMBER = f"{_ODD_NUMBER}|^[ +-]*0[xXbBoO]"
_ODD_TIME = r"/|inf|epoch|\(BC|UTC"
# Characters that such a value has between two digits. Words such as "infinity" are found by the values that DuckDB
# makes of them.
_BETWEEN_DIGITS = {_ODD_NUMBER: b"_", _ODD_WHOLE_NUMBER: b"_", _ODD_TIME: b"/"}
_PREFIXED = re.compile(rb"0(?:[xX][0-9a-fA-F]|[bB][01]|[oO][0-7])[0-9a-fA-F_]*(?![0-9A-Za-z])")
_UNREADABLE: tuple[type[Exception], ...] = (cast("type[Exception]", IsalError), EOFError, OSError)
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
    quote, delimiter = fmt.quote.encode(), fmt.delimiter.encode()
    nulls = [null.encode() for null in fmt.nulls] if fmt.strict_width else None
    search = _Search(
        blank,
        escaped,
        frozenset(between),
        prefixed,
        fmt.skip,
        quote,
        delimiter,
        len(columns),
        nulls,
        fmt.has_quoted_nulls,
    )
    if fmt.is_gzip(path):
        try:
            with igzip.open(path) as unpacked:
                suspected = search.of(unpacked)
        except _UNREADABLE:  # the errors of a damaged file are those of the library below
            with fmt.open_bytes(path) as file:
                suspected = search.of(file)
    else:
        with fmt.open_bytes(path) as file:
            suspected = search.of(file)
    if suspected is None:
        return Findings(True)
    if not suspected:
        return Findings(False)
    listed = (f"regexp_matches({quoted(name)}, {literal(pattern)})" for name, pattern in odd.items())
    return Findings(False, " OR ".join(listed))


@dataclass(frozen=True)
class _Search:
    """The irregularities that a file is searched for.

    Attributes:
        blank: whether a blank line makes it irregular.
        escaped: a pattern of what makes it irregular.
        between: characters that make it suspected between digits.
        prefixed: whether numbers such as ``0x1F`` make it suspected.
        skip: how many lines at its beginning do not count.
        quote: the quote, or nothing.
        delimiter: the delimiter of fields.
        width: the number of columns of the table.
        nulls: what fields that are NULL contain; None if records may have fields too many.
        quoted_nulls: whether a field in quotes can be NULL.
    """

    blank: bool
    escaped: re.Pattern[bytes] | None
    between: Collection[bytes]
    prefixed: bool
    skip: int
    quote: bytes
    delimiter: bytes
    width: int
    nulls: Collection[bytes] | None = None
    quoted_nulls: bool = False

    def of(self, file: IO[bytes]) -> bool | None:
        """Return whether the file may have odd values; None if it is irregular."""
        suspected = False
        for _ in range(self.skip):
            header = file.readline(_LONG)
            if len(header) == _LONG or b"\r" in header[:-2]:
                return None
            if not self._has_regular_quotes(io.BytesIO(header.rstrip(b"\r\n"))):
                return None
        held = b"\n"
        since = 0  # bytes since the last line end
        quoting: Quoting | None = Quoting(self.quote, self.delimiter)
        surplus = self._surplus()
        first = file.tell()
        while chunk := file.read(_CHUNK):
            since = _since_line_end(chunk, since)
            if since > _LONG or self._has_wide_records(chunk):
                return None
            seam = held + chunk[:_OVERLAP]
            if self.blank and (_has_blank_line(seam) or _has_blank_line(chunk)):
                return None
            if self.escaped and (b"\\" in held or b"\\" in chunk) and self.escaped.search(held + chunk):
                return None
            between = {mark for mark in self.between if mark in held or mark in chunk}
            if not suspected and (between or self.prefixed):
                suspected = _has_odd_number(held + chunk, between, self.prefixed)
            held = (seam if len(chunk) < _OVERLAP else chunk)[-_OVERLAP:]
            if quoting and not quoting.add(chunk):
                quoting = None
            if surplus and surplus.add(chunk):
                return None
        are_paired = quoting is not None and quoting.add(b"", last=True)
        if surplus and (surplus.add(b"\n") or (surplus.suspected and not are_paired)):
            return None
        if not are_paired:
            file.seek(first)
            if not self._has_regular_quotes(file):
                return None
        return suspected

    def _surplus(self) -> SurplusFields | None:
        if self.nulls is None:
            return None
        return SurplusFields(self.quote, self.delimiter, self.width, self.nulls, quoted=self.quoted_nulls)

    def _has_wide_records(self, chunk: bytes) -> bool:
        """Return whether records may have so many fields that their errors take too much memory.

        DuckDB's reader keeps the text of a record once for each field that is too many.
        """
        for start in range(0, len(chunk), _WINDOW):
            window = memoryview(chunk)[start : start + _WINDOW]
            found = _count(window, self.delimiter) - _FEW
            if found > 2 * self.width:
                lines = _count(window, b"\n") or _count(window, b"\r")
                found -= self.width * (lines + 2)
                if found > 0 and not (self.quote and self.quote in chunk and found < _MANY):
                    return True
        return False

    def _has_regular_quotes(self, file: IO[bytes]) -> bool:
        return has_regular_quotes(file, self.quote, self.delimiter) if self.quote else True


def is_irregular(fmt: CsvFormat, path: Path) -> bool:
    """Return whether a file must be read record by record in a query, which has several columns of text."""
    fmt = replace(fmt, strict_width=False)
    return examine(fmt, path, [Column("_1", "VARCHAR"), Column("_2", "VARCHAR")]).irregular


def _count(data: memoryview, searched: bytes) -> int:
    """Count a text in bytes; NumPy counts a frequent character in a fraction of the time."""
    if len(searched) > 1:
        return bytes(data).count(searched)
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == searched[0]))


def _since_line_end(chunk: bytes, since: int) -> int:
    """Return the bytes after the last line end of a chunk, or a number above the limit if a line is longer."""
    at = -1 - since
    while True:
        stop = at + _LONG + 1
        end = max(chunk.rfind(b"\n", max(at + 1, 0), stop), chunk.rfind(b"\r", max(at + 1, 0), stop))
        if end < 0:
            return _LONG + 1 if stop < len(chunk) else len(chunk) - at - 1
        at = end


def _has_blank_line(piece: bytes) -> bool:
    if b"\r" in piece and (b"\n\r\n" in piece or b"\r\r" in piece):
        return True
    return has_pair(piece, b"\n\n")


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
