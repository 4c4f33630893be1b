"""Conversion functions: to text, numbers, dates, times, timestamps, booleans and binary values.

https://docs.snowflake.com/en/sql-reference/functions-conversion
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.number_formats import models
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.time_formats import is_auto
from snowpipe_ml.local.translate.casts import cast
from snowpipe_ml.local.translate.conversions import as_text, of_epoch, text_of, to_moment
from snowpipe_ml.local.translate.expressions import builtin, macro
from snowpipe_ml.local.translate.functions.formats import read_by_format, written_by_format
from snowpipe_ml.local.translate.moments import LTZ, NTZ, TZ, checked, function_of, typed
from snowpipe_ml.local.translate.registry import same_in_duckdb, scalar_function
from snowpipe_ml.local.translate.signatures import Kind, converted
from snowpipe_ml.local.translate.type_names import wrong_type
from snowpipe_ml.local.translate.types import (
    BINARIES,
    DECIMALS,
    FLOATS,
    INTEGERS,
    MOMENTS,
    TEXTS,
    VARIANTS,
    T,
    kind,
)

_NUMBERS = INTEGERS | DECIMALS | FLOATS
_MOMENTS = {
    "TO_DATE": T.DATE,
    "DATE": T.DATE,
    "TO_TIME": T.TIME,
    "TIME": T.TIME,
    "TO_TIMESTAMP": NTZ,
    "TO_TIMESTAMP_NTZ": NTZ,
    "TO_TIMESTAMP_LTZ": LTZ,
    "TO_TIMESTAMP_TZ": TZ,
}


def _constant(written: exp.Expr) -> str:
    if not written.is_string:
        raise errors.UnsupportedError("a format that is not a constant text")
    text: str = written.name
    return text


def _only_text(call: exp.Expr, value: exp.Expr) -> bool:
    """Return whether a call is of a function TRY_TO_..., which takes texts only.

    Raises:
        ProgrammingError: it is, and its argument is of another type.
    """
    trying = function_of(call).startswith("TRY_")
    if trying and kind(value) is not None and kind(value) not in TEXTS | VARIANTS:
        raise wrong_type(function_of(call), value)
    return trying


def _moment(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``TO_DATE(x [, 'format'])``, ``TO_TIMESTAMP(n, scale)`` and similar functions."""
    function = function_of(call)
    target = _MOMENTS[function.removeprefix("TRY_")]
    value, *rest = checked(call, 1, 2)
    trying = _only_text(call, value)
    if rest and rest[0].is_int and kind(value) in _NUMBERS:
        return typed(of_epoch(value, target, int(rest[0].name)), target)
    if rest and not (rest[0].is_string and is_auto(rest[0].name)):
        text = converted(value, Kind.TEXT)
        return typed(read_by_format(text, _constant(rest[0]), target, trying=trying), target)
    if isinstance(value.unnest(), exp.Null):
        return cast(exp.Cast(this=exp.Null(), to=exp.DataType(this=target)), session)
    return typed(to_moment(value, target, trying), target)


for _name, _target in _MOMENTS.items():
    scalar_function(_name, returns=_target)(_moment)
    if _name.startswith("TO_"):
        scalar_function(f"TRY_{_name}", returns=_target)(_moment)


@scalar_function("TO_CHAR", "TO_VARCHAR", returns=T.VARCHAR)
def _to_char(call: exp.Expr, session: Session) -> exp.Expr:
    value, *rest = checked(call, 1, 2)
    found = kind(value)
    if not rest or (rest[0].is_string and is_auto(rest[0].name) and found in MOMENTS):
        shown = as_text(value)
        return typed(text_of(value) if shown is value else shown, T.VARCHAR)
    if found in MOMENTS:
        return typed(written_by_format(value, _constant(rest[0]), found), T.VARCHAR)
    if found in BINARIES:
        return typed(_binary_text(value, _constant(rest[0])), T.VARCHAR)
    if found not in _NUMBERS:
        raise errors.UnsupportedError(
            "TO_CHAR with a format for an expression whose type is not known", "Cast it, as in x::DATE"
        )
    model = _constant(rest[0])
    alternatives = models(model)
    if len(alternatives) > 1 or (alternatives[0].minimal and found in FLOATS):
        raise errors.UnsupportedError(f"the format {model!r} for a number of this type")
    text = (
        builtin("format", exp.Literal.string("{:.12f}"), value.copy()) if found in FLOATS else text_of(value)
    )
    return typed(builtin("sf_native_write_number", text, exp.Literal.string(model)), T.VARCHAR)


def _binary_text(value: exp.Expr, how: str) -> exp.Expr:
    function = {"HEX": "hex", "BASE64": "to_base64", "UTF-8": "decode", "UTF8": "decode"}.get(how.upper())
    if function is None:
        raise errors.syntax(f"invalid value [{how}] for a binary format")
    return builtin(function, value.copy())


def _number_type(arguments: list[exp.Expr]) -> exp.DataType:
    """Return the type of ``TO_NUMBER(x [, 'format'] [, precision [, scale]])``."""
    sizes = [argument for argument in arguments[1:] if not argument.is_string]
    if any(not size.is_int for size in sizes):
        raise errors.UnsupportedError("a precision or scale of TO_NUMBER that is not a constant")
    precision, scale = ([int(size.name) for size in sizes] + [38, 0][len(sizes) :])[:2]
    return exp.DataType.build(f"DECIMAL({precision},{scale})")


@scalar_function(
    *(f"{trying}TO_{name}" for trying in ("", "TRY_") for name in ("NUMBER", "DECIMAL", "NUMERIC")),
    returns=_number_type,
)
def _to_number(call: exp.Expr, session: Session) -> exp.Expr:
    value, *rest = checked(call, 1, 4)
    trying = _only_text(call, value)
    target = _number_type(call.expressions)
    if rest and rest[0].is_string:
        value = _read(value, rest[0].name, trying)
    of = exp.TryCast if trying else exp.Cast
    return typed(cast(of(this=value.copy(), to=target.copy()), session), target)


def _read(value: exp.Expr, model: str, trying: bool) -> exp.Expr:
    models(model)
    text = builtin("sf_native_read_number", converted(value, Kind.TEXT), exp.Literal.string(model))
    if not trying:
        text = macro("sf_parsed_number", text, converted(value, Kind.TEXT), exp.Literal.string(model))
    return typed(text, T.VARCHAR)


@scalar_function("TO_DOUBLE", "TRY_TO_DOUBLE", returns=T.DOUBLE)
def _to_double(call: exp.Expr, session: Session) -> exp.Expr:
    value, *rest = checked(call, 1, 2)
    trying = _only_text(call, value)
    if kind(value) == T.BOOLEAN:
        raise wrong_type(call.name.upper(), value)
    if rest:
        value = _read(value, _constant(rest[0]), trying)
    of = exp.TryCast if trying else exp.Cast
    made = of(
        this=text_of(value) if kind(value) in VARIANTS else value.copy(), to=exp.DataType(this=T.DOUBLE)
    )
    return typed(cast(made, session), T.DOUBLE)


@scalar_function("TO_BOOLEAN", "TRY_TO_BOOLEAN", returns=T.BOOLEAN)
def _to_boolean(call: exp.Expr, session: Session) -> exp.Expr:
    (value,) = checked(call, 1, 1)
    of = exp.TryCast if _only_text(call, value) else exp.Cast
    made = of(
        this=text_of(value) if kind(value) in VARIANTS else value.copy(), to=exp.DataType(this=T.BOOLEAN)
    )
    return typed(cast(made, session), T.BOOLEAN)


@scalar_function("TO_BINARY", "TRY_TO_BINARY", returns=T.VARBINARY)
def _to_binary(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``TO_BINARY(x [, 'HEX' | 'UTF-8' | 'BASE64'])``."""
    value, *rest = checked(call, 1, 2)
    trying = _only_text(call, value)
    if kind(value) in BINARIES:
        return value.copy()
    how = _constant(rest[0]).upper().replace("-", "") if rest else "HEX"
    text = converted(value, Kind.TEXT)
    if how == "UTF8":
        return typed(builtin("encode", text), T.VARBINARY)
    if how not in ("HEX", "BASE64"):
        raise errors.syntax(f"invalid value [{how}] for a binary format")
    return typed(macro(f"sf_{'try_' if trying else ''}{how.lower()}_binary", text), T.VARBINARY)


same_in_duckdb("CAST", "TRY_CAST")
