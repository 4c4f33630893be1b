"""Conditional functions, and operators that can be written as calls."""

from __future__ import annotations

from snowpipe_ml.local.translate.registry import same_in_duckdb

same_in_duckdb(
    "BOOLAND",
    "BOOLNOT",
    "BOOLOR",
    "BOOLXOR",
    "COALESCE",
    "DECODE",
    "EQUAL_NULL",
    "GREATEST",
    "GREATEST_IGNORE_NULLS",
    "IFF",
    "IFNULL",
    "LEAST",
    "LEAST_IGNORE_NULLS",
    "LIKE",
    "NULLIF",
    "NULLIFZERO",
    "NVL",
    "NVL2",
    "REGR_VALX",
    "REGR_VALY",
    "ZEROIFNULL",
)
