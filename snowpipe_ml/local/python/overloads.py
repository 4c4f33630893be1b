"""Choose the overload of a function that a call refers to."""

from __future__ import annotations

from collections.abc import Sequence

from snowpipe_ml.local.catalog.functions import Definition
from snowpipe_ml.local.core import errors
from snowpipe_ml.sql import DataType

# For each type of an argument, the declared types that accept it: first the same type, then the types to
# which Snowflake casts it implicitly, in order of preference.
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
        "GEOGRAPHY",
        "GEOMETRY",
    ),
    "BOOLEAN": ("BOOLEAN", "VARIANT", "VARCHAR"),
    "DATE": ("DATE", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ", "VARCHAR", "VARIANT"),
    "GEOGRAPHY": ("GEOGRAPHY", "OBJECT", "VARIANT"),
    "GEOMETRY": ("GEOMETRY", "OBJECT", "VARIANT"),
    "TIMESTAMP_NTZ": ("TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ", "DATE", "TIME", "VARCHAR", "VARIANT"),
}


IMPOSSIBLE = 100


def distance(definition: Definition, given: Sequence[str | None]) -> float:
    """Return how far the declared types are from the given ones; IMPOSSIBLE or more if a cast is missing."""
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
    """Return the overload whose argument types are closest to the given ones."""
    ranked = sorted(fitting, key=lambda definition: distance(definition, given))
    if distance(ranked[0], given) == distance(ranked[1], given):
        raise errors.UnsupportedError(
            f"choosing an overload of {name[-1]} by arguments of unknown type", "Cast the arguments"
        )
    return ranked[0]
