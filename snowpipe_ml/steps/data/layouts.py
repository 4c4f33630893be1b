"""Sort CSV files by their headers, and copy them unchanged unless they cannot be loaded."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from snowpipe_ml.errors import SourceFileError

try:
    from isal.igzip import IGzipFile as GzipFile
except ImportError:  # in a procedure: Snowflake's Anaconda channel may lack isal
    from gzip import GzipFile

_CHUNK = 2**20
_LONGEST_HEADER = 65_536  # bytes
_LONGEST_NAME = 255  # bytes of a file name, on all common file systems
_MARK = rb"<{7} |>{7} |={7}(?=\r?(?:\n|\Z))"
_CONFLICT_HERE = re.compile(_MARK)
_CONFLICT = re.compile(rb"\n(?:" + _MARK + rb")")
_LONGEST_MARK = 9  # bytes, including the line end that must follow
_TEXT = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"(\xb5/\xfd": "Zstandard",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
    b"PAR1": "Parquet",
}


def normalized(title: str) -> str:
    """Return a header title as layouts compare it: ``"Start Time"`` and ``starttime`` are equal."""
    return re.sub(r"[^a-z0-9]", "", title.lower())


def layout_of(header: bytes, layouts: Mapping[str, Iterable[str]], file: str) -> str:
    """Return the layout that has the columns of a header line, in the same order.

    Raises:
        SourceFileError: no layout matches, or the line is not the header of a text file; the message says
            what it is instead.
    """
    text = header.decode("utf-8-sig", errors="replace").strip("\r\n")

    def refused(reason: str) -> SourceFileError:
        return SourceFileError(reason, file=file, line=1, record=text[:500].replace("\0", "\ufffd"))

    if _CONFLICT_HERE.match(header):
        raise refused(f"a git conflict marker in place of the header: {text[:60]!r}")
    kind = next((kind for mark, kind in _TEXT.items() if header.startswith(mark)), None)
    if header[257:262] == b"ustar":
        kind = "tar"
    if kind is not None:
        raise refused(f"a {kind} file; expected CSV in UTF-8, plain or compressed with gzip or zip")
    if b"\0" in header:
        raise refused("the header contains a NUL byte: this is not a text file in UTF-8")
    if b"\r" in header.rstrip(b"\r\n") or (header.endswith(b"\r") and len(header) > 1):
        raise refused("lines end in CR only, as on classic Mac OS; convert them to LF")
    try:
        titles = [normalized(title) for title in next(csv.reader([text]), [])]
    except csv.Error as error:
        raise refused(f"the header cannot be read as CSV: {error}") from error
    for name, columns in layouts.items():
        if titles == [normalized(column) for column in columns]:
            return name
    raise refused(f"the header matches none of the layouts {', '.join(layouts)}: {text[:120]!r}")


def write_member(
    stream: IO[bytes], layouts: Mapping[str, Iterable[str]], file: str, folder: Path, name: str
) -> tuple[str, Path]:
    """Copy a member, compressed with gzip, into the folder of its layout.

    Args:
        stream: the unpacked member.
        layouts: the columns of each layout.
        file: the name of the member, for errors.
        folder: the parent of the folders of the layouts.
        name: the name of the new file.

    Returns:
        The layout, and the file that was written.

    Raises:
        SourceFileError: the header is unknown, the text contains conflict markers, or the name is too long.
    """
    if len(name.encode()) > _LONGEST_NAME:
        raise SourceFileError(
            f"its name has {len(file.encode())} bytes, which is too long for a staged file", file=file, line=1
        )
    header = stream.readline(_LONGEST_HEADER)
    layout = layout_of(header, layouts, file)
    target = folder / layout / name
    target.parent.mkdir(parents=True, exist_ok=True)
    conflicts = _Conflicts(file, header.endswith(b"\n"))
    with target.open("wb") as out, GzipFile("", "wb", 2, out, mtime=0) as packed:
        packed.write(header)
        while chunk := stream.read(_CHUNK):
            conflicts.refuse_in(chunk)
            packed.write(chunk)
        conflicts.refuse_in(b"")
    return layout, target


class _Conflicts:
    """Detects git's conflict markers at the start of lines, in chunks that may be cut anywhere.

    Args:
        file: the file's name, for the error.
        at_start: whether the next byte is the first of a line.
    """

    def __init__(self, file: str, at_start: bool) -> None:
        self._file = file
        # The line end before the line that a chunk may have cut, with the part of the line read so far;
        # within a long line, one byte that is not a line end.
        self._carried = b"\n" if at_start else b" "
        self._lines = 1 if at_start else 0  # line ends seen

    def refuse_in(self, chunk: bytes) -> None:
        """Check the next chunk; an empty one marks the end of the file.

        Raises:
            SourceFileError: there is a marker; the error has its line.
        """
        window = self._carried + chunk
        before = self._lines - self._carried.count(b"\n")
        for match in _CONFLICT.finditer(window):
            if chunk and match.group().endswith(b"=") and window[match.end() :] in (b"", b"\r"):
                continue  # the line may continue in the next chunk
            record = (
                window[match.start() + 1 :][:500].split(b"\n", 1)[0].decode(errors="replace").rstrip("\r")
            )
            line = before + window.count(b"\n", 0, match.start() + 1) + 1
            raise SourceFileError(
                f"a git conflict marker: {record[:60]!r}", file=self._file, line=line, record=record
            )
        self._lines = before + window.count(b"\n")
        tail = window[window.rfind(b"\n") :] if b"\n" in window else b""
        self._carried = tail if 0 < len(tail) <= 1 + _LONGEST_MARK else b" "
