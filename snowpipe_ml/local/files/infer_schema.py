"""INFER_SCHEMA: detect the columns of staged files.

https://docs.snowflake.com/en/sql-reference/functions/infer_schema
"""

from __future__ import annotations

import pyarrow as pa
from sqlglot import exp

from snowpipe_ml.local.catalog.stages import find_stage
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.result import rows
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Options, list_option, number_option
from snowpipe_ml.local.files.format_options import file_format
from snowpipe_ml.local.files.formats.base import format_of
from snowpipe_ml.local.translate.arrow_relation import arrow_relation
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.local.translate.constants import constant
from snowpipe_ml.local.translate.registry import table_function

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
    "INFER_NESTED_TYPES",
}


def infer_schema(compiler: Compiler, options: Options) -> tuple[list[Column], pa.Table]:
    """Return the result of ``TABLE(INFER_SCHEMA(LOCATION => '@stage/path', FILE_FORMAT => 'name', ...))``."""
    session = compiler.session
    for key in set(options) - _OPTIONS:
        raise errors.UnsupportedError(f"INFER_SCHEMA with {key}")
    if options.get("INFER_NESTED_TYPES"):
        raise errors.UnsupportedError(
            "INFER_SCHEMA with INFER_NESTED_TYPES = TRUE", "Nested columns are VARIANT"
        )
    stage, path = find_stage(session, str(options["LOCATION"]))
    fmt = file_format(session, options.get("FILE_FORMAT"), stage)
    names = list_option(options, "FILES")
    files = stage.listed(path, names) if names else stage.files(path)
    files = files[: number_option(options, "MAX_FILE_COUNT", len(files))]
    found = format_of(fmt).infer(compiler, fmt, files)
    if options.get("IGNORE_CASE"):
        found = {name.upper(): value for name, value in found.items()}
    values = [
        (name, type_, True, expression, ", ".join(sorted({file.label for file in where})), i)
        for i, (name, (type_, expression, where)) in enumerate(found.items())
    ]
    result = rows(_RESULT, values)
    return result.columns, result.table


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
