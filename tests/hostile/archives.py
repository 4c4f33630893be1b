"""More than 100 hostile archives."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.hostile.case import HEADER, MB, Case, blocks, rows, table

CSV = table(1, 2)
ROWS = rows(1, 2)
_STORED, _DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED


def _zip(members: list[tuple[str, bytes]], method: int = _DEFLATED, comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
        archive.comment = comment
    return out.getvalue()


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _tar(members: list[tarfile.TarInfo]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(CSV) if member.isreg() else None)
    return out.getvalue()


def _link(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    member.size = len(CSV) if kind == tarfile.REGTYPE else 0
    return member


def _patched(data: bytes, offset: int, value: bytes, *, central: int | None = None) -> bytes:
    """Change a field of the first local header, and that of the central directory."""
    changed = bytearray(data)
    if offset >= 0:
        changed[offset : offset + len(value)] = value
    if central is not None:
        start = data.index(b"PK\1\2") + central
        changed[start : start + len(value)] = value
    return bytes(changed)


def _end(data: bytes, offset: int, value: bytes) -> bytes:
    """Change a field of the record at the end."""
    start = data.rindex(b"PK\5\6") + offset
    return data[:start] + value + data[start + len(value) :]


def _zip_bomb(path: Path, method: int, text: bytes, size: int) -> None:
    with zipfile.ZipFile(path, "w", method) as archive, archive.open("m.csv", "w") as sink:
        sink.write(HEADER)
        for block in blocks(text, size):
            sink.write(block)


def _gzip_bomb(path: Path, text: bytes, size: int) -> None:
    with gzip.open(path, "wb", compresslevel=6) as sink:
        sink.write(HEADER)
        for block in blocks(text, size):
            sink.write(block)


def _bzip2_bomb(path: Path) -> None:
    """Write a member of few bytes that unpacks to gigabytes: the same packed block again and again."""
    zeros = bz2.compress(b"\0" * (45 * MB))
    packed = bz2.compress(HEADER + b"1,x1\n") + zeros * (4096 // len(zeros) * 2)
    raw = _zip([("m.csv", packed)], _STORED)
    size = struct.pack("<I", 2**31)
    data = _patched(raw, 8, struct.pack("<H", zipfile.ZIP_BZIP2), central=10)
    path.write_bytes(_patched(data, 22, size, central=24))


def _single_bzip2_bomb(path: Path) -> None:
    packer, packed = bz2.BZ2Compressor(), b""
    packed += packer.compress(HEADER + b"1,x1\n")
    for block in blocks(b"\0" * MB, 600 * MB):
        packed += packer.compress(block)
    packed += packer.flush()
    raw = _zip([("m.csv", packed)], _STORED)
    data = _patched(raw, 8, struct.pack("<H", zipfile.ZIP_BZIP2), central=10)
    path.write_bytes(_patched(data, 22, struct.pack("<I", 600 * MB), central=24))


def _many(path: Path, number: int, length: int) -> None:
    """Write an archive of many empty members with names of a length, all at one place."""
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    with path.open("wb") as out:
        out.write(local)
        size = 0
        for n in range(number):
            name = b"%0*d.csv" % (length - 4, n)
            entry = struct.pack(
                "<4s4B4H3L5H2L", b"PK\1\2", 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0
            )
            out.write(entry + name)
            size += len(entry) + len(name)
        count = min(number, 3)  # the count at the end lies, and readers go by the size
        out.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, len(local), 0))


def _overlapping(path: Path) -> None:
    """Write an archive whose 200 members are all the same packed megabytes."""
    data = HEADER + b"1,x\n" * (2 * MB)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed, crc = packer.compress(data) + packer.flush(), zlib.crc32(data)
    body = (
        struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, crc, len(packed), len(data), 5, 0)
        + b"m.csv"
        + packed
    )
    entry = (
        struct.pack(
            "<4s4B4H3L5H2L",
            b"PK\1\2",
            20,
            0,
            20,
            0,
            0,
            8,
            0,
            0,
            crc,
            len(packed),
            len(data),
            5,
            0,
            0,
            0,
            0,
            0,
            0,
        )
        + b"m.csv"
    )
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 200, 200, 200 * len(entry), len(body), 0)
    path.write_bytes(body + entry * 200 + end)


def _nested(depth: int, data: bytes = CSV) -> bytes:
    found = _zip([("m.csv", data)])
    for _ in range(depth):
        found = _zip([("inner.zip", found)])
    return found


def _quine_like() -> bytes:
    """Return an archive with 40 archives of 40 archives each: more members than may be counted by hand."""
    inner = _zip([(f"{n}.csv", HEADER) for n in range(40)])
    middle = _zip([(f"{n}.zip", inner) for n in range(40)])
    return _zip([(f"{n}.zip", middle) for n in range(10)])


def _gzip(data: bytes, flags: int = 0, extra: bytes = b"") -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(data) + packer.flush()
    head = b"\x1f\x8b\x08" + bytes([flags]) + b"\0\0\0\0\0\xff" + extra
    return head + body + struct.pack("<2L", zlib.crc32(data), len(data) % 2**32)


def _long_name(path: Path) -> None:
    with path.open("wb") as out:
        out.write(b"\x1f\x8b\x08\x08\0\0\0\0\0\xff")
        for block in blocks(b"n" * 1000, 100 * MB):
            out.write(block)


def _empty_parts(path: Path, size: int) -> None:
    with path.open("wb") as out:
        out.write(gzip.compress(HEADER))
        for block in blocks(gzip.compress(b"", mtime=0), size):
            out.write(block)
        out.write(gzip.compress(b"1,x1\n2,x2\n"))


def _lzma_bomb() -> bytes:
    """Return an archive whose LZMA member asks for a dictionary of 4 GB."""
    data = _zip([("m.csv", CSV)], zipfile.ZIP_LZMA)
    start = 30 + len("m.csv") + 4  # the local header, the name, the version and size of the properties
    return data[: start + 1] + b"\xff\xff\xff\xff" + data[start + 5 :]


def _comb() -> list[Case]:
    """Return archives with one field of a header changed."""
    plain = _zip([("m.csv", CSV)])
    big, zero = struct.pack("<L", 0xFFFFFFF0), struct.pack("<L", 0)
    local = [("version", 4, b"\xff\xff"), ("method", 8, b"\x63\0"), ("crc", 14, big)]
    sizes = [("packed", 18, 20), ("unpacked", 22, 24)]
    found = [Case(f"local-{title}.zip", _patched(plain, at, value), ROWS) for title, at, value in local]
    for title, at, central in sizes:
        for kind, value in (("big", big), ("zero", zero)):
            found.append(Case(f"{title}-{kind}.zip", _patched(plain, at, value, central=central), ROWS))
            found.append(
                Case(f"{title}-{kind}-central.zip", _patched(plain, -1, value, central=central), ROWS)
            )
    for title, at, value in (
        ("encrypted", 8, b"\1\0"),
        ("method-99", 10, b"\x63\0"),
        ("method-9", 10, b"\x09\0"),
        ("crc", 16, big),
        ("offset", 42, big),
        ("name-length", 28, b"\xff\xff"),
        ("extra-length", 30, b"\xff\xff"),
        ("version-needed", 6, b"\xff\0"),
    ):
        found.append(Case(f"central-{title}.zip", _patched(plain, -1, value, central=at), ROWS))
    for title, at, value in (
        ("count-0", 8, b"\0\0\0\0"),
        ("count-big", 8, b"\xff\xff\xff\xff"),
        ("size-big", 12, big),
        ("size-0", 12, zero),
        ("offset-big", 16, big),
        ("offset-0", 16, zero),
        ("comment-length", 20, b"\xff\xff"),
        ("disk", 4, b"\1\0\1\0"),
    ):
        found.append(Case(f"end-{title}.zip", _end(plain, at, value), ROWS))
    return found


def _names() -> list[Case]:
    """Return archives whose members have names that mean harm."""
    names = [
        "../../m.csv",
        "/etc/m.csv",
        "C:\\temp\\m.csv",
        "..\\..\\m.csv",
        "~/m.csv",
        "a" * 300 + ".csv",
        "/".join(["d" * 50] * 40) + "/m.csv",
        "é" * 200 + ".csv",
        "m\n.csv",
        "m\x1b[31m.csv",
        "'; DROP TABLE raw; --.csv",
        "%s%n{0}$(id).csv",
        "*?[x].csv",
        " .csv",
        ".csv",
        "CON.csv",
        "m.csv.",
        "\u202evsc.csv",
    ]
    return [
        *(Case(f"name{n:02}.zip", _zip([(name, CSV)]), ROWS) for n, name in enumerate(names)),
        Case("name-latin.zip", _zip([("mXY.csv", CSV)]).replace(b"mXY", b"m\xe9\xff"), ROWS),
        Case("name-broken-utf8.zip", _broken_utf8(), ROWS),
    ]


def _broken_utf8() -> bytes:
    return _zip([("mé.csv", CSV)]).replace("mé".encode(), b"m\xff\xfe")


def archives(seed: int) -> list[Case]:
    """Return 112 cases; the last ones are random changes of sound archives."""
    random_ = random.Random(seed)
    plain, packed = _zip([("m.csv", CSV)]), gzip.compress(CSV, mtime=0)
    noise = random_.randbytes(2000)
    regular = _link("m.csv", tarfile.REGTYPE)
    text = b"1,x\n"
    bomb: dict[str, Callable[[Path], None]] = {
        "bomb-deflate.zip": lambda path: _zip_bomb(path, _DEFLATED, text, 200 * MB),
        "bomb-line.zip": lambda path: _zip_bomb(path, _DEFLATED, b"x" * 1000, 200 * MB),
        "bomb-lzma.zip": lambda path: _zip_bomb(path, zipfile.ZIP_LZMA, text, 200 * MB),
        "bomb-bzip2.zip": _single_bzip2_bomb,
        "bomb-bzip2-parts.zip": _bzip2_bomb,
        "bomb-gzip.csv.gz": lambda path: _gzip_bomb(path, text, 200 * MB),
        "bomb-gzip-zeros.csv.gz": lambda path: _gzip_bomb(path, b"\0" * 1000, 200 * MB),
        "overlapping.zip": _overlapping,
        "many-short.zip": lambda path: _many(path, 1_000_000, 12),
        "many-long.zip": lambda path: _many(path, 2_500, 60_000),
        "gzip-long-name.csv.gz": _long_name,
        "gzip-empty-parts.csv.gz": lambda path: _empty_parts(path, 40 * MB),
    }
    cases = [
        *(Case(name, write, rows(1) if "bzip2" in name else frozenset()) for name, write in bomb.items()),
        *_comb(),
        *_names(),
        Case("sound.zip", plain, ROWS, must=True),
        Case("sound.csv.gz", packed, ROWS, must=True),
        Case("sound-bzip2.zip", _zip([("m.csv", CSV)], zipfile.ZIP_BZIP2), ROWS, must=True),
        Case("sound-lzma.zip", _zip([("m.csv", CSV)], zipfile.ZIP_LZMA), ROWS, must=True),
        Case("lzma-dictionary.zip", _lzma_bomb(), ROWS),
        Case("nested-3.zip", _nested(3), ROWS, must=True),
        Case("nested-4.zip", _nested(4), ROWS),
        Case("nested-40.zip", _nested(40), ROWS),
        Case("nested-members.zip", lambda path: _write(path, _quine_like())),
        Case("nested-bomb.zip", lambda path: _write(path, _nested(1, HEADER + b"1,x\n" * (30 * MB)))),
        Case("duplicates.zip", _zip([("m.csv", table(1)), ("m.csv", table(2))]), ROWS),
        Case("duplicates-by-case.zip", _zip([("m.csv", table(1)), ("M.CSV", table(2))]), ROWS, must=True),
        Case("file-and-folder.zip", _zip([("m.csv/", b""), ("m.csv/m.csv", CSV)]), ROWS, must=True),
        Case("prefixed.zip", b"#!/bin/sh\n" + plain, ROWS),
        Case("garbage-behind.zip", plain + noise, ROWS),
        Case("zeros-behind.zip", plain + bytes(100_000), ROWS),
        Case("two.zip", plain + _zip([("n.csv", table(3))]), ROWS | rows(3)),
        Case("comment.zip", _zip([("m.csv", CSV)], comment=b"PK\5\6" * 5000), ROWS),
        Case("empty.zip", _zip([])),
        Case("zero.zip", b""),
        Case("zero.csv.gz", b""),
        Case("no-csv.zip", _zip([("readme.txt", b"a,b\n1,x\n")])),
        Case("cut.zip", plain[: len(plain) // 2], ROWS),
        Case("cut-end.zip", plain[:-1], ROWS),
        Case("cut.csv.gz", packed[: len(packed) // 2], ROWS),
        Case("cut-check.csv.gz", packed[:-4], ROWS),
        Case("cut-head.csv.gz", packed[:5], ROWS),
        Case("garbage-behind.csv.gz", packed + noise, ROWS),
        Case("zeros-behind.csv.gz", packed + bytes(10_000), ROWS),
        Case("parts.csv.gz", gzip.compress(table(1)) + gzip.compress(b"2,x2\n"), ROWS, must=True),
        Case("name-inside.csv.gz", _gzip(CSV, 8, b"../../etc/passwd\0"), ROWS, must=True),
        Case("flags.csv.gz", _gzip(CSV, 0xE0), ROWS),
        Case("wrong-crc.csv.gz", packed[:-8] + b"\0\0\0\0" + packed[-4:], ROWS),
        Case("wrong-size.csv.gz", packed[:-4] + b"\xff\xff\xff\xff", ROWS),
        Case("twice.csv.gz", gzip.compress(packed), ROWS),
        Case("zip-as-csv.csv", plain, ROWS),
        Case("csv-as-zip.zip", CSV, ROWS),
        Case("gzip-as-zip.zip", packed, ROWS),
        Case("xz.csv.xz", lzma.compress(CSV), ROWS),
        Case("links.tar.gz", gzip.compress(_tar([_link("m.csv", tarfile.SYMTYPE, "/etc/passwd")]))),
        Case("hard.tar", _tar([regular, _link("n.csv", tarfile.LNKTYPE, "../../m.csv")]), ROWS),
        Case("device.tar", _tar([_link("m.csv", tarfile.CHRTYPE)])),
        Case("tar-in.zip", _zip([("m.tar.gz", gzip.compress(_tar([regular])))]), ROWS),
    ]
    while len(cases) < 112:
        source, suffix = ((plain, "zip"), (packed, "csv.gz"))[len(cases) % 2]
        changed = bytearray(source)
        for _ in range(random_.randint(1, 4)):
            changed[random_.randrange(4, len(changed))] = random_.randrange(256)
        cases.append(Case(f"random{len(cases):03}.{suffix}", bytes(changed), ROWS))
    return cases
