"""Requests and results in the format of Snowflake's clients: encode results, decode bound values.

The protocol is not documented publicly. The formats follow what the Python connector reads
(``snowflake/connector/cursor.py`` and its Arrow iterator) and what fakesnow's server sends.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import NotRequired, Required, TypeAlias, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from snowflake.connector.constants import FIELD_ID_TO_NAME

from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.types import Column, arrow_result
from snowpipe_ml.local.core.values import Options

# The statement types that clients distinguish, by first word.
_STATEMENT_TYPES = {"INSERT": 0x3100, "UPDATE": 0x3200, "DELETE": 0x3300, "MERGE": 0x3400, "COPY": 0x3600}
_SELECT, _OTHER = 0x1000, 0x4000
SEVERAL = 0xA000
"""The kind of a text with several statements."""
_DML = {0x3100, 0x3200, 0x3300, 0x3400}

_EPOCH = dt.datetime(1970, 1, 1)

# The types that the clients' reader of Arrow takes for others.
_LOGICAL = {"geography": "OBJECT", "geometry": "OBJECT"}

Data: TypeAlias = dict[str, object]
"""The ``data`` of an answer, which is only encoded as JSON."""


class LoginData(TypedDict, total=False):
    """The credentials and settings of a login."""

    AUTHENTICATOR: str
    LOGIN_NAME: str
    TOKEN: str
    PASSWORD: str
    EXT_AUTHN_DUO_METHOD: str
    CLIENT_APP_ID: str
    SESSION_PARAMETERS: Options


class LoginRequest(TypedDict, total=False):
    """The body of a login."""

    data: LoginData


class QueryRequest(TypedDict, total=False):
    """The body of a request to run or describe a statement."""

    sqlText: Required[str]
    asyncExec: bool
    describeOnly: bool
    bindings: dict[str, Binding] | None
    parameters: dict[str, object] | None


class RowType(TypedDict):
    """A column of a result, as clients read it."""

    name: str
    database: str
    schema: str
    table: str
    nullable: bool
    type: str
    length: int | None
    byteLength: int | None
    precision: int | None
    scale: int | None
    collation: None
    vectorDimension: NotRequired[int | None]
    fields: NotRequired[list[Field]]


class Field(TypedDict):
    """The elements of a column of VECTORs, as clients read them."""

    type: str
    nullable: bool
    length: None
    precision: int | None
    scale: int | None


class Binding(TypedDict):
    """A bound value, or the values of one parameter in many executions."""

    type: str
    value: str | list[str | None] | None


def statement_type(text: str) -> int:
    """Return the number by which clients tell DML from queries."""
    word = text.lstrip().split(None, 1)[0].upper() if text.strip() else ""
    if word in _STATEMENT_TYPES:
        return _STATEMENT_TYPES[word]
    return _SELECT if word in ("SELECT", "WITH", "VALUES", "(SELECT") else _OTHER


def row_type(columns: list[Column]) -> list[RowType]:
    """Return the columns of a result in the format of ``data.rowtype``."""
    found: list[RowType] = []
    for column in columns:
        metadata = column.metadata
        row: RowType = {
            "name": metadata.name,
            "database": "",
            "schema": "",
            "table": "",
            "nullable": metadata.is_nullable,
            "type": FIELD_ID_TO_NAME[metadata.type_code].lower(),
            "length": metadata.internal_size,
            "byteLength": metadata.internal_size,
            "precision": metadata.precision,
            "scale": metadata.scale,
            "collation": None,
        }
        if metadata.fields is not None:
            row["vectorDimension"] = metadata.vector_dimension
            row["fields"] = [
                {
                    "type": FIELD_ID_TO_NAME[field.type_code].lower(),
                    "nullable": True,
                    "length": None,
                    "precision": field.precision,
                    "scale": field.scale,
                }
                for field in metadata.fields
            ]
        found.append(row)
    return found


def result_data(result: Result, type_id: int, *, as_json: bool = False) -> Data:
    """Encode the rows of a result: as JSON for DML, whose counts clients read from it, else as Arrow.

    Args:
        result: the result.
        type_id: the number of the kind of statement.
        as_json: whether the client reads no Arrow, as the driver for Node.js.
    """
    rows = row_type(result.columns)
    data: Data = {
        "rowtype": rows,
        "total": result.table.num_rows,
        "returned": result.table.num_rows,
        "statementTypeId": type_id,
    }
    if type_id in _DML:
        values = [
            [None if v is None else str(v) for v in row] for row in zip(*_lists(result.table), strict=True)
        ]
        return {**data, "queryResultFormat": "json", "rowset": values}
    if as_json:
        texts = [_texts(array, row["type"]) for array, row in zip(_arrays(result, rows), rows, strict=True)]
        return {**data, "queryResultFormat": "json", "rowset": list(zip(*texts, strict=True))}
    return {
        **data,
        "queryResultFormat": "arrow",
        "rowsetBase64": _arrow(result, rows) if result.columns else "",
    }


def description_data(columns: list[Column], type_id: int, *, as_json: bool = False) -> Data:
    """Encode the answer to a request that only describes a statement."""
    empty: Data = (
        {"queryResultFormat": "json", "rowset": []}
        if type_id in _DML or as_json
        else {"queryResultFormat": "arrow", "rowsetBase64": ""}
    )
    return {
        "rowtype": row_type(columns),
        "total": 0,
        "returned": 0,
        "statementTypeId": type_id,
        "arrayBindSupported": type_id == _STATEMENT_TYPES["INSERT"],
        **empty,
    }


def _lists(table: pa.Table) -> list[list[object]]:
    return [column.to_pylist() for column in table.columns]


def _arrays(result: Result, rows: list[RowType]) -> list[pa.Array | pa.ChunkedArray]:
    """Convert the columns of a result to the Arrow types that the connector's iterator reads."""
    table = arrow_result(result.columns, result.table)
    arrays = []
    for index, (column, described) in enumerate(zip(table.columns, rows, strict=True)):
        with_zone = described["type"] == "timestamp_tz"
        stored = result.table.column(index).combine_chunks()
        arrays.append(_instants(column, pc.struct_field(stored, "tz")) if with_zone else _column(column))
    return arrays


def _texts(array: pa.Array | pa.ChunkedArray, kind: str) -> list[str | None]:
    """Return the texts that stand for the values of a column in a result as JSON."""
    match kind:
        case "date":  # days since 1970
            array = array.cast(pa.int32())
        case "time":  # seconds
            return [
                None if ns is None else _decimal_seconds(*divmod(ns, 1_000_000_000))
                for ns in array.to_pylist()
            ]
        case "boolean":
            array = array.cast(pa.int8())
        case "binary":
            return [None if value is None else value.hex().upper() for value in array.to_pylist()]
        case "timestamp_ntz" | "timestamp_ltz" | "timestamp_tz":
            return [None if parts is None else _instant(**parts) for parts in array.to_pylist()]
    return [None if value is None else str(value) for value in array.to_pylist()]


def _instant(epoch: int, fraction: int, timezone: int | None = None) -> str:
    """A timestamp as seconds since 1970, with the offset in minutes plus 1440 for TIMESTAMP_TZ."""
    text = _decimal_seconds(epoch, fraction)
    return text if timezone is None else f"{text} {timezone}"


def _decimal_seconds(seconds: int, nanoseconds: int) -> str:
    if seconds < 0 and nanoseconds:  # -0.5 is -1 second and a half
        seconds, nanoseconds = seconds + 1, 1_000_000_000 - nanoseconds
        return f"-{-seconds}.{nanoseconds:09}"
    return f"{seconds}.{nanoseconds:09}"


def _arrow(result: Result, rows: list[RowType]) -> str:
    arrays, fields = _arrays(result, rows), []
    for array, described in zip(arrays, rows, strict=True):
        fields.append(
            pa.field(
                described["name"],
                array.type,
                metadata={
                    "logicalType": _LOGICAL.get(described["type"], described["type"].upper()),
                    "precision": str(described["precision"] or 38),
                    "scale": str(described["scale"] or 0),
                    "charLength": str(described["length"] or 0),
                },
            )
        )
    sink = pa.BufferOutputStream()
    packed = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    with pa.ipc.new_stream(sink, packed.schema) as writer:
        writer.write_table(packed)
    return base64.b64encode(sink.getvalue()).decode()


def _column(column: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Convert a column to the Arrow types that the connector's iterator reads."""
    if pa.types.is_timestamp(column.type):
        return _instants(column)
    if pa.types.is_time(column.type):
        return pc.multiply(column.cast(pa.time64("us")).cast(pa.int64()), 1000)
    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    return column


def _instants(column: pa.ChunkedArray, offsets: pa.Array | None = None) -> pa.Array:
    """Encode timestamps as seconds and nanoseconds. For TIMESTAMP_TZ add the offset in minutes, plus 1440."""
    flat = column.combine_chunks().cast(pa.timestamp("ns")).cast(pa.int64())
    epoch, fraction = np.divmod(flat.fill_null(0).to_numpy(zero_copy_only=False), 1_000_000_000)
    parts = {"epoch": pa.array(epoch, pa.int64()), "fraction": pa.array(fraction.astype(np.int32))}
    if offsets is not None:
        parts["timezone"] = pc.add(offsets.cast(pa.int32()).fill_null(0), 1440)
    mask = pc.is_null(flat) if flat.null_count else None
    return pa.StructArray.from_arrays(list(parts.values()), names=list(parts), mask=mask)


def parameters(
    bindings: Mapping[str, Binding] | None,
) -> tuple[list[object] | None, list[list[object]] | None]:
    """Decode bound values: (values, None) for one execution, (None, rows) for many."""
    if not bindings:
        return None, None
    placed = [bindings[key] for key in sorted(bindings, key=int)]
    lists = [binding["value"] for binding in placed]
    if any(isinstance(values, list) for values in lists):
        columns = [
            [_value(binding["type"], value) for value in values]
            for binding, values in zip(placed, lists, strict=True)
            if isinstance(values, list)
        ]
        return None, [list(row) for row in zip(*columns, strict=True)]
    return [
        _value(binding["type"], value)
        for binding, value in zip(placed, lists, strict=True)
        if not isinstance(value, list)
    ], None


def _value(kind: str, text: str | None) -> object:
    if text is None:
        return None
    match kind:
        case "FIXED":
            return Decimal(text) if "." in text else int(text)
        case "REAL":
            return float(text)
        case "BOOLEAN":
            return text.lower() == "true"
        case "BINARY":
            return bytes.fromhex(text)
        case "DATE":  # milliseconds since 1970
            return (_EPOCH + dt.timedelta(milliseconds=int(text))).date()
        case "TIME":  # nanoseconds since midnight
            return _after_epoch(text).time()
        case "TIMESTAMP_NTZ":  # nanoseconds since 1970
            return _after_epoch(text)
        case "TIMESTAMP_LTZ":
            return kind, _after_epoch(text).replace(tzinfo=dt.UTC)
        case "TIMESTAMP_TZ":  # nanoseconds since 1970, and the offset from UTC in minutes, plus a day
            nanoseconds, _, minutes = text.partition(" ")
            zone = dt.timezone(dt.timedelta(minutes=int(minutes or 1440) - 1440))
            return kind, _after_epoch(nanoseconds).replace(tzinfo=dt.UTC).astimezone(zone)
    return text


def _after_epoch(nanoseconds: str) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=int(nanoseconds) // 1000)
