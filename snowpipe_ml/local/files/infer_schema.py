"""INFER_SCHEMA: detect the columns of staged files.

https://docs.snowflake.com/en/sql-reference/functions/infer_schema
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from sqlglot import exp

from snowpipe_ml.local.catalog.stages import StagedFile, find_stage
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import literal, quoted
from snowpipe_ml.local.core.result import rows
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.files import relation as staged
from snowpipe_ml.local.files.csv import CsvFormat
from snowpipe_ml.local.files.format_options import file_format
from snowpipe_ml.local.translate.arrow_relation import arrow_relation
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.local.translate.constants import constant
from snowpipe_ml.local.translate.registry import table_function
from snowpipe_ml.text.files import read_record

_RESULT = [
    ("COLUMN_NAME", "VARCHAR"),
    ("TYPE", "VARCHAR"),
    ("NULLABLE", "BOOLEAN"),
    ("EXPRESSION", "VARCHAR"),
    ("FILENAMES", "VARCHAR"),
    ("ORDER_ID", "BIGINT"),
]
_OPTIONS = {
    "LOCATION",
    "FILE_FORMAT",
    "FILES",
    "IGNORE_CASE",
    "MAX_FILE_COUNT",
    "MAX_RECORDS_PER_FILE",
    "KIND",
}
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*\Z")


def infer_schema(compiler: Compiler, options: dict[str, Any]) -> tuple[list[Column], pa.Table]:
    """Return the result of ``TABLE(INFER_SCHEMA(LOCATION => '@stage/path', FILE_FORMAT => 'name', ...))``."""
    session = compiler.session
    for key in set(options) - _OPTIONS:
        raise errors.UnsupportedError(f"INFER_SCHEMA with {key}")
    stage, path = find_stage(session, str(options["LOCATION"]))
    fmt = file_format(session, options.get("FILE_FORMAT"), stage)
    files = stage.files(path)
    if options.get("FILES"):
        names = [options["FILES"]] if isinstance(options["FILES"], str) else options["FILES"]
        wanted = {f"{path.rstrip('/')}/{name}".lstrip("/") for name in names}
        files = [file for file in files if file.relative in wanted]
    files = files[: int(options.get("MAX_FILE_COUNT") or len(files))]
    kind = staged.kind_of(fmt)
    found = {"CSV": _delimited, "JSON": _records}.get(kind, _columnar)(compiler, fmt, files)
    if options.get("IGNORE_CASE"):
        found = {name.upper(): value for name, value in found.items()}
    values = [
        (name, type_, True, expression, ", ".join(sorted({file.label for file in where})), i)
        for i, (name, (type_, expression, where)) in enumerate(found.items())
    ]
    result = rows(_RESULT, values)
    return result.columns, result.table


# column name -> (type, expression, the files that contain it)
_Found = dict[str, tuple[str, str, list[StagedFile]]]


def _merge(found: _Found, name: str, type_: str, expression: str, file: StagedFile) -> None:
    """Add a column of a file; if files differ in its type, use the wider numeric type, or TEXT."""
    if name in found:
        before, _, where = found[name]
        type_ = _wider(before, type_)
        found[name] = (type_, expression.rpartition("::")[0] + f"::{type_}", [*where, file])
    else:
        found[name] = (type_, f"{expression}::{type_}", [file])


def _wider(left: str, right: str) -> str:
    if left == right:
        return left
    numbers = [re.match(r"NUMBER\((\d+), (\d+)\)", text) for text in (left, right)]
    if numbers[0] and numbers[1]:
        (p1, s1), (p2, s2) = ((int(m.group(1)), int(m.group(2))) for m in numbers if m)
        scale = max(s1, s2)
        return f"NUMBER({min(38, max(p1 - s1, p2 - s2) + scale)}, {scale})"
    return "REAL" if {left.split("(")[0], right.split("(")[0]} == {"NUMBER", "REAL"} else "TEXT"


def _columnar(compiler: Compiler, fmt: dict[str, Any], files: Sequence[StagedFile]) -> _Found:
    found: _Found = {}
    duck = compiler.session.duck
    for file in files:
        source = staged.source(compiler, staged.kind_of(fmt), fmt, file)
        for name, duckdb, *_ in duck.execute(f"DESCRIBE SELECT * FROM {source}").fetchall():
            _merge(found, name, _columnar_type(duck, source, name, duckdb, fmt), f"$1:{_path(name)}", file)
    return found


def _columnar_type(duck: Any, source: str, name: str, duckdb: str, fmt: dict[str, Any]) -> str:
    if match := re.match(r"DECIMAL\((\d+),\s*(\d+)\)", duckdb):
        return f"NUMBER({match.group(1)}, {match.group(2)})"
    if duckdb.endswith("[]"):
        return "ARRAY"
    if duckdb.startswith(("STRUCT", "MAP")):
        return "OBJECT"
    if duckdb == "BLOB":
        # With USE_LOGICAL_TYPE a column without a logical type is binary, as Snowpark's tests expect.
        text = fmt.get("BINARY_AS_TEXT", not fmt.get("USE_LOGICAL_TYPE")) and staged.decodes(
            duck, source, quoted(name)
        )
        return "TEXT" if text else "BINARY"
    if "INT" in duckdb:
        return "NUMBER(38, 0)"
    if duckdb.startswith("TIME") and not duckdb.startswith("TIMESTAMP"):
        return "TIME"
    if ("TIME ZONE" in duckdb or "TIMESTAMPTZ" in duckdb) and fmt.get("USE_LOGICAL_TYPE"):
        return "TIMESTAMP_LTZ"
    return {
        "DOUBLE": "REAL",
        "FLOAT": "REAL",
        "BOOLEAN": "BOOLEAN",
        "DATE": "DATE",
        "VARCHAR": "TEXT",
        "JSON": "VARIANT",
    }.get(duckdb, "TIMESTAMP_NTZ" if "TIMESTAMP" in duckdb else "TEXT")


def _path(name: str) -> str:
    return name if _PLAIN_NAME.match(name) else '"' + name.replace('"', '""') + '"'


def _delimited(compiler: Compiler, fmt: dict[str, Any], files: Sequence[StagedFile]) -> _Found:
    found: _Found = {}
    csv_format = CsvFormat.read({key: value for key, value in fmt.items() if key != "PARSE_HEADER"})
    csv_format.refuse_formats("INFER_SCHEMA")
    for file in files:
        names: list[str] = []
        reader = csv_format
        if fmt.get("PARSE_HEADER"):
            names = header(csv_format, file)
            reader = csv_format.after_header()
        width = len(names) or reader.width(file.path)
        if not width:
            continue
        columns = [(f"_{i + 1}", "VARCHAR") for i in range(width)]
        source = reader.read_csv([file.path], columns)
        for i in range(width):
            name = names[i] if names else f"c{i + 1}"
            _merge(found, name, _text_type(compiler.session, source, f'"_{i + 1}"'), f"${i + 1}", file)
    return found


def header(fmt: CsvFormat, file: StagedFile) -> list[str]:
    """Return the names in the first line of a delimited file."""
    with fmt.open(file.path) as lines:
        return read_record(lines, fmt.delimiter, fmt.quote or '"') or []


def _records(compiler: Compiler, fmt: dict[str, Any], files: Sequence[StagedFile]) -> _Found:
    found: _Found = {}
    for file in files:
        records = f"({staged.json_query(fmt, file, staged.Wanted())})"
        for name in staged.fields(compiler.session, fmt, [file]):
            key = literal('$."' + name.replace('"', '\\"') + '"')
            kinds = {
                kind
                for (kind,) in compiler.session.duck.execute(
                    f'SELECT DISTINCT json_type("_1", {key}) FROM {records}'
                ).fetchall()
            } - {None, "NULL"}
            if kinds == {"ARRAY"}:
                type_ = "ARRAY"
            elif kinds == {"OBJECT"}:
                type_ = "OBJECT"
            elif kinds & {"ARRAY", "OBJECT"}:
                type_ = "VARIANT"
            else:
                value = f'json_extract_string("_1", {key})'
                type_ = _text_type(compiler.session, records, value, booleans=kinds == {"BOOLEAN"})
            _merge(found, name, type_, f"$1:{_path(name)}", file)
    return found


def _text_type(session: Session, source: str, value: str, *, booleans: bool | None = None) -> str:
    """Return the narrowest type that holds every text of a column."""
    row = session.duck.execute(f"""
        SELECT count(x),
          bool_and(regexp_full_match(x, '[+-]?\\d+(\\.\\d+)?')),
          max(length(regexp_extract(x, '[+-]?0*(\\d*)', 1))), max(length(regexp_extract(x, '\\.(\\d+)', 1))),
          bool_and(regexp_full_match(x, '[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?')),
          bool_and(lower(x) IN ('true', 'false')),
          bool_and(regexp_full_match(x, '\\d{{4}}-\\d{{2}}-\\d{{2}}') AND TRY_CAST(x AS DATE) IS NOT NULL),
          bool_and(regexp_full_match(x, '\\d{{4}}-\\d{{2}}-\\d{{2}}[ T]\\d{{2}}:\\d{{2}}(:\\d{{2}}(\\.\\d+)?)?')),
          bool_and(regexp_full_match(x, '\\d{{2}}:\\d{{2}}:\\d{{2}}(\\.\\d+)?'))
        FROM (SELECT trim({value}) AS x FROM {source})""").fetchone()
    assert row is not None
    count, exact, whole, scale, floating, truth, date, timestamp, time = row
    if not count:
        return "TEXT"
    if booleans or (booleans is None and truth):
        return "BOOLEAN"
    if exact and max(1, whole or 0) + (scale or 0) <= 38:
        return f"NUMBER({max(1, (whole or 0) + (scale or 0))}, {scale or 0})"
    if floating:
        return "REAL"
    return "DATE" if date else "TIMESTAMP_NTZ" if timestamp else "TIME" if time else "TEXT"


@table_function("INFER_SCHEMA")
def _infer_schema(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFER_SCHEMA(LOCATION => '@stage', FILE_FORMAT => 'name'))``."""
    options = {}
    for argument in arguments:
        if not isinstance(argument, exp.Kwarg):
            raise errors.syntax("INFER_SCHEMA takes its arguments by name")
        value = argument.expression
        items = (
            value.expressions
            if isinstance(value, exp.Tuple)
            else [value.this]
            if isinstance(value, exp.Paren)
            else None
        )
        options[argument.name.upper()] = (
            [item.name for item in items]
            if items is not None
            else value.this
            if isinstance(value, exp.Boolean)
            else constant(compiler.session, value)
        )
    columns, table = infer_schema(compiler, options)
    return arrow_relation(compiler, columns, table)
