"""The base class of the models of a spec, and the types of the keys of its sections."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from snowpipe_ml.sql import Identifier


def _object_name(text: str) -> str:
    Identifier.parse(text)
    return text


def _plain_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", text):
        raise ValueError(f"a name may contain only letters, digits, _ and -, not {text!r}")
    return text


# Keys of sections: the names of objects in Snowflake, and names that only the spec uses.
ObjectKey = Annotated[str, AfterValidator(_object_name)]
PlainKey = Annotated[str, AfterValidator(_plain_name)]


class Model(BaseModel):
    """Base class of all declared objects."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, populate_by_name=True, defer_build=True
    )
