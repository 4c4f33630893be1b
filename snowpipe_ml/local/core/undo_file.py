"""Undo files: the parts of a database file that a checkpoint overwrites, kept until it is complete.

DuckDB writes rows to free blocks, but changes blocks of metadata in place. A block that is half written when the
process or the machine stops makes the whole file unreadable, although the write-ahead log has every commit. So the
headers and the blocks of metadata are copied to a file beside the database before a checkpoint. If it is there when
the database is opened, and the checkpoint did not reach its end, they are written back: the file is as before the
checkpoint. It reached its end if the file has a header with a higher number. This is the rollback journal of SQLite:
https://www.sqlite.org/atomiccommit.html
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
from contextlib import suppress
from pathlib import Path

from snowpipe_ml.local.core import private
from snowpipe_ml.local.core.duck import Duck

log = logging.getLogger("snowpipe_ml.local")

SUFFIX = ".before"
HEADERS = 12288  # bytes before the first block: the file's header and the two headers of the database
_PAGE = 4096
_MAGIC = b"SNOWPIPE_UNDO_1\n"
_MASK = (1 << 64) - 1
_DIGEST = 32  # bytes


def path_of(file: Path) -> Path:
    """Return the path of the undo file of a database file."""
    return file.with_name(file.name + SUFFIX)


def checksum(content: bytes) -> int:
    """Compute DuckDB's checksum of a page or block, whose length is a multiple of 8."""
    found = 5381
    for (word,) in struct.iter_unpack("<Q", content):
        found ^= (word * 0xBF58476D1CE4E5B9) & _MASK
    return found


def generation(headers: bytes) -> int | None:
    """Return the number of the newest intact header of a database; None if both are damaged."""
    found = []
    for start in (_PAGE, 2 * _PAGE):
        page = headers[start : start + _PAGE]
        if len(page) == _PAGE and struct.unpack_from("<Q", page)[0] == checksum(page[8:]):
            found.append(int(struct.unpack_from("<Q", page, 8)[0]))
    return max(found, default=None)


def write(duck: Duck, database: str, file: Path) -> None:
    """Copy what a checkpoint will overwrite; without room on the disk, there is no undo file."""
    rows = duck.execute("SELECT block_id FROM pragma_metadata_info(?)", [database]).fetchall()
    try:
        with file.open("rb") as source:
            headers = source.read(HEADERS)
            size = (
                struct.unpack_from("<Q", headers, _PAGE + 40)[0]
                or struct.unpack_from("<Q", headers, 2 * _PAGE + 40)[0]
            )
            parts = [(0, headers)]
            for (block,) in rows:
                source.seek(HEADERS + block * size)
                parts.append((HEADERS + block * size, source.read(size)))
        digest = hashlib.blake2b(digest_size=_DIGEST)
        with private.create_file(path_of(file)) as target:
            for piece in _pieces(generation(headers) or 0, parts):
                digest.update(piece)
                target.write(piece)
            target.write(digest.digest())
            target.flush()
            os.fsync(target.fileno())
        _sync_folder(file.parent)
    except OSError as raised:
        log.debug("no undo file of database %s could be written: %s", database, raised)
        discard(file)


def _pieces(number: int, parts: list[tuple[int, bytes]]) -> list[bytes]:
    pieces = [_MAGIC, struct.pack("<QQ", number, len(parts))]
    for start, content in parts:
        pieces += [struct.pack("<QQ", start, len(content)), content]
    return pieces


def discard(file: Path) -> None:
    """Remove the undo file of a database file after a complete checkpoint."""
    with suppress(OSError):  # one that stays has the number of an old header, and is not used
        path_of(file).unlink(missing_ok=True)


def restore(file: Path) -> None:
    """Write back what an incomplete checkpoint has overwritten, and remove the undo file.

    Raises:
        OSError: the files cannot be read or written.
    """
    undo = path_of(file)
    try:
        content = undo.read_bytes()
    except FileNotFoundError:
        return
    body, digest = content[:-_DIGEST], content[-_DIGEST:]
    # An incomplete undo file is older than any change by its checkpoint.
    if body.startswith(_MAGIC) and hashlib.blake2b(body, digest_size=_DIGEST).digest() == digest:
        number, count = struct.unpack_from("<QQ", body, len(_MAGIC))
        with file.open("r+b") as target:
            if generation(target.read(HEADERS)) == number:
                at = len(_MAGIC) + 16
                for _ in range(count):
                    start, size = struct.unpack_from("<QQ", body, at)
                    target.seek(start)
                    target.write(body[at + 16 : at + 16 + size])
                    at += 16 + size
                target.flush()
                os.fsync(target.fileno())
                log.info("an incomplete checkpoint of %s was undone", file)
    undo.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
