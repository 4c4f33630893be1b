"""Delimited files: CSV."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core.values import Option, Options
from snowpipe_ml.local.files.csv import CsvFormat
from snowpipe_ml.local.files.formats.base import Columns, FileFormat, Wanted, file_format_type
from snowpipe_ml.local.files.formats.detection import merge, text_type
from snowpipe_ml.local.files.records import read_records
from snowpipe_ml.local.files.text_relation import text_query, text_source
from snowpipe_ml.local.translate.compiler import Compiler


@file_format_type("CSV")
class DelimitedFormat(FileFormat):
    """Delimited text; a COPY without a SELECT loads it by :mod:`snowpipe_ml.local.files.loading` directly."""

    is_text: ClassVar[bool] = True
    defaults: ClassVar[Mapping[str, Option]] = {
        "RECORD_DELIMITER": "\\n",
        "FIELD_DELIMITER": ",",
        "FILE_EXTENSION": "",
        "SKIP_HEADER": 0,
        "PARSE_HEADER": False,
        "DATE_FORMAT": "AUTO",
        "TIME_FORMAT": "AUTO",
        "TIMESTAMP_FORMAT": "AUTO",
        "BINARY_FORMAT": "HEX",
        "ESCAPE": "NONE",
        "ESCAPE_UNENCLOSED_FIELD": "\\\\",
        "TRIM_SPACE": False,
        "FIELD_OPTIONALLY_ENCLOSED_BY": "NONE",
        "NULL_IF": ["\\\\N"],
        "COMPRESSION": "AUTO",
        "ERROR_ON_COLUMN_COUNT_MISMATCH": True,
        "SKIP_BLANK_LINES": False,
        "REPLACE_INVALID_CHARACTERS": False,
        "EMPTY_FIELD_AS_NULL": True,
        "SKIP_BYTE_ORDER_MARK": True,
        "ENCODING": "UTF8",
    }

    accepted: ClassVar[Collection[str]] = (*defaults, "MULTI_LINE")
    fixed: ClassVar[Mapping[str, Option]] = {"SKIP_BYTE_ORDER_MARK": True}

    def check(self, options: Mapping[str, Option]) -> None:
        """Refuse options and values that are not supported."""
        super().check(options)
        CsvFormat.read(dict(options))

    def scan(
        self, compiler: Compiler, options: Options, files: Sequence[StagedFile], wanted: Wanted
    ) -> tuple[str, dict[str, tuple[str, str]]]:
        """Return the fields as text."""
        return text_query(compiler, CsvFormat.read(options), files, wanted.highest, wanted.metadata), {}

    def fields(self, compiler: Compiler, options: Options, file: StagedFile) -> list[str]:
        """Return the names in the first line."""
        return header(CsvFormat.read(options), file)

    def infer(self, compiler: Compiler, options: Options, files: Sequence[StagedFile]) -> Columns:
        """Detect the types of the fields."""
        found: Columns = {}
        csv_format = CsvFormat.read({key: value for key, value in options.items() if key != "PARSE_HEADER"})
        csv_format.refuse_formats("INFER_SCHEMA")
        for file in files:
            names = header(csv_format, file) if options.get("PARSE_HEADER") else []
            reader = csv_format.after_header() if names else csv_format
            width = len(names) or first_width(reader, file)
            if not width:
                continue
            source, value = text_source(compiler, reader, file, width)
            for i in range(width):
                name = names[i] if names else f"c{i + 1}"
                merge(found, name, text_type(compiler.session, source, value(f"_{i + 1}")), f"${i + 1}", file)
        return found


def header(fmt: CsvFormat, file: StagedFile) -> list[str]:
    """Return the names in the first line of a delimited file."""
    fmt = dataclasses.replace(fmt, null_if=(), empty_as_null=False, quote=fmt.quote or '"')
    first = next(read_records(fmt, file), None)
    return [name or "" for name in first.fields] if first is not None else []


def first_width(fmt: CsvFormat, file: StagedFile) -> int:
    """Return the number of fields in the first record of a file; 0 if it has none."""
    first = next(read_records(fmt, file), None)
    return max(1, len(first.fields)) if first is not None else 0
