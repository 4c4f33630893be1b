"""Windows in a random order, such as ``ROW_NUMBER() OVER (PARTITION BY k ORDER BY RANDOM())``.

DuckDB orders no window by a random value. So the values are a column of the relation that the query reads.
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.precomputed import precompute, reads_one_relation

_RANDOM = ("RANDOM", "RANDSTR", "UNIFORM", "NORMAL", "ZIPF", "UUID_STRING")


def order_randomly(tree: exp.Expr) -> None:
    """Compute the random values by which windows are ordered before the windows.

    Raises:
        UnsupportedError: the query joins relations, or groups its rows.
    """
    windows = [(window, window.parent_select) for window in nodes(tree, exp.Window)]
    for select in nodes(tree, exp.Select) if windows else ():
        found = [
            ordered
            for window, of in windows
            if of is select and window.args.get("order") is not None
            for ordered in window.args["order"].expressions
            if _is_random(ordered.this)
        ]
        if found:
            _precompute(select, found)


def _is_random(node: exp.Expr) -> bool:
    return any(call.meta.get("called", "").upper() in _RANDOM for call in nodes(node, exp.Func))


def _precompute(select: exp.Select, found: list[exp.Expr]) -> None:
    if not reads_one_relation(select):
        raise errors.UnsupportedError(
            "a random order of a window in a query that joins relations or groups its rows",
            "Join or group in a subquery",
        )
    columns: dict[str, exp.Expr] = {}
    for place, ordered in enumerate(found):
        columns[f"_random_{place}"] = ordered.this.copy()
        ordered.set("this", exp.column(f"_random_{place}", quoted=True))
    precompute(select, columns)
