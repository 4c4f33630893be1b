"""The values that a step returns: its plan and its result."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

from snowpipe_ml.errors import Check
from snowpipe_ml.sql import Sql
from snowpipe_ml.text.redaction import Markup


@dataclass(frozen=True)
class StepPlan:
    """The plan of a step: a one-line summary, and its SQL statements if they are known in advance."""

    summary: str
    statements: tuple[Sql, ...] = ()


@dataclass(frozen=True)
class Change:
    """A difference between an existing object and its declaration.

    Attributes:
        what: what differs, such as a column or a setting.
        old: its value on the target.
        new: its value in the spec.
    """

    what: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.what}: {self.old} -> {self.new}"


@dataclass(frozen=True)
class Changes:
    """The changes that make an existing object as it is declared.

    Attributes:
        told: the differences.
        statements: the statements that change the object, which lose nothing.
        refused: why the object is not changed, and what to run by hand; None if it can be changed.
    """

    told: tuple[Change, ...] = ()
    statements: tuple[Sql, ...] = ()
    refused: str | None = None

    def __str__(self) -> str:
        return "; ".join(map(str, self.told))

    def __add__(self, other: Changes) -> Changes:
        return Changes(
            (*self.told, *other.told), (*self.statements, *other.statements), self.refused or other.refused
        )


@dataclass(frozen=True)
class Finding:
    """A problem with a setting that can be found without a connection.

    Attributes:
        message: what is wrong.
        at: the path of the setting, for the position in the spec.
        key: the problem is the key at the path, not its value.
        hint: what to do.
    """

    message: str
    at: tuple[str | int, ...]
    key: bool = False
    hint: str | None = None


@dataclass(frozen=True)
class Chart:
    """A line chart for the report.

    Attributes:
        title: the subject of the chart, such as a series.
        x: the labels of the points on the x axis, in order, such as timestamps.
        lines: the lines by name, each with one value or None per point.
        low: the lower edge of a band, such as a prediction interval, with one value or None per point.
        high: the upper edge of the band.
        x_title: the title of the x axis, such as ``day``.
        y_title: the title of the y axis with its unit, such as ``trips per day``.
    """

    title: str
    x: Sequence[str]
    lines: Mapping[str, Sequence[float | None]]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    x_title: str = ""
    y_title: str = ""


@dataclass(frozen=True)
class Picture:
    """An SVG image for the report."""

    title: str
    svg: str


@dataclass(frozen=True)
class StepResult:
    """The result of a step.

    Attributes:
        rows: the number of rows written; None if it does not apply.
        message: a short text for the checklist.
        warnings: messages about problems that did not make the step fail.
        metrics: numbers to store in the run metadata.
        checks: the results of expectations, for the report.
        charts: a few small charts, for the report.
        pictures: images, for the report.
    """

    rows: int | None = None
    message: str = ""
    warnings: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    charts: tuple[Chart, ...] = ()
    pictures: tuple[Picture, ...] = ()


class ShownCheck(TypedDict):
    """A :class:`~snowpipe_ml.errors.Check` in the run metadata."""

    name: str
    ok: bool
    failing: int | None
    message: str


class ShownChart(TypedDict):
    """A :class:`Chart` in the run metadata. Records of earlier versions have no titles of axes."""

    title: str
    x: list[str]
    lines: dict[str, list[float | None]]
    low: list[float | None]
    high: list[float | None]
    x_title: NotRequired[str]
    y_title: NotRequired[str]


class ShownPicture(TypedDict):
    """A :class:`Picture` in the run metadata."""

    title: str
    svg: str


def to_show(
    checks: Sequence[Check], charts: Sequence[Chart] = (), pictures: Sequence[Picture] = ()
) -> dict[str, object]:
    """Convert checks, charts and pictures to plain values for the run metadata."""
    shown: dict[str, Sequence[Check | Chart | Picture]] = {
        "checks": checks,
        "charts": charts,
        "pictures": pictures,
    }
    found = {name: [dataclasses.asdict(item) for item in items] for name, items in shown.items()}
    for picture in found["pictures"]:
        picture["svg"] = Markup(picture["svg"])
    return {name: items for name, items in found.items() if items}
