"""Make DuckDB's expressions: calls of functions and macros, and casts that need no further translation."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from sqlglot import exp

from snowpipe_ml.local.core.calls import CALLED
from snowpipe_ml.local.syntax.trees import copied

_LIGHT = frozenset({"json_extract", "to_json", "json_array", "list_value", "_MACROS.main.sf_defined"})


def macro(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Make a call of a macro of :mod:`snowpipe_ml.local.core.macros`."""
    return builtin(f"_MACROS.main.{name}", *arguments)


def builtin(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Make a call of a DuckDB function.

    ``meta["ours"]`` marks calls that the translation has made: no rule translates them again, and the guard
    (guard.py) does not refuse them although Snowflake has no such function.
    """
    call = exp.Anonymous(this=name, expressions=list(arguments))
    call.meta["ours"] = True
    return call


def called(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Make a call of a function in Python: see :mod:`snowpipe_ml.local.core.calls`."""
    return builtin(f"sf_call_{CALLED[name].returns}", exp.Literal.string(name), *arguments)


def stored_cast(node: exp.Expr, duckdb: str) -> exp.Cast:
    """Make a cast to a DuckDB type; ``meta["stored"]`` marks a type that needs no further translation.

    sqlglot's own function leaves out a cast between two types that differ only in their precision.
    """
    return exp.Cast(this=node, to=copied(_stored_type(duckdb)))


@lru_cache(maxsize=1000)
def _stored_type(duckdb: str) -> exp.DataType:
    to = exp.DataType.build(duckdb, dialect="duckdb")
    to.meta["stored"] = True
    return to


def bound(values: list[exp.Expr], build: Callable[..., exp.Expr]) -> exp.Expr:
    """Build an expression of values that are computed only once.

    A macro repeats its arguments: nested calls would grow exponentially. So arguments that are themselves
    calls become fields of a struct, the element of a list that a lambda expression transforms.
    """
    if not any(_is_heavy(value) for value in values):
        return build(*(value.copy() for value in values))
    variable = exp.to_identifier("_sf_r")
    fields: list[exp.Expr] = []
    packed: list[exp.Expr] = []
    for place, value in enumerate(values):
        name = f"f{place}"
        packed.append(exp.PropertyEQ(this=exp.to_identifier(name), expression=value.copy()))
        field = builtin("struct_extract", variable.copy(), exp.Literal.string(name))
        field.type = value.type
        fields.append(field)
    body = build(*fields)
    rows = builtin("list_value", builtin("struct_pack", *packed))
    made = builtin(
        "list_extract",
        builtin("list_transform", rows, exp.Lambda(this=body, expressions=[variable])),
        exp.Literal.number(1),
    )
    made.type = body.type
    return made


def once(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Make a call of a macro that repeats its arguments, so that these are computed only once."""
    return bound(list(arguments), lambda *values: macro(name, *values))


def _is_heavy(value: exp.Expr) -> bool:
    return any(
        isinstance(node, exp.Query)
        or (isinstance(node, exp.Anonymous) and node.meta.get("ours") and node.name not in _LIGHT)
        for node in value.walk()
    )
