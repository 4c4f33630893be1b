"""The fields of delimited files as a relation of a query."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import quoted
from snowpipe_ml.local.files.csv import CsvFormat
from snowpipe_ml.local.files.irregular import is_irregular
from snowpipe_ml.local.files.metadata import metadata_columns
from snowpipe_ml.local.files.records import text_table
from snowpipe_ml.local.translate.compiler import Compiler


def text_query(
    compiler: Compiler, fmt: CsvFormat, files: Sequence[StagedFile], highest: int, metadata: set[str]
) -> str:
    """Return a DuckDB query of staged files as text: columns ``_1``, ``_2``... and the wanted metadata.

    Raises:
        UnsupportedError: an option has no documented meaning in a query.
    """
    fmt.refuse_formats("a SELECT from staged files")
    if fmt.parse_header:
        raise errors.UnsupportedError("PARSE_HEADER = TRUE in a SELECT from staged files")
    parts = []
    for file in files:
        source, value = text_source(compiler, fmt, file, highest)
        listed = ", ".join(f"{value(f'_{n + 1}')} AS {quoted(f'_{n + 1}')}" for n in range(highest))
        number = "row_number() OVER ()" if "_ROW_NUMBER" in metadata else "0"
        parts.append(f"SELECT {listed}{metadata_columns(file, metadata, number)} FROM {source}")
    if not parts:
        nulls = [f'NULL::VARCHAR AS "_{n + 1}"' for n in range(highest)]
        nulls += [f'NULL::VARCHAR AS "{name}"' for name in sorted(metadata)]
        return f"SELECT {', '.join(nulls)} LIMIT 0"
    return " UNION ALL ".join(parts)


def text_source(
    compiler: Compiler, fmt: CsvFormat, file: StagedFile, width: int
) -> tuple[str, Callable[[str], str]]:
    """Return a file as a relation of at least ``width`` text columns, and the expression of a column's value."""
    # A query accepts records of any width, among them blank lines: a missing field is NULL.
    if is_irregular(fmt, file.path):
        return quoted(compiler.register(text_table(fmt, file, width))), quoted
    plain = dataclasses.replace(fmt, strict_width=False)
    columns = [(f"_{n + 1}", "VARCHAR") for n in range(max(width, plain.width(file.path)))]
    return plain.read_csv([file.path], columns), lambda name: plain.text_value(quoted(name))
