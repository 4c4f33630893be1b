"""Directory tables: the files of a stage as a relation."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from urllib.parse import quote as url_quote

import pyarrow as pa
from sqlglot import exp

from snowpipe_ml.local.catalog.stages import Stage, find_stage
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.result import rows
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.translate.arrow_relation import arrow_relation, replace_relation
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.local.translate.registry import table_relation

if TYPE_CHECKING:
    import pyarrow as pa


def directory(stage: Stage) -> tuple[list[Column], pa.Table]:
    """Return the directory table of a stage. It is read from the folder, so REFRESH is not needed.

    Raises:
        ProgrammingError: the stage was created without DIRECTORY = (ENABLE = TRUE).
    """
    options = stage.options.get("DIRECTORY")
    if not (isinstance(options, dict) and options.get("ENABLE")):
        raise errors.error(
            2003,
            "02000",
            f"SQL compilation error:\nThe stage '{stage.name}' has no directory table: DIRECTORY = (ENABLE = TRUE)",
        )
    found = []
    for file in stage.files(""):
        about = file.stat()
        modified = dt.datetime.fromtimestamp(about.st_mtime, dt.UTC)
        url = f"file://{url_quote(str(file.source))}"
        found.append((file.relative, about.st_size, modified, file.md5, file.md5, url))
    kinds = {"SIZE": "BIGINT", "LAST_MODIFIED": "TIMESTAMP WITH TIME ZONE"}
    names = ("RELATIVE_PATH", "SIZE", "LAST_MODIFIED", "MD5", "ETAG", "FILE_URL")
    result = rows([(name, kinds.get(name, "VARCHAR")) for name in names], found)
    return result.columns, result.table


@table_relation("DIRECTORY")
def _directory(table: exp.Table, compiler: Compiler) -> None:
    """``DIRECTORY(@stage)``: the current files of a stage."""
    stage, _ = find_stage(compiler.session, table.this.this.name)
    columns, data = directory(stage)
    replace_relation(table, arrow_relation(compiler, columns, data))
