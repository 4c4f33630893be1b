"""Compare two tables on one connection: the target joins and counts, and only a sample of rows is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from snowpipe_ml.data_diff.columns import Shared, numbered
from snowpipe_ml.data_diff.found import SAMPLE, Found, Pair, most_first, sample_value, sampled_columns
from snowpipe_ml.plugins.connection import Connection, execute
from snowpipe_ml.sql import Fragment, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.unit_tests.compare import Difference


def compare_joined(connection: Connection, pair: Pair) -> Found:
    """Compare two tables that one connection sees.

    Rows are paired by their key. Of rows with the same key, the first of A is paired with the first of B in the order of
    their values, and so on, so that copies of a row count.
    """
    same = [_same(place, column, pair.tolerance) for place, column in enumerate(pair.values)]
    both = Sql("A.R IS NOT NULL AND B.R IS NOT NULL")
    equal = Sql(" AND ".join(each.text for each in same) or "TRUE")
    counts = [
        Sql(
            "COUNT(A.R), COUNT(B.R), COUNT_IF(A.R > 1), COUNT_IF(B.R > 1), COUNT_IF(B.R IS NULL), COUNT_IF(A.R IS NULL)"
        ),
        sql("COUNT_IF({both} AND NOT ({equal}))", both=both, equal=equal),
        *(sql("COUNT_IF({both} AND NOT {same})", both=both, same=each) for each in same),
    ]
    source = _paired(pair)
    row = execute(connection, sql("SELECT {counts} FROM {source}", counts=join(", ", counts), source=source))[
        0
    ]
    # The sums of no rows are NULL.
    numbers = [int(value or 0) for value in row]
    columns = most_first(pair.values, numbers[7:])
    found = Found(
        here=numbers[0],
        there=numbers[1],
        repeated_here=numbers[2],
        repeated_there=numbers[3],
        only_here=numbers[4],
        only_there=numbers[5],
        changed=numbers[6],
        columns=columns,
        sample=[],
    )
    if found.differs:
        found.sample.extend(_sample(connection, pair, source, equal, sampled_columns(pair, columns)))
    return found


def _paired(pair: Pair) -> Sql:
    """Return the full join of the rows of both tables."""
    sides = [
        _side(name, pair, [column.here if first else column.there for column in (*pair.key, *pair.values)])
        for name, first in ((pair.here, True), (pair.there, False))
    ]
    matched = [
        Sql("A.R = B.R"),
        *(Sql(f"EQUAL_NULL(A.K{place}, B.K{place})") for place in range(len(pair.key))),
    ]
    return sql(
        "({here}) AS A FULL OUTER JOIN ({there}) AS B ON {matched}",
        here=sides[0],
        there=sides[1],
        matched=join(" AND ", matched),
    )


def _side(name: QualifiedName, pair: Pair, kinds: Sequence[str]) -> Sql:
    expressions = [column.value(kind) for column, kind in zip((*pair.key, *pair.values), kinds, strict=True)]
    key, values = expressions[: len(pair.key)], expressions[len(pair.key) :]
    selected = [*_aliased("K", key), *_aliased("V", values)]
    return numbered(name, key, values, selected)


def _aliased(letter: str, values: Iterable[Sql]) -> list[Fragment]:
    return [Sql(f"{value} AS {letter}{place}") for place, value in enumerate(values)]


def _same(place: int, column: Shared, tolerance: float) -> Sql:
    here, there = Sql(f"A.V{place}"), Sql(f"B.V{place}")
    if not column.is_float:
        return sql("EQUAL_NULL({here}, {there})", here=here, there=there)
    # The distance of an infinity or a NaN is neither, and must not be less than a multiple of itself.
    return sql(
        "COALESCE(EQUAL_NULL({here}, {there}) OR (ABS({here} - {there}) < 'inf'::FLOAT AND ABS({here} - {there}) <= "
        "{tolerance} * GREATEST(1, ABS({here}), ABS({there}))), FALSE)",
        here=here,
        there=there,
        tolerance=Literal(tolerance),
    )


def _sample(
    connection: Connection, pair: Pair, source: Sql, equal: Sql, places: Sequence[int]
) -> Iterable[Difference]:
    letters = [f"K{place}" for place in range(len(pair.key))] + [f"V{place}" for place in places]
    names = [column.name.name for column in (*pair.key, *(pair.values[place] for place in places))]
    order = [f"COALESCE(A.K{place}, B.K{place})" for place in range(len(pair.key))]
    rows = execute(
        connection,
        sql(
            "SELECT A.R, B.R, {columns} FROM {source} WHERE A.R IS NULL OR B.R IS NULL OR NOT ({equal}) "
            "ORDER BY {order} LIMIT {limit}",
            columns=Sql(", ".join(f"{side}.{letter}" for side in "AB" for letter in letters)),
            source=source,
            equal=equal,
            order=Sql(", ".join(["IFF(A.R IS NULL OR B.R IS NULL, 1, 0)", *order, "COALESCE(A.R, B.R)"])),
            limit=Literal(SAMPLE),
        ),
    )
    for row in rows:
        values = [sample_value(value) for value in tuple(row)[2:]]
        half = len(names)
        here = dict(zip(names, values[:half], strict=True)) if row[0] is not None else None
        there = dict(zip(names, values[half:], strict=True)) if row[1] is not None else None
        yield Difference(here, there)
