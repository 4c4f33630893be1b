"""The wire types: the types in which values are sent from the warehouse to its workers and back.

A value that *travels* as a type is sent as that type.
"""

from __future__ import annotations

import pyarrow as pa

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.types import to_duckdb
from snowpipe_ml.sql import DataType

_ARROW = {
    "INT": "int64",
    "FLOAT": "double",
    "VARCHAR": "string",
    "BOOLEAN": "bool",
    "DATE": "date32[day]",
    "TIMESTAMP_NTZ": "timestamp[us]",
    "TIMESTAMP_LTZ": "timestamp[us]",
    "VARIANT": "string",
    "OBJECT": "string",
    "ARRAY": "string",
    "BINARY": "binary",
    "TIME": "time64[us]",
    "TIMESTAMP_TZ": "string",
    "GEOGRAPHY": "string",
    "GEOMETRY": "string",
}
SHAPES = ("GEOGRAPHY", "GEOMETRY")


def arrow_name(kind: str) -> str:
    """Return the name of the Arrow type in which values of a Snowflake type are sent to a worker.

    A TIMESTAMP_LTZ is sent as the naive local time that the handler receives, a TIMESTAMP_TZ as ISO text,
    and a GEOGRAPHY or GEOMETRY as GeoJSON.
    """
    data_type = DataType.parse(kind)
    if data_type.name == "NUMBER":
        precision, scale = (*data_type.parameters, 0)[:2] if data_type.parameters else (38, 0)
        return f"decimal128({precision}, {scale})" if scale else "int64"
    if data_type.name not in _ARROW:
        raise errors.UnsupportedError(f"{kind} in a Python function")
    return _ARROW[data_type.name]


def arrow_type(kind: str) -> pa.DataType:
    """Return the Arrow type in which values of a Snowflake type are sent to a worker."""
    name = arrow_name(kind)
    if name.startswith("decimal128"):
        return pa.decimal128(*DataType.parse(kind).parameters)
    return pa.type_for_alias(name)


def value_kind(kind: str) -> str:
    """Return the kind that tells a worker how to convert values of a Snowflake type."""
    if arrow_name(kind).startswith("decimal128"):
        return "DECIMAL"
    name = DataType.parse(kind).name
    return "INT" if name == "NUMBER" else name


def travels_as(kind: str) -> str:
    """Return the DuckDB type of arguments and results of a scalar function with a Snowflake type."""
    name = DataType.parse(kind).name
    stored = to_duckdb(DataType.parse(kind))
    if name == "TIMESTAMP_LTZ":
        return "TIMESTAMP"
    return "VARCHAR" if stored == "JSON" or name in ("TIMESTAMP_TZ", *SHAPES) else stored
