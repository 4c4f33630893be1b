"""Compare the rows of a table with those that a test expects, and show the differences as a small table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal

from snowpipe_ml.spec.tests import Row
from snowpipe_ml.text.printable import one_line

_SHOWN = 20
"""Differences that are shown."""
_WIDTH = 24
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Difference:
    """A row that differs: expected and absent, unexpected, or both where two rows agree in some columns."""

    expected: Row | None
    actual: Row | None


def differences(
    expected: Sequence[Row], actual: Sequence[Row], tolerance: float, *, ordered: bool
) -> list[Difference]:
    """Return the rows that differ.

    Args:
        expected: the expected rows, all with the same columns.
        actual: the rows of the table, with the same columns.
        tolerance: the largest relative difference of two equal numbers.
        ordered: whether the order of the rows counts.
    """
    if ordered:
        absent = list(expected[len(actual) :])
        more = list(actual[len(expected) :])
        pairs = [(e, a) for e, a in zip(expected, actual, strict=False) if not _same(e, a, tolerance)]
        return [
            *(Difference(e, a) for e, a in pairs),
            *(Difference(row, None) for row in absent),
            *(Difference(None, row) for row in more),
        ]
    rest = list(actual)
    absent = []
    for row in expected:
        found = next((place for place, other in enumerate(rest) if _same(row, other, tolerance)), None)
        if found is None:
            absent.append(row)
        else:
            del rest[found]
    result = []
    for row in absent:
        best = max(range(len(rest)), key=lambda place: _alike(row, rest[place], tolerance), default=None)
        if best is not None and _alike(row, rest[best], tolerance):
            result.append(Difference(row, rest.pop(best)))
        else:
            result.append(Difference(row, None))
    return result + [Difference(None, row) for row in rest]


def _same(expected: Row, actual: Row, tolerance: float) -> bool:
    return all(equal(value, actual[column], tolerance) for column, value in expected.items())


def _alike(expected: Row, actual: Row, tolerance: float) -> int:
    return sum(equal(value, actual[column], tolerance) for column, value in expected.items())


def equal(expected: object, actual: object, tolerance: float = 1e-9) -> bool:
    """Return whether a value of the table is the one that the test expects.

    A text, as of a CSV file, is read as the type of the actual value; a date is the midnight of a time.
    """
    if expected is None or actual is None:
        return expected is actual
    if isinstance(actual, bool) or isinstance(expected, bool):
        return str(expected).lower() == str(actual).lower()
    if isinstance(actual, int | float | Decimal):
        number = _number(expected)
        if number is None:
            return False
        return number == actual or math.isclose(number, float(actual), rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(actual, datetime):
        moment = _moment(expected)
        aware = moment is not None and moment.tzinfo is None and actual.tzinfo is not None
        return moment == (actual.replace(tzinfo=None) if aware else actual)
    if isinstance(actual, date | time):
        return str(expected) == str(actual) or _moment(expected) == _moment(actual)
    if isinstance(expected, dict | list):
        try:
            return bool(json.loads(json.dumps(expected, default=str)) == json.loads(str(actual)))
        except json.JSONDecodeError:
            return False
    return str(expected) == str(actual)


def _number(value: object) -> float | None:
    try:
        return float(str(value)) if isinstance(value, int | float | Decimal | str) else None
    except ValueError:
        return None


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None


def shown(columns: Sequence[str], found: Sequence[Difference], tolerance: float) -> list[str]:
    """Render differences as lines: ``-`` is an expected row, ``+`` one of the table; equal values are dots.

    Args:
        columns: the compared columns.
        found: the differences; the first twenty are shown.
        tolerance: as in :func:`differences`.
    """
    lines: list[tuple[str, list[str]]] = [(" ", list(columns))]
    for item in found[:_SHOWN]:
        if item.expected is not None:
            lines.append(("-", [_text(item.expected[column]) for column in columns]))
        if item.actual is not None:
            cells = [
                "."
                if item.expected is not None and equal(item.expected[column], item.actual[column], tolerance)
                else _text(item.actual[column])
                for column in columns
            ]
            lines.append(("+", cells))
    widths = [max(len(cells[place]) for _, cells in lines) for place in range(len(columns))]
    text = [
        f"{mark} " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for mark, cells in lines
    ]
    return text + ([f"  and {len(found) - _SHOWN:,} more"] if len(found) > _SHOWN else [])


def _text(value: object) -> str:
    text = (
        "NULL"
        if value is None
        else one_line(json.dumps(value) if isinstance(value, dict | list) else str(value))
    )
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def picked(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> list[Row]:
    """Return rows with some columns, None where a row has no value."""
    return [{column: row.get(column) for column in columns} for row in rows]
