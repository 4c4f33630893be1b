"""Columns that settings name: which they are, and whether the tables have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import ColumnUse, RunContext
from snowpipe_ml.sql import Identifier, QualifiedName, sql
from snowpipe_ml.text.problems import did_you_mean

if TYPE_CHECKING:
    from snowpipe_ml.steps.forecasting.features import Features

# Types of a feature of a series, as a spec and as DESCRIBE TABLE have them.
_NUMBERS = ("NUMBER", "INT", "FLOAT", "BOOLEAN", "DECFLOAT", "DECIMAL", "DOUBLE", "REAL")


def column_fault(use: ColumnUse, columns: Mapping[str, str]) -> tuple[str, str | None] | None:
    """Say what is wrong with the use of a column, with a hint; None if nothing is.

    Args:
        use: the column and its table.
        columns: the names of the table's columns, as they are stored, with their types.
    """
    kind = columns.get(use.column.name)
    if kind is None:
        return f"{use.table} has no column {use.column}", did_you_mean(use.column.name, columns)
    if use.feature and not kind.upper().startswith(_NUMBERS):
        return (
            f"{use.column} of {use.table} is a {kind.partition('(')[0]}, and a feature must be a number",
            None,
        )
    return None


def require_columns(ctx: RunContext, uses: Iterable[ColumnUse]) -> None:
    """Compare the columns that a step's settings name with the tables on the target.

    Raises:
        StepError: a table lacks a column, or a feature is no number; all that is wrong.
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


def joined_columns(settings: Features.Settings) -> Iterator[ColumnUse]:
    """The columns of the tables that a ``features`` step reads."""
    for name in ("partition_by", "timestamp", "value"):
        column: Identifier | None = getattr(settings, name)
        if column is not None:
            yield ColumnUse(settings.from_, column, (name,))
    if settings.calendar is not None:
        yield ColumnUse(settings.calendar, Identifier("DATE"), ("calendar",))
    if settings.holidays is not None:
        yield ColumnUse(settings.holidays.table, settings.holidays.on, ("holidays", "on"))
    for index, other in enumerate(settings.exogenous):
        yield ColumnUse(other.table, other.on, ("exogenous", index, "on"))
        for number, column in enumerate(other.columns):
            yield ColumnUse(other.table, column, ("exogenous", index, "columns", number), feature=True)


def forecast_columns(settings: Features.Settings) -> Iterator[ColumnUse]:
    """The columns of the tables that have the days to come of a ``features`` step's exogenous columns."""
    for index, other in enumerate(settings.exogenous):
        if isinstance(other.future, str):
            continue
        at = ("exogenous", index, "future", "table")
        yield ColumnUse(other.future.table, other.on, at)
        for column in other.columns:
            yield ColumnUse(other.future.table, column, at, feature=True)
