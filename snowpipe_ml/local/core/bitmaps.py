"""Bitmaps of BITMAP_CONSTRUCT_AGG: the operations that take several.

A bitmap of at most 32,768 bits is stored as the number of its positions and the positions, two bytes each.

https://docs.snowflake.com/en/user-guide/querying-bitmaps-for-distinct-counts
"""

from __future__ import annotations

from functools import reduce

from snowpipe_ml.local.core.calls import row_function
from snowpipe_ml.local.core.variants import dump

_BITS = 32_768
_LEAST = 4  # positions that a bitmap has room for


def _positions(bitmap: bytes) -> set[int]:
    count = int.from_bytes(bitmap[:2], "big")
    return {int.from_bytes(bitmap[2 + 2 * i : 4 + 2 * i], "little") for i in range(count)}


def _bitmap(positions: set[int]) -> bytes:
    listed = b"".join(position.to_bytes(2, "little") for position in sorted(positions))
    return len(positions).to_bytes(2, "big") + listed.ljust(2 * _LEAST, b"\0")


@row_function("bitmap_and", returns="bytes")
def both(left: bytes, right: bytes) -> bytes:
    """Return the positions that are in both bitmaps."""
    return _bitmap(_positions(left) & _positions(right))


@row_function("bitmap_or", returns="bytes")
def either(left: bytes, right: bytes) -> bytes:
    """Return the positions that are in one of the bitmaps."""
    return _bitmap(_positions(left) | _positions(right))


@row_function("bitmap_and_agg", returns="bytes", nulls=True)
def all_of(bitmaps: list[bytes | None] | None) -> bytes | None:
    """Return the positions that are in all bitmaps of a group."""
    known = [_positions(bitmap) for bitmap in bitmaps or [] if bitmap is not None]
    return _bitmap(reduce(set.intersection, known)) if known else None


@row_function("bitmap_to_array", returns="text")
def to_array(bitmap: bytes, bucket: int) -> str:
    """List the values in a bitmap of a bucket."""
    return dump([_absolute(bucket, position) for position in sorted(_positions(bitmap))])


def _absolute(bucket: int, position: int) -> int:
    return (bucket - 1) * _BITS + position + 1 if bucket > 0 else bucket * _BITS - position


@row_function("bitmap_absolute_position", returns="number")
def absolute_position(bucket: int, position: int) -> int:
    """Return the value that has a position in a bucket."""
    return _absolute(bucket, position)
