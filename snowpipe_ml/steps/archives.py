"""Month files as people publish them: archives, archives of archives, gzip, plain text."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from snowpipe_ml.errors import SourceFileError

_CHUNK = 2**20
_MAX_DEPTH = 3
# What reading a damaged, encrypted or strangely packed archive raises.
DAMAGED = (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)
_MAX_MEMBER = 16 * 2**30  # bytes of one unpacked member; more is taken for a bomb
_CONFLICT = re.compile(rb"^(?:<{7} |={7}$|={7}\r|>{7} )", re.M)
_MONTH = re.compile(r"(?<!\d)((?:19|20)\d{2})[-_]?(0[1-9]|1[0-2])(?!\d)")


def month_of(name: str) -> str | None:
    """The month in a file's name, as ``YYYY-MM``; None if there is none."""
    match = _MONTH.search(name)
    return f"{match.group(1)}-{match.group(2)}" if match else None


@dataclass(frozen=True)
class Archive:
    """A file to be staged: in a folder, or downloaded from a URL."""

    name: str
    path: Path

    def digest(self) -> str:
        """A digest of its bytes, by which it is known whether it was staged already."""
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()[:16]


def folder_archives(folder: Path, pattern: str) -> list[Archive]:
    """The archives of a folder, by name."""
    return [Archive(path.name, path) for path in sorted(folder.glob(pattern)) if path.is_file()]


def download(base: str, name: str, folder: Path) -> Archive:
    """Download one archive.

    Raises:
        SourceFileError: the server does not have it, or cannot be reached.
    """
    import urllib.error
    import urllib.request

    url = f"{base.rstrip('/')}/{name}"
    target = folder / name
    aside = target.with_name(f".{target.name}.part")
    try:
        # The step takes http:// and https:// alone.
        with urllib.request.urlopen(url, timeout=60) as response, aside.open("wb") as out:  # noqa: S310
            while chunk := response.read(_CHUNK):
                out.write(chunk)
    except (urllib.error.URLError, OSError) as error:
        aside.unlink(missing_ok=True)
        raise SourceFileError(f"cannot be downloaded: {error}", file=url) from error
    aside.rename(target)
    return Archive(name, target)


# --------------------------------------------------------------------------- members


def csv_members(archive: Archive) -> Iterator[tuple[str, IO[bytes]]]:
    """(name, stream) of every CSV inside, nested archives included, ``__MACOSX/`` never.

    Raises:
        SourceFileError: the file is damaged, or is nested too deeply.
    """
    with archive.path.open("rb") as file:
        try:
            yield from _members(archive.name, file, 0)
        except DAMAGED as error:
            raise SourceFileError(f"damaged archive: {error}", file=archive.name) from error


def _members(name: str, file: IO[bytes], depth: int) -> Iterator[tuple[str, IO[bytes]]]:
    if depth > _MAX_DEPTH:
        raise SourceFileError(f"archives nested more than {_MAX_DEPTH} deep", file=name)
    magic = file.read(4)
    file.seek(0)
    if magic[:2] == b"\x1f\x8b":
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield name.removesuffix(".gz"), unpacked  # type: ignore[misc]
    elif magic == b"PK\x03\x04" or name.lower().endswith(".zip"):
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                yield from _zip_member(name, archive, info, depth)
    else:
        yield name, file


def _zip_member(
    name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo, depth: int
) -> Iterator[tuple[str, IO[bytes]]]:
    path = PurePosixPath(info.filename)
    if info.is_dir() or "__MACOSX" in path.parts or path.name.startswith("._"):
        return
    if info.file_size > _MAX_MEMBER:
        raise SourceFileError(f"unpacks to {info.file_size} bytes, which is taken for a bomb", file=f"{name}!{path}")
    full = f"{name}!{path}"
    if path.suffix.lower() == ".zip":
        # A zip is read from its end, so one inside another is unpacked first.
        with archive.open(info) as member:
            yield from _members(full, io.BytesIO(member.read()), depth + 1)
    elif path.suffix.lower() == ".csv":
        with archive.open(info) as member:
            yield full, member


# --------------------------------------------------------------------------- layouts


def normalized(title: str) -> str:
    """A header's title as layouts compare it: ``"Start Time"`` and ``starttime`` are the same."""
    return re.sub(r"[^a-z0-9]", "", title.lower())


def layout_of(header: bytes, layouts: Mapping[str, Iterable[str]], file: str) -> str:
    """The layout whose columns a header line has, in that order.

    Raises:
        SourceFileError: none fits; the message says what stands there instead.
    """
    text = header.decode("utf-8-sig", errors="replace").strip("\r\n")
    if _CONFLICT.match(header):
        raise SourceFileError(
            f"a git conflict marker stands where the header should be: {text[:60]!r}",
            file=file,
            line=1,
            record=text[:500],
        )
    titles = [normalized(title) for title in next(csv.reader([text]), [])]
    for name, columns in layouts.items():
        if titles == [normalized(column) for column in columns]:
            return name
    raise SourceFileError(
        f"the header fits none of the layouts {', '.join(layouts)}: {text[:120]!r}",
        file=file,
        line=1,
        record=text[:500],
    )


def write_member(
    stream: IO[bytes], layouts: Mapping[str, Iterable[str]], file: str, folder: Path, name: str
) -> tuple[str, Path]:
    """Copy a member, gzipped, into the folder of its layout.

    Returns:
        The layout, and the file that was written.

    Raises:
        SourceFileError: an unknown header, or conflict markers anywhere in the text.
    """
    reader = io.BufferedReader(stream, _CHUNK) if isinstance(stream, io.RawIOBase) else stream
    header = reader.readline(65_536)
    layout = layout_of(header, layouts, file)
    target = folder / layout / name
    target.parent.mkdir(parents=True, exist_ok=True)
    line, tail = 2, b""
    with target.open("wb") as out, gzip.GzipFile("", "wb", 6, out, mtime=0) as packed:
        packed.write(header)
        while chunk := reader.read(_CHUNK):
            text = tail + chunk
            cut = text.rfind(b"\n") + 1
            block, tail = text[:cut], text[cut:]
            _refuse_conflict(block, line, file)
            line += block.count(b"\n")
            packed.write(block)
        _refuse_conflict(tail, line, file)
        packed.write(tail)
    return layout, target


def _refuse_conflict(block: bytes, line: int, file: str) -> None:
    match = _CONFLICT.search(block)
    if match:
        at = line + block.count(b"\n", 0, match.start())
        record = block[match.start() :].split(b"\n", 1)[0].decode(errors="replace").rstrip("\r")
        raise SourceFileError(f"a git conflict marker: {record[:60]!r}", file=file, line=at, record=record[:500])
