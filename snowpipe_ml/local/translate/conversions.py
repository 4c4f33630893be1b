"""Convert values of any type to text, VARIANT, dates and times, as casts and functions do."""

from __future__ import annotations

from datetime import date

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError, error
from snowpipe_ml.local.core.types import MICROSECONDS
from snowpipe_ml.local.translate.expressions import builtin, called, macro, once, stored_cast
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

SHOWN = FLOATS | TIMESTAMPS | BINARIES | {T.DATE, T.TIME}
"""The types whose text on Snowflake is not that of DuckDB's cast."""
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
# The macros that read a text, by the type of the result.
READERS = {
    T.DATE: "date",
    T.TIME: "time",
    T.TIMESTAMP: "timestamp",
    T.TIMESTAMPNTZ: "timestamp",
    T.DATETIME: "timestamp",
    T.TIMESTAMPLTZ: "text_to_ltz",
    T.TIMESTAMPTZ: "text_to_tz",
}
FORMATTED = "snowpipe_formatted"
"""Marks a text in a session that has set an input format, in which the texts of dates are written then."""
_NUMBERS = INTEGERS | DECIMALS | FLOATS


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
    elif found == T.VECTOR:
        made = macro("sf_vector_variant", node.copy())
    elif found in (T.GEOGRAPHY, T.GEOMETRY):
        made = stored_cast(called("st_asgeojson", node.copy()), "JSON")
    else:
        made = once(_VARIANTS_OF.get(found, "sf_variant"), node)
    made.type = exp.DataType(this=T.VARIANT)
    return made


def may_be_variant(node: exp.Expr) -> bool:
    """Return whether an expression of an unknown type can hold a VARIANT."""
    return isinstance(
        node, exp.Column | exp.Func | exp.Subquery | exp.Parameter | exp.Bracket | exp.Dot | exp.Window
    )


def as_text(node: exp.Expr) -> exp.Expr:
    """Convert to text as Snowflake does, in the session's output formats: ``1``, ``2024-01-15 10:20:30.000``."""
    found = kind(node)
    if found in FLOATS:
        made = macro("sf_float_text", node.copy())
    elif found == T.TIMESTAMPTZ:
        made = once("sf_tz_text", node)
    elif found == T.TIMESTAMPLTZ:
        made = once("sf_ltz_text", once("sf_instant_to_tz", node))
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


def to_moment(value: exp.Expr, target: exp.DType, trying: bool = False) -> exp.Expr:
    """Convert a value to a date, time or timestamp, as a cast does.

    Raises:
        ProgrammingError: Snowflake has no such conversion.
    """
    source = kind(value)
    if source in VARIANTS and target in TIMESTAMPS - {T.TIMESTAMPLTZ, T.TIMESTAMPTZ} and not trying:
        return once("sf_variant_to_timestamp", stored_cast(value.copy(), "JSON"))
    if source in VARIANTS and target == T.TIME and not trying:
        return once("sf_variant_to_time", stored_cast(value.copy(), "JSON"))
    if source in VARIANTS:
        value, source = macro("sf_variant_clock", stored_cast(value.copy(), "JSON")), T.VARCHAR
    if source in TEXTS and _is_iso_date(value) and target in (T.DATE, *TIMESTAMPS - {T.TIMESTAMPTZ}):
        # DuckDB folds the cast of a literal, and can then decorrelate a subquery that contains it.
        stored = {T.DATE: "DATE", T.TIMESTAMPLTZ: "TIMESTAMPTZ"}.get(target, "TIMESTAMP")
        return stored_cast(value.copy(), stored)
    if source in TEXTS:
        return once(f"sf_{'try_' if trying else ''}{READERS[target]}", value)
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


def cut(value: exp.Expr, target: exp.DType, scale: int) -> exp.Expr:
    """Cut the fractions of seconds of a time or timestamp to so many digits."""
    name = {T.TIME: "time", T.TIMESTAMPLTZ: "ltz", T.TIMESTAMPTZ: "tz"}.get(target, "ntz")
    return macro(f"sf_cut_{name}", value, exp.Literal.number(10 ** (MICROSECONDS - scale)))


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
    """Return whether an expression is a literal in ISO format, such as ``'2024-01-31'``."""
    if not isinstance(node, exp.Literal) or len(node.name) != 10 or FORMATTED in node.meta:
        return False
    try:
        date.fromisoformat(node.name)
    except ValueError:
        return False
    return True


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
    made = once(name, node)
    made.type = exp.DataType(this=T.TIMESTAMPTZ)
    return made
