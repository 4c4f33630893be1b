"""The precision and scale of NUMBERs that arithmetic and aggregates make.

https://docs.snowflake.com/en/sql-reference/operators-arithmetic
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from snowpipe_ml.local.translate.types import (
    DECIMALS,
    FLOATS,
    INTEGERS,
    T,
    kind,
    number_type,
    precision_of,
    scale_of,
)

ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)


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
    return number_type(sum(result), result[1]) if result[1] else None


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
    """Return the scale of an aggregate of a NUMBER with a scale; AVG has fewer digits in a window."""
    factor, more = GROWTH[type(node)]
    if isinstance(node, exp.Avg) and isinstance(node.parent, exp.Window):
        more = 3
    return max(scale, min(factor * scale + more, 12 if more > 3 else 37))


def of_sum(node: exp.Expr) -> exp.DataType | None:
    """Return the type of a SUM; None if it is a whole number or not known."""
    found = digits(_argument(node))
    return number_type(38, found[1]) if found is not None and found[1] else None


def _argument(node: exp.Expr) -> exp.Expr:
    inner: exp.Expr = node.this
    if isinstance(inner, exp.Distinct) and len(inner.expressions) == 1:
        inner = inner.expressions[0]
    return inner


def _common(values: Iterable[exp.Expr | None]) -> exp.DataType | None:
    """Return the type that holds all of some NUMBERs; None if it is a whole number or not known."""
    found = [digits(value) for value in values if not isinstance(value, exp.Null)]
    if not found or None in found:
        return None
    known = [part for part in found if part is not None]
    before, scale = max(part[0] for part in known), max(part[1] for part in known)
    return number_type(before + scale, scale) if scale else None


def of_arguments(node: exp.Expr) -> exp.DataType | None:
    """Return the type that holds all arguments, as of COALESCE; None as for :func:`_common`."""
    return _common([node.this, *node.expressions])


def of_case(node: exp.Expr) -> exp.DataType | None:
    """Return the type of a CASE; None as for :func:`_common`."""
    branches = [branch.args["true"] for branch in node.args["ifs"]]
    default = node.args.get("default")
    return _common(branches if default is None else [*branches, default])


def of_if(node: exp.Expr) -> exp.DataType | None:
    """Return the type of an IFF; None as for :func:`_common`."""
    false = node.args.get("false")
    return _common([node.args["true"]] if false is None else [node.args["true"], false])
