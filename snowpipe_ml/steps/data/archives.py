"""Source files as they are published: archives, nested archives, gzip, plain text."""

from __future__ import annotations

import bz2
import copy
import gzip
import hashlib
import io
import lzma
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field

from snowpipe_ml.errors import SourceFileError

_CHUNK = 2**20
_ZIP = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x07\x08",
)  # a member, an empty archive, a split archive; "PK" alone may also begin a column title
_MAX_DEPTH = 3
# The exceptions raised by reading an archive that is damaged, encrypted or compressed unusually.
DAMAGED = (
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    RuntimeError,
    NotImplementedError,
    UnicodeDecodeError,
    ValueError,
)
# Other formats: they are passed on, so that the check of the header refuses them by name.
_PACKED = (".csv.bz2", ".csv.xz", ".csv.zst", ".tar", ".tgz", ".tar.gz", ".7z", ".rar", ".parquet")
_LISTED = b"PK\x01\x02"  # begins the entry of a member in the list of an archive
_LONGEST_LIST = 32 * 2**20  # bytes of the list of members, with their names
_GZIP = 16 + zlib.MAX_WBITS  # tells zlib the format
_PACKED_CHUNK = 2**16
_LZMA_MEMORY = 2**27  # bytes; a header may ask for a dictionary of 4 GB
_MARKED_END = 2  # the flag of an LZMA member that ends with a mark
_UNKNOWN = 2**64 - 1  # the size of such a member
_SMALL_PART = 1024  # bytes; a gzip file of many parts that unpack to less is refused
# Below this many unpacked bytes any ratio is harmless.
_SMALL = 64 * 2**20
_MONTH = re.compile(r"(?<!\d)((?:19|20)\d{2})[-_]?(0[1-9]|1[0-2])(?!\d)")


class Limits(BaseModel):
    """Limits on the content of an archive; an archive that exceeds one is refused as a decompression bomb."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    unpacked_mb: int = Field(16_384, ge=1, description="Megabytes that all members unpack to")
    ratio: int = Field(
        200, ge=1, description="Unpacked bytes per byte of the archive; checked once 64 MB are unpacked"
    )
    members: int = Field(10_000, ge=1, description="Files inside, including those of nested archives")


def month_of(name: str) -> str | None:
    """Return the month in a file name as ``YYYY-MM``; None if there is none."""
    match = _MONTH.search(name)
    return f"{match.group(1)}-{match.group(2)}" if match else None


@dataclass(frozen=True)
class Archive:
    """A file to stage, from a folder or downloaded from a URL."""

    name: str
    path: Path

    def digest(self) -> str:
        """Return a digest of the content, which tells whether it has been staged already."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def folder_archives(folder: Path, pattern: str) -> list[Archive]:
    """Return the archives of a folder, sorted by name, including broken links, which cannot be read."""
    found = [
        path
        for path in sorted(folder.glob(pattern))
        if path.is_file() or (path.is_symlink() and not path.is_dir())
    ]
    return [Archive(path.name, path) for path in found]


def csv_members(archive: Archive, limits: Limits | None = None) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield (name, stream) for every CSV inside, including nested archives and excluding ``__MACOSX/``.

    No file is loaded into memory: members are streams, and a nested zip is unpacked to a temporary file.

    Raises:
        SourceFileError: the file is damaged, nested too deeply, or exceeds the limits.
    """
    with archive.path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        budget = _Budget(archive.name, size, limits or Limits())
        try:
            yield from _members(archive.name, file, 0, budget)
        except DAMAGED as error:
            raise SourceFileError(f"damaged archive: {error}", file=archive.name) from error


class _Budget:
    """The remaining limits of an archive while its members are read."""

    def __init__(self, name: str, packed: int, limits: Limits) -> None:
        self._name, self._packed, self._limits = name, max(1, packed), limits
        self._unpacked = self._members = 0

    def count_members(self, number: int) -> None:
        """Count the files that an archive lists."""
        self._members += number
        if self._members > self._limits.members:
            self._refuse(f"contains more than {self._limits.members:,} files", "members")

    def check_members(self, number: int) -> None:
        """Check the files that an archive is about to list, without counting them."""
        if self._members + number > self._limits.members:
            self.count_members(number)

    def check_parts(self, number: int) -> None:
        """Check the parts of a gzip file: each takes time, and tiny ones unpack to nothing."""
        if number > self._limits.members + self._unpacked // _SMALL_PART:
            self._refuse(f"contains more than {self._limits.members:,} gzip parts of few bytes", "members")

    def refuse_list(self, longest: int) -> NoReturn:
        """Refuse an archive because the list of its members is too long to be read."""
        raise SourceFileError(
            f"the list of its members has more than {longest // 2**20} MB; pack it as several archives",
            file=self._name,
        )

    def count_bytes(self, number: int) -> None:
        """Count bytes that were unpacked."""
        self._unpacked += number
        if self._unpacked > self._limits.unpacked_mb * 2**20:
            self._refuse(f"unpacks to more than {self._limits.unpacked_mb:,} MB", "unpacked_mb")
        if self._unpacked > max(_SMALL, self._limits.ratio * self._packed):
            self._refuse(
                f"its {self._packed:,} bytes unpack to more than {self._limits.ratio:,} times as many",
                "ratio",
            )

    def _refuse(self, what: str, limit: str) -> NoReturn:
        raise SourceFileError(
            f"{what}, and may be a decompression bomb; raise `limits: {{{limit}: ...}}` to allow it",
            file=self._name,
        )


class _Counted(io.RawIOBase):
    """An unpacked stream whose bytes are counted against the limits of its archive."""

    def __init__(self, stream: IO[bytes], budget: _Budget) -> None:
        self._stream, self._budget = stream, budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        self._budget.count_bytes(len(data))
        buffer[: len(data)] = data
        return len(data)


class _Directory(io.RawIOBase):
    """A zip file whose list of members is checked before it is parsed: each takes half a kilobyte of memory.

    The list is read as a whole, and its size and its number of members at the end of the file may be false.
    """

    def __init__(self, file: IO[bytes], budget: _Budget) -> None:
        self._file, self._budget = file, budget

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        if size > _LONGEST_LIST:
            self._budget.refuse_list(_LONGEST_LIST)
        data = self._file.read(size)
        if data.startswith(_LISTED):
            self._budget.check_members(data.count(_LISTED))
        return data


class _Gunzipped(io.RawIOBase):
    """The content of a gzip file, whose parts are counted.

    Python's own reader takes the name in a header byte by byte, and any number of empty parts.
    """

    def __init__(self, file: IO[bytes], budget: _Budget) -> None:
        self._file, self._budget = file, budget
        self._packed = b""
        self._parts = 0
        self._unpacker: Any = None  # between two parts

    def read(self, size: int = -1) -> bytes:
        """Return at most this many bytes; none at the end."""
        while True:
            self._packed = self._packed or self._file.read(_PACKED_CHUNK)
            if not self._packed and self._unpacker is not None:
                raise EOFError("the gzip file ends within its data")
            if self._unpacker is None and self._parts:
                zeros = bool(self._packed)
                self._packed = self._packed.lstrip(b"\0")  # padding, as on tapes
                if zeros and not self._packed:
                    continue
            if not self._packed:
                return b""
            if self._unpacker is None:
                self._parts += 1
                self._budget.check_parts(self._parts)
                self._unpacker = zlib.decompressobj(_GZIP)
            data: bytes = self._unpacker.decompress(self._packed, size)
            if self._unpacker.eof:
                self._packed, self._unpacker = self._unpacker.unused_data, None
            else:
                self._packed = self._unpacker.unconsumed_tail
            if data:
                return data


class _Inflated(io.RawIOBase):
    """A member of a zip that is packed with bzip2 or LZMA, unpacked in bounded steps.

    zipfile would unpack each 4 kB at once, which may be gigabytes.
    """

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        packed = copy.copy(info)
        packed.compress_type, packed.file_size = zipfile.ZIP_STORED, info.compress_size
        del packed.CRC  # that of the unpacked bytes, which is checked here
        self._info, self._crc, self._head = info, 0, b""
        self._file = archive.open(packed)
        self._unpacker: Any
        if info.compress_type == zipfile.ZIP_BZIP2:
            self._unpacker = bz2.BZ2Decompressor()
            return
        # The header in a zip has a version and a length where that of a file has the unpacked size.
        _, length = struct.unpack("<HH", self._file.read(4))
        size = _UNKNOWN if info.flag_bits & _MARKED_END else info.file_size
        self._head = self._file.read(length) + struct.pack("<Q", size)
        self._unpacker = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_LZMA_MEMORY)

    def read(self, size: int = -1) -> bytes:
        """Return at most this many bytes; none at the end."""
        while not self._unpacker.eof:
            packed = b""
            if self._unpacker.needs_input:
                packed, self._head = self._head or self._file.read(_PACKED_CHUNK), b""
                if not packed:
                    raise EOFError(f"{self._info.filename!r} ends within its data")
            try:
                data: bytes = self._unpacker.decompress(packed, size)
            except OSError as error:  # of bzip2, which raises it for damaged data
                raise zipfile.BadZipFile(f"{self._info.filename!r}: {error}") from error
            self._crc = zlib.crc32(data, self._crc)
            if data:
                return data
        if self._crc != self._info.CRC:
            raise zipfile.BadZipFile(f"Bad CRC-32 for file {self._info.filename!r}")
        return b""


def _opened(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    if info.compress_type in {zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}:
        return _Inflated(archive, info)  # type: ignore[return-value]
    return archive.open(info)


def _counted(stream: IO[bytes], budget: _Budget) -> IO[bytes]:
    return io.BufferedReader(_Counted(stream, budget), _CHUNK)


def _members(name: str, file: IO[bytes], depth: int, budget: _Budget) -> Iterator[tuple[str, IO[bytes]]]:
    if depth > _MAX_DEPTH:
        raise SourceFileError(f"archives nested more than {_MAX_DEPTH} deep", file=name)
    magic = file.read(4)
    file.seek(0)
    if magic[:2] == b"\x1f\x8b":
        yield from _gzip_member(name, file, budget)
    elif magic in _ZIP or name.lower().endswith(".zip"):
        with zipfile.ZipFile(_Directory(file, budget)) as archive:
            infos = archive.infolist()
            budget.count_members(len(infos))
            first = min((info.header_offset for info in infos), default=0)
            if first < 0:
                raise zipfile.BadZipFile("a member is said to begin before the file")
            if magic == _ZIP[0] and first:
                raise SourceFileError(
                    "another archive precedes the last one in this file, and a reader sees only the last: "
                    "unpack it and pack its files again",
                    file=name,
                )
            for info in infos:
                yield from _zip_member(name, archive, info, depth, budget)
    else:
        yield name, file


def _gzip_member(name: str, file: IO[bytes], budget: _Budget) -> Iterator[tuple[str, IO[bytes]]]:
    budget.count_members(1)
    yield name.removesuffix(".gz"), _counted(_Gunzipped(file, budget), budget)  # type: ignore[arg-type]


def _zip_member(
    name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo, depth: int, budget: _Budget
) -> Iterator[tuple[str, IO[bytes]]]:
    path = PurePosixPath(info.filename)
    if not info.filename:
        raise zipfile.BadZipFile("a member has no name")
    if info.is_dir() or "__MACOSX" in path.parts or path.name.startswith("._"):
        return
    full, lower = f"{name}!{path}", path.name.lower()
    if lower.endswith(".zip"):
        # A zip is read from its end, so a nested one is unpacked first.
        with _opened(archive, info) as member, tempfile.TemporaryFile() as whole:
            stream = _counted(member, budget)
            while chunk := stream.read(_CHUNK):
                whole.write(chunk)
            whole.seek(0)
            yield from _members(full, whole, depth + 1, budget)
    elif lower.endswith(".csv.gz"):
        with _opened(archive, info) as member:
            yield from _gzip_member(full, member, budget)
    elif lower.endswith((".csv", *_PACKED)):
        with _opened(archive, info) as member:
            yield full, _counted(member, budget)
