"""Types of settings: names and stage locations parsed from the text of a spec, with their JSON Schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from snowpipe_ml.sql import DataType, Identifier, QualifiedName, StagePath


def _reader(kind: type, parse: Callable[[str], object]) -> BeforeValidator:
    def read(value: object) -> object:
        if isinstance(value, kind) or not isinstance(value, str):
            return value
        return parse(value)

    return BeforeValidator(read)


def _text(description: str, **more: object) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": description, **more})


TableName = Annotated[
    QualifiedName,
    _reader(QualifiedName, QualifiedName.parse),
    _text("A table or view: [[database.]schema.]name"),
]
FunctionName = Annotated[
    QualifiedName,
    _reader(QualifiedName, QualifiedName.parse),
    _text("A function: [[database.]schema.]name"),
]
ColumnName = Annotated[
    Identifier,
    _reader(Identifier, Identifier.parse),
    _text("A column; in double quotes if its case matters"),
]


def _column_key(text: str) -> str:
    Identifier.parse(text)
    return text


# A column as the key of a mapping: keys are strings in JSON Schema, and therefore in the model too.
ColumnKey = Annotated[str, AfterValidator(_column_key)]
ObjectName = Annotated[
    Identifier, _reader(Identifier, Identifier.parse), _text("The name of a declared object")
]
StageLocation = Annotated[
    StagePath,
    _reader(StagePath, StagePath.parse),
    _text("A stage location: @stage/path/", pattern="^@"),
]
ColumnType = Annotated[
    DataType, _reader(DataType, DataType.parse), _text("A Snowflake data type, such as NUMBER(10, 2)")
]
