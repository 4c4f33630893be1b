"""The known properties of a query's columns: their types, and the columns that ``*`` selects."""

from __future__ import annotations

from typing import TypeAlias

from sqlglot import exp

from snowpipe_ml.local.translate.expressions import stored_cast
from snowpipe_ml.local.translate.number_types import ARITHMETIC, of_arithmetic
from snowpipe_ml.local.translate.types import T

_OUTPUTS = "snowpipe_outputs"
_STAR = "snowpipe_star"
_STRUCTURES = "snowpipe_structures"
StarColumn: TypeAlias = tuple[str, str, exp.DataType | None]


def outputs(select: exp.Expr | None) -> list[tuple[str, exp.DType | None]]:
    """List the (name, type) of the columns of an annotated SELECT; empty if they are not known."""
    found: list[tuple[str, exp.DType | None]] = select.meta.get(_OUTPUTS, []) if select is not None else []
    return [] if any(isinstance(name, str) and name == "*" for name, _ in found) else found


def note_outputs(select: exp.Expr, shown: list[tuple[str, exp.DType | None]]) -> None:
    """Note the (name, type) of the columns of a SELECT on it."""
    select.meta[_OUTPUTS] = shown


def star_columns(node: exp.Expr) -> list[StarColumn] | None:
    """List the (table, name, type) of the columns that ``*`` selects; None if they are not known."""
    found: list[StarColumn] | None = node.meta.get(_STAR)
    return found


def note_star(node: exp.Expr, columns: list[StarColumn]) -> None:
    """Record on a node the columns that ``*`` in it selects."""
    node.meta[_STAR] = columns


def note_structures(tree: exp.Expr, kinds: list[exp.DType | None]) -> None:
    """Note on a translated query which of its columns are ARRAYs and OBJECTs."""
    names = {T.ARRAY: "ARRAY", T.OBJECT: "OBJECT", T.STRUCT: "OBJECT", T.MAP: "OBJECT"}
    tree.meta[_STRUCTURES] = tuple(names.get(found) if found is not None else None for found in kinds)


def structures(tree: exp.Expr) -> tuple[str | None, ...]:
    """List for each column of a translated query whether it is an ARRAY or an OBJECT; empty if it is not known."""
    found: tuple[str | None, ...] = tree.meta.get(_STRUCTURES, ())
    return found


def typed_outputs(tree: exp.Expr) -> list[tuple[exp.Expr, exp.DataType]]:
    """List the columns of a query that are arithmetic of NUMBERs with a scale, each with its type."""
    select = tree.expression if isinstance(tree, exp.Create) else tree
    if not isinstance(select, exp.Select) or select.args.get("distinct") is not None:
        return []
    found = [
        (column, of_arithmetic(column.this.unnest()))
        for column in select.expressions
        if isinstance(column, exp.Alias) and isinstance(column.this.unnest(), ARITHMETIC)
    ]
    return [(column, type_) for column, type_ in found if type_ is not None and type_.this == T.DECIMAL]


def set_precisions(outputs: list[tuple[exp.Expr, exp.DataType]]) -> None:
    """Cast columns to their types; DuckDB's arithmetic has other precisions."""
    for column, type_ in outputs:
        column.set("this", stored_cast(column.this, type_.sql(dialect="duckdb")))
