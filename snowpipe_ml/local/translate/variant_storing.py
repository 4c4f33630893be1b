"""Store values in VARIANT columns: convert other types."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.conversions import variant_of
from snowpipe_ml.local.translate.outputs import outputs
from snowpipe_ml.local.translate.types import VARIANTS, kind


def store(tree: exp.Expr, session: Session) -> None:
    """Convert the values that an INSERT, UPDATE or MERGE assigns to VARIANT columns.

    DuckDB would read a text as JSON, and forget the types of dates.
    """
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if not isinstance(tree, exp.Insert | exp.Update | exp.Merge) or not isinstance(target, exp.Table):
        return
    kinds = {
        stored.name: stored.column.snowflake
        for stored in stored_columns(session, (target.catalog, target.db, target.name))
    }
    variants = {name for name, stored in kinds.items() if stored in ("VARIANT", "OBJECT", "ARRAY")}
    if not variants:
        return
    if isinstance(tree, exp.Insert):
        _convert_rows(tree, list(kinds), variants)
    whens = tree.args["whens"].expressions if isinstance(tree, exp.Merge) else []
    for action in (tree, *(when.args["then"] for when in whens)):
        if isinstance(action, exp.Update):
            for assignment in action.expressions:
                if assignment.this.name in variants:
                    _convert(assignment.expression)
        elif isinstance(action, exp.Insert) and isinstance(action.this, exp.Tuple):
            for column, value in zip(action.this.expressions, action.expression.expressions, strict=False):
                if column.name in variants:
                    _convert(value)


def _convert(value: exp.Expr) -> None:
    if kind(value) not in VARIANTS and not isinstance(value.unnest(), exp.JSONExtract | exp.Null | exp.Var):
        value.replace(variant_of(value))


def _convert_rows(tree: exp.Insert, columns: list[str], variants: set[str]) -> None:
    named = (
        [column.name for column in tree.this.expressions] if isinstance(tree.this, exp.Schema) else columns
    )
    rows = tree.expression
    if isinstance(rows, exp.Values):
        for row in rows.expressions:
            for name, value in zip(
                named, row.expressions if isinstance(row, exp.Tuple) else [row], strict=False
            ):
                if name in variants and not isinstance(value, exp.Column):  # DEFAULT
                    _convert(value)
        return
    shown = outputs(rows)
    if not isinstance(rows, exp.Query) or not shown:
        return
    kinds = [found for _, found in shown]
    if all(found in VARIANTS for name, found in zip(named, kinds, strict=False) if name in variants):
        return
    names = [exp.to_identifier(f"_sf_c{place}", quoted=True) for place in range(len(kinds))]
    values: list[exp.Expr] = []
    for place, found in enumerate(kinds):
        column = exp.column(names[place].copy())
        column.type = exp.DataType(this=found) if found is not None else None
        values.append(variant_of(column) if place < len(named) and named[place] in variants else column)
    alias = exp.TableAlias(this=exp.to_identifier("_sf_rows", quoted=True), columns=names)
    with_ = rows.args.get("with_")
    if with_ is not None:
        with_.pop()
    made = exp.select(*values).from_(exp.Subquery(this=rows.copy(), alias=alias))
    if with_ is not None:
        made.set("with_", with_)
    tree.set("expression", made)
