"""Compressed files on a stage: detection of the compression, and the decompressed content."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from snowpipe_ml.local.core import errors

# The first bytes from which AUTO recognizes a compression. Brotli has none and must be named.
_BEGINNINGS = {
    "GZIP": (b"\x1f\x8b",),
    "BZ2": (b"BZh",),
    "ZSTD": (b"\x28\xb5\x2f\xfd",),
    "DEFLATE": (b"\x78\x01", b"\x78\x9c", b"\x78\xda"),
}
COMPRESSIONS = ("AUTO", "NONE", "RAW_DEFLATE", "BROTLI", *_BEGINNINGS)
_CHUNK = 2**20


def compression_of(path: Path, declared: str) -> str:
    """Return the compression of a file: the declared one, or with AUTO the one that its first bytes show.

    Raises:
        ProgrammingError: the file does not have the declared compression.
        UnsupportedError: the compression is not known.
    """
    if declared not in COMPRESSIONS:
        raise errors.UnsupportedError(f"COMPRESSION = {declared}")
    with path.open("rb") as file:
        beginning = file.read(4)
    found = next((name for name, starts in _BEGINNINGS.items() if beginning.startswith(starts)), "NONE")
    if declared == "AUTO":
        return found
    if declared in _BEGINNINGS and beginning and declared != found:
        spoken = {"GZIP": "gzipped"}.get(declared, f"compressed with {declared}")
        raise errors.error(100081, "22000", f"Error decompressing the file '{path.name}': it is not {spoken}")
    return declared


def open_bytes(path: Path, compression: str) -> IO[bytes]:
    """Open a file and decompress it while it is read."""
    match compression:
        case "GZIP":
            return cast(IO[bytes], gzip.open(path))
        case "BZ2":
            return bz2.open(path)
        case "ZSTD" | "BROTLI":
            raw = pa.input_stream(str(path), compression=compression.lower())
            return cast(IO[bytes], io.BufferedReader(cast(io.RawIOBase, raw)))
        case "DEFLATE" | "RAW_DEFLATE":
            return io.BytesIO(b"".join(_inflated(path, raw=compression == "RAW_DEFLATE")))
    return path.open("rb")


def _inflated(path: Path, *, raw: bool) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield inflater.decompress(chunk)
    yield inflater.flush()
