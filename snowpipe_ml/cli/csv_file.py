"""Reads a CSV file of which nothing is known: its character set, its delimiter and its decimal mark are recognized."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from snowpipe_ml.errors import UsageError
from snowpipe_ml.text.encodings import CODECS, Encoding

_EXAMINED = 200_000
"""Rows that are read; enough to recognize the columns of any file."""

_DELIMITERS = (",", ";", "\t", "|")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")
_WHOLE = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class CsvFile:
    """The beginning of a CSV file.

    Attributes:
        columns: the fields by the title of their column, with decimal points.
        rows: the number of rows that were read.
        more: whether the file has more.
        delimiter: the character between fields.
        encoding: the character set, as Snowflake names it.
        decimal_commas: the columns whose numbers are written like ``1,5``.
    """

    columns: dict[str, list[str]]
    rows: int
    more: bool
    delimiter: str
    encoding: Encoding
    decimal_commas: frozenset[str]

    @property
    def header(self) -> list[str]:
        """The titles of the columns."""
        return list(self.columns)


def read_csv(path: Path) -> CsvFile:
    """Read the beginning of a CSV file.

    Raises:
        UsageError: the file cannot be read, is no CSV file with a header, or has no rows.
    """
    encoding = _encoding(path)
    try:
        with path.open(encoding=_codec(encoding), newline="") as file:
            beginning = file.readline()
            delimiter = max(
                _DELIMITERS, key=lambda mark: len(next(csv.reader([beginning], delimiter=mark), []))
            )
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter)
            header = next(reader, [])
            rows = list(itertools.islice(reader, _EXAMINED))
            more = next(reader, None) is not None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not text in {encoding}: {error.reason} at byte {error.start:,}"
        ) from error
    except csv.Error as error:
        raise UsageError(f"{path}: {error}") from error
    if len(header) < 2:
        raise UsageError(
            f"{path}: it has fewer than two columns; expected a header, and fields separated by a comma, a semicolon, a "
            "tab or |"
        )
    if len(set(header)) < len(header):
        double = next(title for title, times in Counter(header).items() if times > 1)
        raise UsageError(f"{path}:1: the header has the column {double!r} twice")
    rows = [row for row in rows if row]
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise UsageError(f"{path}: row {number} has {len(row)} fields, the header has {len(header)}")
    if not rows:
        raise UsageError(f"{path} has no rows")
    columns = {title: [row[place] for row in rows] for place, title in enumerate(header)}
    commas = frozenset(title for title, texts in columns.items() if _has_decimal_commas(texts))
    for title in commas:
        columns[title] = [text.replace(",", ".") for text in columns[title]]
    return CsvFile(columns, len(rows), more, delimiter, encoding, commas)


def _codec(encoding: Encoding) -> str:
    return "utf-8-sig" if encoding == "UTF8" else CODECS[encoding]


def _encoding(path: Path) -> Encoding:
    """UTF-8 if the whole file is, UTF-16 by its byte order mark, and else that of Windows in western Europe."""
    try:
        with path.open("rb") as file:
            if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
                return "UTF16"
        with path.open(encoding="utf-8") as text:
            while text.read(2**20):
                pass
    except UnicodeDecodeError:
        return "WINDOWS1252"
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    return "UTF8"


def _has_decimal_commas(texts: list[str]) -> bool:
    known = [text for text in texts if text.strip()]
    decimal = [text for text in known if _DECIMAL_COMMA.fullmatch(text)]
    return bool(decimal) and all(_DECIMAL_COMMA.fullmatch(text) or _WHOLE.fullmatch(text) for text in known)
