"""CSV files sorted by their headers, and copied as they are unless something in them cannot be loaded."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from snowpipe_ml.errors import SourceFileError

_CHUNK = 2**20
_LONGEST_HEADER = 65_536  # bytes
_LONGEST_NAME = 255  # bytes of a file's name, on every file system that matters
_MARK = rb"<{7} |>{7} |={7}(?=\r?(?:\n|\Z))"
_CONFLICT_HERE = re.compile(_MARK)
_CONFLICT = re.compile(rb"\n(?:" + _MARK + rb")")
_LONGEST_MARK = 9  # bytes, with what must follow it
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
    """A header's title as layouts compare it: ``"Start Time"`` and ``starttime`` are the same."""
    return re.sub(r"[^a-z0-9]", "", title.lower())


def layout_of(header: bytes, layouts: Mapping[str, Iterable[str]], file: str) -> str:
    """The layout whose columns a header line has, in that order.

    Raises:
        SourceFileError: none fits, or the line is not a header of a text file; the message says what it is instead.
    """
    text = header.decode("utf-8-sig", errors="replace").strip("\r\n")

    def refused(reason: str) -> SourceFileError:
        return SourceFileError(reason, file=file, line=1, record=text[:500].replace("\0", "\ufffd"))

    if _CONFLICT_HERE.match(header):
        raise refused(f"a git conflict marker stands where the header should be: {text[:60]!r}")
    kind = next((kind for mark, kind in _TEXT.items() if header.startswith(mark)), None)
    if header[257:262] == b"ustar":
        kind = "tar"
    if kind is not None:
        raise refused(f"a {kind} file, where CSV in UTF-8 is expected, plain or packed with gzip or zip")
    if b"\0" in header:
        raise refused("the header holds a NUL byte: this is not a text file in UTF-8")
    if b"\r" in header.rstrip(b"\r\n") or (header.endswith(b"\r") and len(header) > 1):
        raise refused("lines end in CR alone, as on old Macintoshes; convert them to LF")
    try:
        titles = [normalized(title) for title in next(csv.reader([text]), [])]
    except csv.Error as error:
        raise refused(f"the header cannot be read as CSV: {error}") from error
    for name, columns in layouts.items():
        if titles == [normalized(column) for column in columns]:
            return name
    raise refused(f"the header fits none of the layouts {', '.join(layouts)}: {text[:120]!r}")


def write_member(
    stream: IO[bytes], layouts: Mapping[str, Iterable[str]], file: str, folder: Path, name: str
) -> tuple[str, Path]:
    """Copy a member, gzipped, into the folder of its layout.

    Args:
        stream: the unpacked member.
        layouts: layout: its columns.
        file: the member's name, for errors.
        folder: where the folders of the layouts are made.
        name: the name of the new file.

    Returns:
        The layout, and the file that was written.

    Raises:
        SourceFileError: an unknown header, conflict markers anywhere in the text, or a name that is too long.
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
    with target.open("wb") as out, gzip.GzipFile("", "wb", 6, out, mtime=0) as packed:
        packed.write(header)
        while chunk := stream.read(_CHUNK):
            conflicts.refuse_in(chunk)
            packed.write(chunk)
        conflicts.refuse_in(b"")
    return layout, target


class _Conflicts:
    """Looks for git's conflict markers at the starts of lines, in chunks that are cut anywhere.

    Args:
        file: the file's name, for the error.
        at_start: whether the next byte is the first of a line.
    """

    def __init__(self, file: str, at_start: bool) -> None:
        self._file = file
        # The line end before the line that a chunk may have cut, with what is known of the line; or, within a long
        # line, one byte that cannot be a line end.
        self._carried = b"\n" if at_start else b" "
        self._lines = 1 if at_start else 0  # line ends seen

    def refuse_in(self, chunk: bytes) -> None:
        """Look at the next chunk; an empty one says that the file ends here.

        Raises:
            SourceFileError: a marker, with its line.
        """
        window = self._carried + chunk
        before = self._lines - self._carried.count(b"\n")
        for match in _CONFLICT.finditer(window):
            if chunk and match.group().endswith(b"=") and window[match.end() :] in (b"", b"\r"):
                continue  # the line may go on in the next chunk
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
