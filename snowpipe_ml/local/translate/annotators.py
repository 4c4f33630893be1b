"""Additions to sqlglot's type inference: the types of Snowflake's calls, sums and NUMBERs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.optimizer.annotate_types import TypeAnnotator

from snowpipe_ml.local.translate.date_parts import TIME_UNITS, increments
from snowpipe_ml.local.translate.number_types import (
    ARITHMETIC,
    CHOICES,
    GROWTH,
    grown_scale,
    of_arithmetic,
    of_choice,
    of_first,
    of_literal,
    of_percentile,
    of_sum,
    of_values,
    type_of,
    united,
)
from snowpipe_ml.local.translate.registry import result_type
from snowpipe_ml.local.translate.types import (
    BINARIES,
    DECIMALS,
    INTEGERS,
    VARIANTS,
    T,
    kind,
    moment_kind,
    scale_of,
)

if TYPE_CHECKING:
    from sqlglot.typing import ExprMetadataType


def _annotate_call(annotator: TypeAnnotator, call: exp.Expr) -> None:
    assert isinstance(call, exp.Anonymous)
    annotator._set_type(call, result_type(call))


def _annotate_concatenation(annotator: TypeAnnotator, node: exp.Expr) -> None:
    binary = any(kind(side) in BINARIES for side in node.iter_expressions())
    annotator._set_type(node, T.VARBINARY if binary else T.VARCHAR)


def _annotate_number(annotator: TypeAnnotator, node: exp.Expr) -> None:
    """Annotate an arithmetic operator, which converts a VARIANT to a number."""
    if any(part.type is not None and part.type.this in VARIANTS for part in node.iter_expressions()):
        annotator._set_type(node, T.DOUBLE)
    else:
        _USUAL[type(node)](annotator, node)


_USUAL: dict[type[exp.Expr], Callable[[TypeAnnotator, exp.Expr], None]] = {
    of: Snowflake.EXPRESSION_METADATA[of]["annotator"]
    for of in (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg)
}


def _annotate_sum(annotator: TypeAnnotator, node: exp.Expr) -> None:
    assert isinstance(node, exp.Binary)
    found = _sum_kind(node.this, node.expression)
    if found is None:
        _annotate_number(annotator, node)
    else:
        annotator._set_type(node, found)


def _sum_kind(left: exp.Expr, right: exp.Expr) -> exp.DType | None:
    """Return the type of a sum or difference with a date or an interval; None if both are other types."""
    if isinstance(left.unnest(), exp.Interval):
        left, right = right, left
    interval, found = right.unnest(), moment_kind(left)
    if isinstance(interval, exp.Interval):
        timed = day_time(interval) or any(part in TIME_UNITS for _, part in increments(interval))
        return T.TIMESTAMPNTZ if found == T.DATE and timed else found
    kinds = kind(left), kind(right)
    if kinds == (T.DATE, T.DATE):
        return T.BIGINT
    return T.DATE if T.DATE in kinds else None


def day_time(interval: exp.Interval) -> bool:
    """Return whether an interval is written as ``'3' DAY``, whose sum with a DATE is a timestamp."""
    return bool(interval.meta.get("qualified")) and interval.text("unit").upper().rstrip("S") == "DAY"


def _annotate_growing(annotator: TypeAnnotator, node: exp.Expr) -> None:
    value = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    scale = scale_of(value)
    if kind(value) not in INTEGERS | DECIMALS:
        annotator._set_type(node, T.DOUBLE)
    elif scale is None:
        annotator._set_type(node, T.UNKNOWN)
    else:
        annotator._set_type(node, exp.DataType.build(f"DECIMAL(38, {grown_scale(node, scale)})"))


def _annotate_values(annotator: TypeAnnotator, node: exp.Expr) -> None:
    """Annotate the first row of VALUES, from which sqlglot takes the types of the columns, with those of all."""
    annotator._set_type(node, T.UNKNOWN)
    rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expressions]
    if len({len(row) for row in rows}) != 1:
        return
    for column in zip(*rows, strict=True):
        found = of_values(column)
        if found is not None:
            annotator._set_type(column[0], found)


_Columns: TypeAlias = dict[str, exp.DataType | exp.DType]


def _annotate_branches(annotator: TypeAnnotator, node: exp.Expr) -> None:
    """Annotate a set operation: sqlglot takes the digits of a NUMBER from one branch alone.

    sqlglot looks at all branches for each operation of a chain. Here the types of the left side, which are already
    known, are united with those of one branch.
    """
    assert isinstance(node, exp.SetOperation)
    annotator._set_type(node, T.UNKNOWN)
    if node.args.get("by_name"):
        return
    left, right = (_branch(annotator, side) for side in (node.this, node.expression))
    if not left or len(left) != len(right):
        return
    columns: _Columns = {}
    for (name, type_, plain), (_, other, plain_other) in zip(left, right, strict=True):
        columns[name] = united(type_, other) or annotator._maybe_coerce(plain, plain_other)
    if len(columns) == len(left):
        annotator._setop_column_types[id(node)] = columns


def _branch(
    annotator: TypeAnnotator, query: exp.Expr
) -> list[tuple[str, exp.DataType | None, exp.DataType | exp.DType]]:
    """List the name of each column of a branch, its type, None as for :func:`type_of`, and sqlglot's type."""
    query = query.unnest()
    if isinstance(query, exp.SetOperation):
        found: _Columns = annotator._get_setop_column_types(query)
        return [
            (name, type_ if isinstance(type_, exp.DataType) else exp.DataType(this=type_), type_)
            for name, type_ in found.items()
        ]
    if not isinstance(query, exp.Query):
        return []
    return [
        (output.alias_or_name, type_of(output.unalias()), output.type or T.UNKNOWN)
        for output in query.selects
    ]


# sqlglot knows only the types of the classes that it defines.
METADATA: ExprMetadataType = {
    **Snowflake.EXPRESSION_METADATA,
    exp.Anonymous: {"annotator": _annotate_call},
    exp.HexString: {"returns": T.VARBINARY},
    exp.DPipe: {"annotator": _annotate_concatenation},
    **{of: {"annotator": _annotate_growing} for of in GROWTH},
    exp.Add: {"annotator": _annotate_sum},
    exp.Sub: {"annotator": _annotate_sum},
    **{of: {"annotator": _annotate_number} for of in (exp.Mul, exp.Div, exp.Mod, exp.Neg)},
    exp.JSONExtract: {"returns": T.VARIANT},
    **{of: {"returns": T.OBJECT} for of in (exp.JSONObject, exp.StarMap)},
    exp.Values: {"annotator": _annotate_values},
    **{of: {"annotator": _annotate_branches} for of in (exp.Union, exp.Intersect, exp.Except)},
    **{of: {"returns": T.DOUBLE} for of in (exp.Corr, exp.CovarPop, exp.CovarSamp)},
}
Inferred = Callable[[exp.Expr], exp.DataType | None]


def _annotating(cls: type[exp.Expr], infer: Inferred) -> Callable[[TypeAnnotator, exp.Expr], None]:
    given = METADATA.get(cls, {"returns": T.UNKNOWN})

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
            (ARITHMETIC, of_arithmetic),
            ((exp.Sum,), of_sum),
            (CHOICES, of_choice),
            ((exp.Literal,), of_literal),
            ((exp.Nullif,), of_first),
            ((exp.WithinGroup,), of_percentile),
        )
        for cls in classes
    }
)
