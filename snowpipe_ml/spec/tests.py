"""The unit tests of a pipeline: rows that are given, steps that run, rows that are expected."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from snowpipe_ml.plugins import ColumnType
from snowpipe_ml.spec.base import Model, ObjectKey, PlainKey

Row = dict[str, object]


def _as_mapping(value: object) -> object:
    """A list is the rows of a table, and a text is the path of a CSV file."""
    if isinstance(value, list):
        return {"rows": value}
    return {"csv": value} if isinstance(value, str) else value


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class GivenTable(Model):
    """The rows of a table that a test gives: a list of rows, the path of a CSV file, or this mapping.

    A column that a row does not name is NULL.
    """

    rows: tuple[Row, ...] = Field((), description="Rows, each with its values by column")
    csv: str | None = Field(
        None, description="CSV file with a header, relative to the spec; an empty field is NULL"
    )
    columns: dict[ObjectKey, ColumnType] = Field(
        {},
        description="Data types by column; by default those of the source or of the declared table, and otherwise "
        "those of the values",
    )

    @model_validator(mode="after")
    def _one_way(self) -> GivenTable:
        if self.rows and self.csv is not None:
            raise ValueError("give either rows or csv")
        return self


class ExpectedTable(Model):
    """The rows that a test expects in a table: a list of rows, the path of a CSV file, or this mapping.

    Only the columns that the expectation names are compared.
    """

    rows: tuple[Row, ...] | None = Field(None, description="Rows, each with its values by column")
    csv: str | None = Field(
        None, description="CSV file with a header, relative to the spec; an empty field is NULL"
    )
    count: int | None = Field(None, ge=0, description="Number of rows")
    ordered: tuple[str, ...] = Field(
        (), description="Columns by which the rows are sorted before they are compared in order"
    )
    tolerance: float = Field(1e-9, ge=0, description="Largest relative difference of two equal numbers")

    @model_validator(mode="after")
    def _something(self) -> ExpectedTable:
        if self.rows is not None and self.csv is not None:
            raise ValueError("give either rows or csv")
        if self.rows is None and self.csv is None and self.count is None:
            raise ValueError("give rows, csv or count")
        return self


Given = Annotated[
    GivenTable, BeforeValidator(_as_mapping, json_schema_input_type=GivenTable | list[Row] | str)
]
Expected = Annotated[
    ExpectedTable, BeforeValidator(_as_mapping, json_schema_input_type=ExpectedTable | list[Row] | str)
]
Steps = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
]


class UnitTest(Model):
    """A test of some steps on an embedded warehouse that holds only what the test gives: `snowpipe-ml test`."""

    description: str = ""
    step: Steps = Field(
        (),
        description="The step or the steps to run; by default all that the expected tables need and that `given` does "
        "not replace",
    )
    given: dict[ObjectKey, Given] = Field({}, description="Rows by table or source")
    vars: dict[str, object] = Field({}, description="Values of variables")
    now: datetime | date | None = Field(
        None, description="The time that CURRENT_TIMESTAMP returns, in UTC; its date is the run date"
    )
    expect: dict[ObjectKey, Expected] = Field({}, description="Expected rows by table")
    error: str | None = Field(None, description="Text of the error with which a step must fail")

    @model_validator(mode="after")
    def _expects(self) -> UnitTest:
        if not self.expect and self.error is None:
            raise ValueError(
                "give what is expected: `expect` (rows by table) or `error` (the text of an error)"
            )
        if self.error is not None and not self.step:
            raise ValueError("name the step that fails, with `step`")
        return self


class TestFile(Model):
    """A file with unit tests beside a spec."""

    tests: dict[PlainKey, UnitTest] = Field(min_length=1)


UnitTests = dict[PlainKey, UnitTest]
