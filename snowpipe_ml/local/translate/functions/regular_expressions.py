"""Functions of regular expressions."""

from __future__ import annotations

from snowpipe_ml.local.translate.registry import same_in_duckdb

same_in_duckdb(
    "REGEXP_COUNT",
    "REGEXP_EXTRACT_ALL",
    "REGEXP_INSTR",
    "REGEXP_LIKE",
    "REGEXP_REPLACE",
    "REGEXP_SUBSTR",
    "REGEXP_SUBSTR_ALL",
)
