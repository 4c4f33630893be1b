"""Windows in a random order, such as ``ROW_NUMBER() OVER (PARTITION BY k ORDER BY RANDOM())``.

DuckDB orders no window by a random value. So the values are a column of the relation that the query reads.
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.syntax.trees import nodes

_RANDOM = ("RANDOM", "RANDSTR", "UNIFORM", "NORMAL", "ZIPF", "UUID_STRING")


def order_randomly(tree: exp.Expr) -> None:
    """Compute the random values by which windows are ordered before the windows.

    Raises:
        UnsupportedError: the query joins relations, or groups its rows.
    """
    for select in nodes(tree, exp.Select):
        found = [
            ordered
            for window in select.find_all(exp.Window)
            if window.parent_select is select and window.args.get("order") is not None
            for ordered in window.args["order"].expressions
            if _is_random(ordered.this)
        ]
        if found:
            _precompute(select, found)


def _is_random(node: exp.Expr) -> bool:
    return any(call.meta.get("called", "").upper() in _RANDOM for call in node.find_all(exp.Func))


def _precompute(select: exp.Select, found: list[exp.Expr]) -> None:
    source = select.args.get("from_")
    if source is None or select.args.get("joins") or select.args.get("group") is not None:
        raise errors.UnsupportedError(
            "a random order of a window in a query that joins relations or groups its rows",
            "Join or group in a subquery",
        )
    relation = source.this
    inner = exp.select("*").from_(relation.copy())
    names = []
    for place, ordered in enumerate(found):
        names.append(f"_random_{place}")
        inner = inner.select(exp.alias_(ordered.this.copy(), names[-1], quoted=True))
        ordered.set("this", exp.column(names[-1], quoted=True))
    alias = relation.alias_or_name
    made = exp.TableAlias(this=exp.to_identifier(alias, quoted=True)) if alias else None
    relation.replace(exp.Subquery(this=inner, alias=made))
    for shown in select.expressions:
        star = shown.this if isinstance(shown, exp.Column) else shown
        if isinstance(star, exp.Star):
            hidden = [exp.to_identifier(name, quoted=True) for name in names]
            star.set("except_", [*(star.args.get("except_") or []), *hidden])
