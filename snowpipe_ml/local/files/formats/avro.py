"""Avro files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import ClassVar

from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core.names import quoted
from snowpipe_ml.local.core.values import Option, Options
from snowpipe_ml.local.files.avro import read_avro
from snowpipe_ml.local.files.compression import compression_of, open_bytes
from snowpipe_ml.local.files.formats.base import file_format_type
from snowpipe_ml.local.files.formats.columnar import ColumnarFormat
from snowpipe_ml.local.translate.compiler import Compiler


@file_format_type("AVRO")
class AvroFormat(ColumnarFormat):
    """Apache Avro. The codec of the blocks is in the file; COMPRESSION is that of the whole file."""

    defaults: ClassVar[Mapping[str, Option]] = {
        "TRIM_SPACE": False,
        "REPLACE_INVALID_CHARACTERS": False,
        "NULL_IF": [],
        "COMPRESSION": "AUTO",
    }
    accepted: ClassVar[Collection[str]] = tuple(defaults)
    fixed: ClassVar[Mapping[str, Option]] = {"REPLACE_INVALID_CHARACTERS": False}

    def source(self, compiler: Compiler, options: Options, file: StagedFile) -> str:
        """Return a registered Arrow table, because DuckDB cannot read Avro."""
        found = compression_of(file.path, str(options.get("COMPRESSION") or "AUTO").upper())
        with open_bytes(file.path, found) as content:
            return quoted(compiler.register(read_avro(content, file.label)))
