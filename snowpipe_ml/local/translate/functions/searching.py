"""Full-text search, and templates of texts.

https://docs.snowflake.com/en/user-guide/querying-with-search-functions
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors, searching
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.conversions import text_of
from snowpipe_ml.local.translate.expressions import builtin, called, stored_cast
from snowpipe_ml.local.translate.registry import scalar_function
from snowpipe_ml.local.translate.signatures import Kind, check_count, converted
from snowpipe_ml.local.translate.stars import is_star, named_columns
from snowpipe_ml.local.translate.types import DECIMALS, FLOATS, INTEGERS, TEXTS, VARIANTS, T, kind

assert searching.__name__  # it registers the functions in Python


def _texts(call: exp.Expr, data: exp.Expr) -> exp.Expr:
    """Return the searched texts as a list; columns of other types are omitted.

    Raises:
        ProgrammingError: none of them is a text or a VARIANT.
    """
    inner = data.unnest()
    if inner is not data and inner.type is None:
        inner.type = data.type  # only the argument itself is annotated
    items = inner.expressions if isinstance(inner, exp.Tuple) else [inner]
    columns = [each for item in items for each in (named_columns(call, item) if is_star(item) else [item])]
    texts = [c for c in columns if kind(c) in TEXTS | VARIANTS or isinstance(c, exp.JSONExtract)]
    if not texts:
        raise errors.error(
            1,
            "22023",
            f"SQL compilation error:\n{call.name.upper()} needs at least one column of type VARCHAR, VARIANT, ARRAY "
            "or OBJECT",
        )
    return builtin("list_value", *(stored_cast(text_of(text), "VARCHAR") for text in texts))


def _named(call: exp.Expr, rest: list[exp.Expr]) -> dict[str, str]:
    found = {}
    for argument in rest:
        if not isinstance(argument, exp.Kwarg) or not argument.expression.is_string:
            raise errors.syntax(f"{call.name.upper()} takes ANALYZER => '...' and SEARCH_MODE => '...'")
        found[argument.this.name.upper()] = argument.expression.name.upper()
    unknown = sorted(set(found) - {"ANALYZER", "SEARCH_MODE"})
    if unknown:
        raise errors.syntax(f"{call.name.upper()} has no argument {unknown[0]}")
    return found


def _wanted(call: exp.Expr) -> exp.Expr:
    wanted: exp.Expr = call.expressions[1]
    if isinstance(wanted, exp.Null):
        return stored_cast(wanted.copy(), "VARCHAR")
    if not wanted.is_string:
        raise errors.syntax(f"the search string of {call.name.upper()} must be a constant")
    return wanted.copy()


@scalar_function("SEARCH", returns=T.BOOLEAN)
def _search(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``SEARCH((a, b), 'terms' [, ANALYZER => 'x'] [, SEARCH_MODE => 'AND'])``."""
    check_count(call, 2, 4)
    named = _named(call, call.expressions[2:])
    analyzer, mode = named.get("ANALYZER", "DEFAULT_ANALYZER"), named.get("SEARCH_MODE", "OR")
    options = map(exp.Literal.string, (analyzer, mode))
    return called("search", _texts(call, call.expressions[0]), _wanted(call), *options)


@scalar_function("SEARCH_IP", returns=T.BOOLEAN)
def _search_ip(call: exp.Expr, session: Session) -> exp.Expr:
    check_count(call, 2, 2)
    return called("search_ip", _texts(call, call.expressions[0]), _wanted(call))


@scalar_function("FORMAT_STRING_TEMPLATE", returns=T.VARCHAR)
def _template(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``FORMAT_STRING_TEMPLATE('{} has {}', a, b)``."""
    check_count(call, 2, None)
    template, *values = call.expressions
    letters, given = "", []
    for value in values:
        found = kind(value)
        if found in INTEGERS | DECIMALS | FLOATS:
            letters += "I" if found in INTEGERS else "N"
            given.append(value.copy())
        else:
            letters += "T"
            given.append(stored_cast(converted(value, Kind.TEXT), "VARCHAR"))
    return called("format_template", converted(template, Kind.TEXT), exp.Literal.string(letters), *given)
