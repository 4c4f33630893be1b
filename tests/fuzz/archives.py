"""Mutations of the hostile archives: each is read, or refused by name, in bounded memory and time."""

from __future__ import annotations

import random
import time
import traceback
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

from snowpipe_ml.errors import SourceFileError
from snowpipe_ml.steps.data.archives import DAMAGED, Archive, Limits, csv_members
from tests.hostile.archives import archives
from tests.hostile.case import MB

_LONGEST = 200_000  # bytes of a file, so that many are tried
_SLOW = 10.0  # seconds
_MOST = 64 * MB  # of memory
_LIMITS = Limits(unpacked_mb=64)
# What lengths, offsets, counts and flags are replaced by.
_NUMBERS = (0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)


def mutated(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Return changed bytes: bits, numbers, pieces that are cut, doubled, moved or of another file."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(changed) + 1)
        end = min(len(changed), at + chance.choice((1, 4, 30, 1000)))
        match chance.randrange(6):
            case 0:
                changed[at:end] = bytes(byte ^ (1 << chance.randrange(8)) for byte in changed[at:end][:4])
            case 1:
                size = chance.choice((2, 4))
                number = chance.choice(_NUMBERS) & (2 ** (8 * size) - 1)
                changed[at : at + size] = number.to_bytes(size, "little")
            case 2:
                del changed[at:end]
            case 3:
                changed[at:at] = changed[at:end]
            case 4:
                changed = changed[:at] if chance.random() < 0.5 else changed[at:]
            case _:
                other = chance.choice(others)
                begin = chance.randrange(len(other) + 1)
                changed[at:at] = other[begin : begin + chance.choice((4, 100, 10_000))]
    return bytes(changed)


def files(seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield files without end: a name and the bytes."""
    chance = random.Random(seed)
    known = [(case.name, case.content) for case in archives(22) if isinstance(case.content, bytes)]
    others = [content for _, content in known]
    while True:
        name, content = chance.choice(known)
        yield name, mutated(content, others, chance)[:_LONGEST]


def fault_of(path: Path) -> str | None:
    """Read all members of a file; return what is wrong, None if nothing is."""
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    begin = time.monotonic()
    try:
        for _, stream in csv_members(Archive(path.name, path), _LIMITS):
            while stream.read(MB):
                pass
    except (SourceFileError, *DAMAGED) as refused:
        if isinstance(refused, SourceFileError) and path.name not in str(refused):
            return f"the refusal does not name the file: {refused}"
    except Exception:
        return traceback.format_exc(limit=-4)
    seconds, peak = time.monotonic() - begin, tracemalloc.get_traced_memory()[1] - before
    if seconds > _SLOW:
        return f"it took {seconds:.1f} s"
    return f"it took {peak / MB:.0f} MB" if peak > _MOST else None


def run(folder: Path, seed: int, seconds: float, most: int = 10**9) -> tuple[int, list[tuple[str, str]]]:
    """Read mutated archives for some seconds, or a number of them.

    Args:
        folder: where the files are; those that fail wrongly stay there.
        seed: decides the files.
        seconds: how long.
        most: how many at most.

    Returns:
        Their number, and those that fail wrongly with why.
    """
    faults: list[tuple[str, str]] = []
    until = time.monotonic() + seconds
    count = 0
    tracemalloc.start()
    try:
        for name, data in files(seed):
            if count == most or time.monotonic() > until:
                break
            count += 1
            (folder / str(count)).mkdir(parents=True)
            path = folder / str(count) / Path(name).name
            path.write_bytes(data)
            if wrong := fault_of(path):
                faults.append((str(path), wrong))
                continue
            path.unlink()
            path.parent.rmdir()
    finally:
        tracemalloc.stop()
    return count, faults
