"""Translate the implicit casts in comparisons, concatenations, CASE and the like."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.conversions import SHOWN, as_text, to_moment, to_tz
from snowpipe_ml.local.translate.expressions import macro, stored_cast
from snowpipe_ml.local.translate.number_types import chosen, compared_by_decode, of_text
from snowpipe_ml.local.translate.type_names import wrong_type
from snowpipe_ml.local.translate.types import BINARIES, DECIMALS, FLOATS, INTEGERS, TEXTS, TIMESTAMPS, T, kind

_NUMBERS = INTEGERS | DECIMALS | FLOATS


def comparison(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate a comparison: ``'1.4' = 1`` compares numbers; DuckDB would cast the text to an integer."""
    if isinstance(node, exp.EQ) and isinstance(node.parent, exp.Update):
        return node  # an assignment
    compare_moments(node, session)
    left, right = kind(node.this), kind(node.expression)
    if left in TEXTS and right in _NUMBERS:
        node.set("this", _as_double(node.this))
    elif right in TEXTS and left in _NUMBERS:
        node.set("expression", _as_double(node.expression))
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


def concatenation(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate a concatenation: ``'x' || 1::FLOAT`` is x1.

    https://docs.snowflake.com/en/sql-reference/data-types-logical

    Raises:
        ProgrammingError: an operand of ``||`` is a computed BOOLEAN, such as a comparison.
    """
    if isinstance(node, exp.DPipe):
        operands = [node.this, node.expression]
        if any(isinstance(each.unnest(), exp.Predicate | exp.Connector | exp.Not) for each in operands):
            raise wrong_type("||", *operands)
    for part in list(node.iter_expressions()):
        if kind(part) in SHOWN - BINARIES:
            part.replace(as_text(part))
    return node


def choice(node: exp.Expr, session: Session) -> exp.Expr:
    """Cast the texts among the values of CASE, COALESCE, IFF, NVL2, DECODE, GREATEST and LEAST to the type of the others.

    In ``CASE WHEN x THEN 'a' ELSE 1 END`` the cast fails, because 'a' is not a number.
    """
    if isinstance(node, exp.If) and isinstance(node.parent, exp.Case):
        return node  # a branch of it
    if isinstance(node, exp.DecodeCase):
        _cast_texts(compared_by_decode(node), to_numbers=_as_double)
    elif isinstance(node, exp.Case) and node.args.get("this") is not None:
        _cast_texts([node.this, *(branch.this for branch in node.args["ifs"])], to_numbers=_as_double)
    _cast_texts(chosen(node), to_numbers=_as_number)
    return node


def null_if(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``NULLIF('1.5', 2)``: the numbers are compared, and the text is returned."""
    kinds = {kind(node.this), kind(node.expression)}
    if not (kinds & TEXTS and kinds & _NUMBERS):
        return node
    sides = [
        _as_double(side) if kind(side) in TEXTS else side.copy() for side in (node.this, node.expression)
    ]
    equal = exp.EQ(this=sides[0], expression=sides[1])
    return exp.Case(ifs=[exp.If(this=equal, true=exp.Null())], default=node.this.copy())


def membership(node: exp.Expr, session: Session) -> exp.Expr:
    """Convert the texts among the sides of BETWEEN and IN: ``'1.5' IN (2)`` compares numbers, dates and times likewise."""
    compare_moments(node, session)
    sides = [side for side in node.iter_expressions() if not isinstance(side, exp.Query)]
    query = node.args.get("query")
    outputs = (
        query.unnest().expressions
        if isinstance(query, exp.Expr) and len(query.unnest().expressions) == 1
        else []
    )
    kinds = {kind(side) for side in [*sides, *(output.unalias() for output in outputs)]}
    if kinds & _NUMBERS:
        for side in sides:
            if kind(side) in TEXTS:
                side.replace(_as_double(side))
    return node


def _cast_texts(values: list[exp.Expr], *, to_numbers: Callable[[exp.Expr, bool], exp.Expr]) -> None:
    kinds = {kind(value) for value in values}
    texts = [value for value in values if kind(value) in TEXTS]
    if kinds & _NUMBERS:
        for value in texts:
            value.replace(to_numbers(value, bool(kinds & FLOATS)))
        return
    others = kinds - TEXTS - {None}
    if texts and len(others) == 1 and others <= TIMESTAMPS | {T.DATE, T.TIME, T.BOOLEAN}:
        (found,) = others
        for value in texts:
            plain = stored_cast(value.copy(), "BOOLEAN")
            value.replace(plain if found == T.BOOLEAN or found is None else to_moment(value, found))


def _as_double(text: exp.Expr, with_floats: bool = True) -> exp.Expr:
    return stored_cast(text.copy(), "DOUBLE")


def _as_number(text: exp.Expr, with_floats: bool) -> exp.Expr:
    """Cast a text among numbers to the type that :func:`of_text` gives it."""
    if with_floats:
        return _as_double(text)
    precision, scale = of_text(text)
    return stored_cast(text.copy(), f"DECIMAL({precision},{scale})" if scale or precision > 18 else "BIGINT")


def number_operands(node: exp.Expr, session: Session) -> exp.Expr:
    """Cast the texts in ``-'3'`` and ``BOOLAND('1', 0)`` to numbers."""
    for operand in list(node.iter_expressions()):
        if kind(operand) in TEXTS:
            operand.replace(stored_cast(operand.copy(), "DOUBLE"))
    return node
