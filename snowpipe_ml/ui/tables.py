"""Formatting of query results as tables for users, and as JSON and CSV for programs."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.cells import cell_len

from snowpipe_ml.text.printable import json_text, visible
from snowpipe_ml.text.redaction import redact, redact_all
from snowpipe_ml.ui.wrapping import hanging

if TYPE_CHECKING:
    from rich.console import Console

# A text column may be narrowed to _NARROWEST characters by wrapping between words. A piece without
# spaces is broken only if it is longer than _LONGEST_PIECE characters.
_NARROWEST = 24
_LONGEST_PIECE = 36  # a UUID; run ids and timestamps with a time zone are shorter
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d\S*")


def plain(value: object) -> object:
    """Convert a value to one that JSON supports."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no NaN or infinity
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return value.hex()
    return value


def as_json(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Format rows as a JSON list of objects, in ASCII and with secrets redacted."""
    # Redact before dumping: stars in the place of a number would not be valid JSON.
    return json_text(redact_all([dict(zip(names, map(plain, row), strict=True)) for row in rows]), indent=2)


def as_csv(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Format rows as CSV with a header; NULL is empty."""
    lines = [_csv_line(names)]
    lines += [_csv_line(["" if value is None else plain(value) for value in row]) for row in rows]
    return "\n".join(lines)


def _csv_line(values: Sequence[object]) -> str:
    out = io.StringIO(newline="")
    # The writer quotes values with characters of its line terminator; values with a carriage return
    # must be quoted.
    csv.writer(out, lineterminator="\r\n").writerow(values)
    return out.getvalue().removesuffix("\r\n")


def cell(value: object) -> str:
    """Format a value for a table cell."""
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1_000_000 else f"{value:,.1f}"
    return visible(redact(str(value)))


def print_table(
    console: Console, names: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None
) -> None:
    """Print a table with right-aligned numbers; if it is too wide, a block per row with a line per value."""
    from rich.table import Table
    from rich.text import Text

    heads = [visible(name) for name in names]
    cells = [[cell(value) for value in row] for row in rows]
    # Each column has a space on both sides and a border after it; the first column has a border
    # before it too.
    widths = _widths(
        [[head, *column] for head, *column in zip(heads, *cells, strict=True)], console.width - 1, 3
    )
    shown_title = None if title is None else visible(title)
    if widths is None:
        _print_records(console, heads, cells, shown_title)
        return
    table = Table(title=shown_title and Text(shown_title), title_justify="left", header_style="bold")
    for index, (head, width) in enumerate(zip(heads, widths, strict=True)):
        numeric = any(
            isinstance(row[index], int | float | Decimal) and not isinstance(row[index], bool) for row in rows
        )
        table.add_column(Text(head), justify="right" if numeric else "left", overflow="fold", width=width)
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)


def _widths(columns: Sequence[Sequence[str]], available: int, padding: int) -> list[int] | None:
    """Choose the widths of the columns of a table; None if a column would be too narrow to read.

    Args:
        columns: the columns, each with its header and cells.
        available: the number of characters in a line.
        padding: the number of characters that each column needs besides its text.
    """
    wanted = [max(cell_len(line) for text in column for line in text.split("\n")) for column in columns]
    widths = [
        max(cell_len(column[0]), min(wide, _NARROWEST), max(map(_piece, column)))
        for wide, column in zip(wanted, columns, strict=True)
    ]
    left = available - sum(widths) - padding * len(widths)
    if left < 0:
        return None
    # Distribute the remaining characters: always to the narrowest column that is still too narrow
    # for its text.
    while left:
        lacking = [index for index, width in enumerate(widths) if width < wanted[index]]
        if not lacking:
            break
        widths[min(lacking, key=lambda index: widths[index])] += 1
        left -= 1
    return widths


def _piece(text: str) -> int:
    """Return the length of the longest part that should not be broken: a word, a number, a timestamp."""
    if len(text) <= _NARROWEST and not _TIME.match(text):
        return 0  # the whole text is narrow enough
    pieces = [text] if _TIME.fullmatch(text) else text.split()
    return min(_LONGEST_PIECE, max(map(cell_len, pieces), default=0))


def _print_records(console: Console, names: list[str], rows: list[list[str]], title: str | None) -> None:
    """Print each row as a block with one line per column: its name and its value."""
    from rich.text import Text

    if title is not None:
        console.print(Text(title, "italic"), soft_wrap=True)
    width = max(map(cell_len, names), default=0)
    leads = [Text.assemble("  ", (name, "bold"), " " * (width - cell_len(name) + 2)) for name in names]
    for number, row in enumerate(rows, 1):
        lines = [hanging(console, lead, Text(value)) for lead, value in zip(leads, row, strict=True)]
        block = Text("\n").join([Text(f"row {number} of {len(rows)}", "dim"), *lines])
        console.print(block, soft_wrap=True, highlight=False)
    if not rows:
        for name in names:
            console.print(Text(f"  {name}", "bold"), soft_wrap=True)
        console.print(Text("no rows", "dim"))
