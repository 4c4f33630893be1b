"""A question about two tables, and the answer: the rows that differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from snowpipe_ml.data_diff.columns import Shared
from snowpipe_ml.sql import QualifiedName
from snowpipe_ml.unit_tests.compare import Difference

SAMPLE = 8
"""Rows of a sample."""
SAMPLED_COLUMNS = 6
"""Columns of a sample beside the key."""


@dataclass(frozen=True)
class Pair:
    """Two tables to compare.

    Attributes:
        here: the table of A.
        there: the table of B.
        key: the columns that identify a row.
        values: the other columns.
        tolerance: the largest relative difference of two equal FLOAT values.
    """

    here: QualifiedName
    there: QualifiedName
    key: Sequence[Shared]
    values: Sequence[Shared]
    tolerance: float


@dataclass(frozen=True)
class Found:
    """The rows that differ.

    Attributes:
        here: the number of rows of A.
        there: the number of rows of B.
        repeated_here: rows of A beyond the first with their key.
        repeated_there: rows of B beyond the first with their key.
        only_here: rows that only A has.
        only_there: rows that only B has.
        changed: rows that both have, with different values.
        columns: the number of changed rows by column, the most first.
        sample: some of the rows that differ.
        unread: rows of A and B that may differ and were not read, as they are too many.
    """

    here: int
    there: int
    repeated_here: int
    repeated_there: int
    only_here: int
    only_there: int
    changed: int
    columns: dict[str, int]
    sample: list[Difference]
    unread: int = 0

    @property
    def differs(self) -> bool:
        """Return whether any row differs, or may differ."""
        return bool(self.only_here or self.only_there or self.changed or self.unread)


def most_first(values: Sequence[Shared], counts: Sequence[int]) -> dict[str, int]:
    """Return the columns with a difference and their numbers of changed rows, the most first."""
    counted = [(value.name.name, count) for value, count in zip(values, counts, strict=True) if count]
    return dict(sorted(counted, key=lambda item: -item[1]))


def sampled_columns(pair: Pair, columns: dict[str, int]) -> list[int]:
    """Return the places of the value columns that a sample has: first those with the most changed rows."""
    order = sorted(range(len(pair.values)), key=lambda place: -columns.get(pair.values[place].name.name, 0))
    return order[:SAMPLED_COLUMNS]


def sample_value(value: object) -> object:
    """Return a value as a sample shows it: equal texts are equal values, except for floats."""
    return value if value is None or isinstance(value, float) else str(value)


def close(here: float, there: float, tolerance: float) -> bool:
    """Return whether two FLOAT values are equal within a tolerance; NaN equals NaN, as in Snowflake."""
    if math.isnan(here) or math.isnan(there):
        return math.isnan(here) and math.isnan(there)
    return math.isclose(here, there, rel_tol=tolerance, abs_tol=tolerance)
