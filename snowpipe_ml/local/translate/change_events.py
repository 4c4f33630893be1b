"""CONDITIONAL_CHANGE_EVENT in time that grows with the rows.

DuckDB has no such function, and no window function over the result of another. So the previous value is a column
of the relation that the query reads, and the changes are counted as true events.
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.precomputed import precompute, reads_one_relation


def count_changes(tree: exp.Expr) -> None:
    """Translate ``CONDITIONAL_CHANGE_EVENT(x)`` to ``CONDITIONAL_TRUE_EVENT(LAG(x) <> x)``.

    A call in a query that joins relations or groups its rows is not changed: its function rule computes it.

    https://docs.snowflake.com/en/sql-reference/functions/conditional_change_event
    """
    found: dict[int, tuple[exp.Select, list[exp.Window]]] = {}
    for window in nodes(tree, exp.Window):
        if isinstance(window.this, exp.Anonymous) and window.this.name.upper() == "CONDITIONAL_CHANGE_EVENT":
            select = window.parent_select
            if isinstance(select, exp.Select) and _can_precompute(select, window):
                found.setdefault(id(select), (select, []))[1].append(window)
    for select, windows in found.values():
        columns: dict[str, exp.Expr] = {}
        for place, window in enumerate(windows):
            value = window.this.expressions[0]
            previous = window.copy()
            previous.set("this", exp.Lag(this=value.copy()))
            columns[f"_previous_{place}"] = previous
            changed = exp.NEQ(
                this=exp.column(f"_previous_{place}", quoted=True), expression=exp.Paren(this=value)
            )
            window.set("this", exp.Anonymous(this="CONDITIONAL_TRUE_EVENT", expressions=[changed]))
        precompute(select, columns, filtered=True)


def _can_precompute(select: exp.Select, window: exp.Window) -> bool:
    """Return whether a window can be computed in the relation: it names nothing of the SELECT list."""
    aliases = {shown.alias for shown in select.expressions if isinstance(shown, exp.Alias)}
    return (
        len(window.this.expressions) == 1
        and reads_one_relation(select)
        and not nodes(window.this, exp.Window, exp.Query)
        and not any(
            column.args.get("db") or (not column.table and column.name in aliases)
            for column in nodes(window, exp.Column)
        )
        and not any(column.args.get("db") for column in nodes(select, exp.Column))
        and not any(
            isinstance(node, exp.AggFunc) and node.find_ancestor(exp.Window) is None
            for shown in select.expressions
            for node in nodes(shown, exp.AggFunc)
        )
    )
