"""Translate the outer joins that WHERE marks: ``WHERE a.x = b.x (+)``.

https://docs.snowflake.com/en/sql-reference/constructs/where
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.syntax.trees import nodes


def join_marked(select: exp.Select) -> None:
    """Replace the marked conditions of a SELECT by LEFT JOINs, in place.

    Raises:
        UnsupportedError: the marks are used otherwise than in the conditions of comma joins.
    """
    where, from_ = select.args.get("where"), select.args.get("from_")
    joins = select.args.get("joins") or []
    if where is None or from_ is None or any(_is_explicit(join) for join in joins):
        raise errors.UnsupportedError("(+) together with JOIN, or outside of WHERE", "Use LEFT JOIN")
    sources = {source.alias_or_name: source for source in (from_.this, *(join.this for join in joins))}
    kept: list[exp.Expr] = []
    marked: dict[str, list[exp.Expr]] = {}
    for condition in _conditions(where.this):
        table = _marked_table(condition)
        if table is None:
            kept.append(condition)
        elif table not in sources:
            raise errors.invalid_identifier(table)
        else:
            marked.setdefault(table, []).append(condition)
    if not marked:
        raise errors.UnsupportedError("(+) outside of WHERE", "Use LEFT JOIN")
    plain = [name for name in sources if name not in marked]
    ordered = _ordered(plain, marked)
    if ordered != list(sources) and any(isinstance(output, exp.Star) for output in select.expressions):
        raise errors.UnsupportedError("SELECT * with (+) at a table that is named first", "Use LEFT JOIN")
    for column in nodes(where, exp.Column):
        column.set("join_mark", None)
    select.set("from_", exp.From(this=sources[ordered[0]].copy()))
    select.set(
        "joins",
        [
            exp.Join(this=sources[name].copy(), side="LEFT", on=exp.and_(*marked[name], copy=True))
            if name in marked
            else exp.Join(this=sources[name].copy())
            for name in ordered[1:]
        ],
    )
    select.set("where", exp.Where(this=exp.and_(*kept, copy=True)) if kept else None)


def _is_explicit(join: exp.Join) -> bool:
    return any(join.args.get(key) for key in ("on", "using", "side", "kind", "method")) or isinstance(
        join.this, exp.Lateral
    )


def _conditions(condition: exp.Expr) -> list[exp.Expr]:
    """List the conditions that AND connects."""
    if isinstance(condition, exp.Paren):
        return _conditions(condition.this)
    if isinstance(condition, exp.And):
        return [*_conditions(condition.this), *_conditions(condition.expression)]
    return [condition]


def _marked_table(condition: exp.Expr) -> str | None:
    """Return the table that a condition marks; None if it has no mark."""
    tables = {column.table for column in nodes(condition, exp.Column) if column.args.get("join_mark")}
    if not tables:
        return None
    if len(tables) > 1 or "" in tables or isinstance(condition, exp.Or) or condition.find(exp.Query):
        raise errors.UnsupportedError("this use of (+)", "Use LEFT JOIN")
    return tables.pop()


def _ordered(plain: list[str], marked: dict[str, list[exp.Expr]]) -> list[str]:
    """Order the relations so that each LEFT JOIN follows those that its conditions name."""
    ordered, waiting = list(plain), list(marked)
    while waiting:
        for name in waiting:
            named = {column.table for condition in marked[name] for column in nodes(condition, exp.Column)}
            if ordered and named - {name, ""} <= {*ordered}:
                ordered.append(name)
                waiting.remove(name)
                break
        else:
            raise errors.UnsupportedError("tables that are outer-joined to each other with (+)")
    return ordered
