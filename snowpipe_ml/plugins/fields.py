"""Types of settings: names and places that are read from a spec's text, and how the JSON Schema shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from snowpipe_ml.sql import DataType, Identifier, QualifiedName, StagePath


def _reader(kind: type, parse: Callable[[str], Any]) -> BeforeValidator:
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
    _text("A column; in double quotes where its case matters"),
]


def _column_key(text: str) -> str:
    Identifier.parse(text)
    return text


# A column as the key of a mapping: JSON Schema has text there, and so has the model.
ColumnKey = Annotated[str, AfterValidator(_column_key)]
ObjectName = Annotated[
    Identifier, _reader(Identifier, Identifier.parse), _text("The name of a declared object")
]
StageLocation = Annotated[
    StagePath,
    _reader(StagePath, StagePath.parse),
    _text("A place on a stage: @stage/path/", pattern="^@"),
]
ColumnType = Annotated[
    DataType, _reader(DataType, DataType.parse), _text("A Snowflake data type, such as NUMBER(10, 2)")
]
