"""Canaries: values that are put where secrets come from, and a search for them in all that is written.

A canary has two random halves with awkward characters between them. It is found if 8 characters of a half are
anywhere: in uppercase, encoded, escaped, split over lines, inside an archive or a database. So a canary that was
masked in part is found too.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote_to_bytes

import duckdb

_HALF = 9
_PIECE = 8
# What JSON, YAML, shells and tables put between the characters of a text that is split over lines.
_BETWEEN = re.compile(rb"\\+[nrt]|\\+u00[0-9a-f]{2}|\\+x[0-9a-f]{2}|[^a-z0-9+/_-]+")


@dataclass(frozen=True)
class Canary:
    """A secret that nothing may show.

    Attributes:
        number: the number of its place.
        place: where a secret is, as users would say.
        enters: how the test puts it there.
        awkward: the characters between its halves.
        made: the whole value from that with both halves, such as a URL; the canary itself if None.
    """

    number: int
    place: str
    enters: str
    awkward: str = ""

    @cached_property
    def halves(self) -> tuple[str, str]:
        """The two random parts."""
        digest = hashlib.sha256(f"canary {self.number}".encode()).digest()
        text = re.sub(r"[^A-Za-z0-9]", "", base64.b64encode(digest * 2).decode())
        return text[:_HALF], text[_HALF : 2 * _HALF]

    @property
    def value(self) -> str:
        """The secret."""
        return self.awkward.join(self.halves)

    @cached_property
    def needles(self) -> tuple[bytes, ...]:
        """The pieces that a search in squeezed, lower-case text looks for."""
        found = set()
        for half in self.halves:
            found |= _windows(half, _PIECE)
            found |= _windows(half.encode().hex(), 2 * _PIECE)
            for cased in (half, half.upper(), half.lower()):
                for before in range(3):
                    coded = base64.b64encode(b"\0" * before + cased.encode()).decode()
                    first, last = -(-8 * before // 6), 8 * (before + len(half)) // 6
                    found |= _windows(coded[first:last], _PIECE + 1)
        return tuple(sorted(needle.lower().encode() for needle in found))


def _windows(text: str, size: int) -> set[str]:
    return {text[at : at + size] for at in range(len(text) - size + 1)}


def _readings(data: bytes) -> Iterator[bytes]:
    lower = data.lower()
    yield lower
    squeezed = _BETWEEN.sub(b"", lower)
    yield squeezed.replace(b"-", b"+").replace(b"_", b"/")
    if b"%" in data:
        yield _BETWEEN.sub(b"", unquote_to_bytes(lower))


def found_in(canaries: Iterable[Canary], things: Mapping[str, bytes]) -> dict[str, list[int]]:
    """Return the numbers of the canaries that are in some of the things, by the name of the thing."""
    owners = {needle: canary.number for canary in canaries for needle in canary.needles}
    by_first: dict[bytes, list[bytes]] = {}
    for needle in owners:
        by_first.setdefault(needle[:1], []).append(needle[1:])
    groups = (
        re.escape(first) + b"(?:" + b"|".join(map(re.escape, rest)) + b")" for first, rest in by_first.items()
    )
    pattern = re.compile(b"(?=(" + b"|".join(groups) + b"))")
    result = {}
    for name, data in things.items():
        numbers = {owners[match[1]] for text in _readings(data) for match in pattern.finditer(text)}
        if numbers:
            result[name] = sorted(numbers)
    return result


def contents(folder: Path, without: Iterable[Path] = ()) -> dict[str, bytes]:
    """Return all that is in the files of a folder, by name: their paths, their bytes, and what is inside of these.

    Archives are unpacked, gzip is unzipped, and of a DuckDB database all tables, views and their texts are read.

    Args:
        folder: the folder; also its hidden files are read.
        without: files that the test itself has written.
    """
    left_out = {path.resolve() for path in without}
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        found[f"the path {name}"] = name.encode("utf-8", "surrogateescape")
        if path.is_file() and path.resolve() not in left_out:
            found |= _inside(name, path.read_bytes())
            if path.suffix in (".duckdb", ".db"):
                found[f"{name}, its tables"] = _database(path)
    return found


def _inside(name: str, data: bytes) -> dict[str, bytes]:
    found = {name: data}
    if data[:2] == b"\x1f\x8b":
        with contextlib.suppress(OSError, EOFError, zlib.error):  # the beginning of gzip by chance
            found |= _inside(f"{name} unzipped", gzip.decompress(data))
    elif data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                found |= _inside(f"{name}!{member}", archive.read(member))
    return found


def _database(path: Path) -> bytes:
    lines: list[str] = []
    with duckdb.connect(str(path), read_only=True) as database:
        tables = database.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database()"
        ).fetchall()
        for schema, table in tables:
            rows = database.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall()
            lines += [str(value) for row in rows for value in row if value is not None]
        for what in ("tables", "views", "columns", "functions"):
            rows = database.execute(f"SELECT * FROM duckdb_{what}() WHERE NOT internal").fetchall()
            lines += [str(value) for row in rows for value in row if value is not None]
    return "\n".join(lines).encode("utf-8", "surrogateescape")
