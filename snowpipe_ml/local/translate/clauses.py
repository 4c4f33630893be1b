"""Rewrite clauses whose syntax differs in DuckDB, and reject names that only DuckDB has."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.names import refers_to_cte
from snowpipe_ml.local.translate.outer_joins import join_marked


def rewrite_clauses(tree: exp.Expr, session: Session) -> None:
    """Rewrite the clauses of a statement whose names are in stored form.

    Raises:
        ProgrammingError: the statement uses a name that Snowflake does not have.
    """
    columns = []
    for node in nodes(tree, exp.With, exp.Order, exp.Star, exp.In, exp.Column, exp.Parameter):
        match node:
            case exp.Parameter() if node.name.isdigit():
                _by_position(node, session)
            case exp.With():
                _recursive(node)
            case exp.Order():
                _by_all(node)
                _of_one_row(node)
            case exp.Star():
                _only_in_lists(node)
            case exp.In():
                _in_lists(node)
            case exp.Column():
                columns.append(node)
    relations: dict[int, set[str]] = {}
    for column in columns:
        _row_name(column, tree, session, relations)
    for column in columns:
        if column.args.get("join_mark"):
            select = column.parent_select
            if not isinstance(select, exp.Select):
                raise errors.UnsupportedError("(+) outside of WHERE", "Use LEFT JOIN")
            join_marked(select)


def _recursive(with_: exp.With) -> None:
    """Mark a recursive WITH, in which Snowflake does not require the word RECURSIVE."""
    for cte in with_.expressions:
        query = cte.this
        if isinstance(query, exp.Union) and any(
            table.name == cte.alias and not table.db for table in query.expression.find_all(exp.Table)
        ):
            with_.set("recursive", True)


def _by_all(order: exp.Order) -> None:
    """Translate ``ORDER BY ALL``, which is parsed as a column.

    https://docs.snowflake.com/en/sql-reference/constructs/order-by
    """
    keys = order.expressions
    if len(keys) == 1 and isinstance(keys[0].this, exp.Column) and not keys[0].this.table:
        name = keys[0].this.this
        if name.name == "ALL" and not name.meta.get("quoted"):
            keys[0].set("this", exp.var("ALL"))


def _of_one_row(order: exp.Order) -> None:
    """Let ``SELECT COUNT(*) FROM t ORDER BY a`` name a column: without GROUP BY, Snowflake orders the one row by anything."""
    select = order.parent
    if not isinstance(select, exp.Select) or select.args.get("group") or select.args.get("having"):
        return
    outputs = [output.unalias() for output in select.expressions]
    if not outputs or not all(_is_aggregate(output) for output in outputs):
        return
    aliases = {output.alias for output in select.expressions}
    for key in order.expressions:
        for column in list(key.find_all(exp.Column)):
            if column.find_ancestor(exp.AggFunc, exp.Query) is select and column.name not in aliases:
                column.replace(exp.AnyValue(this=column.copy()))


def _is_aggregate(output: exp.Expr) -> bool:
    return isinstance(output, exp.AggFunc) and not isinstance(output.parent, exp.Window)


def _only_in_lists(star: exp.Star) -> None:
    """Refuse a pattern in ``SELECT * ILIKE 'x%'`` that is not a text."""
    pattern = star.args.get("ilike")
    if pattern is not None and not (isinstance(pattern, exp.Literal) and pattern.is_string):
        raise errors.syntax("syntax error unexpected 'ILIKE'.")


def _by_position(parameter: exp.Parameter, session: Session) -> None:
    """Replace ``$2``, or ``t.$2``, a column of a table; those of other relations are named later."""
    column = parameter.parent if isinstance(parameter.parent, exp.Column) else None
    select = parameter.find_ancestor(exp.Select)
    from_ = select.args.get("from_") if select is not None else None
    if select is None or from_ is None:
        return
    sources = [from_.this, *(join.this for join in select.args.get("joins") or [])]
    if column is not None:
        sources = [source for source in sources if source.alias_or_name == column.table]
    if len(sources) != 1 or not isinstance(sources[0], exp.Table) or refers_to_cte(sources[0]):
        return
    table = sources[0]
    parts = tuple(part.name for part in table.parts)
    if not isinstance(table.this, exp.Identifier) or parts[-1].startswith("@") or table.args.get("pivots"):
        return
    stored = stored_columns(session, session.resolve(parts))
    number = int(parameter.name)
    if not stored:
        return
    if not 1 <= number <= len(stored):
        raise errors.invalid_identifier(f"${number}")
    name = exp.to_identifier(stored[number - 1].name, quoted=True)
    if column is not None:
        column.set("this", name)
    else:
        parameter.replace(exp.column(name))


def _in_lists(in_: exp.In) -> None:
    """Translate ``(a, b) IN ((1, 2), (3, NULL))`` to comparisons; DuckDB's lists equal NULL with NULL.

    https://docs.snowflake.com/en/sql-reference/functions/in
    """
    if not isinstance(in_.this, exp.Tuple) or not in_.expressions:
        return
    options: list[exp.Expr] = []
    for item in in_.expressions:
        if not isinstance(item, exp.Tuple) or len(item.expressions) != len(in_.this.expressions):
            raise errors.syntax("the lists of IN differ in length.")
        pairs = zip(in_.this.expressions, item.expressions, strict=True)
        options.append(
            exp.and_(
                *(exp.EQ(this=left.copy(), expression=right.copy()) for left, right in pairs), copy=False
            )
        )
    in_.replace(exp.Paren(this=exp.or_(*options, copy=False)))


def _row_name(column: exp.Column, tree: exp.Expr, session: Session, relations: dict[int, set[str]]) -> None:
    """Refuse names that DuckDB gives to rows: ``rowid``, and the name of a relation as a value.

    Args:
        column: the column.
        tree: the statement.
        session: the session.
        relations: the names of the relations of each SELECT, by its id, as far as they have been listed.
    """
    if column.name == "ROWID" and not _has_column(tree, "ROWID", session):
        raise errors.invalid_identifier("ROWID")
    if column.table or isinstance(column.this, exp.Star):
        return
    select = column.parent_select
    if not isinstance(select, exp.Select):
        return
    names = relations.get(id(select))
    if names is None:
        sources = [select.args.get("from_"), *(select.args.get("joins") or [])]
        names = relations[id(select)] = {s.this.alias_or_name for s in sources if s is not None}
    if column.name in names and not _has_column(tree, column.name, session):
        raise errors.invalid_identifier(column.name)


def _has_column(tree: exp.Expr, name: str, session: Session) -> bool:
    """Return whether a relation of a statement has a column of a name, as far as it can be known."""
    if any(alias.alias == name for alias in tree.find_all(exp.Alias, exp.PivotAlias)):
        return True
    for alias in tree.find_all(exp.TableAlias):
        if any(column.name == name for column in alias.args.get("columns") or []):
            return True
    if tree.find(exp.TableFromRows, exp.Lateral, exp.Pivot) is not None:
        return True
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or table.name.startswith("@"):
            return name != "ROWID"
        if refers_to_cte(table):
            continue
        parts = tuple(part.name for part in table.parts)
        if (len(parts) < 3 and not session.database) or (len(parts) == 1 and not session.schema):
            return True
        if any(stored.name == name for stored in stored_columns(session, session.resolve(parts))):
            return True
    return False
