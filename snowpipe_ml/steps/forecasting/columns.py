"""The columns that settings name, and the check that the tables have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import ColumnUse, RunContext
from snowpipe_ml.sql import QualifiedName, sql
from snowpipe_ml.text.problems import did_you_mean

# Types that a feature may have, as in a spec and in DESCRIBE TABLE.
_NUMBERS = ("NUMBER", "INT", "FLOAT", "BOOLEAN", "DECFLOAT", "DECIMAL", "DOUBLE", "REAL")


def column_fault(use: ColumnUse, columns: Mapping[str, str]) -> tuple[str, str | None] | None:
    """Return the problem with the use of a column, and a hint; None if there is no problem.

    Args:
        use: the column and its table.
        columns: the stored names of the table's columns, with their types.
    """
    kind = columns.get(use.column.name)
    if kind is None:
        return f"{use.table} has no column {use.column}", did_you_mean(use.column.name, columns)
    if use.feature and not kind.upper().startswith(_NUMBERS):
        return (
            f"{use.column} of {use.table} is a {kind.partition('(')[0]}, but a feature must be a number",
            None,
        )
    return None


def require_columns(ctx: RunContext, uses: Iterable[ColumnUse]) -> None:
    """Check that the tables on the target have the columns that a step's settings name.

    Raises:
        StepError: a table lacks a column, or a feature is not a number; the message lists every problem.
    """
    described: dict[QualifiedName, dict[str, str]] = {}
    faults = []
    for use in uses:
        if use.table not in described:
            rows = ctx.execute(sql("DESCRIBE TABLE {name}", name=use.table))
            described[use.table] = {str(row["name"]): str(row["type"]) for row in rows}
        fault = column_fault(use, described[use.table])
        if fault is not None:
            setting = ".".join(str(part) for part in use.at)
            faults.append(f"{setting}: {'; '.join(filter(None, fault))}")
    if faults:
        raise StepError("\n".join(dict.fromkeys(faults)))
