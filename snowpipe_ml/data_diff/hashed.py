"""Compare two tables on two connections: hashes per bucket of keys, and the rows of the buckets that differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from snowpipe_ml.data_diff.columns import numbered
from snowpipe_ml.data_diff.found import (
    SAMPLE,
    Found,
    Pair,
    close,
    most_first,
    sample_value,
    sampled_columns,
)
from snowpipe_ml.plugins.connection import Connection, execute
from snowpipe_ml.sql import Fragment, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.unit_tests.compare import Difference

_ROWS_OF_BUCKET = 200
_MOST_BUCKETS = 65_536
READ = 100_000
"""Rows of A and B together that are read, at most."""
_NO_VALUE = "~"


@dataclass(frozen=True)
class _Side:
    """One of the tables, with its columns as texts that are the same on every target."""

    connection: Connection
    table: QualifiedName
    key: Sequence[Sql]
    values: Sequence[Sql]
    hashed: Sequence[Sql]
    """The texts of the values with floats rounded: equal texts are values that are equal within the tolerance."""


Rows = dict[tuple[object, ...], tuple[object, ...]]


def compare_hashed(here: Connection, there: Connection, pair: Pair, most: int = READ) -> Found:
    """Compare two tables of which each connection sees one.

    Args:
        here: the connection to A.
        there: the connection to B.
        pair: the tables.
        most: rows that are read at most; further buckets that differ are counted as unread.
    """
    sides = _side(here, pair, first=True), _side(there, pair, first=False)
    (rows_here, keys_here), (rows_there, keys_there) = map(_counts, sides)
    buckets = min(_MOST_BUCKETS, max(1, math.ceil(max(rows_here, rows_there) / _ROWS_OF_BUCKET)))
    hashes = [_hashes(side, buckets) for side in sides]
    different = {
        bucket: sum(each.get(bucket, (0, 0))[0] for each in hashes)
        for bucket in sorted({*hashes[0], *hashes[1]})
        if hashes[0].get(bucket) != hashes[1].get(bucket)
    }
    chosen, unread = _within(different, most)
    read = [_rows(side, pair, buckets, chosen) for side in sides]
    only_here, only_there, changed, counts, differing = _compared(pair, read[0], read[1])
    columns = most_first(pair.values, counts)
    return Found(
        here=rows_here,
        there=rows_there,
        repeated_here=rows_here - keys_here,
        repeated_there=rows_there - keys_there,
        only_here=only_here,
        only_there=only_there,
        changed=changed,
        columns=columns,
        sample=_sample(pair, read[0], read[1], differing, sampled_columns(pair, columns)),
        unread=unread,
    )


def _side(connection: Connection, pair: Pair, *, first: bool) -> _Side:
    def kind(column: object) -> str:
        return str(getattr(column, "here" if first else "there"))

    key = [column.text(kind(column)) for column in pair.key]
    values = [
        column.value(kind(column)) if column.is_float else column.text(kind(column)) for column in pair.values
    ]
    hashed = [
        _rounded(value, pair.tolerance) if column.is_float else value
        for column, value in zip(pair.values, values, strict=True)
    ]
    return _Side(connection, pair.here if first else pair.there, key, values, hashed)


def _rounded(value: Sql, tolerance: float) -> Sql:
    if tolerance <= 0:
        return sql("TO_VARCHAR({value})", value=value)
    places = Literal(math.ceil(-math.log10(tolerance)))
    return sql("TO_VARCHAR(ROUND({value}, {places}))", value=value, places=places)


def _whole(texts: Sequence[Sql]) -> Sql:
    """Return one text of several, from which each of them could be read: its length is before it."""
    parts = [
        sql(
            "COALESCE(CONCAT(TO_VARCHAR(LENGTH({text})), ':', {text}), {none})",
            text=text,
            none=Literal(_NO_VALUE),
        )
        for text in texts
    ]
    return sql("CONCAT({parts})", parts=join(", ", [*parts, Literal("")]))


def _bucket(key: Sequence[Sql], buckets: int) -> Sql:
    return sql("MOD(MD5_NUMBER_LOWER64({key}), {buckets})", key=_whole(key), buckets=Literal(buckets))


def _counts(side: _Side) -> tuple[int, int]:
    row = execute(
        side.connection,
        sql("SELECT COUNT(*), COUNT(DISTINCT {key}) FROM {table}", key=_whole(side.key), table=side.table),
    )[0]
    return int(row[0]), int(row[1])


def _hashes(side: _Side, buckets: int) -> Mapping[int, tuple[int, int]]:
    """Return the number of rows and the sum of their hashes, by bucket."""
    rows = execute(
        side.connection,
        sql(
            "SELECT BUCKET, COUNT(*), SUM(MD5_NUMBER_LOWER64(WHOLE)) FROM (SELECT {bucket} AS BUCKET, {whole} AS WHOLE "
            "FROM {table}) GROUP BY BUCKET",
            bucket=_bucket(side.key, buckets),
            whole=_whole([*side.key, *side.hashed]),
            table=side.table,
        ),
    )
    return {int(row[0]): (int(row[1]), int(row[2])) for row in rows}


def _within(different: Mapping[int, int], most: int) -> tuple[list[int], int]:
    """Return the buckets that are read, and the number of rows of the others."""
    chosen, rows = [], 0
    for bucket, count in different.items():
        if rows + count <= most:
            chosen.append(bucket)
            rows += count
    return chosen, sum(different.values()) - rows


def _rows(side: _Side, pair: Pair, buckets: int, chosen: Sequence[int]) -> Rows:
    """Return the rows of some buckets by their key and their number among the rows with it."""
    if not chosen:
        return {}
    selected: list[Fragment] = [Sql(f"{text} AS K{place}") for place, text in enumerate(side.key)]
    selected += [Sql(f"{value} AS V{place}") for place, value in enumerate(side.values)]
    selected.append(sql("{bucket} AS BUCKET", bucket=_bucket(side.key, buckets)))
    letters = [f"K{place}" for place in range(len(side.key))] + [
        f"V{place}" for place in range(len(side.values))
    ]
    rows = execute(
        side.connection,
        sql(
            "SELECT {letters} FROM ({numbered}) WHERE BUCKET IN {chosen}",
            letters=Sql(", ".join([*letters, "R"])),
            numbered=numbered(side.table, side.key, side.values, selected),
            chosen=Literal(list(chosen)),
        ),
    )
    width = len(side.key)
    return {(*row[:width], row[-1]): tuple(row[width:-1]) for row in map(tuple, rows)}


def _compared(
    pair: Pair, here: Rows, there: Rows
) -> tuple[int, int, int, list[int], list[tuple[object, ...]]]:
    """Return the numbers of rows of A only, of B only and changed, the latter by column, and the keys of all of them."""
    counts = [0] * len(pair.values)
    changed, lonely = [], []
    for key in [*here, *(key for key in there if key not in here)]:
        if key not in here or key not in there:
            lonely.append(key)
            continue
        unequal = [
            place
            for place, (first, second) in enumerate(zip(here[key], there[key], strict=True))
            if not _equal(first, second, pair.tolerance)
        ]
        for place in unequal:
            counts[place] += 1
        if unequal:
            changed.append(key)
    only_here = sum(key in here for key in lonely)
    return only_here, len(lonely) - only_here, len(changed), counts, [*changed, *lonely]


def _equal(here: object, there: object, tolerance: float) -> bool:
    if isinstance(here, float) and isinstance(there, float):
        return close(here, there, tolerance)
    return here == there


def _sample(
    pair: Pair,
    here: Rows,
    there: Rows,
    differing: Sequence[tuple[object, ...]],
    places: Sequence[int],
) -> list[Difference]:
    names = [column.name.name for column in (*pair.key, *(pair.values[place] for place in places))]

    def row(side: Rows, key: tuple[object, ...]) -> dict[str, object] | None:
        if key not in side:
            return None
        values = [*key[:-1], *(side[key][place] for place in places)]
        return dict(zip(names, map(sample_value, values), strict=True))

    return [Difference(row(here, key), row(there, key)) for key in differing[:SAMPLE]]
