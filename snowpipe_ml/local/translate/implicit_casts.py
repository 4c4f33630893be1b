"""Translate the implicit casts in comparisons, concatenations and CASE."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.conversions import SHOWN, as_text, to_moment, to_tz
from snowpipe_ml.local.translate.expressions import macro, stored_cast
from snowpipe_ml.local.translate.type_names import wrong_type
from snowpipe_ml.local.translate.types import BINARIES, DECIMALS, FLOATS, INTEGERS, TEXTS, TIMESTAMPS, T, kind


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


def greatest_values(node: exp.Expr, session: Session) -> exp.Expr:
    """Cast the texts among the numbers of ``GREATEST('1.5', 2)`` and LEAST to numbers.

    https://docs.snowflake.com/en/sql-reference/functions/greatest
    """
    values = list(node.iter_expressions())
    kinds = {kind(value) for value in values}
    if kinds & TEXTS and kinds & (INTEGERS | DECIMALS | FLOATS):
        for value in values:
            if kind(value) in TEXTS:
                value.replace(exp.cast(value.copy(), "DOUBLE", dialect="duckdb"))
    return node


def case_branches(node: exp.Expr, session: Session) -> exp.Expr:
    """Cast the texts among the values of a CASE or COALESCE to the type of the others.

    In ``CASE WHEN x THEN 'a' ELSE 1 END`` the cast fails, because 'a' is not a number.
    """
    if isinstance(node, exp.Case):
        branches = [branch.args["true"] for branch in node.args["ifs"]]
        if node.args.get("default") is not None:
            branches.append(node.args["default"])
    else:
        branches = list(node.iter_expressions())
    kinds = {kind(branch) for branch in branches}
    if kinds & TEXTS and kinds & (INTEGERS | DECIMALS | FLOATS):
        target = "DOUBLE" if kinds & (DECIMALS | FLOATS) else "BIGINT"
        for branch in branches:
            if kind(branch) in TEXTS:
                branch.replace(exp.cast(branch.copy(), target, dialect="duckdb"))
        return node
    others = kinds - TEXTS - {None}
    if kinds & TEXTS and len(others) == 1 and others <= TIMESTAMPS | {T.DATE, T.TIME, T.BOOLEAN}:
        (found,) = others
        for branch in branches:
            if kind(branch) in TEXTS:
                plain = stored_cast(branch.copy(), "BOOLEAN")
                branch.replace(plain if found == T.BOOLEAN or found is None else to_moment(branch, found))
    return node


def number_operands(node: exp.Expr, session: Session) -> exp.Expr:
    """Cast the texts in ``-'3'`` and ``BOOLAND('1', 0)`` to numbers."""
    for operand in list(node.iter_expressions()):
        if kind(operand) in TEXTS:
            operand.replace(stored_cast(operand.copy(), "DOUBLE"))
    return node
