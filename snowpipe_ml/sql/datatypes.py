"""Snowflake's data types, parsed and validated from text.

https://docs.snowflake.com/en/sql-reference/intro-summary-data-types
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_SYNONYMS = {
    "NUMBER": "NUMBER",
    "DECIMAL": "NUMBER",
    "DEC": "NUMBER",
    "NUMERIC": "NUMBER",
    "INT": "INT",
    "INTEGER": "INT",
    "BIGINT": "INT",
    "SMALLINT": "INT",
    "TINYINT": "INT",
    "BYTEINT": "INT",
    "FLOAT": "FLOAT",
    "FLOAT4": "FLOAT",
    "FLOAT8": "FLOAT",
    "DOUBLE": "FLOAT",
    "DOUBLE PRECISION": "FLOAT",
    "REAL": "FLOAT",
    "VARCHAR": "VARCHAR",
    "STRING": "VARCHAR",
    "TEXT": "VARCHAR",
    "CHAR": "VARCHAR",
    "CHARACTER": "VARCHAR",
    "NVARCHAR": "VARCHAR",
    "BINARY": "BINARY",
    "VARBINARY": "BINARY",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "TIME": "TIME",
    "DATETIME": "TIMESTAMP_NTZ",
    "TIMESTAMP": "TIMESTAMP_NTZ",
    "TIMESTAMP_NTZ": "TIMESTAMP_NTZ",
    "TIMESTAMP_LTZ": "TIMESTAMP_LTZ",
    "TIMESTAMP_TZ": "TIMESTAMP_TZ",
    "VARIANT": "VARIANT",
    "OBJECT": "OBJECT",
    "ARRAY": "ARRAY",
    "GEOGRAPHY": "GEOGRAPHY",
    "GEOMETRY": "GEOMETRY",
    "VECTOR": "VECTOR",
}
_TYPE = re.compile(r"\s*([A-Za-z_0-9]+(?:\s+precision)?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*\Z", re.I)
_VECTOR = re.compile(r"\s*VECTOR\s*\(\s*([A-Z]\w*)\s*,\s*(\d+)\s*\)\s*\Z", re.I)
_LONGEST_VECTOR = 4096
_PARAMETERS = {
    "NUMBER": 2,
    "VARCHAR": 1,
    "BINARY": 1,
    "TIME": 1,
    "TIMESTAMP_NTZ": 1,
    "TIMESTAMP_LTZ": 1,
    "TIMESTAMP_TZ": 1,
}

_DEFAULTS = {
    "NUMBER": (38, 0),
    "VARCHAR": (16_777_216,),
    "BINARY": (8_388_608,),
    "TIME": (9,),
    "TIMESTAMP_NTZ": (9,),
    "TIMESTAMP_LTZ": (9,),
    "TIMESTAMP_TZ": (9,),
}

NAMES = tuple(sorted(_SYNONYMS))


@dataclass(frozen=True, slots=True)
class DataType:
    """A data type in its canonical name, with its parameters (precision, scale, length or dimension).

    Attributes:
        element: the type of a VECTOR's elements, INT or FLOAT; None for other types.
    """

    name: str
    parameters: tuple[int, ...] = ()
    element: str | None = None

    @classmethod
    def parse(cls, text: str) -> DataType:
        """Parse a type such as ``number(10, 2)``, ``varchar`` or ``timestamp_ntz``.

        Raises:
            ValueError: Snowflake has no such type, or the type does not take these parameters.
        """
        if re.match(r"\s*VECTOR\b", text, re.I):
            return cls._vector(text)
        match = _TYPE.match(text)
        name = match and _SYNONYMS.get(" ".join(match.group(1).upper().split()))
        if not match or not name:
            raise ValueError(f"not a Snowflake data type: {text!r}")
        parameters = tuple(int(p) for p in match.groups()[1:] if p is not None)
        if len(parameters) > _PARAMETERS.get(name, 0):
            raise ValueError(f"{name} does not take {len(parameters)} parameters: {text!r}")
        if name == "NUMBER" and parameters:
            precision, scale = (*parameters, 0)[:2]
            if not 1 <= precision <= 38 or scale > min(37, precision):
                raise ValueError(
                    f"NUMBER takes a precision of 1 to 38 and a scale up to it, at most 37: {text!r}"
                )
        return cls(name, parameters)

    @classmethod
    def _vector(cls, text: str) -> DataType:
        """Parse ``VECTOR(FLOAT, 256)``: https://docs.snowflake.com/en/sql-reference/data-types-vector."""
        match = _VECTOR.match(text)
        element = match and _SYNONYMS.get(match.group(1).upper())
        if not match or element not in ("INT", "FLOAT") or not 1 <= int(match.group(2)) <= _LONGEST_VECTOR:
            raise ValueError(
                f"VECTOR takes INT or FLOAT and a dimension of 1 to {_LONGEST_VECTOR}, "
                f"as in VECTOR(FLOAT, 256): {text!r}"
            )
        return cls("VECTOR", (int(match.group(2)),), element)

    @property
    def complete(self) -> DataType:
        """The type with all its parameters, as DESCRIBE TABLE shows it: ``INT`` is ``NUMBER(38, 0)``."""
        if self.name == "INT":
            return DataType("NUMBER", (38, 0))
        given, defaults = self.parameters, _DEFAULTS.get(self.name, ())
        return replace(self, parameters=(*given, *defaults[len(given) :]))

    def widens_to(self, other: DataType) -> bool:
        """Return whether ALTER TABLE can change a column of this complete type to the other in place.

        https://docs.snowflake.com/en/sql-reference/sql/alter-table-column
        """
        if self.name != other.name:
            return False
        if self.name == "NUMBER":
            return self.parameters[1] == other.parameters[1] and self.parameters[0] <= other.parameters[0]
        return self.name == "VARCHAR" and self.parameters[0] <= other.parameters[0]

    @property
    def sql(self) -> str:
        """The type as SQL text."""
        if not self.parameters:
            return self.name
        if self.element is not None:
            return f"VECTOR({self.element}, {self.parameters[0]})"
        return f"{self.name}({', '.join(str(p) for p in self.parameters)})"

    def __str__(self) -> str:
        return self.sql
