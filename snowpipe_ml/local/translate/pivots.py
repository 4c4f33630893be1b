"""Translate PIVOT with one aggregate, over listed values, ANY value or the values of a query.

https://docs.snowflake.com/en/sql-reference/constructs/pivot
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.compiler import Compiler, to_sql


def rewrite_pivots(tree: exp.Expr, compiler: Compiler) -> None:
    """Replace every PIVOT with a grouped query that has a column for each value."""
    for pivot in nodes(tree, exp.Pivot):
        if not pivot.args.get("unpivot") and pivot.args.get("fields"):
            _rewrite(pivot, compiler)


def _rewrite(pivot: exp.Pivot, compiler: Compiler) -> None:
    relation = pivot.parent
    assert relation is not None
    if len(pivot.expressions) != 1 or len(pivot.args["fields"]) != 1:
        raise errors.syntax("PIVOT takes one aggregate and one column")
    field = pivot.args["fields"][0]
    aggregate, suffix = pivot.expressions[0].unalias(), pivot.expressions[0].alias
    source = relation.copy()
    source.set("pivots", None)
    source.set("alias", None)
    if isinstance(relation, exp.Table) and relation.alias:
        source.set("alias", None)
    by, value = field.this.name, aggregate.this.name
    columns = [name for name in _columns(source, compiler) if name not in (by, value)]
    query = exp.select(*(exp.column(exp.to_identifier(name, quoted=True)) for name in columns))
    default = pivot.args.get("default_on_null")
    default = default if isinstance(default, exp.Expr) else None
    made: list[exp.Expr] = []
    for name, literal in _values(field, source, compiler):
        condition: exp.Expr = exp.EQ(this=field.this.copy(), expression=literal)
        if isinstance(literal, exp.Null):
            condition = exp.Is(this=field.this.copy(), expression=exp.Null())
        call = aggregate.copy()
        call.set("this", exp.Case(ifs=[exp.If(this=condition, true=aggregate.this.copy())]))
        if default is not None:
            call = exp.Coalesce(this=call, expressions=[default.copy()])
        made.append(exp.alias_(call, exp.to_identifier(_suffixed(name, suffix), quoted=True), copy=False))
    # Each call of select() would copy the columns before it.
    query = query.select(*made, copy=False).from_(source)
    if columns:
        query = query.group_by(*(exp.column(exp.to_identifier(name, quoted=True)) for name in columns))
    result = exp.Subquery(this=query)
    alias = pivot.args.get("alias") or relation.args.get("alias")
    if alias is not None and alias.args.get("columns"):
        names = alias.args["columns"]
        projections = [
            exp.alias_(e.unalias().copy(), n.copy()) for e, n in zip(query.expressions, names, strict=True)
        ]
        query.set("expressions", projections)
        alias = exp.TableAlias(this=alias.this)
    if alias is not None:
        result.set("alias", alias.copy())
    relation.replace(result)


def _suffixed(name: str, suffix: str) -> str:
    """Append the alias of the aggregate to the name of a column, inside its quotes: ``'2023_Q1_TOTAL'``."""
    if not suffix:
        return name
    return f"{name[:-1]}_{suffix}'" if name.endswith("'") else f"{name}_{suffix}"


def _columns(source: exp.Expr, compiler: Compiler) -> list[str]:
    found = _run(exp.select("*").from_(source.copy()), compiler, describing=True)
    return [name for name, _ in found]


def _run(query: exp.Expr, compiler: Compiler, *, describing: bool) -> list[tuple[str, ...]]:
    inner = compiler.nested(describing=describing)
    try:
        text = to_sql(inner.compile(query))
        prefix = "DESCRIBE " if describing else ""
        return [row[:2] for row in compiler.session.duck.execute(prefix + text).fetchall()]
    finally:
        compiler.reads_rows |= inner.reads_rows
        inner.release()


def _values(field: exp.In, source: exp.Expr, compiler: Compiler) -> list[tuple[str, exp.Expr]]:
    """List (column name, value); the name is the literal of the value, such as ``'JAN'`` or ``1``."""
    listed = list(field.expressions)
    query = field.args.get("query")
    if query is not None:
        query = query.this if isinstance(query, exp.Subquery) else query
    elif len(listed) == 1 and isinstance(listed[0], exp.PivotAny):
        column = field.this.copy()
        query = exp.select(column).distinct().from_(source.copy())
        order = listed[0].this
        query = (
            query.order_by(*(o.copy() for o in order.expressions))
            if order is not None
            else query.order_by(column.copy())
        )
    elif len(listed) == 1 and isinstance(listed[0], exp.Query | exp.Subquery):
        query = listed[0].unnest() if isinstance(listed[0], exp.Subquery) else listed[0]
    if query is None:
        return [
            (item.alias, item.this.copy())
            if isinstance(item, exp.PivotAlias | exp.Alias)
            else (_label(item), item.copy())
            for item in listed
        ]
    found = [row[0] for row in _run(query.copy(), compiler, describing=False)]
    return [(_label(node), node) for node in (exp.convert(value) for value in dict.fromkeys(found))]


def _label(node: exp.Expr) -> str:
    if isinstance(node, exp.Null):
        return "NULL"
    if isinstance(node, exp.Cast) and node.to.is_type("INT", "BIGINT", "SMALLINT", "TINYINT"):
        return f"CAST({_label(node.this)} AS NUMBER(38,0))"
    if isinstance(node, exp.Cast) and node.to.is_type("DATE"):
        return f"TO_DATE({_label(node.this)})"
    return node.sql(dialect="snowflake")
