"""Checks that DuckDB's reader and Snowflake would read the quotes of a delimited file in the same way.

DuckDB's reader ignores spaces around quotes, loses records after a closing quote that other text follows, and with one thread
leaves out a last record whose field is not closed. It reports none of these.
"""

from __future__ import annotations

import codecs
import re
from typing import IO

import numpy as np

_CHUNK = 2**22
# Bytes before and after a quote that are looked at: more than a delimiter has.
_MARGIN = 16


class Quoting:
    """Follows the quotes through a file, piece by piece: a quick test that most files pass.

    Quotes are paired if they open and close fields in turn: a delimiter or a line end precedes each that opens, and one
    follows each that closes. Two in a row are one in a field in quotes.

    Args:
        quote: the quote, or nothing.
        delimiter: the delimiter of fields.
    """

    def __init__(self, quote: bytes, delimiter: bytes) -> None:
        self._quote, self._delimiter = quote, delimiter
        self._held = b"\n" * _MARGIN  # the bytes before those that were not examined yet, and these
        self._begun = self._inside = False
        self._opens, self._closes = np.zeros(256, bool), np.zeros(256, bool)
        self._opens[list(quote + delimiter[-1:] + b"\r\n")] = True
        self._closes[list(quote + delimiter[:1] + b"\r\n")] = True

    def add(self, chunk: bytes, *, last: bool = False) -> bool:
        """Examine the next bytes.

        Args:
            chunk: the bytes.
            last: whether no others follow.

        Returns:
            Whether the quotes are paired so far.
        """
        if not self._begun:
            chunk, self._begun = chunk.removeprefix(codecs.BOM_UTF8), True
        if not self._quote:
            return True
        if self._quote not in chunk and self._quote not in self._held:
            self._held = (self._held + chunk[-2 * _MARGIN :])[-2 * _MARGIN :]
            return not (last and self._inside)
        piece = self._held + chunk + (b"\n" * _MARGIN if last else b"")
        end = len(piece) - _MARGIN
        self._held = piece[max(end - _MARGIN, 0) :]
        if end > _MARGIN:
            codes = np.frombuffer(piece, np.uint8)
            at = np.flatnonzero(codes[_MARGIN:end] == self._quote[0]) + _MARGIN
            if not self._are_paired(codes, at[self._inside :: 2], at[not self._inside :: 2]):
                return False
            self._inside ^= bool(len(at) % 2)
        return not (last and self._inside)

    def _are_paired(self, codes: np.ndarray, opening: np.ndarray, closing: np.ndarray) -> bool:
        if not (self._opens[codes[opening - 1]].all() and self._closes[codes[closing + 1]].all()):
            return False
        width = len(self._delimiter)
        if width == 1:
            return True
        # A delimiter of several bytes: all of them, and none that may belong to another one.
        opening = opening[codes[opening - 1] == self._delimiter[-1]]
        closing = closing[codes[closing + 1] == self._delimiter[0]]
        alike = np.isin(codes[opening - width - 1], list(self._delimiter))
        return not alike.any() and all(
            (codes[opening - width + n] == byte).all() and (codes[closing + 1 + n] == byte).all()
            for n, byte in enumerate(self._delimiter)
        )


def has_regular_quotes(file: IO[bytes], quote: bytes, delimiter: bytes) -> bool:
    """Return whether all quotes of a file open or close a field, or are within a field that no quote opens.

    The expression reads fields in time that is linear in their length. What is held of a field that continues in the next
    piece is only what decides how to go on.
    """
    mark, comma = re.escape(quote), re.escape(delimiter)
    content = re.compile(mark + rb"(?:[^%b]++|%b%b)*+" % (mark, mark, mark))
    begins = re.escape(delimiter[:1])
    plain = rb"(?! *%b)(?:[^%b\r\n]++|(?!%b)%b)*+" % (mark, begins, comma, begins)
    fields = re.compile(rb"(?:(?:%b%b|%b)(?:%b|[\r\n]))*+" % (content.pattern, mark, plain, comma))
    spaced = re.compile(rb" +%b" % mark)
    held = b""
    first = True
    while chunk := file.read(_CHUNK):
        piece = held + (chunk.removeprefix(codecs.BOM_UTF8) if first else chunk)
        first = False
        rest = piece[found.end() :] if (found := fields.match(piece)) else piece
        if spaced.match(rest):
            return False
        if inside := content.match(rest):
            behind = rest[inside.end() + 1 :]
            if len(behind) >= len(delimiter):
                return False
            held = quote * (2 if inside.end() < len(rest) else 1) + behind
        elif rest.strip(b" "):
            held = b"x" + rest[len(rest) - len(delimiter) + 1 if len(rest) >= len(delimiter) else 0 :]
        else:
            held = rest[:1]
    end = held + b"\n"
    found = fields.match(end)
    return found is not None and found.end() == len(end)
