"""The text of a delimited file in pieces that end with a record delimiter, in bounded memory."""

from __future__ import annotations

import re
from typing import IO

from snowpipe_ml.local.files.csv import MAX_LINE, CsvFormat

_CHUNK = 2**20
_LINE_END = re.compile("\r\n|\n|\r")
_LAST_END = re.compile(r"(?:\r\n|\n|\r)\Z")
_SHOWN = 2**16


class TooLongError(Exception):
    """A record has more characters than :data:`~snowpipe_ml.local.files.csv.MAX_LINE`.

    Attributes:
        code: Snowflake's number of the error.
        message: the error.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def _too_long() -> TooLongError:
    return TooLongError(100082, f"Max LOB size ({MAX_LINE}) exceeded by a record")


class Source:
    """Reads a file in pieces, and skips records that are too long without holding them.

    All searches go through blocks in time that is linear in their length.

    Args:
        fmt: the format of the file.
        text: its text, in which line ends are as in the file.

    Attributes:
        lines: how many lines were read, or records if their delimiter is not a new line.
        end: the record delimiter after the piece that was read last; nothing at the end of the file.
        inner: a pattern of the content of a field in quotes, up to the closing quote or an escape character.
    """

    def __init__(self, fmt: CsvFormat, text: IO[str]) -> None:
        self._text, self._escape = text, fmt.escape
        self._newline = fmt.record_delimiter == "\n"
        delimiter = fmt.record_delimiter
        end = _LINE_END.pattern if self._newline else re.escape(delimiter) if delimiter else "(?!)"
        self._end = re.compile(end)
        special = re.escape(fmt.quote + fmt.escape) or "\0"
        doubled = re.escape(fmt.quote * 2) if fmt.quote else "(?!)"
        self.inner = re.compile(f"(?:[^{special}]++|{doubled})*+" if fmt.quote else "")
        self._marks = re.compile(f"[{special}]")
        opens = re.escape(fmt.delimiter + fmt.quote) if fmt.delimiter and fmt.quote else "(?!)"
        self._outside = re.compile(f"(?P<opens>{opens})|{end}")
        self._quote = fmt.quote
        # The last characters of a block that may be the beginning of a match.
        self._open = len(fmt.delimiter) + len(delimiter or "")
        self._held, self._at, self._ended = "", 0, False
        self._read = 0
        self.lines = 0
        self.end = ""

    def begin(self) -> None:
        """Begin a record: its length counts from here."""
        self._read = 0

    def _fill(self) -> None:
        chunk = "" if self._ended else self._text.read(_CHUNK)
        self._ended = not chunk
        self._held, self._at = self._held[self._at :] + chunk, 0

    def _find(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        searched = 0
        while True:
            found = pattern.search(self._held, self._at + searched)
            # At the end of a block, a CR may be half of a line end.
            if found and (found.end() < len(self._held) or self._ended):
                return found
            if not found and self._ended:
                return None
            if self._read + len(self._held) - self._at > MAX_LINE:
                raise _too_long()
            searched = found.start() if found else max(self._at, len(self._held) - self._open)
            searched -= self._at
            self._fill()

    def _take(self, end: int) -> str:
        self._read += end - self._at
        if self._read > MAX_LINE:
            raise _too_long()
        piece = self._held[self._at : end]
        self._at = end
        return piece

    def line(self) -> str | None:
        """Return the text up to the next record delimiter, and read that too; None at the end of the file.

        Raises:
            TooLongError: the record is too long; nothing was read.
        """
        found = self._find(self._end)
        if found:
            piece = self._take(found.start())
            self._at = found.end()
            self.end = found.group()
            self.lines += 1
            return piece
        piece, self.end = self._take(len(self._held)), ""
        # After the last record delimiter of another kind, a line end is not another record.
        return piece if piece and (self._newline or piece.strip("\r\n")) else None

    def content(self) -> str | None:
        """Return the text before the next quote or escape character; None if there is none.

        Raises:
            TooLongError: the record is too long; nothing was read.
        """
        found = self._find(self._marks)
        if found is None:
            return None
        piece = self._take(found.start())
        self._count(piece)
        return piece

    def rest(self) -> str:
        """Return the rest of the file, which is the end of a record.

        Raises:
            TooLongError: the record is too long; nothing was read.
        """
        while not self._ended:
            if self._read + len(self._held) - self._at > MAX_LINE:
                raise _too_long()
            self._fill()
        piece, self.end = self._take(len(self._held)), ""
        self._count(piece)
        if self._newline and (found := _LAST_END.search(piece)):
            piece, self.end = piece[: found.start()], found.group()
        return piece

    def beginning(self) -> str:
        """Return some of the text that follows, without reading it."""
        return self._held[self._at : self._at + _SHOWN]

    def _count(self, text: str) -> None:
        if self._newline and ("\n" in text or "\r" in text):
            self.lines += text.count("\n") + text.count("\r") - text.count("\r\n")

    def _drop(self, end: int) -> None:
        if end == len(self._held) and not self._ended and self._held.endswith("\r"):
            end -= 1  # it may be half of a line end
        self._count(self._held[self._at : end])
        self._at = end

    def skip_line(self) -> None:
        """Skip a line of the header, whatever the record delimiter is."""
        while True:
            found = _LINE_END.search(self._held, self._at)
            if found and (found.end() < len(self._held) or self._ended):
                self._drop(found.end())
                break
            if self._ended:
                self._drop(len(self._held))
                break
            self._drop(len(self._held))
            self._fill()
        self.lines += not self._newline

    def skip_record(self, inside: bool | None) -> None:
        """Skip the rest of a record.

        Args:
            inside: whether it is in a field in quotes; None at the beginning of the record.
        """
        if inside is None:
            inside = bool(self._quote) and self._held.startswith(self._quote, self._at)
            self._at += inside
        while inside is not None:
            inside = self._skip_enclosed() if inside else self._skip_fields()
        self.lines += not self._newline

    def _skip_enclosed(self) -> bool | None:
        """Go on in a field in quotes; return whether what follows is in it, None at the end of the record."""
        found = self.inner.match(self._held, self._at)
        end = found.end() if found else self._at
        if end >= len(self._held) - 1 and not self._ended:  # a quote there may be half of two
            self._drop(end)
            self._fill()
            return True
        if end == len(self._held):
            self._drop(end)
            return None
        escaped = bool(self._escape) and self._held[end] == self._escape
        self._drop(min(end + 1 + escaped, len(self._held)))
        return escaped

    def _skip_fields(self) -> bool | None:
        """Go on outside of quotes; return whether what follows is in quotes, None at the end of the record."""
        found = self._outside.search(self._held, self._at)
        if found and (found.end() < len(self._held) or self._ended):
            self._drop(found.end())
            return True if found["opens"] else None
        if self._ended:
            self._drop(len(self._held))
            return None
        self._drop(found.start() if found else max(self._at, len(self._held) - self._open))
        self._fill()
        return False
