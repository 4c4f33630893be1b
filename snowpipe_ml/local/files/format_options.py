"""The options and defaults of file formats, and the format that a statement uses."""

from __future__ import annotations

import json
from typing import Any

from snowpipe_ml.local.catalog.stages import Stage
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.reader import Reader

# https://docs.snowflake.com/en/sql-reference/sql/create-file-format
FORMAT_DEFAULTS: dict[str, dict[str, Any]] = {
    "CSV": {
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
    },
    "JSON": {
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
    },
    "PARQUET": {
        "TRIM_SPACE": False,
        "NULL_IF": [],
        "COMPRESSION": "AUTO",
        "BINARY_AS_TEXT": True,
        "USE_LOGICAL_TYPE": False,
        "REPLACE_INVALID_CHARACTERS": False,
        "USE_VECTORIZED_SCANNER": False,
    },
}


def file_format(session: Session, given: Any, stage: Stage | None) -> dict[str, Any]:
    """Return the options of a file format given in parentheses, by name, or by the stage."""
    if given is None:
        given = (stage.options.get("FILE_FORMAT") if stage else None) or {}
    if isinstance(given, str):
        given = {"FORMAT_NAME": given}
    if not isinstance(given, dict):
        raise errors.syntax("FILE_FORMAT = ( ... ) takes options or the name of a file format")
    if "FORMAT_NAME" in given:
        written = Reader(str(given["FORMAT_NAME"])).name()
        name = session.resolve(written)
        row = session.duck.execute(
            f"SELECT options FROM {session.catalog(name[0], 'FILE_FORMATS')} WHERE schema_name = ? AND name = ?",
            list(name[1:]),
        ).fetchone()
        if row is None:
            raise errors.missing("File format", ".".join(written))
        return {**json.loads(row[0]), **{k: v for k, v in given.items() if k != "FORMAT_NAME"}}
    return dict(given)
