"""What a step says of itself: what it would do, and what it did."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from snowpipe_ml.errors import Check
from snowpipe_ml.sql import Sql


@dataclass(frozen=True)
class StepPlan:
    """What a step would do: a line of words, and the SQL where it is known beforehand."""

    summary: str
    statements: tuple[Sql, ...] = ()


@dataclass(frozen=True)
class Finding:
    """The fault of a setting, as far as this machine knows it.

    Attributes:
        message: what is wrong.
        at: the path of the setting, for the position in the spec.
        key: the key at the path is meant, and not its value.
        hint: what to do.
    """

    message: str
    at: tuple[str | int, ...]
    key: bool = False
    hint: str | None = None


@dataclass(frozen=True)
class Chart:
    """Lines over common points, for the report.

    Attributes:
        title: what it is of, such as a series.
        x: the points, in order, such as days.
        lines: by name, a value or None a point.
        low: the lower edge of a band, such as a prediction interval, a value or None a point.
        high: its upper edge.
    """

    title: str
    x: Sequence[str]
    lines: Mapping[str, Sequence[float | None]]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()


@dataclass(frozen=True)
class Picture:
    """A drawing as SVG, for the report."""

    title: str
    svg: str


@dataclass(frozen=True)
class StepResult:
    """What a step did.

    Attributes:
        rows: rows written, where that says something.
        message: a few words for the checklist.
        warnings: what a user should look at although the step went well.
        metrics: numbers to keep with the run.
        checks: what was expected, for the report.
        charts: a few small ones, for the report.
        pictures: drawings, for the report.
    """

    rows: int | None = None
    message: str = ""
    warnings: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    charts: tuple[Chart, ...] = ()
    pictures: tuple[Picture, ...] = ()


def to_show(
    checks: Sequence[Check], charts: Sequence[Chart] = (), pictures: Sequence[Picture] = ()
) -> dict[str, Any]:
    """Checks, charts and pictures as the records keep them."""
    shown: dict[str, Sequence[Check | Chart | Picture]] = {
        "checks": checks,
        "charts": charts,
        "pictures": pictures,
    }
    found = {name: [dataclasses.asdict(item) for item in items] for name, items in shown.items()}
    return {name: items for name, items in found.items() if items}
