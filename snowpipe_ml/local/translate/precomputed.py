"""Compute expressions in the relation that a query reads, as further columns of it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp


def reads_one_relation(select: exp.Select) -> bool:
    """Return whether a query reads one relation and does not group its rows."""
    source = select.args.get("from_")
    if source is None or any(select.args.get(key) for key in ("joins", "laterals", "group", "having")):
        return False
    return not any(source.this.args.get(key) for key in ("joins", "laterals", "pivots", "sample"))


def precompute(select: exp.Select, columns: Mapping[str, exp.Expr], *, filtered: bool = False) -> None:
    """Add columns to the relation that a query reads; its stars do not show them.

    Args:
        select: a query that reads one relation.
        columns: the expressions by the names of the columns.
        filtered: whether the expressions depend on which rows the query selects.
    """
    relation = select.args["from_"].this
    inner = exp.select("*").from_(relation.copy())
    if filtered:
        inner.set("where", select.args.get("where"))
        select.set("where", None)
    for name, expression in columns.items():
        inner = inner.select(exp.alias_(expression, name, quoted=True), copy=False)
    alias = relation.alias_or_name
    made = exp.TableAlias(this=exp.to_identifier(alias, quoted=True)) if alias else None
    relation.replace(exp.Subquery(this=inner, alias=made))
    for shown in select.expressions:
        star = shown.this if isinstance(shown, exp.Column) else shown
        if isinstance(star, exp.Star):
            hidden = [exp.to_identifier(name, quoted=True) for name in columns]
            star.set("except_", [*(star.args.get("except_") or []), *hidden])
