"""The precision and scale of NUMBERs that arithmetic makes.

https://docs.snowflake.com/en/sql-reference/operators-arithmetic
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlglot import exp
from sqlglot.optimizer.annotate_types import TypeAnnotator

from snowpipe_ml.local.translate.casts import stored_cast
from snowpipe_ml.local.translate.types import (
    DECIMALS,
    FLOATS,
    INTEGERS,
    METADATA,
    T,
    kind,
    number_type,
    precision_of,
    scale_of,
)

_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)
Inferred = Callable[[exp.Expr], exp.DataType | None]


def digits(node: exp.Expr | None) -> tuple[int, int] | None:
    """Return the digits before and after the point of a NUMBER; None if they are not known."""
    if kind(node) not in INTEGERS | DECIMALS:
        return None
    scale, precision = scale_of(node), precision_of(node)
    return (precision - scale, scale) if scale is not None and precision is not None else None


def _of_arithmetic(node: exp.Expr) -> exp.DataType | None:
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


def _of_sum(node: exp.Expr) -> exp.DataType | None:
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


def _of_arguments(node: exp.Expr) -> exp.DataType | None:
    return _common([node.this, *node.expressions])


def _of_case(node: exp.Expr) -> exp.DataType | None:
    branches = [branch.args["true"] for branch in node.args["ifs"]]
    default = node.args.get("default")
    return _common(branches if default is None else [*branches, default])


def _of_if(node: exp.Expr) -> exp.DataType | None:
    false = node.args.get("false")
    return _common([node.args["true"]] if false is None else [node.args["true"], false])


def _annotating(cls: type[exp.Expr], infer: Inferred) -> Callable[[TypeAnnotator, exp.Expr], None]:
    given = METADATA[cls]

    def annotate(annotator: TypeAnnotator, node: exp.Expr) -> None:
        if "annotator" in given:
            given["annotator"](annotator, node)
        else:
            annotator._set_type(node, given["returns"])
        found = infer(node)
        if found is not None:
            annotator._set_type(node, found)

    return annotate


METADATA.update(
    {
        cls: {"annotator": _annotating(cls, infer)}
        for classes, infer in (
            (_ARITHMETIC, _of_arithmetic),
            ((exp.Sum,), _of_sum),
            ((exp.Coalesce, exp.Greatest, exp.Least), _of_arguments),
            ((exp.Case,), _of_case),
            ((exp.If,), _of_if),
        )
        for cls in classes
    }
)


def typed_outputs(tree: exp.Expr) -> list[tuple[exp.Expr, exp.DataType]]:
    """List the columns of a query that are arithmetic of NUMBERs with a scale, each with its type."""
    select = tree.expression if isinstance(tree, exp.Create) else tree
    if not isinstance(select, exp.Select) or select.args.get("distinct") is not None:
        return []
    found = [
        (column, _of_arithmetic(column.this.unnest()))
        for column in select.expressions
        if isinstance(column, exp.Alias) and isinstance(column.this.unnest(), _ARITHMETIC)
    ]
    return [(column, type_) for column, type_ in found if type_ is not None and type_.this == T.DECIMAL]


def set_precisions(outputs: list[tuple[exp.Expr, exp.DataType]]) -> None:
    """Cast columns to their types; DuckDB's arithmetic has other precisions."""
    for column, type_ in outputs:
        column.set("this", stored_cast(column.this, type_.sql(dialect="duckdb")))
