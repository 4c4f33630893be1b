"""``DIRECTORY(@stage)`` in a query."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog.directories import directory_table
from snowpipe_ml.local.catalog.stages import find_stage
from snowpipe_ml.local.core.names import quoted
from snowpipe_ml.local.translate.arrow_relation import replace_relation
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.local.translate.registry import table_relation


@table_relation("DIRECTORY")
def _directory(table: exp.Table, compiler: Compiler) -> None:
    """``DIRECTORY(@stage)``: the files of a stage when it was last refreshed."""
    stage, _ = find_stage(compiler.session, table.this.this.name)
    name = directory_table(compiler.session, stage)
    replace_relation(table, compiler.view(f"SELECT * FROM {quoted(*name)}"))
