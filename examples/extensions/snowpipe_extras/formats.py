"""A file format: Feather, which is Arrow on disk."""

from __future__ import annotations

from typing import Any

from pyarrow import feather

from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core.names import quoted
from snowpipe_ml.local.files.formats.base import file_format_type
from snowpipe_ml.local.files.formats.columnar import ColumnarFormat
from snowpipe_ml.local.translate.compiler import Compiler


@file_format_type("FEATHER")
class FeatherFormat(ColumnarFormat):
    """Feather files, read by pyarrow."""

    accepted = ()

    def source(self, compiler: Compiler, options: dict[str, Any], file: StagedFile) -> str:
        """Return the file as a registered Arrow table."""
        self.check(options)
        return quoted(compiler.register(feather.read_table(str(file.path))))
