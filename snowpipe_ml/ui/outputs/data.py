"""The output of ``diff-data``."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from snowpipe_ml.ui.outputs.common import Output, RootOutput


class ColumnOutput(Output):
    """A column whose type differs, or that one of two tables lacks."""

    column: str
    a: str | None = Field(description="Its type on --target; null if the table lacks it.")
    b: str | None = Field(description="Its type on --with.")


class CountsOutput(Output):
    """A number of rows on --target (a) and on --with (b)."""

    a: int
    b: int


class PairOutput(Output):
    """A row on both targets; null where a target lacks it."""

    a: dict[str, Any] | None
    b: dict[str, Any] | None


class TableDiffOutput(Output):
    """The comparison of a table. The keys after ``schema`` are there if both targets have rows to compare."""

    table: str
    differs: bool
    exists_on: str = Field(description="both, only A, only B, neither, or same table.")
    columns: list[ColumnOutput] = Field(alias="schema")
    key: list[str] | None = Field(None, description="null if whole rows were compared.")
    note: str | None = None
    rows: CountsOutput | None = None
    repeated: CountsOutput | None = Field(None, description="Rows beyond the first with their key.")
    only: CountsOutput | None = Field(None, description="Rows that the other target lacks.")
    changed: int | None = Field(None, description="Rows with different values.")
    changed_by_column: dict[str, int] | None = None
    unread: int | None = Field(None, description="Rows that may differ and were not read.")
    sample: list[PairOutput] | None = None


class DiffDataOutput(RootOutput[list[TableDiffOutput]]):
    """The output of ``diff-data --json``."""
