"""Window functions."""

from __future__ import annotations

from snowpipe_ml.local.translate.registry import same_in_duckdb

same_in_duckdb(
    "CUME_DIST",
    "DENSE_RANK",
    "FIRST_VALUE",
    "LAG",
    "LAST_VALUE",
    "LEAD",
    "NTH_VALUE",
    "NTILE",
    "PERCENT_RANK",
    "RANK",
    "ROW_NUMBER",
)
