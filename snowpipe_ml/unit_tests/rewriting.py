"""Write the rows that a run has found into the expectations of a test; comments and layout are kept."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import yaml

from snowpipe_ml.errors import UsageError
from snowpipe_ml.spec.tests import Row


@dataclass(frozen=True)
class Update:
    """A change of what a test expects of a table.

    Attributes:
        table: the table, as the test writes it.
        count: the number of rows; None if it does not change.
        changes: changes of rows: the place of an expected row and the values that differ, None for a row to delete; a place
            of None adds a row.
        csv: the file with the expected rows, if they are not in the test; it gets the names and rows.
        names: the columns that the test names.
        rows: all rows of the table, for the file.
    """

    table: str
    count: int | None = None
    changes: tuple[tuple[int | None, Row | None], ...] = ()
    csv: Path | None = None
    names: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class _Edit:
    """A replacement of a part of a text."""

    start: int
    end: int
    text: str


def rewrite(file: Path, updates: Iterable[tuple[str, Update]]) -> None:
    """Write the changes of tests to their file, and to the CSV files that they name.

    Args:
        file: the file with the tests.
        updates: the changes, each with the name of its test.

    Raises:
        UsageError: an expectation is written with an alias, so that its change would change others.
    """
    with file.open(encoding="utf-8", newline="") as opened:
        text = opened.read()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    edits: list[_Edit] = []
    tables: list[Update] = []
    for name, update in updates:
        node = _at(file, root, "tests", name, "expect", update.table)
        if update.csv is not None and update.rows != ():
            tables.append(update)
        if update.count is not None:
            count = _at(file, node, "count")
            edits.append(_Edit(count.start_mark.index, count.end_mark.index, str(update.count)))
        if update.changes:
            rows = node if isinstance(node, yaml.SequenceNode) else _at(file, node, "rows")
            edits += _row_edits(file, text, rows, update)
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    with file.open("w", encoding="utf-8", newline="") as opened:
        opened.write(text)
    for update in tables:
        assert update.csv is not None
        update.csv.write_text(_csv(update.names, update.rows), encoding="utf-8")


def _at(file: Path, node: yaml.Node, *keys: str) -> yaml.Node:
    """Return the value at some keys; refuse one that is elsewhere in the file.

    Raises:
        UsageError: the value is an alias.
    """
    for key in keys:
        assert isinstance(node, yaml.MappingNode)
        value = next(value for name, value in node.value if name.value == key)
        _check_inside(file, node, value)
        node = value
    return node


def _check_inside(file: Path, outer: yaml.Node, inner: yaml.Node) -> None:
    if not outer.start_mark.index <= inner.start_mark.index <= outer.end_mark.index:
        line = inner.start_mark.line + 1
        raise UsageError(f"{file}:{line}: an alias refers to these rows: change them by hand")


def _row_edits(file: Path, text: str, rows: yaml.Node, update: Update) -> list[_Edit]:
    assert isinstance(rows, yaml.SequenceNode)
    changed = {place: row for place, row in update.changes if place is not None}
    added = [row for place, row in update.changes if place is None and row is not None]
    edits: list[_Edit] = []
    for place, row in changed.items():
        _check_inside(file, rows, rows.value[place])
        if row is not None:
            edits += _value_edits(text, rows.value[place], row)
    gone = [place for place, row in changed.items() if row is None]
    if rows.flow_style or not rows.value:
        if not gone and not added:
            return edits
        inner = sorted(edits, key=lambda edit: edit.start, reverse=True)
        pieces = []
        for place, item in enumerate(rows.value):
            if place not in gone:
                pieces.append(_edited(text, item, inner))
        pieces += [_flow(row) for row in added]
        return [_Edit(rows.start_mark.index, rows.end_mark.index, f"[{', '.join(pieces)}]")]
    for place in gone:
        item = rows.value[place]
        start = text.rindex("\n", 0, item.start_mark.index) + 1
        edits.append(_Edit(start, _line_end(text, _end(text, item)), ""))
    if len(gone) == len(rows.value) and not added:
        return [_Edit(rows.start_mark.index, _end(text, rows.value[-1]), "[]")]
    if added:
        last = rows.value[-1]
        indent = " " * rows.start_mark.column
        at = _line_end(text, _end(text, last))
        broken = "" if text[:at].endswith("\n") else "\n"
        lines = "".join(f"{indent}- {_flow(row)}\n" for row in added)
        edits.append(_Edit(at, at, broken + lines))
    return edits


def _edited(text: str, node: yaml.Node, edits: Sequence[_Edit]) -> str:
    """Return the text of a node with the edits that are inside; the last one comes first."""
    start, end = node.start_mark.index, node.end_mark.index
    found = text[start:end]
    for edit in edits:
        if start <= edit.start and edit.end <= end:
            found = found[: edit.start - start] + edit.text + found[edit.end - start :]
    return found


def _value_edits(text: str, row: yaml.Node, changed: Row) -> list[_Edit]:
    """Return the edits of the values of a row; a column that it does not name is added."""
    assert isinstance(row, yaml.MappingNode)
    values = {key.value: value for key, value in row.value}
    edits = []
    absent = []
    for column, value in changed.items():
        node = values.get(column)
        if node is None:
            absent.append(f"{_scalar(column)}: {_scalar(value)}")
        else:
            edits.append(_Edit(node.start_mark.index, _end(text, node), _scalar(value)))
    if absent and row.flow_style:
        end = row.end_mark.index - 1
        edits.append(_Edit(end, end, (", " if row.value else "") + ", ".join(absent)))
    elif absent:
        end = _end(text, row)
        indent = " " * row.start_mark.column
        edits.append(_Edit(end, end, "".join(f"\n{indent}{each}" for each in absent)))
    return edits


def _end(text: str, node: yaml.Node) -> int:
    """Return where a node's text ends: PyYAML counts the blank space and comments after a block to it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    found = text[node.start_mark.index : node.end_mark.index]
    return int(node.start_mark.index + len(found.rstrip()))


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _flow(row: Row) -> str:
    return "{" + ", ".join(f"{_scalar(key)}: {_scalar(value)}" for key, value in row.items()) + "}"


def _scalar(value: object) -> str:
    """Write a value as YAML that can be inside a flow mapping."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        value = bytes(value).hex().upper()
    dumped: str = yaml.safe_dump([value], default_flow_style=True, width=10**9, allow_unicode=True)
    return dumped.strip().removeprefix("[").removesuffix("]")


def _csv(names: Sequence[str], rows: Iterable[Row]) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_field(row[name]) for name in names])
    return written.getvalue()


def _field(value: object) -> str:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
