"""The output of ``compare``."""

from __future__ import annotations

from pydantic import Field

from snowpipe_ml.ui.outputs.common import Number, Output
from snowpipe_ml.ui.outputs.data import TableDiffOutput


class BaseOutput(Output):
    """The commit that is compared with."""

    ref: str
    commit: str
    forked: bool = Field(description="Whether it is not that of the ref, but where the head has left it.")


class HeadOutput(Output):
    """The commit with the changes."""

    ref: str
    commit: str


class StepChangeOutput(Output):
    """A step or declared object that changes."""

    name: str
    type: str
    declared: bool
    change: str = Field(description="added, removed, changed, or follows: a step that it needs runs.")
    reason: str
    sql: list[str] = Field(description="The lines of a unified diff of its statements.")


class FailureOutput(Output):
    """A step that failed at the head."""

    step: str
    error: str
    at_base: bool = Field(description="Whether it fails at the base too.")
    skipped: list[str] = Field(description="The steps that were not run because of it.")


class NewWarningOutput(Output):
    """A warning at the head that the base does not give."""

    step: str
    text: str


class TableChangeOutput(TableDiffOutput):
    """The comparison of a table: a is the base, b the head."""

    step: str = Field(description="The step that writes it.")
    differing_at_least_by_column: dict[str, int] = Field(
        description="Of a table without a key: in how many rows at least a column differs."
    )


class SidesOutput(Output):
    """A number at the base and at the head."""

    base: Number
    head: Number


class ModelsOutput(Output):
    """The models that forecast."""

    base: list[str]
    head: list[str]


class SeriesOutput(Output):
    """The errors of a series in the backtests."""

    key: str
    base: Number = Field(description="The mean absolute error at the base.")
    head: Number
    change: Number = Field(description="The relative change; null if the error at the base is zero.")
    origins: int
    p: Number = Field(description="Of the paired t-test over origins, adjusted; null without a test.")
    significant: bool


class ForecastOutput(Output):
    """The forecasts of a step."""

    step: str
    models: ModelsOutput
    error: SidesOutput | None = Field(description="The means over the series that both have.")
    p: Number = Field(description="Of the signed-rank test over series; null without a test.")
    note: str
    better: int
    worse: int
    only_base: list[str]
    only_head: list[str]
    series: list[SeriesOutput]


class CompareCostOutput(Output):
    """The time and credits of the changed steps."""

    seconds: SidesOutput
    credits: SidesOutput | None


class CompareOutput(Output):
    """The output of ``compare --json``."""

    pipeline: str
    spec: str
    target: str
    base: BaseOutput
    head: HeadOutput
    summary: str
    ran: bool = Field(description="Whether the pipeline was run.")
    series: int | None = Field(description="How many series were forecast at most; null for all.")
    steps: list[StepChangeOutput]
    failures: list[FailureOutput]
    failed_at_base_only: list[str]
    warnings: list[NewWarningOutput]
    tables: list[TableChangeOutput]
    forecasts: list[ForecastOutput]
    cost: CompareCostOutput | None
    left_out: list[str] = Field(
        description="Changed steps that were not run: nothing of them can be compared."
    )
