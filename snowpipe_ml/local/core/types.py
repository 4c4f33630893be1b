"""Convert types between Snowflake, DuckDB and the connector's result metadata."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import pyarrow as pa

from snowpipe_ml.local.core import shapes
from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.variants import pretty
from snowpipe_ml.sql import DataType

if TYPE_CHECKING:
    from snowflake.connector.cursor import ResultMetadataV2

# Type codes of the connector: snowflake.connector.constants.FIELD_TYPES, by position.
FIXED, REAL, TEXT, DATE, VARIANT, LTZ, TZ, NTZ = 0, 1, 2, 3, 5, 6, 7, 8
OBJECT, ARRAY, BINARY, TIME, BOOLEAN = 9, 10, 11, 12, 13
GEOGRAPHY, GEOMETRY, VECTOR = 14, 15, 16
_CLOCKS = (LTZ, TZ, NTZ, TIME)

# DuckDB has no timestamp type with an offset: the instant in UTC and the offset in minutes are stored.
TIMESTAMP_TZ = "STRUCT(utc TIMESTAMP, tz SMALLINT)"
# Shapes are stored in EWKB; the name of the field tells the two types apart, and from a BINARY.
SHAPES = {"STRUCT(geography BLOB)": "GEOGRAPHY", "STRUCT(geometry BLOB)": "GEOMETRY"}
MICROSECONDS = 6
"""The digits of the fractions of seconds that DuckDB keeps."""
MAX_VARCHAR = 16_777_216
MAX_BINARY = 8_388_608

_INTEGERS = {
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
}
_VECTOR = re.compile(r"(FLOAT|INTEGER)\[(\d+)\]\Z")
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)\Z")


class Description(NamedTuple):
    """A column in a cursor's description, with the fields of the connector's ``ResultMetadata``."""

    name: str
    type_code: int
    display_size: int | None
    internal_size: int | None
    precision: int | None
    scale: int | None
    is_nullable: bool


@dataclass(frozen=True, slots=True)
class Column:
    """A result column.

    Attributes:
        name: its name.
        duckdb: its DuckDB type, as text.
        nullable: whether it can be NULL.
        length: the length of a VARCHAR, if it is known.
        structure: ARRAY or OBJECT for JSON that is known to be one; None for a VARIANT.
        output: the output format of a shape, such as GEOJSON.
        scale: the digits of the fractions of seconds of a time or timestamp, if they are fewer than nine.
    """

    name: str
    duckdb: str
    nullable: bool = True
    length: int | None = None
    structure: str | None = None
    output: str = "GEOJSON"
    scale: int | None = None

    @property
    def description(self) -> Description:
        """The column as a cursor describes it."""
        code, precision, scale, size = _describe(self.duckdb)
        if code == VARIANT and self.structure is not None:
            code = ARRAY if self.structure == "ARRAY" else OBJECT
        size = self.length if code == TEXT and self.length is not None else size
        scale = self.scale if code in _CLOCKS and self.scale is not None else scale
        return Description(self.name, code, None, size, precision, scale, self.nullable)

    @property
    def metadata(self) -> ResultMetadataV2:
        """The column's metadata in the connector's form."""
        from snowflake.connector.cursor import ResultMetadataV2

        shown = self.description
        if shown.type_code == VECTOR:
            return self._vector
        return ResultMetadataV2(
            name=shown.name,
            type_code=shown.type_code,
            is_nullable=shown.is_nullable,
            internal_size=shown.internal_size,
            precision=shown.precision,
            scale=shown.scale,
        )

    @property
    def _vector(self) -> ResultMetadataV2:
        from snowflake.connector.cursor import ResultMetadataV2

        element, dimension = vector_type(self.duckdb) or ("FLOAT", 0)
        of = REAL if element == "FLOAT" else FIXED
        precision, scale = (None, None) if of == REAL else (38, 0)
        field = ResultMetadataV2(name="", type_code=of, is_nullable=True, precision=precision, scale=scale)
        return ResultMetadataV2(
            name=self.name,
            type_code=VECTOR,
            is_nullable=self.nullable,
            vector_dimension=dimension,
            fields=[field],
        )

    @property
    def snowflake(self) -> str:
        """The Snowflake type of the column, as DESCRIBE TABLE prints it."""
        code, precision, scale, _ = _describe(self.duckdb)
        digits = 9 if self.scale is None else self.scale
        if code == FIXED:
            return f"NUMBER({precision},{scale})"
        if code == VECTOR:
            element, dimension = vector_type(self.duckdb) or ("FLOAT", 0)
            return f"VECTOR({element}, {dimension})"
        return {
            REAL: "FLOAT",
            TEXT: f"VARCHAR({self.length or MAX_VARCHAR})",
            DATE: "DATE",
            VARIANT: self.structure or "VARIANT",
            LTZ: f"TIMESTAMP_LTZ({digits})",
            TZ: f"TIMESTAMP_TZ({digits})",
            NTZ: f"TIMESTAMP_NTZ({digits})",
            OBJECT: "OBJECT",
            ARRAY: "ARRAY",
            BINARY: f"BINARY({MAX_BINARY})",
            TIME: f"TIME({digits})",
            BOOLEAN: "BOOLEAN",
            GEOGRAPHY: "GEOGRAPHY",
            GEOMETRY: "GEOMETRY",
        }[code]


def cut_fractions(value: str, kind: str, scale: int | None) -> str:
    """Return the SQL of a time or timestamp of a DuckDB type with the fractions of seconds that a scale keeps."""
    names = {"TIME": "time", "TIMESTAMP": "ntz", "TIMESTAMP WITH TIME ZONE": "ltz", TIMESTAMP_TZ: "tz"}
    if scale is None or scale >= MICROSECONDS or kind not in names:
        return value
    return f"_MACROS.main.sf_cut_{names[kind]}(CAST({value} AS {kind}), {10 ** (MICROSECONDS - scale)})"


def vector_type(duckdb: str) -> tuple[str, int] | None:
    """Return the type of the elements and the dimension of a VECTOR; None for another type of DuckDB."""
    match = _VECTOR.match(duckdb)
    return ("FLOAT" if match.group(1) == "FLOAT" else "INT", int(match.group(2))) if match else None


def _describe(duckdb: str) -> tuple[int, int | None, int | None, int | None]:
    """Return (type code, precision, scale, size) of a DuckDB type."""
    if duckdb in _INTEGERS:
        return FIXED, 38, 0, None
    if match := _DECIMAL.match(duckdb):
        return FIXED, int(match.group(1)), int(match.group(2)), None
    if duckdb in ("DOUBLE", "FLOAT"):
        return REAL, None, None, None
    if duckdb == TIMESTAMP_TZ:
        return TZ, 0, 9, None
    if duckdb in SHAPES:
        return (GEOGRAPHY if SHAPES[duckdb] == "GEOGRAPHY" else GEOMETRY), None, None, None
    if vector_type(duckdb) is not None:
        return VECTOR, None, None, None
    if duckdb.endswith("[]"):
        return ARRAY, None, None, None
    if duckdb.startswith(("STRUCT", "MAP")):
        return OBJECT, None, None, None
    simple = {
        "VARCHAR": (TEXT, None, None, MAX_VARCHAR),
        '"NULL"': (TEXT, None, None, MAX_VARCHAR),
        "NULL": (TEXT, None, None, MAX_VARCHAR),
        "UUID": (TEXT, None, None, MAX_VARCHAR),
        "BOOLEAN": (BOOLEAN, None, None, None),
        "DATE": (DATE, None, None, None),
        "TIME": (TIME, 0, 9, None),
        "TIMESTAMP": (NTZ, 0, 9, None),
        "TIMESTAMP_NS": (NTZ, 0, 9, None),
        "TIMESTAMP_S": (NTZ, 0, 9, None),
        "TIMESTAMP_MS": (NTZ, 0, 9, None),
        "TIMESTAMP WITH TIME ZONE": (LTZ, 0, 9, None),
        "JSON": (VARIANT, None, None, None),
        "BLOB": (BINARY, None, None, MAX_BINARY),
    }
    if duckdb == "INTERVAL":
        raise UnsupportedError("values of the type INTERVAL", "Add or subtract intervals from dates")
    if duckdb not in simple:
        raise UnsupportedError(f"a result of DuckDB's type {duckdb}")
    return simple[duckdb]


def to_duckdb(kind: DataType) -> str:
    """Return the DuckDB type that stores a Snowflake type.

    INT, and NUMBER(p, 0) with p above 18, are stored as BIGINT: a value that does not fit in 64 bits raises
    an error and never becomes a wrong number, and 128-bit decimals are several times slower
    (docs/decisions/0003).
    """
    match kind.name:
        case "INT":
            return "BIGINT"
        case "NUMBER":
            precision, scale = (
                (*kind.parameters, 38, 0)[:2] if not kind.parameters else (*kind.parameters, 0)[:2]
            )
            return "BIGINT" if scale == 0 and precision > 18 else f"DECIMAL({precision},{scale})"
        case "FLOAT":
            return "DOUBLE"
        case "BINARY":
            return "BLOB"
        case "TIMESTAMP_NTZ":
            return "TIMESTAMP"
        case "TIMESTAMP_LTZ":
            return "TIMESTAMPTZ"
        case "VARIANT" | "OBJECT" | "ARRAY":
            return "JSON"
        case "TIMESTAMP_TZ":
            return TIMESTAMP_TZ
        case "VECTOR":
            return f"{'FLOAT' if kind.element == 'FLOAT' else 'INTEGER'}[{kind.parameters[0]}]"
        case "GEOGRAPHY" | "GEOMETRY":
            return f"STRUCT({kind.name.lower()} BLOB)"
        case _:
            return kind.name


class _Zoned(TypedDict):
    """A TIMESTAMP_TZ as it is stored."""

    utc: dt.datetime
    tz: int


def _list_json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _optional(convert: Callable[[Any], object]) -> Callable[[object], object]:
    return lambda value: None if value is None else convert(value)


def python_values(column: Column, values: pa.ChunkedArray) -> list[object]:
    """Convert a result column to the Python values that the connector returns."""
    code, _, scale, _ = _describe(column.duckdb)
    listed: list[Any] = values.to_pylist()
    if code == FIXED and not scale and column.duckdb not in _INTEGERS:
        return [_optional(int)(v) for v in listed]
    if code == FIXED and not scale and pa.types.is_decimal(values.type):
        return [_optional(int)(v) for v in listed]  # HUGEINT is a decimal in Arrow
    if code == VARIANT:
        return [_optional(pretty)(v) for v in listed]
    if code in (GEOGRAPHY, GEOMETRY):
        return [shapes.shown(v, column.output) for v in listed]
    if code == TZ:
        return [_optional(_with_offset)(v) for v in listed]
    if column.duckdb == "JSON[]":
        decoded = [
            None if v is None else [None if e is None else json.loads(e) for e in v]
            for v in values.to_pylist()
        ]
        return [_optional(_list_json)(v) for v in decoded]
    if code in (ARRAY, OBJECT):
        return [_optional(_list_json)(v) for v in listed]
    if code == BINARY:
        return [_optional(bytearray)(v) for v in listed]
    if code == TEXT and listed and not pa.types.is_string(values.type):
        return [_optional(str)(v) for v in listed]
    return listed


def _with_offset(value: _Zoned) -> dt.datetime:
    zone = dt.timezone(dt.timedelta(minutes=value["tz"]))
    instant = value["utc"].replace(tzinfo=dt.UTC)
    return instant.astimezone(zone)


def _in_utc(value: dt.datetime) -> dt.datetime:
    return value.astimezone(dt.UTC).replace(tzinfo=None)


def _offset(value: dt.datetime) -> int:
    """Return the offset from UTC in minutes; 0 for a value without a time zone."""
    return (value.utcoffset() or dt.timedelta()) // dt.timedelta(minutes=1)


def from_iso(values: pa.ChunkedArray) -> pa.Array:
    """Convert TIMESTAMP_TZ values from ISO 8601 texts, as workers send them, to their stored form."""
    parsed = [None if text is None else dt.datetime.fromisoformat(text) for text in values.to_pylist()]
    stored = [None if value is None else {"utc": _in_utc(value), "tz": _offset(value)} for value in parsed]
    return pa.array(stored, pa.struct([("utc", pa.timestamp("us")), ("tz", pa.int16())]))


def arrow_result(columns: list[Column], result: pa.Table) -> pa.Table:
    """Convert a result to the connector's Arrow format: 64-bit integers, VARIANT as text."""
    arrays = []
    for column, values in zip(columns, result.columns, strict=True):
        code, _, scale, _ = _describe(column.duckdb)
        if code == FIXED and not scale:
            arrays.append(_narrow(values))
        elif code == TZ:
            import pyarrow.compute as pc  # imported late: a query from the command line needs none of it

            flat = pc.struct_field(values, "utc").cast(pa.timestamp("us", tz="UTC"))
            arrays.append(_nanoseconds(pa.chunked_array([flat]) if isinstance(flat, pa.Array) else flat))
        elif code in (NTZ, LTZ):
            arrays.append(_nanoseconds(values))
        elif code in (GEOGRAPHY, GEOMETRY):
            arrays.append(pa.chunked_array([pa.array(python_values(column, values))]))
        elif code in (VARIANT, ARRAY, OBJECT):
            arrays.append(pa.chunked_array([pa.array(python_values(column, values), pa.string())]))
        else:
            arrays.append(values)
    return pa.table(arrays, names=[column.name for column in columns])


def _nanoseconds(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert timestamps to nanoseconds, the connector's unit; beyond the year 2262 keep microseconds."""
    try:
        return values.cast(pa.timestamp("ns", tz=values.type.tz))
    except pa.ArrowInvalid:
        return values


def _narrow(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_integer(values.type) and values.type.bit_width <= 64:
        return values.cast(pa.int64())
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid:
        return values  # more than 64 bits: the client gets decimals, as from Snowflake
