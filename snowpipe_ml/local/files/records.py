"""Read delimited files record by record, by Snowflake's rules.

DuckDB's reader is many times faster and reads most files. This one reads those that DuckDB would read
differently: see :meth:`~snowpipe_ml.local.files.csv.CsvFormat.is_plain` and :mod:`irregular`.
https://docs.snowflake.com/en/sql-reference/sql/create-file-format
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

import pyarrow as pa

from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.files.csv import MAX_LINE, CsvFormat

_CHUNK = 2**20
_SPACES = " \t"
_UNREADABLE = re.compile("[\udc80-\udcff]")


@dataclass(slots=True)
class Record:
    """A record of a delimited file.

    Attributes:
        line: the number of its first line in the file.
        text: the record as it is in the file, without its delimiter.
        fields: the values of its fields; empty for a blank line.
        code: the number of the error that makes it unreadable; 0 if it is readable.
        message: the error.
        place: the position of the error in the text, from 1.
    """

    line: int
    text: str
    fields: list[str | None] = field(default_factory=list)
    code: int = 0
    message: str = ""
    place: int = 1


class _Unreadable(Exception):
    def __init__(self, code: int, message: str, place: int) -> None:
        super().__init__(message)
        self.code, self.message, self.place = code, message, place + 1


def read_records(fmt: CsvFormat, file: StagedFile) -> Iterator[Record]:
    """Yield the records of a file, after the lines of its header.

    Raises:
        UnsupportedError: an escape sequence whose meaning Snowflake does not document.
    """
    with fmt.open(file.path) as text:
        line = 1
        for _ in range(fmt.skip):
            text.readline()
            line += 1
        pieces = _pieces(text, fmt.record_delimiter)
        for piece in pieces:
            record = _Splitter(fmt, piece, pieces).record(line)
            line += _lines(record.text) + 1 if fmt.record_delimiter == "\n" else 1
            if record.fields or record.code or not fmt.skip_blank:
                yield record


def _lines(text: str) -> int:
    """Return how many line ends a text has within it."""
    return text.count("\n") + text.count("\r") - text.count("\r\n") if "\n" in text or "\r" in text else 0


def _pieces(text: IO[str], delimiter: str | None) -> Iterator[str]:
    """Yield the text in pieces that end with a record delimiter, except the last one."""
    if delimiter == "\n":
        yield from iter(lambda: text.readline(MAX_LINE), "")
        return
    held = ""
    while chunk := text.read(_CHUNK):
        *whole, held = (held + chunk).split(delimiter) if delimiter else ["", held + chunk][1:]
        for piece in whole:
            yield piece + str(delimiter)
    # A line end after the last record delimiter is not another record.
    if held.strip("\r\n"):
        yield held


class _Splitter:
    """Splits one record into its fields; a quoted or escaped delimiter makes it continue in the next piece.

    The places of its methods are those in the piece that is read. Earlier pieces are kept aside: a field of many lines, as
    one whose closing quote is missing, takes time in proportion to its length.
    """

    def __init__(self, fmt: CsvFormat, piece: str, more: Iterator[str]) -> None:
        self._fmt, self._more = fmt, more
        self._before: list[str] = []
        self._ends = ("\r\n", "\n", "\r") if fmt.record_delimiter == "\n" else (fmt.record_delimiter or "\0",)
        self._take(piece)
        stops = [re.escape(mark) for mark in (fmt.delimiter, fmt.escape_unenclosed) if mark]
        self._stop = re.compile("|".join(stops) or r"(?!)")
        self._close = re.compile(
            "|".join(re.escape(mark) for mark in (fmt.quote, fmt.escape) if mark) or r"(?!)"
        )

    def _take(self, piece: str, before: str = "") -> None:
        end = next((end for end in self._ends if piece.endswith(end)), "")
        self._text = before + (piece[: -len(end)] if end else piece)
        self._end = end

    def _extend(self) -> bool:
        """Go on to the next piece, because the record delimiter is a part of a field; False at the end of the file.

        The new piece begins with the delimiter.
        """
        piece = next(self._more, None)
        if piece is None:
            return False
        self._before.append(self._text)
        self._take(piece, self._end)
        return True

    def _whole(self) -> str:
        return "".join([*self._before, self._text]) if self._before else self._text

    def record(self, line: int) -> Record:
        """Return the record."""
        try:
            fields = self._fields()
        except _Unreadable as found:
            place = sum(map(len, self._before)) + found.place
            return Record(line, self._whole(), [], found.code, found.message, place)
        text = self._whole()
        if not text.isascii() and (bad := _UNREADABLE.search(text)):
            return Record(line, text, [], 100144, "Invalid UTF8 detected", bad.start() + 1)
        return Record(line, text, fields)

    def _fields(self) -> list[str | None]:
        fmt, text = self._fmt, self._text
        if not text:
            return []
        if not (fmt.quote and fmt.quote in text) and not (
            fmt.escape_unenclosed and fmt.escape_unenclosed in text
        ):
            return [self._value(value) for value in (text.split(fmt.delimiter) if fmt.delimiter else [text])]
        fields: list[str | None] = []
        place = 0
        while True:
            value, place = self._field(place)
            fields.append(value)
            if place >= len(self._text):
                return fields
            place += len(fmt.delimiter)
            if place == len(self._text):  # the record ends with a delimiter: its last field is empty
                return [*fields, self._value("")]

    def _field(self, place: int) -> tuple[str | None, int]:
        """Return the value of the field that begins at a place, and the place of what ends it."""
        fmt = self._fmt
        start = self._after_spaces(place) if fmt.trim else place
        if fmt.quote and self._text.startswith(fmt.quote, start):
            value, place = self._enclosed(start + 1)
            place = self._after_spaces(place) if fmt.trim else place
            if place < len(self._text) and not (
                fmt.delimiter and self._text.startswith(fmt.delimiter, place)
            ):
                found = self._text[place]
                raise _Unreadable(
                    100016, f"Found character '{found}' instead of field delimiter '{fmt.delimiter}'", place
                )
            return (None if value in fmt.null_if else value), place
        return self._unenclosed(place)

    def _after_spaces(self, place: int) -> int:
        while place < len(self._text) and self._text[place] in _SPACES:
            place += 1
        return place

    def _enclosed(self, place: int) -> tuple[str, int]:
        fmt, parts = self._fmt, []
        while True:
            mark = self._close.search(self._text, place)
            if mark is None:
                parts.append(self._text[place:])
                if not fmt.multi_line or not self._extend():
                    raise _Unreadable(100016, "The closing quote of a field is missing", len(self._text) - 1)
                place = 0
                continue
            parts.append(self._text[place : mark.start()])
            if mark.group() == fmt.quote:
                if not self._text.startswith(fmt.quote, mark.end()):
                    return "".join(parts), mark.end()
                parts.append(fmt.quote)
                place = mark.end() + 1
            else:
                found, place = self._escaped(mark.end(), fmt.escape, "an enclosed")
                parts.append(found)

    def _unenclosed(self, place: int) -> tuple[str | None, int]:
        fmt, parts = self._fmt, []
        start: int | None = place
        while True:
            mark = self._stop.search(self._text, place)
            if mark is None or mark.group() == fmt.delimiter:
                end = len(self._text) if mark is None else mark.start()
                parts.append(self._text[place:end])
                return self._value("".join(parts)), end
            parts.append(self._text[place : mark.start()])
            if start is not None and (raw := self._raw(start)) in fmt.null_if:  # such as \N
                return None, start + len(raw)
            pieces = len(self._before)
            found, place = self._escaped(mark.end(), fmt.escape_unenclosed, "an unenclosed")
            parts.append(found)
            if len(self._before) > pieces:
                start = None  # what NULL_IF has is on one line

    def _raw(self, start: int) -> str:
        """Return the field at a place without regard to escape characters."""
        end = self._text.find(self._fmt.delimiter, start) if self._fmt.delimiter else -1
        return self._text[start:] if end < 0 else self._text[start:end]

    def _escaped(self, place: int, escape: str, where: str) -> tuple[str, int]:
        """Return the character that an escape sequence represents, and the place after it."""
        if place == len(self._text):
            if not self._extend():
                return "", place + 1
            place = 0
        found = self._text[place]
        if found.isalnum():
            raise errors.UnsupportedError(
                f"the escape sequence '{escape}{found}' in {where} field of a file",
                f"With {'ESCAPE_UNENCLOSED_FIELD' if where == 'an unenclosed' else 'ESCAPE'} = NONE the character "
                f"'{escape}' stands for itself",
            )
        return found, place + 1

    def _value(self, value: str) -> str | None:
        fmt = self._fmt
        if fmt.trim:
            value = value.strip(_SPACES)
        if (not value and fmt.empty_as_null) or value in fmt.null_if:
            return None
        return value


def text_table(fmt: CsvFormat, file: StagedFile, width: int = 0) -> pa.Table:
    """Return the fields of a file as text, in columns ``_1``, ``_2``... and at least ``width`` of them.

    Raises:
        ProgrammingError: a record cannot be read.
    """
    found: list[Sequence[str | None]] = []
    for record in read_records(fmt, file):
        if record.code:
            raise errors.error(
                record.code,
                "22000",
                f"{record.message}\n  File '{file.relative}', line {record.line}, character {record.place}",
            )
        found.append(record.fields or [None])
        width = max(width, len(found[-1]))
    columns = {
        f"_{n + 1}": pa.array([fields[n] if n < len(fields) else None for fields in found], pa.string())
        for n in range(width)
    }
    return pa.table(columns)
