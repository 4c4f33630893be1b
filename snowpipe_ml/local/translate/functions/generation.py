"""Functions that generate data, and HASH.

Their values are other ones than Snowflake's, which promises no certain ones.

https://docs.snowflake.com/en/sql-reference/functions-data-generation
"""

from __future__ import annotations

import itertools

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.expressions import builtin, macro
from snowpipe_ml.local.translate.registry import same_in_duckdb, scalar_function
from snowpipe_ml.local.translate.signatures import Kind, check_count, converted
from snowpipe_ml.local.translate.stars import expand_stars
from snowpipe_ml.local.translate.types import (
    DECIMALS,
    FLOATS,
    INTEGERS,
    TEXTS,
    VARIANTS,
    T,
    kind,
)

_MOST_VALUES = 1000
_NO_PLACE = (exp.Where, exp.Group, exp.Having, exp.AggFunc, exp.Window, exp.Join, exp.Order)

same_in_duckdb("SEQ1", "SEQ2", "SEQ4", "SEQ8")


@scalar_function("RANDOM", returns=T.BIGINT)
def random(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``RANDOM([seed])``: with the same seed a row has the same number, another row another one.

    Raises:
        UnsupportedError: there is a seed, but the call is not in the select list of a plain query, so the row
            has no number.
    """
    check_count(call, 0, 1)
    if not call.expressions:
        return macro("sf_random")
    inside = call.parent
    while inside is not None and not isinstance(inside, exp.Select):
        if isinstance(inside, _NO_PLACE):
            raise UnsupportedError("RANDOM with a seed in this place", "Call it in a select list")
        inside = inside.parent
    if not isinstance(inside, exp.Select) or _groups(inside):
        raise UnsupportedError("RANDOM with a seed in a query that groups its rows")
    place = exp.Window(this=exp.RowNumber())
    return macro("sf_seeded", converted(call.expressions[0], Kind.INTEGER), place)


def _groups(select: exp.Select) -> bool:
    if select.args.get("group") is not None or select.args.get("distinct") is not None:
        return True
    return any(part.find(exp.AggFunc) and not part.find(exp.Window) for part in select.expressions)


def _uniform_type(arguments: list[exp.Expr]) -> exp.DataType:
    whole = all(kind(bound) in INTEGERS for bound in arguments[:2])
    return exp.DataType(this=T.BIGINT if whole else T.DOUBLE)


@scalar_function("UNIFORM", returns=_uniform_type)
def uniform(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``UNIFORM(1, 10, RANDOM())``: for integer bounds an integer, with both bounds included."""
    check_count(call, 3, 3)
    low, high, generator = call.expressions
    if all(kind(bound) in INTEGERS for bound in (low, high)):
        return macro("sf_uniform_whole", low.copy(), high.copy(), generator.copy())
    return macro(
        "sf_uniform", converted(low, Kind.FLOAT), converted(high, Kind.FLOAT), converted(generator, Kind.ANY)
    )


@scalar_function("NORMAL", returns=T.DOUBLE)
def normal(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``NORMAL(mean, deviation, generator)``."""
    check_count(call, 3, 3)
    mean, deviation, generator = call.expressions
    return macro("sf_normal", converted(mean, Kind.FLOAT), converted(deviation, Kind.FLOAT), generator.copy())


@scalar_function("ZIPF", returns=T.BIGINT)
def zipf(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``ZIPF(exponent, values, generator)``, whose value k has a share of ``1 / k ** exponent``.

    Raises:
        UnsupportedError: the exponent or the number of values is not constant, or there are too many values.
    """
    check_count(call, 3, 3)
    exponent, count, generator = call.expressions
    if not (isinstance(exponent, exp.Literal) and isinstance(count, exp.Literal) and count.is_int):
        raise UnsupportedError("ZIPF with parameters that are not constant")
    if not 1 <= int(count.name) <= _MOST_VALUES:
        raise UnsupportedError(f"ZIPF of more than {_MOST_VALUES} values")
    weights = [n ** -float(exponent.name) for n in range(1, int(count.name) + 1)]
    shares = [total / sum(weights) for total in itertools.accumulate(weights[:-1])]
    values = [exp.Literal.number(f"{share!r}e0") for share in shares] or [exp.Literal.number("1e0")]
    return macro("sf_zipf", builtin("list_value", *values), generator.copy())


@scalar_function("RANDSTR", returns=T.VARCHAR)
def random_text(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``RANDSTR(10, RANDOM())``: the generator's value determines the text."""
    check_count(call, 2, 2)
    length, generator = call.expressions
    return macro("sf_randstr", converted(length, Kind.INTEGER), generator.copy())


@scalar_function("HASH", returns=T.BIGINT)
def hash_(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate HASH: equal numbers of any types have the same hash. The numbers are not Snowflake's.

    Raises:
        UnsupportedError: an argument is a VARIANT or a TIMESTAMP_TZ, or a star is not known.
    """
    check_count(call, 1, None)
    return macro("sf_hash", builtin("list_value", *map(hash_key, expand_stars(call))))


def hash_key(value: exp.Expr) -> exp.Expr:
    """Return the text from which the hash of a value is computed: equal numbers of any types have the same."""
    found = kind(value)
    if isinstance(value, exp.Null):
        return value.copy()
    if found in FLOATS:
        return macro("sf_float_key", value.copy())
    if found in INTEGERS | DECIMALS:
        return macro("sf_number_key", value.copy())
    if found in TEXTS:
        return macro("sf_text_key", value.copy())
    if found is None:
        return macro("sf_any_key", value.copy())
    if found in VARIANTS or found == T.TIMESTAMPTZ:
        raise UnsupportedError("HASH of a value of this type", "Cast it to a text or a number")
    return macro("sf_other_key", value.copy())
