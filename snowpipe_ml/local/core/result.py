"""Results of statements: columns and an Arrow table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from snowpipe_ml.local.core import arrays
from snowpipe_ml.local.core.types import Column


@dataclass(frozen=True)
class Result:
    """The result of a statement. The columns of ``table`` are described by ``columns``, in order."""

    columns: list[Column]
    table: pa.Table
    rowcount: int | None = None


def rows(columns: Sequence[tuple[str, str]], values: Sequence[Sequence[object]]) -> Result:
    """Make a result from Python rows; ``columns`` are (name, DuckDB type)."""
    by_column = list(zip(*values, strict=True)) if values else [()] * len(columns)
    made = [arrays.OF_TYPE[kind](column) for column, (_, kind) in zip(by_column, columns, strict=True)]
    return Result(
        [Column(name, kind) for name, kind in columns],
        pa.table(made, names=[str(i) for i in range(len(columns))]),
    )


def status(message: str) -> Result:
    """Make the result of a DDL statement: one row with one column, the message."""
    return rows([("status", "VARCHAR")], [(message,)])


def counts(**by_kind: int) -> Result:
    """Make the result of a DML statement: ``counts(inserted=3)`` is 'number of rows inserted', 3."""
    result = rows([(f"number of rows {kind}", "BIGINT") for kind in by_kind], [tuple(by_kind.values())])
    return Result(result.columns, result.table, sum(by_kind.values()))
