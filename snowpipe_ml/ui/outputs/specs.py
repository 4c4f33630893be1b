"""The outputs of the commands on a spec: ``validate``, ``plan``, ``packages``, ``doctor``, ``test`` and ``explain``."""

from __future__ import annotations

from pydantic import Field

from snowpipe_ml.ui.explained import Explained
from snowpipe_ml.ui.outputs.common import Number, Output, RootOutput


class ProblemOutput(Output):
    """A mistake in a spec."""

    file: str
    line: int = Field(description="Counted from 1.")
    column: int = Field(description="Counted from 1.")
    message: str
    hint: str | None = Field(description="What to write instead, where that is known.")


class ValidateOutput(Output):
    """The output of ``validate --json``."""

    valid: bool
    problems: list[ProblemOutput]
    steps: list[str] = Field(description="The names of the steps; empty if the spec is not valid.")
    notes: list[str] = Field(description="Advice that does not make the spec invalid.")


class ChangeOutput(Output):
    """A difference between an existing object and its declaration."""

    what: str = Field(description="Such as a column or a setting.")
    old: str = Field(description="The value on the target.")
    new: str = Field(description="The value in the spec.")


class EstimateOutput(Output):
    """The time and credits that a step is expected to use, by its last successes."""

    seconds: Number
    credits: Number


class PlannedOutput(Output):
    """A step of a plan."""

    name: str
    type: str
    needs: list[str] = Field(description="The steps and objects that it depends on.")
    summary: str
    action: str | None = Field(description="run, replace, skip or omit; null with --offline.")
    reason: str | None
    destroys: str | None = Field(
        description="A table that no run of this pipeline created and that would be lost."
    )
    changes: list[ChangeOutput] | None = Field(
        description="What would change on an existing declared object."
    )
    refused: str | None = Field(description="Why a declared object is not changed, and what to run by hand.")
    statements: list[str]
    estimate: EstimateOutput | None = Field(None, description="Only with --cost; null if nothing is known.")


class PlanOutput(RootOutput[list[PlannedOutput]]):
    """The output of ``plan --json`` and of ``run --dry-run --json``: the steps in their order."""


class PackageOutput(Output):
    """A distribution that an import needs."""

    distribution: str
    version: str
    source: str = Field(alias="from", description="The channel, or where the wheel comes from.")
    why: str


class PackagesOutput(RootOutput[dict[str, list[PackageOutput]]]):
    """The output of ``packages --json``: the distributions of each import."""


class FindingOutput(Output):
    """A finding of the doctor."""

    check: str
    status: str = Field(description="ok, warning, problem or unknown.")
    finding: str
    remedy: str = Field(description="The statement or setting that mends it; empty if there is none.")


class PrivilegeOutput(Output):
    """A privilege that a run needs."""

    privilege: str
    on: str
    name: str | None
    used_by: list[str] = Field(alias="for")
    grant: str


class PrivilegesOutput(Output):
    """The privileges that the role of a run needs, and a script that grants them."""

    pipeline: str
    target: str
    role: str
    privileges: list[PrivilegeOutput]
    script: list[str]


class DoctorOutput(RootOutput[list[FindingOutput] | PrivilegesOutput]):
    """The output of ``doctor --json``: the findings; with ``--offline``, the privileges."""


class TestOutput(Output):
    """The result of a unit test."""

    __test__ = False  # no class of pytest's

    name: str
    ok: bool
    seconds: Number
    place: str = Field(description="FILE:LINE of the test.")
    failures: list[str]


class TestsOutput(RootOutput[list[TestOutput]]):
    """The output of ``test --json``."""

    __test__ = False


class ExplainOutput(RootOutput[list[Explained]]):
    """The output of ``explain --json``."""
