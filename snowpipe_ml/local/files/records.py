"""Read delimited files record by record, by Snowflake's rules.

DuckDB's reader is many times faster and reads most files. This one reads those that DuckDB would read
differently: see :meth:`~snowpipe_ml.local.files.csv.CsvFormat.is_plain` and :mod:`irregular`.
https://docs.snowflake.com/en/sql-reference/sql/create-file-format
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.files.csv import CsvFormat
from snowpipe_ml.local.files.record_source import Source, TooLongError

_SPACES = " \t"
_SHOWN = 2**16  # characters of a record that is too long
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
        source = Source(fmt, text)
        for _ in range(fmt.skip):
            source.skip_line()
        splitter = _Splitter(fmt, source)
        while (record := splitter.record()) is not None:
            if record.fields or record.code or not fmt.skip_blank:
                yield record


class _Splitter:
    """Splits records into their fields; a quoted or escaped delimiter makes a record continue in the next piece.

    The places of its methods are those in the piece that is read. Earlier pieces are kept aside: a field of many lines, as
    one whose closing quote is missing, takes time in proportion to its length.
    """

    def __init__(self, fmt: CsvFormat, source: Source) -> None:
        self._fmt, self._source = fmt, source
        self._before: list[str] = []
        self._text = self._end = ""
        self._inside: bool | None = None
        stops = [re.escape(mark) for mark in (fmt.delimiter, fmt.escape_unenclosed) if mark]
        self._stop = re.compile("|".join(stops) or r"(?!)")

    def _extend(self) -> bool:
        """Go on to the next piece, because the record delimiter is a part of a field; False at the end of the file.

        The new piece begins with the delimiter.
        """
        piece = self._source.line()
        if piece is None:
            return False
        self._before.append(self._text)
        self._text, self._end = self._end + piece, self._source.end
        return True

    def _extend_enclosed(self) -> bool:
        """Go on to the line with the next quote or escape character; False at the end of the file."""
        content = self._source.content()
        if content is None:
            self._before.append(self._text)
            # A line end at the end of the file is that of the record.
            rest = self._source.rest()
            self._text, self._end = self._end + rest if rest or self._source.end else "", self._source.end
            return False
        self._before += (self._text, self._end, content)
        self._text, self._end = self._source.line() or "", self._source.end
        return True

    def _whole(self) -> str:
        return "".join([*self._before, self._text]) if self._before else self._text

    def record(self) -> Record | None:
        """Return the next record; None at the end of the file."""
        source = self._source
        line = source.lines + 1
        source.begin()
        if self._before:
            self._before = []
        self._text = self._end = ""
        self._inside = None
        try:
            piece = source.line()
            if piece is None:
                return None
            self._text, self._end, self._inside = piece, source.end, False
            fields = self._fields()
        except TooLongError as found:
            text = self._whole() + source.beginning()
            source.skip_record(self._inside)
            return Record(line, text[:_SHOWN], [], found.code, found.message)
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
        self._inside = True
        doubled = fmt.quote * 2
        while True:
            content = self._source.inner.match(self._text, place)
            if content is not None:
                parts.append(content.group().replace(doubled, fmt.quote))
                place = content.end()
            if place == len(self._text):
                parts.append(self._end)
                if not fmt.multi_line or not self._extend_enclosed():
                    raise _Unreadable(100016, "The closing quote of a field is missing", len(self._text) - 1)
                parts.append(self._before[-1])
                place = 0
            elif self._text[place] == fmt.quote:
                self._inside = False
                return "".join(parts), place + 1
            else:
                found, place = self._escaped(place + 1, fmt.escape, "an enclosed")
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
