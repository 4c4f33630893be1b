"""Query results and plans for people and for machines."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def plain(value: object) -> object:
    """A value that JSON can hold."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no such numbers
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return value.hex()
    return value


def as_json(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A list of objects."""
    return json.dumps([dict(zip(names, map(plain, row), strict=True)) for row in rows], indent=2, ensure_ascii=False)


def as_csv(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Comma-separated text with a header; NULL is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([["" if value is None else plain(value) for value in row] for row in rows])
    return out.getvalue().rstrip("\n")


def cell(value: object) -> str:
    """A value in a table."""
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1_000_000 else f"{value:,.1f}"
    return str(value)


def print_table(
    console: Console, names: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None
) -> None:
    """A table with numbers to the right."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for index, name in enumerate(names):
        numeric = any(
            isinstance(row[index], int | float | Decimal) and not isinstance(row[index], bool) for row in rows
        )
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    console.print(table)
