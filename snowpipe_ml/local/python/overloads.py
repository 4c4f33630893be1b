"""Which overload of a function a call means."""

from __future__ import annotations

from collections.abc import Sequence

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.python.definition import Definition
from snowpipe_ml.sql import DataType

# How near a declared type is to a given one: the same, then what Snowflake converts by itself.
_CONVERSIONS = {
    "NUMBER": ("NUMBER", "FLOAT", "VARIANT", "VARCHAR"),
    "FLOAT": ("FLOAT", "NUMBER", "VARIANT", "VARCHAR"),
    "VARCHAR": (
        "VARCHAR",
        "VARIANT",
        "FLOAT",
        "NUMBER",
        "DATE",
        "TIME",
        "TIMESTAMP_NTZ",
        "TIMESTAMP_LTZ",
        "TIMESTAMP_TZ",
        "BOOLEAN",
        "BINARY",
    ),
    "BOOLEAN": ("BOOLEAN", "VARIANT", "VARCHAR"),
    "DATE": ("DATE", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ", "VARCHAR", "VARIANT"),
    "TIMESTAMP_NTZ": ("TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ", "DATE", "TIME", "VARCHAR", "VARIANT"),
}


IMPOSSIBLE = 100


def distance(definition: Definition, given: Sequence[str | None]) -> float:
    """How far the declared types are from those given; IMPOSSIBLE or more where one does not convert."""
    total = 0.0
    for wanted, kind in zip(definition.arguments, given, strict=False):
        declared = DataType.parse(wanted.type).name
        declared = "NUMBER" if declared == "INT" else declared
        if kind is None or kind not in _CONVERSIONS:
            total += 0.5
        elif kind != declared:
            order = _CONVERSIONS[kind]
            total += order.index(declared) + 1 if declared in order else IMPOSSIBLE
    return total


def closest(fitting: list[Definition], given: Sequence[str | None], name: tuple[str, ...]) -> Definition:
    """The overload whose types are nearest to those given."""
    ranked = sorted(fitting, key=lambda definition: distance(definition, given))
    if distance(ranked[0], given) == distance(ranked[1], given):
        raise errors.UnsupportedError(
            f"telling overloads apart by types that are not known here ({name[-1]})", "Cast the arguments"
        )
    return ranked[0]
