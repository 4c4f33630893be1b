"""Conditional functions, and operators that can be written as calls."""

from __future__ import annotations

from snowpipe_ml.local.translate.registry import same_in_duckdb
from snowpipe_ml.local.translate.signatures import Kind, define
from snowpipe_ml.local.translate.types import T

# https://docs.snowflake.com/en/sql-reference/functions/regr_valx
define("REGR_VALX", to="sf_if_known", takes=(Kind.FLOAT, Kind.FLOAT), returns=T.DOUBLE)
define("REGR_VALY", to="sf_if_both_known", takes=(Kind.FLOAT, Kind.FLOAT), returns=T.DOUBLE)

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
    "ILIKE",
    "LIKE",
    "NULLIF",
    "NVL",
    "NVL2",
    "ZEROIFNULL",
)
