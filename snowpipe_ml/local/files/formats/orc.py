"""ORC files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import ClassVar

from pyarrow import orc

from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core.names import quoted
from snowpipe_ml.local.core.values import Option, Options
from snowpipe_ml.local.files.formats.base import file_format_type
from snowpipe_ml.local.files.formats.columnar import ColumnarFormat
from snowpipe_ml.local.translate.compiler import Compiler


@file_format_type("ORC")
class OrcFormat(ColumnarFormat):
    """Apache ORC."""

    defaults: ClassVar[Mapping[str, Option]] = {
        "TRIM_SPACE": False,
        "REPLACE_INVALID_CHARACTERS": False,
        "NULL_IF": [],
    }
    accepted: ClassVar[Collection[str]] = tuple(defaults)
    fixed: ClassVar[Mapping[str, Option]] = {"REPLACE_INVALID_CHARACTERS": False}

    def source(self, compiler: Compiler, options: Options, file: StagedFile) -> str:
        """Return a registered Arrow table: DuckDB has no reader of ORC."""
        return quoted(compiler.register(orc.ORCFile(str(file.path)).read()))
