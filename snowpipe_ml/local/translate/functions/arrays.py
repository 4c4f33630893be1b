"""Functions of arrays."""

from __future__ import annotations

from snowpipe_ml.local.translate.registry import same_in_duckdb

same_in_duckdb(
    "ARRAYS_OVERLAP",
    "ARRAYS_ZIP",
    "ARRAY_APPEND",
    "ARRAY_CAT",
    "ARRAY_COMPACT",
    "ARRAY_CONSTRUCT",
    "ARRAY_CONSTRUCT_COMPACT",
    "ARRAY_CONTAINS",
    "ARRAY_DISTINCT",
    "ARRAY_EXCEPT",
    "ARRAY_FLATTEN",
    "ARRAY_GENERATE_RANGE",
    "ARRAY_INSERT",
    "ARRAY_INTERSECTION",
    "ARRAY_MAX",
    "ARRAY_MIN",
    "ARRAY_POSITION",
    "ARRAY_PREPEND",
    "ARRAY_REMOVE",
    "ARRAY_REMOVE_AT",
    "ARRAY_REVERSE",
    "ARRAY_SIZE",
    "ARRAY_SLICE",
    "ARRAY_SORT",
    "ARRAY_TO_STRING",
)
