"""Types and expressions as error messages show them; a type has all its parameters, as on Snowflake."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.types import MAX_BINARY, MAX_VARCHAR
from snowpipe_ml.local.translate.types import (
    BINARIES,
    DECIMALS,
    FLOATS,
    INTEGERS,
    MOMENTS,
    TEXTS,
    T,
    kind,
    precision_of,
    scale_of,
    vector_type_of,
)

_CLOCKS = {
    T.TIMESTAMP: "TIMESTAMP_NTZ",
    T.DATETIME: "TIMESTAMP_NTZ",
    T.TIMESTAMPNTZ: "TIMESTAMP_NTZ",
    T.TIMESTAMPLTZ: "TIMESTAMP_LTZ",
    T.TIMESTAMPTZ: "TIMESTAMP_TZ",
}
_COLLECTIONS = {T.STRUCT: "OBJECT", T.MAP: "MAP", T.JSON: "VARIANT"}


def type_name(node: exp.Expr, found: exp.DType | None = None) -> str:
    """Return the type of an annotated expression, such as ``VARCHAR(3)`` or ``NUMBER(38,0)``.

    Args:
        node: the expression.
        found: its type, if it is known from elsewhere.
    """
    found = found or kind(node)
    value = node.unnest()
    if found is None:
        return "NULL" if isinstance(value, exp.Null) else "?"
    if found in TEXTS:
        return f"VARCHAR({len(value.name) if isinstance(value, exp.Literal) else _size(value, MAX_VARCHAR)})"
    if found in INTEGERS | DECIMALS:
        precision, scale = precision_of(value), scale_of(value)
        return f"NUMBER({38 if precision is None else precision},{scale or 0})"
    if found in FLOATS:
        return "FLOAT"
    if found in BINARIES:
        return f"BINARY({_size(value, MAX_BINARY)})"
    if found in MOMENTS - {T.DATE}:
        return f"{_CLOCKS.get(found, found.value)}({_size(value, 9)})"
    vector = vector_type_of(value)
    if vector is not None:
        return "VECTOR({}, {})".format(*vector)
    return _COLLECTIONS.get(found, found.value)


def as_written(node: exp.Expr) -> str:
    """Return an expression for a message; a column without the quotes of its stored name."""
    return node.name if isinstance(node, exp.Column) else node.sql(dialect="snowflake")


def _size(node: exp.Expr, default: int) -> int:
    type_ = node.to if isinstance(node, exp.Cast | exp.TryCast) else node.type
    given = type_.expressions[0].name if type_ is not None and type_.expressions else ""
    return int(given) if given.isdigit() else default


def wrong_type(function: str, *arguments: exp.Expr) -> Exception:
    """Make the error for arguments of types that a function does not take."""
    shown = ", ".join(map(type_name, arguments))
    return errors.error(
        1044, "42P13", f"SQL compilation error:\nInvalid argument types for function '{function}': ({shown})"
    )
