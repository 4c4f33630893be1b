"""Parquet files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import ClassVar

import pyarrow.parquet as pq

from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import path_literal
from snowpipe_ml.local.core.values import Option, Options
from snowpipe_ml.local.files.formats.base import file_format_type
from snowpipe_ml.local.files.formats.columnar import ColumnarFormat
from snowpipe_ml.local.translate.compiler import Compiler


@file_format_type("PARQUET")
class ParquetFormat(ColumnarFormat):
    """Apache Parquet."""

    defaults: ClassVar[Mapping[str, Option]] = {
        "TRIM_SPACE": False,
        "NULL_IF": [],
        "COMPRESSION": "AUTO",
        "BINARY_AS_TEXT": True,
        "USE_LOGICAL_TYPE": False,
        "REPLACE_INVALID_CHARACTERS": False,
        "USE_VECTORIZED_SCANNER": False,
    }
    accepted: ClassVar[Collection[str]] = (*defaults, "SNAPPY_COMPRESSION")
    fixed: ClassVar[Mapping[str, Option]] = {
        "SNAPPY_COMPRESSION": True,
        "REPLACE_INVALID_CHARACTERS": False,
        "USE_VECTORIZED_SCANNER": False,
    }

    def check(self, options: Mapping[str, Option]) -> None:
        """Refuse options and values that are not supported; a file names its own compression."""
        super().check(options)
        compression = str(options.get("COMPRESSION", "AUTO") or "NONE").upper()
        if compression not in ("AUTO", "SNAPPY", "NONE"):
            raise errors.UnsupportedError(f"COMPRESSION = {compression} in a PARQUET file format")

    def row_count(self, file: StagedFile) -> int:
        """Return the number of rows from the footer of the file."""
        return int(pq.read_metadata(file.path).num_rows)

    def source(self, compiler: Compiler, options: Options, file: StagedFile) -> str:
        """Return a call of DuckDB's reader."""
        self.check(options)
        _refuse_case_duplicates(file)
        return f"read_parquet({path_literal(file.path)}, hive_partitioning = false)"


def _refuse_case_duplicates(file: StagedFile) -> None:
    """Refuse a Parquet file with column names that differ only in case: DuckDB would rename one of them.

    Raises:
        UnsupportedError: the names of two columns differ only in case.
    """
    names = pq.read_schema(file.path).names
    if len({name.lower() for name in names}) < len(names):
        duplicates = sorted(
            name for name in names if sum(other.lower() == name.lower() for other in names) > 1
        )
        raise errors.UnsupportedError(
            f"a Parquet file with column names that differ only in case: {', '.join(duplicates)}"
        )
