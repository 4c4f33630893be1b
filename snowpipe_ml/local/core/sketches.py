"""Sketches: summaries of many values from which aggregates are estimated, and which can be merged.

HyperLogLog counts distinct values, a t-digest gives percentiles, a Space-Saving summary the most frequent
values, and MinHash the similarity of sets. The states are ours: Snowflake's are not documented, and it cannot
read these. Those of small sets give exact results.

https://docs.snowflake.com/en/sql-reference/functions-aggregation
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from snowpipe_ml.local.core.calls import CalledError, row_function
from snowpipe_ml.local.core.variants import DOUBLE, NUMBER, Value, dump, load

Numbers: TypeAlias = "npt.NDArray[Any]"

_PRECISION = 12
_REGISTERS = 1 << _PRECISION
_HLL = b"HLL\x01"
_CENTROIDS = 10_000


def _invalid(what: str) -> CalledError:
    return CalledError(-1, "22023", f"the argument is no state of {what}")


# HyperLogLog: https://docs.snowflake.com/en/user-guide/querying-approximate-cardinality


def _ranks(hashes: Numbers) -> Numbers:
    """Return the position of the first one among the bits that follow those of the register."""
    rest = hashes << np.uint64(_PRECISION)
    high, low = rest >> np.uint64(32), rest & np.uint64(0xFFFFFFFF)
    with np.errstate(divide="ignore"):
        in_high = 33 + np.floor(np.log2(high.astype(np.float64)))
        in_low = 1 + np.floor(np.log2(low.astype(np.float64)))
    bits = np.where(high > 0, in_high, np.where(low > 0, in_low, _PRECISION))
    return (65 - bits).astype(np.uint8)


@row_function("hll_accumulate", returns="bytes", nulls=True)
def hll_accumulate(hashes: list[int | None] | None) -> bytes:
    """Make the state of the hashes of a group; NULLs are ignored."""
    registers = np.zeros(_REGISTERS, np.uint8)
    known = np.array([value for value in hashes or [] if value is not None], np.uint64)
    if len(known):
        np.maximum.at(registers, known >> np.uint64(64 - _PRECISION), _ranks(known))
    return _packed(registers)


def _packed(registers: Numbers) -> bytes:
    return _HLL + zlib.compress(registers.tobytes())


def _registers(state: bytes) -> Numbers:
    if state[: len(_HLL)] != _HLL:
        raise _invalid("HyperLogLog")
    return np.frombuffer(zlib.decompress(state[len(_HLL) :]), np.uint8)


@row_function("hll_combine", returns="bytes", nulls=True)
def hll_combine(states: list[bytes | None] | None) -> bytes:
    """Merge the states of a group."""
    merged = np.zeros(_REGISTERS, np.uint8)
    for state in states or []:
        if state is not None:
            merged = np.maximum(merged, _registers(state))
    return _packed(merged)


@row_function("hll_estimate", returns="number")
def hll_estimate(state: bytes) -> int:
    """Estimate the number of distinct values."""
    registers = _registers(state)
    empty = int(np.count_nonzero(registers == 0))
    alpha = 0.7213 / (1 + 1.079 / _REGISTERS)
    estimate = alpha * _REGISTERS**2 / float(np.sum(2.0 ** -registers.astype(np.float64)))
    if estimate <= 2.5 * _REGISTERS and empty:
        estimate = _REGISTERS * math.log(_REGISTERS / empty)
    return round(estimate)


@row_function("hll_export", returns="text")
def hll_export(state: bytes) -> str:
    """Write a state as an OBJECT: sparse while few registers are used."""
    registers = _registers(state)
    (used,) = np.nonzero(registers)
    made: dict[str, Value] = {"precision": _PRECISION, "version": 3}
    if len(used) <= _REGISTERS // 4:
        counts: list[Value] = [*registers[used].tolist()]
        places: list[Value] = [*used.tolist()]
        made["sparse"] = {"indices": places, "maxLzCounts": counts}
    else:
        made["dense"] = registers.tolist()
    return dump(made)


@row_function("hll_import", returns="bytes")
def hll_import(exported: str) -> bytes:
    """Read a state that was written as an OBJECT."""
    registers = np.zeros(_REGISTERS, np.uint8)
    try:
        given = json.loads(exported)
        if given["precision"] != _PRECISION:
            raise _invalid(f"HyperLogLog of precision {_PRECISION}")
        if "dense" in given:
            registers[:] = given["dense"]
        else:
            registers[given["sparse"]["indices"]] = given["sparse"]["maxLzCounts"]
    except (ValueError, KeyError, TypeError, IndexError) as wrong:
        raise _invalid("HyperLogLog") from wrong
    return _packed(registers)


# t-digest: https://docs.snowflake.com/en/user-guide/querying-approximate-percentile-values


@row_function("percentile_accumulate", returns="text", nulls=True)
def percentile_accumulate(values: list[float | None] | None) -> str:
    """Make the state of a group; NULLs are ignored."""
    known = np.sort(np.array([value for value in values or [] if value is not None], np.float64))
    return _digest(known, np.ones(len(known)))


def _digest(means: Numbers, weights: Numbers) -> str:
    """Write sorted centroids, merged so that their number is bounded; those at the ends stay small."""
    if len(means) > _CENTROIDS:
        total = weights.sum()
        middle = (np.cumsum(weights) - weights / 2) / total
        buckets = np.floor(_CENTROIDS / math.pi * np.arcsin(2 * middle - 1))
        (starts,) = np.nonzero(np.diff(buckets, prepend=buckets[0] - 1))
        sums = np.add.reduceat(means * weights, starts)
        weights = np.add.reduceat(weights, starts)
        means = sums / weights
    pairs: list[Value] = [_float(value) for pair in zip(means, weights, strict=True) for value in pair]
    return dump({"state": pairs, "type": "tdigest", "version": 1})


def _float(value: float) -> str:
    return DOUBLE + repr(float(value)).removesuffix(".0")


def _plain(value: Any) -> float:
    return float(value[1:]) if isinstance(value, str) and value[:1] in (DOUBLE, NUMBER) else float(value)


def _centroids(state: str) -> tuple[Numbers, Numbers]:
    given = load(state)
    if not isinstance(given, dict) or given.get("type") != "tdigest" or not isinstance(given["state"], list):
        raise _invalid("a t-digest")
    pairs = np.array([_plain(value) for value in given["state"]], np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


@row_function("percentile_combine", returns="text", nulls=True)
def percentile_combine(states: list[str | None] | None) -> str:
    """Merge the states of a group."""
    pairs = [_centroids(state) for state in states or [] if state is not None]
    if not pairs:
        return _digest(np.array([]), np.array([]))
    means, weights = (np.concatenate(part) for part in zip(*pairs, strict=True))
    order = np.argsort(means, kind="stable")
    return _digest(means[order], weights[order])


@row_function("percentile_estimate", returns="float")
def percentile_estimate(state: str, fraction: float) -> float | None:
    """Estimate a percentile; it is exact while each centroid is one value."""
    if not 0 <= fraction <= 1:
        raise CalledError(
            -1, "22023", f"Invalid value [{fraction}] for function 'APPROX_PERCENTILE_ESTIMATE'"
        )
    means, weights = _centroids(state)
    if not len(means):
        return None
    places = np.cumsum(weights) - weights + (weights - 1) / 2
    return float(np.interp(fraction * (weights.sum() - 1), places, means))


# Space-Saving: https://docs.snowflake.com/en/user-guide/querying-approximate-frequent-values


@row_function("top_k_accumulate", returns="text", nulls=True)
def top_k_accumulate(values: list[str | None] | None, counters: int) -> str:
    """Count the values of a group, each as its stored VARIANT; NULLs are ignored."""
    return _summary(Counter(value for value in values or [] if value is not None), counters)


def _summary(counts: Counter[str], counters: int) -> str:
    if not 1 <= counters <= 100_000:
        raise CalledError(-1, "22023", f"the number of counters {counters} is not from 1 to 100000")
    kept: list[Value] = [[load(value), count] for value, count in _most(counts, counters)]
    return dump({"counters": counters, "state": kept, "type": "spacesaving", "version": 1})


def _most(counts: Counter[str], limit: int) -> Sequence[tuple[str, int]]:
    """Return the most frequent values; those of the same frequency by their order."""
    return sorted(counts.items(), key=lambda item: (-item[1], _order(load(item[0]))))[:limit]


def _order(value: Value) -> tuple[int, float, str]:
    if isinstance(value, str) and value[:1] not in (DOUBLE, NUMBER):
        return 1, 0.0, value
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return 0, _plain(value), ""
    return 2, 0.0, dump(value)


def _counts(state: str) -> tuple[Counter[str], int]:
    given = load(state)
    if not isinstance(given, dict) or given.get("type") != "spacesaving":
        raise _invalid("frequent values")
    rows: Any = given["state"]
    counters: Any = given["counters"]
    return Counter({dump(value): int(count) for value, count in rows}), int(counters)


@row_function("top_k_combine", returns="text", nulls=True)
def top_k_combine(states: list[str | None] | None, counters: int | None) -> str | None:
    """Merge the states of a group."""
    merged: Counter[str] = Counter()
    sizes = set()
    for state in states or []:
        if state is not None:
            counts, size = _counts(state)
            merged.update(counts)
            sizes.add(size)
    if counters is None and len(sizes) > 1:
        raise CalledError(-1, "22023", "the states have different numbers of counters; give their number")
    return _summary(merged, counters or sizes.pop()) if counters or sizes else None


@row_function("top_k_estimate", returns="text")
def top_k_estimate(state: str, limit: int) -> str:
    """List the most frequent values with their frequencies."""
    found: list[Value] = [[load(value), count] for value, count in _most(_counts(state)[0], limit)]
    return dump(found)


# MinHash: https://docs.snowflake.com/en/user-guide/querying-approximate-similarity


@cache
def _multipliers(size: int) -> tuple[Numbers, Numbers]:
    digests = [hashlib.blake2b(str(i).encode(), digest_size=16).digest() for i in range(size)]
    pairs = np.frombuffer(b"".join(digests), "<u8").reshape(size, 2)
    return pairs[:, 0] | np.uint64(1), pairs[:, 1]


@row_function("minhash", returns="text", nulls=True)
def minhash(hashes: list[int | None] | None, size: int) -> str:
    """Keep the least value of each of ``size`` hash functions."""
    if not 1 <= size <= 1024:
        raise CalledError(-1, "22023", f"the number of hash functions {size} is not from 1 to 1024")
    known = np.unique(np.array([value for value in hashes or [] if value is not None], np.uint64))
    factors, offsets = _multipliers(size)
    if not len(known):
        return _minimums([(1 << 53) - 1] * size)
    mixed = (known[None, :] * factors[:, None] + offsets[:, None]) >> np.uint64(11)
    return _minimums(mixed.min(axis=1).tolist())


def _minimums(values: Iterable[int]) -> str:
    return dump({"state": list(values), "type": "minhash", "version": 1})


def _states(states: list[str | None] | None) -> Numbers | None:
    """Return the states of a group as rows; None if there are none."""
    rows = []
    for state in states or []:
        if state is not None:
            given = load(state)
            if not isinstance(given, dict) or given.get("type") != "minhash":
                raise _invalid("MinHash")
            rows.append(given["state"])
    if len({len(row) for row in rows if isinstance(row, list)}) > 1:
        raise CalledError(-1, "22023", "the states of MinHash have different lengths")
    return np.array(rows, np.int64) if rows else None


@row_function("minhash_combine", returns="text", nulls=True)
def minhash_combine(states: list[str | None] | None) -> str | None:
    """Merge the states of a group."""
    rows = _states(states)
    return None if rows is None else _minimums(rows.min(axis=0).tolist())


@row_function("similarity", returns="float", nulls=True)
def similarity(states: list[str | None] | None) -> float | None:
    """Return the share of the hash functions whose least values are the same in all states."""
    rows = _states(states)
    return None if rows is None else float(np.mean((rows == rows[0]).all(axis=0)))
