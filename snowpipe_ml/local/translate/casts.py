"""Translate explicit casts and the names of types."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError, compilation, error, syntax
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import MICROSECONDS, TIMESTAMP_TZ, to_duckdb
from snowpipe_ml.local.translate.assignments import is_refused
from snowpipe_ml.local.translate.conversions import (
    READERS,
    SHOWN,
    as_text,
    cut,
    may_be_variant,
    text_of,
    to_moment,
    variant_of,
)
from snowpipe_ml.local.translate.expressions import bound, builtin, macro, once, stored_cast
from snowpipe_ml.local.translate.shapes import SHAPES, from_shape, to_shape
from snowpipe_ml.local.translate.type_names import type_name
from snowpipe_ml.local.translate.types import FLOATS, INTEGERS, TEXTS, VARIANTS, T, kind
from snowpipe_ml.local.translate.vectors import no_cast, parsed_type, to_vector

ASSIGNED = "snowpipe_assigned"
"""Marks the cast of a value to the type of a new table's column, which is implicit; its value is the type."""
_EXACT_SCALE = 15  # from which DuckDB's cast of a float writes wrong digits
_NAMES_OF_TYPES = {T.BIGINT: "FIXED", T.DECIMAL: "FIXED", T.DOUBLE: "REAL", T.BOOLEAN: "BOOLEAN"}


def cast(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate a cast; a float is cast to an integer by rounding half away from zero.

    ``x::FLOAT`` -> ``CAST(x AS DOUBLE)``; ``2.5::FLOAT::INT`` is 3.

    https://docs.snowflake.com/en/sql-reference/functions/cast
    """
    target = node.args["to"]
    if target.meta.get("stored"):
        return node
    trying = isinstance(node, exp.TryCast)
    source = kind(node.this)
    if trying and source is not None and source not in TEXTS | VARIANTS:
        shown = source.value, target.sql(dialect="snowflake")
        raise error(
            1065,
            "22023",
            "SQL compilation error:\nFunction TRY_CAST cannot be used with arguments of types "
            f"{shown[0]} and {shown[1]}",
        )
    if ASSIGNED in node.meta and is_refused(source, str(node.meta[ASSIGNED]).partition("(")[0]):
        shown = type_name(node.this, source), str(node.meta[ASSIGNED])
        raise compilation(f"incompatible types: [{shown[0]}] and [{shown[1]}]")
    if target.this == T.VECTOR:
        return to_vector(node, trying)
    if target.this in SHAPES:
        return to_shape(node, trying)
    if source in SHAPES:
        return from_shape(node)
    if source == T.VECTOR and target.this != T.ARRAY:
        raise no_cast(source, target)
    if target.this in READERS:
        return _moment(node.this, target, trying)
    length = target.expressions[0].name if target.this in TEXTS and target.expressions else None
    if target.this in VARIANTS and not target.meta.get("stored"):
        return _semi_structured(node.this, target, session)
    mapped = data_type(target, session)
    if (source in VARIANTS or isinstance(node.this.unnest(), exp.JSONExtract)) and mapped.this != T.JSON:
        if mapped.this in _NAMES_OF_TYPES and not trying:
            return _from_variant(node.this, mapped)
        node.set("this", text_of(node.this))
        source = T.VARCHAR
    if source == T.TIMESTAMPTZ:
        return _from_tz(node, mapped)
    if source in TEXTS and mapped.this in (T.BIGINT, T.DECIMAL, T.DOUBLE):
        text = {True: "sf_float_number_text", False: "sf_checked_float"}
        if mapped.this != T.DOUBLE:
            text = {True: "sf_number_text", False: "sf_checked_number"}
        node.set("this", macro(text[trying], node.this.copy()))
    if source in FLOATS and mapped.this == T.BOOLEAN:
        return _with_type(once("sf_float_boolean", node.this), T.BOOLEAN)
    if source in TEXTS and mapped.this == T.BOOLEAN:
        return _with_type(macro("sf_try_boolean" if trying else "sf_boolean", node.this.copy()), T.BOOLEAN)
    if source in FLOATS and mapped.this == T.DECIMAL and int(mapped.expressions[1].name) >= _EXACT_SCALE:
        digits = exp.Literal.string(f"%.{mapped.expressions[1].name}f")  # all digits of the binary fraction
        node.set("this", builtin("printf", digits, node.this.copy()))
    if mapped.this == T.BIGINT and source not in INTEGERS | TEXTS | {T.BOOLEAN}:
        if source in FLOATS:
            node.set("this", exp.func("round", node.this.copy()))
        elif source is None or source in VARIANTS:
            inner = exp.TryCast if trying else exp.Cast
            node.set(
                "this", inner(this=node.this.copy(), to=exp.DataType.build("DECIMAL(38,0)", dialect="duckdb"))
            )
    if trying and mapped.this == T.BIGINT and source in TEXTS:
        # A number of more than 64 bits is an error then, and not NULL: see needs_wide_numbers.
        whole = exp.TryCast(this=node.this.copy(), to=exp.DataType.build("DECIMAL(38,0)", dialect="duckdb"))
        return stored_cast(whole, "BIGINT")
    if source in TEXTS and mapped.this in (T.VARBINARY, T.BINARY, T.BLOB):
        return macro("sf_try_hex_binary" if trying else "sf_hex_binary", node.this.copy())
    converted: exp.Expr = node
    node.set("to", mapped)
    if mapped.this in TEXTS and source in SHOWN:
        converted = as_text(node.this)
    elif mapped.this in TEXTS and source is None and may_be_variant(node.this):
        converted = text_of(node.this)
    if length is not None and int(length) < 16_777_216:
        name = "sf_try_fitting" if trying else "sf_fitting"
        converted = _with_type(macro(name, converted.copy(), exp.Literal.number(length)), T.VARCHAR)
    return converted


def _with_type(node: exp.Expr, type_: exp.DType) -> exp.Expr:
    node.type = exp.DataType(this=type_)
    return node


def _moment(value: exp.Expr, target: exp.DataType, trying: bool) -> exp.Expr:
    """Cast to a date, time or timestamp, and cut the fractions of seconds that the type does not keep.

    https://docs.snowflake.com/en/sql-reference/data-types-datetime
    """
    scale = int(target.expressions[0].name) if target.expressions else None
    if scale is None or scale > MICROSECONDS:
        return _with_type(to_moment(value, target.this, trying), target.this)
    if kind(value) in TEXTS:
        value = _with_type(macro("sf_no_nanos", value.copy()), T.VARCHAR)
    made = to_moment(value, target.this, trying)
    if scale < MICROSECONDS:
        made = cut(made, target.this, scale)
    return _with_type(made, target.this)


def _from_variant(node: exp.Expr, to: exp.DataType) -> exp.Expr:
    """Cast a VARIANT to a number or a truth value; the error names the value as a VARIANT."""
    kind_ = exp.Literal.string(_NAMES_OF_TYPES[to.this])

    def build(value: exp.Expr) -> exp.Expr:
        value = stored_cast(value, "JSON")
        tried = exp.TryCast(this=text_of(value), to=to.copy())
        return exp.Coalesce(this=tried, expressions=[macro("sf_null_or_fail", value.copy(), kind_)])

    made = bound([node], build)
    made.type = to.copy()
    return made


def _semi_structured(node: exp.Expr, to: exp.DataType, session: Session) -> exp.Expr:
    """Cast to VARIANT, OBJECT, ARRAY or MAP; the elements of a structured type are cast one by one."""
    value = variant_of(node)
    match to.this:
        case T.ARRAY:
            made = once("sf_to_array", value)
            if to.expressions:
                made = macro("sf_array", _each(macro("sf_items", made), _element(to.expressions[0], session)))
        case T.MAP:
            made = once("sf_to_object", value)
            if len(to.expressions) == 2:
                inner = _element(to.expressions[1], session)
                values = _each(builtin("json_extract", made.copy(), exp.Literal.string("$.*")), inner)
                made = macro("sf_object", builtin("json_keys", made), values, exp.true())
        case T.OBJECT | T.STRUCT:
            made = once("sf_to_object", value)
            if to.expressions:
                raise UnsupportedError(f"the type {to.sql(dialect='snowflake')}")
        case _:
            return value
    made.type = to.copy()
    return made


def _element(type_: exp.Expr, session: Session) -> exp.Expr:
    """Return the body of a lambda expression that casts its VARIANT ``_sf_x`` to a type."""
    variable = macro("sf_defined", stored_cast(exp.to_identifier("_sf_x"), "JSON"))
    variable.type = exp.DataType(this=T.VARIANT)
    converted = cast(exp.Cast(this=variable, to=type_.copy()), session)
    return variant_of(converted)


def _each(items: exp.Expr, body: exp.Expr) -> exp.Expr:
    return builtin("list_transform", items, exp.Lambda(this=body, expressions=[exp.to_identifier("_sf_x")]))


def data_type(node: exp.Expr, session: Session) -> exp.DataType:
    """Return the DuckDB type that stores a type: see :func:`snowpipe_ml.local.core.types.to_duckdb`."""
    assert isinstance(node, exp.DataType)
    if node.meta.get("stored"):
        return node
    match node.this:
        case T.INT | T.BIGINT | T.SMALLINT | T.TINYINT:
            text = "DECIMAL(38,0)" if session.wide_numbers else "BIGINT"
        case T.DECIMAL:
            if not all(p.name.isdecimal() for p in node.expressions):
                raise syntax(f"invalid precision or scale in {node.sql('snowflake')}")
            parameters = [int(p.name) for p in node.expressions]
            precision, scale = (parameters or [38, 0]) if len(parameters) != 1 else (parameters[0], 0)
            whole = scale == 0 and precision > 18 and not session.wide_numbers
            text = "BIGINT" if whole else f"DECIMAL({precision},{scale})"
        case T.FLOAT | T.DOUBLE:
            text = "DOUBLE"
        case T.TIMESTAMPTZ:
            text = TIMESTAMP_TZ
        case T.TIMESTAMPLTZ:
            text = "TIMESTAMPTZ"
        case T.TIMESTAMP | T.TIMESTAMPNTZ | T.DATETIME:
            text = "TIMESTAMP"
        case T.VARIANT | T.OBJECT | T.ARRAY | T.JSON | T.STRUCT | T.MAP:
            text = "JSON"
        case T.BINARY | T.VARBINARY:
            text = "BLOB"
        case T.TEXT | T.VARCHAR | T.CHAR | T.NVARCHAR | T.NCHAR:
            text = "TEXT"
        case T.BOOLEAN | T.DATE | T.TIME:
            text = node.this.value
        case T.VECTOR | T.GEOGRAPHY | T.GEOMETRY:
            text = to_duckdb(parsed_type(node))
        case _:
            raise UnsupportedError(f"the type {node.sql(dialect='snowflake')}")
    mapped = exp.DataType.build(text, dialect="duckdb")
    mapped.meta["stored"] = True
    if text == TIMESTAMP_TZ:
        mapped.meta["kind"] = T.TIMESTAMPTZ
    return mapped


def _from_tz(node: exp.Expr, mapped: exp.DataType) -> exp.Expr:
    value = node.this.copy()
    if mapped.this in TEXTS:
        return as_text(node.this)
    if mapped.this == T.TIMESTAMPTZ:
        return macro("sf_tz_instant", value)
    node.set("this", macro("sf_tz_local", value))
    node.set("to", mapped)
    return node
