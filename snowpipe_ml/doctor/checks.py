"""The definition of a check, its findings, and the list of all checks.

A check is a function of the facts that yields findings. The list keeps the order in which the modules of checks
are imported, which is the order of the report.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from snowpipe_ml.doctor.account import Account, RefusedError
from snowpipe_ml.doctor.needs import Need, needs
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.plugins import PlanContext
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.sql import QualifiedName


class Status(enum.StrEnum):
    """The level of a finding."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """An answer to one question.

    Attributes:
        check: the name of the check, such as ``privileges.schema``.
        status: whether a run can work with it.
        text: what was found.
        remedy: the statement or the setting that mends it; empty if there is nothing to mend.
    """

    check: str
    status: Status
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Facts:
    """The facts that checks look at.

    Attributes:
        spec: the spec, for the target.
        graph: its nodes.
        ctx: the context in which its steps plan.
        account: the account, in a session with the role of the runs.
    """

    spec: Spec
    graph: Graph
    ctx: PlanContext
    account: Account

    @cached_property
    def needs(self) -> list[Need]:
        """The privileges that the spec needs."""
        return needs(self.spec, self.graph, self.ctx)

    @property
    def schema(self) -> QualifiedName:
        """The schema of the target."""
        return QualifiedName((self.spec.target.database, self.spec.target.schema_))

    @property
    def state(self) -> QualifiedName:
        """The schema of the records of runs."""
        return QualifiedName((self.spec.target.database, self.spec.pipeline.state))


@dataclass(frozen=True)
class Told:
    """A finding as a check yields it, without the name of the check."""

    status: Status
    text: str
    remedy: str = field(default="")


def ok(text: str) -> Told:
    """A run can work with it."""
    return Told(Status.OK, text)


def warning(text: str, remedy: str = "") -> Told:
    """A run works, but perhaps not as expected."""
    return Told(Status.WARNING, text, remedy)


def problem(text: str, remedy: str) -> Told:
    """A run would fail."""
    return Told(Status.PROBLEM, text, remedy)


Check = Callable[[Facts], Iterator[Told]]

CHECKS: dict[str, Check] = {}
"""The checks by name, in the order of the report."""


def check(name: str) -> Callable[[Check], Check]:
    """Add a check to the list."""

    def add(function: Check) -> Check:
        if name in CHECKS:
            raise ValueError(f"two checks are named {name}")
        CHECKS[name] = function
        return function

    return add


def examine(facts: Facts) -> Iterator[Finding]:
    """Run all checks; a question that the account refuses is itself a finding."""
    for name, function in CHECKS.items():
        try:
            for told in function(facts):
                yield Finding(name, told.status, told.text, told.remedy)
        except RefusedError as error:
            yield Finding(name, Status.UNKNOWN, f"the account does not answer: {error}")
