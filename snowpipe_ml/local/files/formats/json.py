"""JSON files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

import pyarrow as pa

from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core.names import literal, path_literal
from snowpipe_ml.local.core.values import Option, Options
from snowpipe_ml.local.files.compression import compression_of
from snowpipe_ml.local.files.formats.base import Columns, FileFormat, Wanted, file_format_type, union
from snowpipe_ml.local.files.formats.detection import merge, path, text_type
from snowpipe_ml.local.files.json_records import JsonOptions, is_plain, json_records
from snowpipe_ml.local.files.metadata import metadata_columns
from snowpipe_ml.local.translate.compiler import Compiler


@file_format_type("JSON")
class JsonFormat(FileFormat):
    """JSON: each record is a VARIANT in ``$1``."""

    defaults: ClassVar[Mapping[str, Option]] = {
        "FILE_EXTENSION": "",
        "DATE_FORMAT": "AUTO",
        "TIME_FORMAT": "AUTO",
        "TIMESTAMP_FORMAT": "AUTO",
        "BINARY_FORMAT": "HEX",
        "TRIM_SPACE": False,
        "NULL_IF": [],
        "COMPRESSION": "AUTO",
        "ENABLE_OCTAL": False,
        "ALLOW_DUPLICATE": False,
        "STRIP_OUTER_ARRAY": False,
        "STRIP_NULL_VALUES": False,
        "IGNORE_UTF8_ERRORS": False,
        "REPLACE_INVALID_CHARACTERS": False,
        "SKIP_BYTE_ORDER_MARK": True,
    }
    shown_defaults: ClassVar[Mapping[str, Option]] = {"NULL_IF": ["\\\\N"]}
    accepted: ClassVar[Collection[str]] = (*defaults, "MULTI_LINE")
    fixed: ClassVar[Mapping[str, Option]] = {
        "DATE_FORMAT": "AUTO",
        "TIME_FORMAT": "AUTO",
        "TIMESTAMP_FORMAT": "AUTO",
        "BINARY_FORMAT": "HEX",
        "ENABLE_OCTAL": False,
        "SKIP_BYTE_ORDER_MARK": True,
    }

    def scan(
        self, compiler: Compiler, options: Options, files: Sequence[StagedFile], wanted: Wanted
    ) -> tuple[str, dict[str, tuple[str, str]]]:
        """Return the records."""
        return union([self._query(compiler, options, file, wanted) for file in files], wanted), {}

    def _query(self, compiler: Compiler, options: Options, file: StagedFile, wanted: Wanted) -> str:
        self.check(options)
        known = JsonOptions.read(options)
        number = "row_number() OVER () - 1" if "_ROW_NUMBER" in wanted.metadata else "0"
        listed = f'_MACROS.main.sf_record(json) AS "_1"{metadata_columns(file, wanted.metadata, number)}'
        found = compression_of(file.path, known.compression)
        if found not in ("NONE", "GZIP") or not is_plain(known, file):
            records = pa.table({"record": pa.array(json_records(known, file), pa.string())})
            source = f"(SELECT record::JSON AS json FROM {compiler.register(records)})"
            return f"SELECT {listed} FROM {source}"
        shape = "array" if known.strip_array else "unstructured"
        return (
            f"SELECT {listed} FROM read_json_objects({path_literal(file.path)}, format = '{shape}', "
            f"compression = '{'gzip' if found == 'GZIP' else 'none'}', "
            "maximum_object_size = 134217728, hive_partitioning = false)"
        )

    def fields(self, compiler: Compiler, options: Options, file: StagedFile) -> list[str]:
        """Return the keys of the records."""
        query = (
            f'SELECT DISTINCT unnest(json_keys("_1")) FROM ({self._query(compiler, options, file, Wanted())})'
        )
        return sorted(name for (name,) in compiler.session.duck.execute(query).fetchall())

    def infer(self, compiler: Compiler, options: Options, files: Sequence[StagedFile]) -> Columns:
        """Detect the types of the keys."""
        found: Columns = {}
        for file in files:
            records = f"({self._query(compiler, options, file, Wanted())})"
            for name in self.fields(compiler, options, file):
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
                    type_ = text_type(compiler.session, records, value, booleans=kinds == {"BOOLEAN"})
                merge(found, name, type_, f"$1:{path(name)}", file)
        return found
