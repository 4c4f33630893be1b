"""The precision and scale of NUMBERs that arithmetic and aggregates make.

https://docs.snowflake.com/en/sql-reference/operators-arithmetic
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlglot import exp

from snowpipe_ml.local.translate.types import (
    DECIMALS,
    FLOATS,
    INTEGERS,
    TEXTS,
    VARIANTS,
    T,
    is_decimal,
    kind,
    number_type,
    precision_of,
    scale_of,
)

ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)
CHOICES = (exp.Case, exp.Coalesce, exp.DecodeCase, exp.Greatest, exp.If, exp.Least, exp.Nvl2)
"""Expressions that return one of several values, which get a common type."""

_DECIMAL = re.compile(r"\s*[+-]?(\d+)(?:\.(\d*))?\s*")


def digits(node: exp.Expr | None) -> tuple[int, int] | None:
    """Return the digits before and after the point of a NUMBER; None if they are not known."""
    if kind(node) not in INTEGERS | DECIMALS:
        return None
    scale, precision = scale_of(node), precision_of(node)
    return (precision - scale, scale) if scale is not None and precision is not None else None


def of_arithmetic(node: exp.Expr) -> exp.DataType | None:
    """Return the type of an arithmetic operation; None if it is a whole number or not known."""
    kinds = {kind(node.this), kind(node.expression)}
    if FLOATS & kinds and kinds <= FLOATS | INTEGERS | DECIMALS | {None}:
        return exp.DataType(this=T.DOUBLE)
    left, right = digits(node.this), digits(node.expression)
    if left is None or right is None:
        return None
    (before, scale), (other_before, other_scale) = left, right
    match node:
        case exp.Div():
            result = (before + other_scale, quotient_scale(scale))
        case exp.Mul():
            result = (before + other_before, min(scale + other_scale, max(scale, other_scale, 12)))
        case exp.Mod():
            result = (max(before, other_before), max(scale, other_scale))
        case _:
            result = (max(before, other_before) + 1, max(scale, other_scale))
    # A DECIMAL without digits after the point, such as that of FLOOR, stays one: DuckDB does not make it a BIGINT.
    return number_type(sum(result), result[1]) if result[1] or kinds & DECIMALS else None


def quotient_scale(scale: int) -> int:
    """Return the scale of a quotient: six more digits than the dividend has, at most twelve."""
    return max(scale, min(scale + 6, 12))


# The aggregates of a NUMBER whose scale grows: by what it is multiplied, and what is added.
GROWTH: dict[type[exp.Expr], tuple[int, int]] = {
    exp.Avg: (1, 6),
    exp.Kurtosis: (0, 12),
    exp.Median: (1, 3),
    exp.Variance: (2, 6),
    exp.VariancePop: (2, 6),
}


def grown_scale(node: exp.Expr, scale: int) -> int:
    """Return the scale of an aggregate of a NUMBER with a scale; AVG has fewer digits in most windows."""
    factor, more = GROWTH[type(node)]
    if isinstance(node, exp.Avg) and has_short_average(node):
        more = 3
    return max(scale, min(factor * scale + more, 12 if more > 3 else 37))


def has_short_average(node: exp.Expr) -> bool:
    """Return whether AVG is a window function, but not a running one: of an ORDER BY without a frame."""
    window = node.parent
    return isinstance(window, exp.Window) and not (window.args.get("order") and not window.args.get("spec"))


def of_sum(node: exp.Expr) -> exp.DataType | None:
    """Return the type of a SUM; None if it is a whole number or not known."""
    argument = _argument(node)
    if kind(argument) in TEXTS | VARIANTS:
        return exp.DataType(this=T.DOUBLE)
    found = digits(argument)
    return number_type(38, found[1]) if found is not None and found[1] else None


def _argument(node: exp.Expr) -> exp.Expr:
    inner: exp.Expr = node.this
    if isinstance(inner, exp.Distinct) and len(inner.expressions) == 1:
        inner = inner.expressions[0]
    return inner


def common(types: Iterable[exp.DataType | None]) -> exp.DataType | None:
    """Return the type that holds all of some numbers: FLOAT if one is, or the digits before and after the point.

    None if a type is not known, if one is not a number, or if all are whole numbers.
    """
    found = [type_ for type_ in types if type_ is None or type_.this != T.NULL]
    kinds = {type_.this if type_ is not None else None for type_ in found}
    if not found or not kinds <= INTEGERS | DECIMALS | FLOATS:
        return None
    if kinds & FLOATS:
        return exp.DataType(this=T.DOUBLE)
    parts = [_digits_of(type_) for type_ in found if type_ is not None]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return exp.DataType(this=T.UNKNOWN)
    before, scale = max(part[0] for part in known), max(part[1] for part in known)
    return number_type(before + scale, scale) if scale else None


def united(one: exp.DataType | None, other: exp.DataType | None) -> exp.DataType | None:
    """Return the type of a column of a set operation; None as for :func:`common`.

    A text united with a NUMBER becomes a NUMBER(18, 5), with a FLOAT a FLOAT.

    https://docs.snowflake.com/en/sql-reference/data-type-conversion
    """
    kinds = {type_.this for type_ in (one, other) if type_ is not None}
    if kinds & TEXTS and kinds & (INTEGERS | DECIMALS | FLOATS):
        converted = exp.DataType(this=T.DOUBLE) if kinds & FLOATS else number_type(18, 5)
        one, other = (
            converted if type_ is not None and type_.this in TEXTS else type_ for type_ in (one, other)
        )
    return common([one, other])


def _digits_of(type_: exp.DataType) -> tuple[int, int] | None:
    return digits(exp.Cast(this=exp.Null(), to=type_))


def type_of(node: exp.Expr) -> exp.DataType | None:
    """Return the type of an annotated node, with the digits of a constant; None if it is not known."""
    found = kind(node)
    if found is None:
        return exp.DataType(this=T.NULL) if isinstance(node.unnest(), exp.Null) else None
    part = digits(node)
    if part is not None and (found in DECIMALS or is_decimal(node)):
        return number_type(sum(part), part[1])
    return exp.DataType(this=found)


def of_text(text: exp.Expr) -> tuple[int, int]:
    """Return the precision and scale of a text among numbers: those of a constant, or else those of NUMBER(18, 5).

    https://docs.snowflake.com/en/sql-reference/functions/coalesce
    """
    constant = text.unnest()
    found = _DECIMAL.fullmatch(constant.name) if isinstance(constant, exp.Literal) else None
    if found is None:
        return 18, 5
    before, after = len(found[1].lstrip("0")), len(found[2] or "")
    return max(before + after, 1), after


def of_values(values: Iterable[exp.Expr]) -> exp.DataType | None:
    """Return the type that holds all of some values; a text among numbers becomes a number.

    None as for :func:`common`.
    """
    given = list(values)
    types = [type_of(value) for value in given]
    kinds = {type_.this for type_ in types if type_ is not None}
    if kinds & TEXTS and kinds & (INTEGERS | DECIMALS | FLOATS):
        types = [
            type_
            if type_ is None or type_.this not in TEXTS
            else exp.DataType(this=T.DOUBLE)
            if kinds & FLOATS
            else number_type(*of_text(value))
            for type_, value in zip(types, given, strict=True)
        ]
    return common(types)


def chosen(node: exp.Expr) -> list[exp.Expr]:
    """Return the values of which CASE, COALESCE, IFF, NVL2, DECODE, GREATEST and LEAST return one."""
    match node:
        case exp.Case():
            default = node.args.get("default")
            return [branch.args["true"] for branch in node.args["ifs"]] + (
                [] if default is None else [default]
            )
        case exp.If() | exp.Nvl2():
            return [value for key in ("true", "false") if (value := node.args.get(key)) is not None]
        case exp.DecodeCase():
            cases = node.expressions[1:]
            return [*cases[1::2], *(cases[-1:] if len(cases) % 2 else [])]
    return [node.this, *node.expressions]


def compared_by_decode(node: exp.DecodeCase) -> list[exp.Expr]:
    """Return the values that ``DECODE(x, 1, a, 2, b, c)`` compares: x, 1 and 2."""
    cases = node.expressions[1:]
    return [node.expressions[0], *cases[: len(cases) // 2 * 2 : 2]]


def of_choice(node: exp.Expr) -> exp.DataType | None:
    """Return the type of CASE, COALESCE and the like; None as for :func:`common`."""
    return of_values(chosen(node))


def of_literal(node: exp.Expr) -> exp.DataType | None:
    """Return the type of ``1.50``, a NUMBER(3, 2), and of ``1e3``, a FLOAT; None of another constant."""
    return type_of(node) if kind(node) in DECIMALS | FLOATS else None


def of_first(node: exp.Expr) -> exp.DataType | None:
    """Return the type of the first argument, as of NULLIF."""
    return type_of(node.this)


def of_percentile(node: exp.Expr) -> exp.DataType | None:
    """Return the type of PERCENTILE_CONT, whose scale is that of its argument plus three; None of others."""
    if not isinstance(node.this, exp.PercentileCont):
        return None
    found = digits(node.expression.expressions[0].this)
    return exp.DataType(this=T.DOUBLE) if found is None else number_type(38, found[1] + 3)
