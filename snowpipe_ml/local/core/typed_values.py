"""Values with their types: the variables of Snowflake Scripting, as results hold them and as statements bind them."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from snowpipe_ml.local.core.arrays import booleans, integers, texts
from snowpipe_ml.local.core.types import Column, to_duckdb
from snowpipe_ml.local.core.variants import standard_json
from snowpipe_ml.sql import DataType, Literal


@dataclass(frozen=True, slots=True)
class TypedValue:
    """One value of a result.

    Attributes:
        column: its type.
        cells: the value, as the only row of a column in Arrow.
    """

    column: Column
    cells: pa.ChunkedArray

    @classmethod
    def null(cls, kind: DataType) -> TypedValue:
        """Make a NULL of a type."""
        return cls(_column(kind), pa.chunked_array([pa.nulls(1)]))

    @classmethod
    def whole(cls, number: int) -> TypedValue:
        """Make a whole number."""
        return cls(Column("V", "BIGINT"), pa.chunked_array([integers([number])]))

    @classmethod
    def text(cls, text: str) -> TypedValue:
        """Make a text."""
        return cls(Column("V", "VARCHAR"), pa.chunked_array([texts([text])]))

    @classmethod
    def truth(cls, value: bool) -> TypedValue:
        """Make a truth value."""
        return cls(Column("V", "BOOLEAN"), pa.chunked_array([booleans([value])]))

    @property
    def type(self) -> DataType:
        """The Snowflake type."""
        return DataType.parse(self.column.structure or self.column.snowflake)

    @property
    def python(self) -> object:
        """The value in Python; that of a VARIANT is its JSON."""
        value: object = self.cells[0].as_py()
        return value

    @property
    def is_null(self) -> bool:
        """Whether the value is NULL."""
        return self.python is None

    @property
    def is_number(self) -> bool:
        """Whether the value is a NUMBER or a FLOAT."""
        return self.type.name in ("NUMBER", "INT", "FLOAT")

    @property
    def literal(self) -> str:
        """The value as an expression of Snowflake's SQL that has its type."""
        value = self.python
        kind = self.type
        if value is None:
            return f"CAST(NULL AS {kind.sql})"
        match kind.name:
            case "VARIANT" | "ARRAY" | "OBJECT":
                written = standard_json(value) if isinstance(value, str) else json.dumps(value, default=str)
                parsed = f"PARSE_JSON({Literal(written).sql})"
                return parsed if kind.name == "VARIANT" else f"CAST({parsed} AS {kind.name})"
            case "BINARY":
                assert isinstance(value, bytes)
                return f"CAST('{value.hex()}' AS BINARY)"
            case "VECTOR":
                assert isinstance(value, list)
                return f"CAST([{', '.join(map(str, value))}] AS {kind.sql})"
            case "GEOGRAPHY" | "GEOMETRY":
                assert isinstance(value, dict)
                return f"TO_{kind.name}('{value[kind.name.lower()].hex()}')"
            case "NUMBER" | "INT":
                assert isinstance(value, int | Decimal)
                if kind.complete.parameters[1]:  # the scale of a product or quotient depends on it
                    return f"CAST({Literal(value).sql} AS {kind.sql})"
                return f"({value:f})" if value < 0 else f"{value:f}"
            case "FLOAT":
                assert isinstance(value, float)
                return f"CAST('{value!r}' AS FLOAT)"
            case "BOOLEAN":
                return Literal(value).sql
            case "VARCHAR":
                return Literal(value).sql
        return f"CAST('{_moment(value)}' AS {kind.sql})"


def _column(kind: DataType) -> Column:
    """Return the column that stores values of a type."""
    stored = to_duckdb(kind)
    return Column(
        "V",
        "TIMESTAMP WITH TIME ZONE" if stored == "TIMESTAMPTZ" else stored,
        length=kind.parameters[0] if kind.name == "VARCHAR" and kind.parameters else None,
        structure=kind.name if kind.name in ("ARRAY", "OBJECT") else None,
    )


def _moment(value: object) -> str:
    """Write a date, time or timestamp as Snowflake reads it."""
    if isinstance(value, dict):  # a TIMESTAMP_TZ: see types.TIMESTAMP_TZ
        zone = dt.timezone(dt.timedelta(minutes=value["tz"]))
        value = value["utc"].replace(tzinfo=dt.UTC).astimezone(zone)
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    assert isinstance(value, dt.date | dt.time)
    return value.isoformat()
