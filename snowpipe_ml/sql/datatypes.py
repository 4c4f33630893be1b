"""Snowflake's data types, parsed and validated from text.

https://docs.snowflake.com/en/sql-reference/intro-summary-data-types
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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
}
_TYPE = re.compile(r"\s*([A-Za-z_0-9]+(?:\s+precision)?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*\Z", re.I)
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
    """A data type in its canonical name, with its parameters (precision, scale or length)."""

    name: str
    parameters: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> DataType:
        """Parse a type such as ``number(10, 2)``, ``varchar`` or ``timestamp_ntz``.

        Raises:
            ValueError: Snowflake has no such type, or the type does not take these parameters.
        """
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

    @property
    def complete(self) -> DataType:
        """The type with all its parameters, as DESCRIBE TABLE shows it: ``INT`` is ``NUMBER(38, 0)``."""
        if self.name == "INT":
            return DataType("NUMBER", (38, 0))
        given, defaults = self.parameters, _DEFAULTS.get(self.name, ())
        return DataType(self.name, (*given, *defaults[len(given) :]))

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
        return f"{self.name}({', '.join(str(p) for p in self.parameters)})"

    def __str__(self) -> str:
        return self.sql
