"""Read the cases, run them, and show values as Snowflake's documentation prints them.

A file ``cases/<family>.yaml`` is a list of cases::

    - page: functions/bitand          # below https://docs.snowflake.com/en/sql-reference/, or with developer-guide/
      setup: [CREATE TABLE t (a INT)] # optional; run in a schema of the case's own
      sql: SELECT BITAND(3, 5)
      rows: [["1"]]                   # texts as the page prints them; null for NULL
      columns: ["NUMBER(38,0)"]       # optional: the types of the columns
      ordered: true                   # optional: the order of the rows counts

In place of ``rows``, a case can have ``error: "000904"`` (the number of Snowflake's error, or words of its
message) with ``message``, the text of the error behind its number; or ``refused: a
word`` for a statement that the embedded warehouse refuses by name: the message must have the word.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import shapely
import yaml
from snowflake.connector.errors import IntegrityError, ProgrammingError

from snowpipe_ml.local.core.errors import UnsupportedError

_FIXED, _REAL = 0, 1
_SEMI_STRUCTURED = {5, 9, 10}
_SHAPES = {14, 15}


@dataclass(frozen=True)
class Case:
    """A documented statement with its result."""

    family: str
    number: int
    page: str
    sql: str
    setup: tuple[str, ...] = ()
    rows: list[list[str | None]] | None = None
    columns: list[str] | None = None
    ordered: bool = False
    error: str | None = None
    message: str | None = None
    refused: str | None = None

    def __str__(self) -> str:
        return f"{self.family}-{self.number}-{self.page.rpartition('/')[2]}"


def all_cases() -> list[Case]:
    """Return the cases of all families."""
    return [
        Case(file.stem, number, **case)
        for file in sorted((Path(__file__).parent / "cases").glob("*.yaml"))
        for number, case in enumerate(yaml.safe_load(file.read_text("utf-8")) or [], 1)
    ]


def check(case: Case, cursor: Any) -> None:
    """Run a case and assert its outcome; the cursor's session is in an empty schema."""
    for statement in case.setup:
        cursor.execute(statement)
    if case.refused is not None:
        try:
            cursor.execute(case.sql)
        except UnsupportedError as refusal:
            assert case.refused.upper() in str(refusal).upper(), refusal
            return
        raise AssertionError(f"it is no longer refused, and gives {_shown(cursor)}")
    if case.error is not None:
        try:
            cursor.execute(case.sql)
        except (IntegrityError, ProgrammingError) as error:
            numbered = case.error.isdigit()
            assert f"{error.errno:06}" == case.error if numbered else case.error in str(error), error
            assert case.message is None or str(error.raw_msg) == case.message, error
            return
        raise AssertionError(f"it runs, and gives {_shown(cursor)}")
    assert case.rows is not None, "a case needs rows, an error or a refusal"
    cursor.execute(case.sql)
    shown = _shown(cursor)
    shapes = [kind in _SHAPES for kind in (column.type_code for column in cursor.description)]
    expected = [
        [value if shape else _spaceless(value) for value, shape in zip(row, shapes, strict=True)]
        for row in case.rows
    ]
    if not case.ordered:
        shown, expected = sorted(shown, key=repr), sorted(expected, key=repr)
    assert len(shown) == len(expected), f"{shown} has not the rows of {expected}"
    for found, wanted in zip(shown, expected, strict=True):
        assert len(found) == len(wanted), f"{shown} has not the columns of {expected}"
        assert all(map(_equal, found, wanted)), f"{shown} is not {expected}"
    if case.columns is not None:
        assert [_type(column) for column in cursor._description_internal] == case.columns


class _Shape(str):
    """A shape in an output format; equal shapes may begin at different vertices."""


def _normal(text: str) -> Any:
    prefix, _, rest = text.rpartition(";")
    read = shapely.from_geojson if rest.lstrip().startswith("{") else shapely.from_wkt
    return prefix, shapely.normalize(read(rest))


def _equal(found: str | float | list[float] | None, wanted: str | None) -> bool:
    if isinstance(found, _Shape) and wanted is not None:
        (prefix, shape), (other_prefix, other) = _normal(found), _normal(wanted)
        return prefix == other_prefix and bool(shapely.equals_exact(shape, other, tolerance=1e-8))
    if isinstance(found, list):
        # The elements have 32 bits, and the pages allow an error of 1e-4.
        other = json.loads(wanted or "[]")
        return len(found) == len(other) and all(map(_near, found, other))
    if isinstance(found, float) and wanted is not None:
        if math.isnan(found) or math.isinf(found):
            return str(found).upper().replace("INF", "inf").replace("NAN", "NaN") == wanted
        digits = len(wanted.partition("e")[0].strip("-").replace(".", "").lstrip("0")) or 1
        return math.isclose(found, float(wanted), rel_tol=10.0 ** (1 - min(digits, 12)), abs_tol=1e-12)
    return found == wanted


def _near(found: float, wanted: float) -> bool:
    return math.isclose(found, wanted, rel_tol=1e-4)


def _shown(cursor: Any) -> list[list[str | float | list[float] | None]]:
    kinds = [column.type_code for column in cursor.description]
    return [[_text(value, kind) for value, kind in zip(row, kinds, strict=True)] for row in cursor.fetchall()]


def _text(value: Any, kind: int) -> str | float | list[float] | None:
    match value:
        case None:
            return None
        case str() if kind in _SHAPES:
            return _Shape(value)
        case list():
            return value
        case bool():
            return str(value).upper()
        case float() if kind == _REAL:
            return value
        case Decimal():
            return f"{value:f}"
        case bytes() | bytearray():
            return value.hex().upper()
        case datetime():
            shown = value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03}"
            return shown if value.tzinfo is None else f"{shown} {value.strftime('%z')}"
        case date() | time():
            return str(value)
    return _spaceless(str(value)) if kind in _SEMI_STRUCTURED else str(value)


def _spaceless(text: str | None) -> str | None:
    """Remove the white space of a JSON text, which pages print on several lines."""
    if text is None or text[:1] not in "[{" or not text:
        return text
    try:
        return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
    except ValueError:
        return text


_NAMES = {
    0: "NUMBER",
    1: "FLOAT",
    2: "VARCHAR",
    3: "DATE",
    5: "VARIANT",
    6: "TIMESTAMP_LTZ",
    7: "TIMESTAMP_TZ",
    8: "TIMESTAMP_NTZ",
    9: "OBJECT",
    10: "ARRAY",
    11: "BINARY",
    12: "TIME",
    13: "BOOLEAN",
    14: "GEOGRAPHY",
    15: "GEOMETRY",
}


def _type(column: Any) -> str:
    if column.type_code == 16:
        element = _NAMES[column.fields[0].type_code].replace("NUMBER", "INT")
        return f"VECTOR({element}, {column.vector_dimension})"
    name = _NAMES[column.type_code]
    return f"NUMBER({column.precision},{column.scale})" if name == "NUMBER" else name
