"""Translate CONNECT BY to a recursive query.

https://docs.snowflake.com/en/sql-reference/constructs/connect-by
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.syntax.trees import nodes

_CHILD, _PARENT, _LEVEL = "_sf_child", "_sf_parent", "LEVEL"


def rewrite_hierarchies(tree: exp.Expr) -> None:
    """Replace each query with CONNECT BY by one over a recursive CTE; identifiers are as they are written.

    Raises:
        ProgrammingError: PRIOR or a function of hierarchies is used outside of CONNECT BY.
        UnsupportedError: the query reads several relations.
    """
    selects = [each for each in nodes(tree, exp.Select) if each.args.get("connect") is not None]
    for number, select in enumerate(reversed(selects)):
        _rewrite(select, f"_sf_tree_{number}")


def _rewrite(select: exp.Select, name: str) -> None:
    connect = select.args["connect"]
    from_ = select.args.get("from_")
    source = from_.this if from_ is not None else None
    if (
        not isinstance(source, exp.Table | exp.Subquery)
        or select.args.get("joins")
        or select.args.get("laterals")
    ):
        raise errors.UnsupportedError("CONNECT BY over several relations", "Join them in a subquery")
    alias = source.alias_or_name
    anchor: list[exp.Expr] = [exp.Star(), exp.alias_(exp.Literal.number(1), _LEVEL, quoted=True)]
    level = exp.Add(this=_column(_LEVEL, _PARENT), expression=exp.Literal.number(1))
    step: list[exp.Expr] = [
        exp.Column(this=exp.Star(), table=exp.to_identifier(_CHILD, quoted=True)),
        exp.alias_(level.copy(), _LEVEL, quoted=True),
    ]
    hidden = [_LEVEL]
    for node in list(_functions(select)):
        kept = f"_sf_part_{len(hidden)}"
        hidden.append(kept)
        first: exp.Expr = node.this
        below: exp.Expr = _column(kept, _PARENT)
        if isinstance(node, exp.Anonymous):
            value, separator = node.expressions
            text = exp.cast(value.copy(), "VARCHAR")
            first = exp.DPipe(this=separator.copy(), expression=text, safe=False)
            below = exp.DPipe(this=below, expression=_of_child(first, alias), safe=False)
        anchor.append(exp.alias_(first.copy(), kept, quoted=True))
        step.append(exp.alias_(below, kept, quoted=True))
        made = _column(kept)
        written = node.meta.get("written") or node.sql(dialect="snowflake")
        shown = exp.alias_(made, str(written).upper(), quoted=True) if node.parent is select else made
        node.replace(shown)
    start = connect.args.get("start")
    roots = exp.select(*anchor).from_(source.copy())
    if start is not None:
        roots = roots.where(start.copy())
    child = source.copy()
    child.set("alias", exp.TableAlias(this=exp.to_identifier(_CHILD, quoted=True)))
    parent = exp.Table(
        this=exp.to_identifier(name, quoted=True),
        alias=exp.TableAlias(this=exp.to_identifier(_PARENT, quoted=True)),
    )
    condition = _condition(connect.args["connect"].copy(), alias, level)
    rows = exp.select(*step).from_(child).join(parent, on=condition)
    body = exp.Union(this=roots, expression=rows, distinct=False)
    cte = exp.CTE(this=body, alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
    with_ = select.args.get("with_") or exp.With(expressions=[])
    with_.append("expressions", cte)
    with_.set("recursive", True)
    select.set("with_", with_)
    read = exp.Table(this=exp.to_identifier(name, quoted=True))
    if alias:
        named = source.args["alias"].this if source.args.get("alias") is not None else source.this
        read.set("alias", exp.TableAlias(this=named.copy()))
    source.replace(read)
    select.set("connect", None)
    for projection in select.expressions:
        star = projection.this if isinstance(projection, exp.Column) else projection
        if isinstance(star, exp.Star):
            excluded = [exp.to_identifier(each, quoted=True) for each in hidden]
            star.set("except_", [*(star.args.get("except_") or []), *excluded])


def _functions(select: exp.Select) -> Iterator[exp.Expr]:
    """Yield the calls of CONNECT_BY_ROOT and SYS_CONNECT_BY_PATH of a query, but not of its subqueries."""
    for node in select.find_all(exp.ConnectByRoot, exp.Anonymous):
        if node.parent_select is not select:
            continue
        if isinstance(node, exp.ConnectByRoot) or (
            node.name.upper() == "SYS_CONNECT_BY_PATH" and len(node.expressions) == 2
        ):
            yield node


def _condition(node: exp.Expr, alias: str, level: exp.Expr) -> exp.Expr:
    """Qualify the columns of a condition: those of PRIOR belong to the parent, the others to the child."""
    root = exp.Paren(this=node)
    for prior in list(root.find_all(exp.Prior)):
        inner = prior.this.copy()
        holder = exp.Paren(this=inner)
        for column in list(holder.find_all(exp.Column)):
            column.set("table", exp.to_identifier(_PARENT, quoted=True))
        prior.replace(holder)
    for column in list(root.find_all(exp.Column)):
        if column.table == _PARENT:
            continue
        if column.name.upper() == _LEVEL and not column.table:
            column.replace(exp.Paren(this=level.copy()))
        elif not column.table or column.table.upper() == alias.upper():
            column.set("table", exp.to_identifier(_CHILD, quoted=True))
    return root


def _of_child(node: exp.Expr, alias: str) -> exp.Expr:
    return _condition(node.copy(), alias, exp.Null())


def _column(name: str, table: str | None = None) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), table=table, quoted=True)
