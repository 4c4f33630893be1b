"""Bound values as literals and as columns, with the types that Snowflake's connector binds them as.

https://docs.snowflake.com/en/developer-guide/python-connector/python-connector-example#binding-data
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

import pyarrow as pa
from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.typed_values import TypedValue
from snowpipe_ml.local.core.values import Params
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.typed_values import typed_node
from snowpipe_ml.sql import Literal

_UNBOUND = object()
_TYPES = {
    "TIMESTAMP_LTZ": exp.DType.TIMESTAMPLTZ,
    "TIMESTAMP_TZ": exp.DType.TIMESTAMPTZ,
    "TIMESTAMP_NTZ": exp.DType.TIMESTAMP,
    "DATE": exp.DType.DATE,
    "TIME": exp.DType.TIME,
    "REAL": exp.DType.DOUBLE,
    "TEXT": exp.DType.VARCHAR,
}
_MIDNIGHT = dt.datetime(1970, 1, 1)


def bind(tree: exp.Expr, params: Params, *, describing: bool = False) -> None:
    """Replace the placeholders ``?``, ``:1`` and ``:name`` with the bound values, as literals.

    A query that is only described needs no values: they are texts then.

    Raises:
        ProgrammingError: a value is missing, or the connector cannot bind a value of its type.
    """
    if not params and describing:
        for placeholder in nodes(tree, exp.Placeholder):
            placeholder.replace(exp.cast(exp.Null(), "VARCHAR"))
        return
    named = params if isinstance(params, Mapping) else {}
    ordered = list(params.values() if isinstance(params, Mapping) else params or ())
    by_order = iter(ordered)
    for placeholder in nodes(tree, exp.Placeholder):
        name = placeholder.name
        if name.isdigit():
            value = ordered[int(name) - 1] if int(name) <= len(ordered) else _UNBOUND
        elif name and name != "?":
            value = named.get(name, _UNBOUND)
        else:
            value = next(by_order, _UNBOUND)
        if value is _UNBOUND:
            raise errors.error(2049, "42601", "SQL compilation error:\nBind variable ? not set.")
        placeholder.replace(literal(value))


def literal(value: object) -> exp.Expr:
    """Return a bound value as a constant of the type that the connector binds it as.

    Raises:
        ProgrammingError: the connector cannot bind a value of this type.
    """
    if isinstance(value, TypedValue):
        return typed_node(value)
    kind, plain = _bound(value)
    match plain:
        case None | bool():
            return exp.convert(plain)
        case float() if not math.isfinite(plain):
            return exp.cast(exp.Literal.string(repr(plain)), exp.DType.DOUBLE)
        case float():
            return exp.cast(exp.Literal.number(repr(plain)), exp.DType.DOUBLE)
        case bytes():
            return exp.HexString(this=plain.hex())
        case int() | Decimal():
            return exp.convert(plain) if isinstance(plain, int) else exp.Literal.number(format(plain, "f"))
        case str() if kind == "TEXT":
            return exp.Literal.string(plain)
        case _:
            return exp.cast(exp.Literal.string(str(plain)), _TYPES[kind])


def text(value: object) -> str:
    """Return a bound value as a constant in Snowflake's SQL, for statements that are read by tokens."""
    if isinstance(value, TypedValue):
        return value.literal
    if isinstance(value, list) or (isinstance(value, tuple) and not _is_typed(value)):
        return Literal(value).sql
    return literal(value).sql(dialect="snowflake")


def _is_typed(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)


def column(values: Sequence[object]) -> pa.Array:
    """Return the values of one parameter in many executions; values of several types are bound as texts.

    Raises:
        ProgrammingError: the connector cannot bind a value of this type.
    """
    bound = [_bound(value) for value in values]
    kinds = {kind for kind, value in bound if value is not None}
    plain = [value for _, value in bound]
    if not kinds:
        return pa.nulls(len(plain))
    if len(kinds) == 1 and not kinds & {"TIMESTAMP_LTZ", "TIMESTAMP_TZ"}:
        if kinds == {"FIXED"}:
            return _numbers(plain)
        return pa.array(plain)
    return pa.array([None if value is None else _text(value) for value in plain], pa.string())


def _numbers(values: Sequence[object]) -> pa.Array:
    """Return whole and decimal numbers as an array that keeps each of their digits."""
    try:
        if not any(isinstance(value, Decimal) for value in values):
            return pa.array(values, pa.int64())
        return pa.array(values)
    except (OverflowError, pa.ArrowInvalid):
        return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _bound(value: object) -> tuple[str, object]:
    """Return the name of the type that a value is bound as, and the value as a plain one of Python's.

    A pair is the name of a type and a value. A datetime without one is bound as TIMESTAMP_NTZ, in UTC if it
    has an offset.
    """
    given = ""
    if isinstance(value, tuple) and _is_typed(value):
        given, value = value[0].upper(), value[1]
    if hasattr(value, "item") and not isinstance(value, bytes):
        value = value.item()
    match value:
        case None:
            return "ANY", None
        case bool():
            return "BOOLEAN", value
        case int() | Decimal():
            return "FIXED", value
        case float():
            return "REAL", value
        case bytes() | bytearray():
            return "BINARY", bytes(value)
        case dt.datetime():
            return _moment(given, value)
        case dt.date():
            return "DATE", value
        case dt.time():
            return "TIME", value
        case dt.timedelta():
            return "TIME", (_MIDNIGHT + value).time()
        case str():
            return (given if given in _TYPES else "TEXT"), value
        case list() | tuple():
            return "TEXT", json.dumps(value)
    raise errors.error(
        252011,
        "",
        f"Python data type [{type(value).__name__.lower()}] cannot be automatically mapped to Snowflake data type. "
        "Specify the snowflake data type explicitly.",
    )


def _moment(given: str, value: dt.datetime) -> tuple[str, object]:
    if given in ("TIMESTAMP_TZ", "TIMESTAMP_LTZ"):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=dt.UTC)
        return given, aware.isoformat(sep=" ")
    if value.tzinfo is not None:
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
    return "TIMESTAMP_NTZ", value


def _text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Decimal():
            return format(value, "f")
        case bytes():
            return value.hex()
    return str(value)
