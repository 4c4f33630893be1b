"""Translate types, casts, and the implicit casts in comparisons, concatenations and CASE."""

from __future__ import annotations

from datetime import date

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError
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
    return builtin(f"memory.main.{name}", *arguments)


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
    if isinstance(node, exp.JSONExtract):
        text: exp.Expr = exp.JSONExtractScalar(this=node.this.copy(), expression=node.expression.copy())
    elif kind(node) in VARIANTS:
        text = builtin("json_extract_string", node.copy(), exp.Literal.string("$"))
    elif kind(node) is None and may_be_variant(node):
        text = macro("sf_text", node.copy())
    else:
        return stored_cast(node.copy(), "TEXT")
    text.type = exp.DataType(this=T.VARCHAR)
    return text


def may_be_variant(node: exp.Expr) -> bool:
    """Return whether an expression of an unknown type can hold a VARIANT."""
    return isinstance(
        node, exp.Column | exp.Func | exp.Subquery | exp.Parameter | exp.Bracket | exp.Dot | exp.Window
    )


def cast(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate a cast; a float is cast to an integer by rounding half away from zero.

    ``x::FLOAT`` -> ``CAST(x AS DOUBLE)``; ``2.5::FLOAT::INT`` is 3.
    """
    target = node.args["to"]
    source = kind(node.this)
    length = target.expressions[0].name if target.this in TEXTS and target.expressions else None
    mapped = data_type(target, session)
    if mapped.meta.get("kind") == T.TIMESTAMPTZ:
        return to_tz(node.this)
    if source == T.TIMESTAMPTZ:
        return _from_tz(node, mapped)
    if mapped.this == T.TIME and source == T.TIMESTAMPLTZ:  # the time of day in the session's time zone
        node.set("this", stored_cast(node.this.copy(), "TIMESTAMP"))
    if mapped.this == T.BIGINT and source not in INTEGERS | TEXTS | {T.BOOLEAN}:
        if source in FLOATS:
            node.set("this", exp.func("round", node.this.copy()))
        elif source is None or source in VARIANTS:
            inner = exp.TryCast if isinstance(node, exp.TryCast) else exp.Cast
            node.set(
                "this", inner(this=node.this.copy(), to=exp.DataType.build("DECIMAL(38,0)", dialect="duckdb"))
            )
    if isinstance(node, exp.TryCast) and mapped.this == T.BIGINT and source in TEXTS:
        # A number of more than 64 bits is an error then, and not NULL: see needs_wide_numbers.
        whole = exp.TryCast(this=node.this.copy(), to=exp.DataType.build("DECIMAL(38,0)", dialect="duckdb"))
        return stored_cast(whole, "BIGINT")
    if source in TEXTS and mapped.this in (T.VARBINARY, T.BINARY, T.BLOB) and not target.meta.get("stored"):
        return exp.func("unhex", node.this.copy())  # Snowflake parses a text as hexadecimal digits
    if (
        source in TEXTS
        and mapped.this in (T.TIMESTAMP, T.TIMESTAMPNTZ, T.DATE)
        and not target.meta.get("stored")
    ):
        if _is_iso_date(node.this):
            # DuckDB folds the cast of a literal, and can then decorrelate a subquery that contains it.
            return stored_cast(node.this.copy(), "DATE" if mapped.this == T.DATE else "TIMESTAMP")
        trying = "try_" if isinstance(node, exp.TryCast) else ""
        return macro(f"sf_{trying}{'date' if mapped.this == T.DATE else 'timestamp'}", node.this.copy())
    if mapped.this in TEXTS and length is None and source in SHOWN:
        return as_text(node.this)
    if mapped.this == T.JSON and source in TEXTS | INTEGERS | DECIMALS | FLOATS | {T.BOOLEAN}:
        return exp.func("to_json", node.this.copy())  # '1'::VARIANT is a text, not the number 1
    text: exp.Expr = node
    node.set("to", mapped)
    if mapped.this in TEXTS and (source in VARIANTS or (source is None and may_be_variant(node.this))):
        text = text_of(node.this)
    if length is not None and int(length) < 16_777_216:
        text = builtin("left", text.copy(), exp.Literal.number(length))
        text.type = exp.DataType(this=T.VARCHAR)
    return text


def _is_iso_date(node: exp.Expr) -> bool:
    """Return whether an expression is a literal such as ``'2024-01-31'``, which needs no other format."""
    if not isinstance(node, exp.Literal) or len(node.name) != 10:
        return False
    try:
        date.fromisoformat(node.name)
    except ValueError:
        return False
    return True


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


def to_binary(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``TO_BINARY(x [, 'HEX'|'UTF-8'|'BASE64'])``."""
    how = node.args["format"].name.upper() if node.args.get("format") is not None else "HEX"
    function = {"HEX": "unhex", "UTF-8": "encode", "UTF8": "encode", "BASE64": "from_base64"}.get(how)
    if function is None:
        raise UnsupportedError(f"TO_BINARY with the format {how}")
    return builtin(function, node.this.copy())


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
    if mapped.this == T.JSON:
        return exp.func("to_json", macro("sf_tz_text", value))
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
    left, right = kind(node.this), kind(node.expression)
    if T.TIMESTAMPTZ in (left, right):  # compares the instants
        for side in ("this", "expression"):
            node.set(side, macro("sf_tz_utc", to_tz(node.args[side])))
        return node
    numbers = INTEGERS | DECIMALS | FLOATS
    if left in TEXTS and right in numbers:
        node.set("this", exp.cast(node.this.copy(), "DOUBLE", dialect="duckdb"))
    elif right in TEXTS and left in numbers:
        node.set("expression", exp.cast(node.expression.copy(), "DOUBLE", dialect="duckdb"))
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
