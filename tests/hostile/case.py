"""A hostile file, and the rows that may come of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HEADER = b"a,b\n"
MB = 2**20


@dataclass(frozen=True)
class Case:
    """A hostile file.

    Attributes:
        name: the name of the file.
        content: the bytes, or a function that writes them to a path.
        rows: the rows that are right; a refused file may have none of them. None: any.
        must: whether the file has to be loaded, without a complaint.
        lost: whether it has a record that cannot be loaded, so that a line has to be named.
    """

    name: str
    content: bytes | Callable[[Path], None]
    rows: frozenset[tuple[int | None, str | None]] | None = frozenset()
    must: bool = False
    lost: bool = False

    def write(self, folder: Path) -> None:
        """Write the file to a folder."""
        path = Path(os.path.join(folder, self.name))
        if isinstance(self.content, bytes):
            path.write_bytes(self.content)
        else:
            self.content(path)


def rows(*numbers: int) -> frozenset[tuple[int | None, str | None]]:
    """Return the rows of ``table`` for these numbers."""
    return frozenset((number, f"x{number}") for number in numbers)


def table(*numbers: int) -> bytes:
    """Return a CSV file with a row for each number."""
    return HEADER + b"".join(b"%d,x%d\n" % (number, number) for number in numbers)


def blocks(text: bytes, size: int) -> Iterator[bytes]:
    """Yield a text again and again, up to a number of bytes, in blocks of about 1 MB."""
    block = text * max(1, MB // len(text))
    for _ in range(size // len(block)):
        yield block
