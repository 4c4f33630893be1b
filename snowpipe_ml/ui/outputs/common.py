"""The base of all outputs, their JSON text and their JSON Schemas."""

from __future__ import annotations

import math
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, RootModel

from snowpipe_ml.spec.schema import DIALECT, Schema
from snowpipe_ml.text.printable import json_text
from snowpipe_ml.text.redaction import redact_all


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
"""A number; NaN and infinity, which JSON does not have, are null."""


class Output(BaseModel):
    """A part of what a command prints. It can be made from an object with attributes of the same names."""

    model_config = ConfigDict(extra="forbid", from_attributes=True, defer_build=True)


_Root = TypeVar("_Root")


class RootOutput(RootModel[_Root], Generic[_Root]):
    """An output that is a list, a mapping or one of several outputs."""

    model_config = ConfigDict(defer_build=True)


def output_json(output: BaseModel) -> str:
    """Return an output as JSON text, with secrets redacted.

    Fields that were not given, such as the estimate of a plan without ``--cost``, are left out.
    """
    return json_text(output_value(output), indent=2)


def output_value(output: BaseModel) -> Any:
    """Return an output as values of JSON, with secrets redacted."""
    return redact_all(output.model_dump(mode="json", by_alias=True, exclude_unset=True))


def output_schema(output: type[BaseModel]) -> Schema:
    """Return the JSON Schema (2020-12) of an output."""
    return {
        "$schema": DIALECT,
        **output.model_json_schema(mode="serialization"),
    }
