"""Translate types, casts, and the implicit casts in comparisons, concatenations and CASE."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError, error
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import TIMESTAMP_TZ
from snowpipe_ml.local.translate.types import (
    BINARIES,
    DECIMALS,
    FLOATS,
    INTEGERS,
    TEXTS,
    TIMESTAMPS,
    VARIANTS,
    T,
    kind,
)


def macro(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Make a call of a macro of :mod:`snowpipe_ml.local.core.macros`."""
    return builtin(f"_MACROS.main.{name}", *arguments)


_LIGHT = frozenset({"json_extract", "to_json", "json_array", "list_value", "_MACROS.main.sf_defined"})


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


def builtin(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Make a call of a DuckDB function.

    ``meta["ours"]`` marks calls that the translation has made: no rule translates them again, and the guard
    (guard.py) does not refuse them although Snowflake has no such function.
    """
    call = exp.Anonymous(this=name, expressions=list(arguments))
    call.meta["ours"] = True
    return call


def stored_cast(node: exp.Expr, duckdb: str) -> exp.Cast:
    """Make a cast to a DuckDB type; ``meta["stored"]`` marks a type that needs no further translation.

    sqlglot's own function leaves out a cast between two types that differ only in their precision.
    """
    to = exp.DataType.build(duckdb, dialect="duckdb")
    to.meta["stored"] = True
    return exp.Cast(this=node, to=to)


def text_of(node: exp.Expr) -> exp.Expr:
    """Convert a value to text; a VARIANT without the quotes of its JSON, which a cast would keep."""
    node = node.unnest()
    if isinstance(node, exp.JSONExtract) or kind(node) in VARIANTS:
        text = once("sf_variant_text", node.copy())
    elif kind(node) is None and may_be_variant(node):
        text = macro("sf_text", node.copy())
    else:
        return stored_cast(node.copy(), "TEXT")
    text.type = exp.DataType(this=T.VARCHAR)
    return text


def variant_of(node: exp.Expr) -> exp.Expr:
    """Convert a value to a VARIANT, which remembers the type of the value."""
    found = kind(node)
    inner = node.unnest()
    if found in VARIANTS or isinstance(inner, exp.JSONExtract):
        return node.copy()
    if isinstance(inner, exp.Null):
        made: exp.Expr = stored_cast(exp.Null(), "JSON")
    elif isinstance(inner, exp.Literal) and not inner.is_string and "E" in inner.name.upper():
        made = macro("sf_float_variant", node.copy())
    elif found in TEXTS | INTEGERS | {T.BOOLEAN}:
        made = builtin("to_json", node.copy())
    else:
        made = macro(_VARIANTS_OF.get(found, "sf_variant"), node.copy())
    made.type = exp.DataType(this=T.VARIANT)
    return made


_VARIANTS_OF: dict[exp.DType | None, str] = {
    **dict.fromkeys(DECIMALS, "sf_decimal_variant"),
    **dict.fromkeys(FLOATS, "sf_float_variant"),
    **dict.fromkeys((T.BINARY, T.VARBINARY, T.BLOB), "sf_binary_variant"),
    T.DATE: "sf_date_variant",
    T.TIME: "sf_time_variant",
    T.TIMESTAMP: "sf_ntz_variant",
    T.TIMESTAMPNTZ: "sf_ntz_variant",
    T.DATETIME: "sf_ntz_variant",
    T.TIMESTAMPLTZ: "sf_ltz_variant",
    T.TIMESTAMPTZ: "sf_tz_variant",
}


def may_be_variant(node: exp.Expr) -> bool:
    """Return whether an expression of an unknown type can hold a VARIANT."""
    return isinstance(
        node, exp.Column | exp.Func | exp.Subquery | exp.Parameter | exp.Bracket | exp.Dot | exp.Window
    )


# The macros that read a text, by the type of the result.
_READERS = {
    T.DATE: "date",
    T.TIME: "time",
    T.TIMESTAMP: "timestamp",
    T.TIMESTAMPNTZ: "timestamp",
    T.DATETIME: "timestamp",
    T.TIMESTAMPLTZ: "text_to_ltz",
    T.TIMESTAMPTZ: "text_to_tz",
}
_NUMBERS = INTEGERS | DECIMALS | FLOATS
_EXACT_SCALE = 15  # from which DuckDB's cast of a float writes wrong digits


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
    if target.this in _READERS:
        return _with_type(to_moment(node.this, target.this, trying), target.this)
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


def to_moment(value: exp.Expr, target: exp.DType, trying: bool = False) -> exp.Expr:
    """Convert a value to a date, time or timestamp, as a cast does.

    Raises:
        ProgrammingError: Snowflake has no such conversion.
    """
    source = kind(value)
    if source in VARIANTS and target in TIMESTAMPS - {T.TIMESTAMPLTZ, T.TIMESTAMPTZ} and not trying:
        return macro("sf_variant_to_timestamp", stored_cast(macro("sf_standard_json", value.copy()), "JSON"))
    if source in VARIANTS:
        value, source = text_of(value), T.VARCHAR
    if source in TEXTS and _is_iso_date(value) and target in (T.DATE, *TIMESTAMPS - {T.TIMESTAMPTZ}):
        # DuckDB folds the cast of a literal, and can then decorrelate a subquery that contains it.
        stored = {T.DATE: "DATE", T.TIMESTAMPLTZ: "TIMESTAMPTZ"}.get(target, "TIMESTAMP")
        return stored_cast(value.copy(), stored)
    if source in TEXTS:
        return macro(f"sf_{'try_' if trying else ''}{_READERS[target]}", value.copy())
    if source in _NUMBERS:
        return of_epoch(value, target, 0)
    if target == T.TIMESTAMPTZ:
        return to_tz(value)
    value = value.copy()
    if source == T.TIMESTAMPTZ:
        if target == T.TIMESTAMPLTZ:
            return macro("sf_tz_instant", value)
        value = macro("sf_tz_local", value)
    if target == T.TIME and source == T.TIMESTAMPLTZ:  # the time of day in the session's time zone
        value = stored_cast(value, "TIMESTAMP")
    return stored_cast(
        value, {T.DATE: "DATE", T.TIME: "TIME", T.TIMESTAMPLTZ: "TIMESTAMPTZ"}.get(target, "TIMESTAMP")
    )


def of_epoch(value: exp.Expr, target: exp.DType, scale: int) -> exp.Expr:
    """Convert a number since 1970 to a timestamp; a second has ``10 ** scale`` of its units.

    Raises:
        ProgrammingError: the target is not a timestamp.
    """
    if target not in TIMESTAMPS:
        raise error(
            1007,
            "22023",
            f"SQL compilation error:\ninvalid type [CAST({value.sql(dialect='snowflake')} AS {target.value})] "
            f"for parameter 'TO_{target.value}'",
        )
    if scale <= 6:
        made = macro("sf_epoch", value.copy(), exp.Literal.number(10 ** (6 - scale)))
    elif scale == 9:
        made = macro("sf_epoch_nanos", value.copy())
    else:
        raise UnsupportedError(f"a scale of {scale} of a timestamp")
    if target == T.TIMESTAMPLTZ:
        return builtin("timezone", exp.Literal.string("UTC"), made)
    return macro("sf_utc_to_tz", made) if target == T.TIMESTAMPTZ else made


def _is_iso_date(node: exp.Expr) -> bool:
    """Return whether an expression is a literal such as ``'2024-01-31'``, which needs no other format."""
    if not isinstance(node, exp.Literal) or len(node.name) != 10:
        return False
    try:
        date.fromisoformat(node.name)
    except ValueError:
        return False
    return True


_NAMES_OF_TYPES = {T.BIGINT: "FIXED", T.DECIMAL: "FIXED", T.DOUBLE: "REAL", T.BOOLEAN: "BOOLEAN"}


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
        case _:
            raise UnsupportedError(f"the type {node.sql(dialect='snowflake')}")
    mapped = exp.DataType.build(text, dialect="duckdb")
    mapped.meta["stored"] = True
    if text == TIMESTAMP_TZ:
        mapped.meta["kind"] = T.TIMESTAMPTZ
    return mapped


def to_tz(node: exp.Expr) -> exp.Expr:
    """Convert a value to TIMESTAMP_TZ: text with its own offset, other values in the session's time zone."""
    source = kind(node)
    if source == T.TIMESTAMPTZ:
        return node.copy()
    if source in TEXTS:
        name = "sf_text_to_tz"
    elif source == T.TIMESTAMPLTZ:
        name = "sf_instant_to_tz"
    elif source in TIMESTAMPS | {T.DATE}:
        name = "sf_local_to_tz"
    else:
        # Of unknown type: converted by way of its text, which has the offset if the value has one.
        name, node = "sf_text_to_tz", exp.cast(node.copy(), "TEXT", dialect="duckdb")
    made = macro(name, node.copy())
    made.type = exp.DataType(this=T.TIMESTAMPTZ)
    return made


def _from_tz(node: exp.Expr, mapped: exp.DataType) -> exp.Expr:
    value = node.this.copy()
    if mapped.this in TEXTS:
        return as_text(node.this)
    if mapped.this == T.TIMESTAMPTZ:
        return macro("sf_tz_instant", value)
    node.set("this", macro("sf_tz_local", value))
    node.set("to", mapped)
    return node


SHOWN = FLOATS | TIMESTAMPS | BINARIES | {T.DATE, T.TIME}
"""The types whose text on Snowflake is not that of DuckDB's cast."""


def as_text(node: exp.Expr) -> exp.Expr:
    """Convert to text as Snowflake does, in the session's output formats: ``1``, ``2024-01-15 10:20:30.000``."""
    found = kind(node)
    if found in FLOATS:
        made = macro("sf_float_text", node.copy())
    elif found == T.TIMESTAMPTZ:
        made = macro("sf_tz_text", node.copy())
    elif found == T.TIMESTAMPLTZ:
        made = macro("sf_ltz_text", macro("sf_instant_to_tz", node.copy()))
    elif found in TIMESTAMPS:
        made = macro("sf_ntz_text", node.copy())
    elif found == T.DATE:
        made = macro("sf_date_text", node.copy())
    elif found == T.TIME:
        made = macro("sf_time_text", node.copy())
    elif found in SHOWN:
        made = builtin("hex", node.copy())
    else:
        return node
    made.type = exp.DataType(this=T.VARCHAR)
    return made


def concatenation(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate a concatenation: ``'x' || 1::FLOAT`` is x1."""
    for part in list(node.iter_expressions()):
        if kind(part) in SHOWN - BINARIES:
            part.replace(as_text(part))
    return node


def comparison(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate a comparison: ``'1.4' = 1`` compares numbers; DuckDB would cast the text to an integer."""
    if isinstance(node, exp.EQ) and isinstance(node.parent, exp.Update):
        return node  # an assignment
    compare_moments(node, session)
    left, right = kind(node.this), kind(node.expression)
    numbers = INTEGERS | DECIMALS | FLOATS
    if left in TEXTS and right in numbers:
        node.set("this", exp.cast(node.this.copy(), "DOUBLE", dialect="duckdb"))
    elif right in TEXTS and left in numbers:
        node.set("expression", exp.cast(node.expression.copy(), "DOUBLE", dialect="duckdb"))
    return node


def compare_moments(node: exp.Expr, session: Session) -> exp.Expr:
    """Convert the texts that are compared with a date or time: by ``=`` and ``<``, BETWEEN and IN.

    TIMESTAMP_TZ values are compared by their instants.
    """
    sides = list(node.iter_expressions())
    kinds = {type_ for side in sides if (type_ := kind(side)) is not None}
    found = kinds & (TIMESTAMPS | {T.DATE, T.TIME})
    if T.TIMESTAMPTZ in found:
        for side in sides:
            side.replace(macro("sf_tz_utc", to_tz(side)))
    elif len(found) == 1 and kinds & TEXTS:
        for side in sides:
            if kind(side) in TEXTS:
                side.replace(to_moment(side, next(iter(found))))
    return node


def case_branches(node: exp.Expr, session: Session) -> exp.Expr:
    """Cast the text branches of a CASE that also has numeric branches to numbers.

    In ``CASE WHEN x THEN 'a' ELSE 1 END`` the cast fails, because 'a' is not a number.
    """
    branches = [branch.args["true"] for branch in node.args["ifs"]]
    if node.args.get("default") is not None:
        branches.append(node.args["default"])
    kinds = {kind(branch) for branch in branches}
    if kinds & TEXTS and kinds & (INTEGERS | DECIMALS | FLOATS):
        target = "DOUBLE" if kinds & (DECIMALS | FLOATS) else "BIGINT"
        for branch in branches:
            if kind(branch) in TEXTS:
                branch.replace(exp.cast(branch.copy(), target, dialect="duckdb"))
    return node
