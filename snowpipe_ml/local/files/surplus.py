"""Finds records with one field too many that DuckDB's reader would take for complete: it drops such a field if it is NULL."""

from __future__ import annotations

import sys
from collections.abc import Collection

import numpy as np

# The bytes before a piece that are kept, because a field may lie on the boundary.
_LEAST_HELD = 64
_ENDS = (b"\n", b"\r")


class SurplusFields:
    """Follows the fields of the records through a file, piece by piece.

    Fields are counted only in pieces in which a line ends with a NULL; elsewhere only the last record is followed.

    Args:
        quote: the quote, or nothing.
        delimiter: the delimiter of fields.
        width: the number of columns of the table.
        nulls: what a field that is NULL contains.
        quoted: whether a field in quotes can be NULL.
    """

    def __init__(
        self, quote: bytes, delimiter: bytes, width: int, nulls: Collection[bytes], *, quoted: bool
    ) -> None:
        self._quote, self._delimiter, self._width = quote, delimiter, width
        written = {null: [null] for null in nulls}
        if quote and quoted:
            written = {null: [null, quote + null + quote] for null in nulls}
        self._nulls = {form for forms in written.values() for form in forms}
        self._held = b""
        self._keep = max([_LEAST_HELD, *(2 * len(null) for null in self._nulls)])
        self._count, self._inside = (
            0,
            False,
        )  # the delimiters of the last record, and whether it ends in quotes
        self.suspected = False
        """Whether a line ends with a NULL: if the quotes are not paired, its record may have any number of fields."""

    def add(self, chunk: bytes) -> bool:
        """Examine the next bytes; a file ends with a line end.

        Returns:
            Whether a record has a field too many that is NULL, if the quotes are paired.
        """
        seam = self._held + chunk[: self._keep]
        if self._ends_with_null(seam) or self._ends_with_null(chunk):
            self.suspected = True
            if len(self._delimiter) > 1:  # rare, and slower to count
                return True
            found = self._has_surplus(self._held + chunk, len(self._held))
        else:
            found = False
            self._follow(chunk)
        self._held = (seam if len(chunk) < self._keep else chunk)[-self._keep :]
        return found

    def _ends_with_null(self, piece: bytes) -> bool:
        return any(
            _contains(piece, self._delimiter + null + end)
            for end in _ENDS
            if end in piece
            for null in self._nulls
            if null[:1] in piece
        )

    def _follow(self, chunk: bytes) -> None:
        last = max(map(chunk.rfind, _ENDS))
        quotes = 0
        if self._quote and self._quote in chunk:
            quotes = int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == self._quote[0]))
        tail = chunk[last + 1 :]
        if last >= 0 and (quotes - (tail.count(self._quote) if quotes else 0) + self._inside) % 2 == 0:
            self._count, self._inside = 0, False
            self._has_surplus(tail, 0)
        else:
            self._has_surplus(chunk, 0)

    def _has_surplus(self, piece: bytes, start: int) -> bool:
        """Count the delimiters of each record from a place of a piece on."""
        codes = np.frombuffer(piece, np.uint8)[start:]
        between = codes == self._delimiter[0]
        ends = (codes == _ENDS[0][0]) | (codes == _ENDS[1][0])
        if self._quote and (self._inside or piece.find(self._quote, start) >= 0):
            # A place is outside if the number of quotes up to it is even.
            outside = np.cumsum(codes == self._quote[0], dtype=np.uint8) & 1 == self._inside
            between &= outside
            ends &= outside
            self._inside = not outside[-1] if len(outside) else self._inside
        delimiters, stops = np.flatnonzero(between), np.flatnonzero(ends)
        if not len(stops):
            self._count += len(delimiters)
            return False
        before = np.searchsorted(delimiters, stops)
        counts = np.diff(before, prepend=0)
        counts[0] += self._count
        self._count = len(delimiters) - int(before[-1])
        return any(
            piece[piece.rfind(self._delimiter, 0, stop) + 1 : stop] in self._nulls
            for stop in (stops[counts == self._width] + start).tolist()
        )


def _contains(piece: bytes, searched: bytes) -> bool:
    """Return whether bytes contain others; many times faster than a search where these are two."""
    return has_pair(piece, searched) if len(searched) == len("\r\n") else searched in piece


def has_pair(piece: bytes, pair: bytes) -> bool:
    """Return whether bytes contain two that follow each other: NumPy compares all at an even, and all at an odd place."""
    number = int.from_bytes(pair, sys.byteorder)
    halves = (
        np.frombuffer(piece, np.uint16, (len(piece) - at) // 2, at) for at in (0, 1) if len(piece) > at + 1
    )
    return any(bool(np.any(half == number)) for half in halves)
