"""Metadata columns of staged files, such as METADATA$FILENAME."""

from __future__ import annotations

from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core.names import literal

# https://docs.snowflake.com/en/user-guide/querying-metadata
METADATA = {
    "METADATA$FILENAME": "_FILE",
    "METADATA$FILE_ROW_NUMBER": "_ROW_NUMBER",
    "METADATA$FILE_CONTENT_KEY": "_CONTENT_KEY",
    "METADATA$FILE_LAST_MODIFIED": "_MODIFIED",
    "METADATA$START_SCAN_TIME": "_SCANNED",
}


def metadata_columns(file: StagedFile, wanted: set[str], row_number: str) -> str:
    """Return the wanted metadata of a file as additional columns of a query."""
    modified = file.stat().st_mtime
    values = {
        "_FILE": literal(file.relative),
        "_ROW_NUMBER": row_number,
        "_CONTENT_KEY": literal(file.md5),
        "_MODIFIED": f"CAST(make_timestamp({int(modified * 1_000_000)}) AS TIMESTAMP)",
        "_SCANNED": "current_timestamp",
    }
    return "".join(f', {values[name]} AS "{name}"' for name in sorted(wanted))
