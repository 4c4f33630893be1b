"""The tables that a test gives: their rows, their types, and the statements that create them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

from snowpipe_ml.errors import UsageError
from snowpipe_ml.spec.tests import GivenTable, Row
from snowpipe_ml.sql import DataType, Identifier, Literal, QualifiedName, Sql, join, sql

_SEMI_STRUCTURED = ("VARIANT", "OBJECT", "ARRAY")
_BATCH = 1000
"""Rows of an INSERT."""


def read_csv(path: Path) -> tuple[list[str], list[Row]]:
    """Read the header and the rows of a CSV file; an empty field is None.

    Raises:
        UsageError: the file cannot be read, or a row has another number of fields than the header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            lines = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    for number, row in lines:
        if len(row) != len(header):
            raise UsageError(f"{path}:{number}: {len(row)} fields; the header has {len(header)}")
    return header, [dict(zip(header, (text or None for text in row), strict=True)) for _, row in lines]


def column_of(table: QualifiedName, name: str) -> Identifier:
    """Return a column as a test names it.

    Raises:
        UsageError: it is not a name, such as a reserved word without quotes.
    """
    try:
        return Identifier.parse(name)
    except ValueError as error:
        raise UsageError(f"{table}: {error}") from error


def given_rows(given: GivenTable, folder: Path) -> tuple[list[str], list[Row]]:
    """Return the names of the columns that a given table names, and its rows."""
    if given.csv is not None:
        return read_csv(folder / given.csv)
    names = dict.fromkeys(name for row in given.rows for name in row)
    return list(names), list(given.rows)


def create_statements(
    name: QualifiedName, given: GivenTable, declared: Mapping[str, DataType], folder: Path
) -> Iterator[Sql]:
    """Yield the statements that create a given table and insert its rows.

    Args:
        name: the table.
        given: its rows.
        declared: the types of the source or the declared table, by column; empty for the output of a step.
        folder: the folder of the spec.

    Raises:
        UsageError: a column is not declared, the values of a column have no common type, or the table has no column.
    """
    names, rows = given_rows(given, folder)
    keyed = [{column_of(name, key): value for key, value in row.items()} for row in rows]
    types = {Identifier.parse(key): kind for key, kind in {**declared, **given.columns}.items()}
    for column in [column_of(name, each) for each in names]:
        if column in types:
            continue
        if declared:
            known = ", ".join(declared)
            raise UsageError(f"{name} has no column {column}; it has {known}")
        types[column] = _common_type(
            name, column, [row.get(column) for row in keyed], from_csv=given.csv is not None
        )
    if not types:
        raise UsageError(f"{name} is the output of a step: give a row, or the types under `columns`")
    columns = [sql("{name} {kind}", name=column, kind=kind) for column, kind in types.items()]
    yield sql("CREATE TABLE {name} ({columns})", name=name, columns=join(", ", columns))
    selected = join(", ", [_selected(number, kind) for number, kind in enumerate(types.values(), 1)])
    for start in range(0, len(keyed), _BATCH):
        values = [
            sql(
                "({row})", row=join(", ", [_literal(row.get(column), kind) for column, kind in types.items()])
            )
            for row in keyed[start : start + _BATCH]
        ]
        yield sql(
            "INSERT INTO {name} SELECT {selected} FROM VALUES {values}",
            name=name,
            selected=selected,
            values=join(", ", values),
        )


def _selected(number: int, kind: DataType) -> Sql:
    column = Sql(f"${number}")
    if kind.name in _SEMI_STRUCTURED:
        return sql("CAST(PARSE_JSON({column}) AS {kind})", column=column, kind=kind)
    return sql("CAST({column} AS {kind})", column=column, kind=kind)


def _literal(value: object, kind: DataType) -> Literal:
    """The value as text, which the column's type casts: the rows of VALUES must agree in their types."""
    if value is None:
        return Literal(None)
    if kind.name in _SEMI_STRUCTURED:
        return Literal(json.dumps(value, default=str))
    if isinstance(value, bool):
        return Literal("true" if value else "false")
    if isinstance(value, datetime):
        return Literal(value.isoformat(sep=" "))
    if isinstance(value, dict | list):
        return Literal(json.dumps(value, default=str))
    return Literal(str(value))


def _common_type(
    name: QualifiedName, column: Identifier, values: Sequence[object], *, from_csv: bool
) -> DataType:
    kinds = {_csv_kind(str(value)) if from_csv else _kind(value) for value in values if value is not None}
    for wider, narrower in (("FLOAT", "NUMBER"), ("TIMESTAMP_NTZ", "DATE")):
        if wider in kinds:
            kinds.discard(narrower)
    if from_csv and len(kinds) > 1:
        kinds = {"VARCHAR"}
    if len(kinds) > 1:
        found = " and ".join(sorted(kinds))
        raise UsageError(f"{name}.{column} has values of {found}: give its type under `columns`")
    return DataType.parse(kinds.pop() if kinds else "VARCHAR")


def _kind(value: object) -> str:
    kinds: Iterable[tuple[type, str]] = (
        (bool, "BOOLEAN"),
        (int, "NUMBER"),
        (float, "FLOAT"),
        (Decimal, "NUMBER"),
        (datetime, "TIMESTAMP_NTZ"),
        (date, "DATE"),
        (time, "TIME"),
        (list, "ARRAY"),
        (dict, "OBJECT"),
    )
    return next((kind for python, kind in kinds if isinstance(value, python)), "VARCHAR")


def _csv_kind(text: str) -> str:
    for kind, parse in (
        ("NUMBER", int),
        ("FLOAT", float),
        ("DATE", date.fromisoformat),
        ("TIMESTAMP_NTZ", datetime.fromisoformat),
    ):
        try:
            parse(text)
        except ValueError:
            continue
        return kind
    return "BOOLEAN" if text.lower() in ("true", "false") else "VARCHAR"
