"""Translate samples, and joins that differ in DuckDB: without a condition, ASOF, and USING."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.names import refers_to_cte

_BLOCKS = ("BLOCK", "SYSTEM")


def rewrite_joins(tree: exp.Expr, session: Session) -> None:
    """Translate the samples and joins of a statement."""
    for node in nodes(tree, exp.TableSample, exp.Select):
        match node:
            case exp.TableSample():
                _sample(node, session)
            case exp.Select():
                _using_first(node)
    for join in nodes(tree, exp.Join):
        join.set("directed", None)  # the order in which the tables are read
        _without_condition(join)
        _asof(join)


def _sample(sample: exp.TableSample, session: Session) -> None:
    """Check a sample, and set DuckDB's method for ``SAMPLE (3 ROWS)`` and ``SAMPLE BLOCK (10)``.

    https://docs.snowflake.com/en/sql-reference/constructs/sample
    """
    size, seed = sample.args.get("size"), sample.args.get("seed")
    in_blocks = sample.args.get("method") is not None and sample.args["method"].name.upper() in _BLOCKS
    _check_between(sample.args.get("percent"), 100, "Sampling probability")
    _check_between(size, 1_000_000, "Sample size")
    _check_between(seed, 2_147_483_647, "Sampling seed")
    if size is not None and (in_blocks or seed is not None):
        what = "SYSTEM and BLOCK are" if in_blocks else "A seed is"
        raise errors.compilation(f"{what} not supported for a sample of a fixed number of rows.")
    if seed is not None and not _is_of_table(sample.parent, session):
        raise errors.compilation("Sampling with a seed is not supported on views or subqueries.")
    sample.set("method", exp.var("BERNOULLI" if size is None else "RESERVOIR"))


def _is_of_table(relation: exp.Expr | None, session: Session) -> bool:
    if not isinstance(relation, exp.Table) or not isinstance(relation.this, exp.Identifier):
        return False
    parts = tuple(part.name for part in relation.parts)
    if refers_to_cte(relation) or (len(parts) < 3 and not session.database):
        return not refers_to_cte(relation)
    return existing_kind(session, session.resolve(parts)) != "VIEW"


def _check_between(value: exp.Expr | None, most: int, what: str) -> None:
    if isinstance(value, exp.Literal) and not 0 <= float(value.name) <= most:
        raise errors.error(
            1006, "42601", f"SQL compilation error:\n{what} {value.name} is not between 0 and {most}."
        )


def _without_condition(join: exp.Join) -> None:
    """Make ``a INNER JOIN b`` without ON a cross join."""
    if not any(
        join.args.get(key) for key in ("on", "using", "method", "side", "match_condition")
    ) and join.args.get("kind") in (None, "", "INNER"):
        # `FROM a, b` is parsed as a join without a kind; outside parentheses it remains a comma join.
        join.set("kind", "CROSS")


def _asof(join: exp.Join) -> None:
    """Translate ``ASOF JOIN b MATCH_CONDITION (a.t >= b.t) ON a.k = b.k``; rows without a match are kept.

    https://docs.snowflake.com/en/sql-reference/constructs/asof-join
    """
    condition = join.args.get("match_condition")
    if condition is None:
        return
    on = join.args.get("on")
    while isinstance(condition, exp.Paren):
        condition = condition.this
    if not isinstance(condition, exp.GTE | exp.GT | exp.LTE | exp.LT):
        raise errors.syntax(
            "MATCH_CONDITION clause is invalid: Only comparison operators '>=', '>', '<=' and '<' are allowed."
        )
    using = join.args.get("using")
    if using:
        left, right = _left_alias(join), join.this.alias_or_name
        pairs = [exp.EQ(this=_of(left, name), expression=_of(right, name)) for name in using]
        on = exp.and_(*pairs, copy=False)
        join.set("using", None)
    join.set("match_condition", None)
    join.set("on", condition.copy() if on is None else exp.and_(on.copy(), condition.copy(), copy=False))
    join.set("side", "LEFT")


def _left_alias(join: exp.Join) -> str:
    holder = join.parent
    assert holder is not None
    source = (
        holder.args["from_"].this
        if isinstance(holder, exp.Select)
        else holder.this
        if isinstance(holder, exp.Paren)
        else holder
    )
    return str(source.alias_or_name)


def _of(table: str, name: exp.Expr) -> exp.Column:
    column: exp.Column = exp.column(
        exp.to_identifier(name.name, quoted=True), table=exp.to_identifier(table, quoted=True)
    )
    return column


def _using_first(select: exp.Select) -> None:
    """Move the columns of USING to the front of ``*``; DuckDB leaves them in place in the first table."""
    stars = [e for e in select.expressions if isinstance(e, exp.Star)]
    if not stars:
        return
    names = list(dict.fromkeys(_using(select)))
    if not names:
        return
    star = stars[0]
    excepted = [
        node.this.name if isinstance(node, exp.Column) else node.name
        for node in star.args.get("except_") or []
    ]
    names = [name for name in names if name not in excepted]
    asof = next(
        (join for join in nodes(select, exp.Join) if join.args.get("match_condition") is not None), None
    )
    # An ASOF join is translated with ON, so both sides still have the column.
    table = exp.to_identifier(_left_alias(asof), quoted=True) if asof is not None else None
    first = [exp.column(exp.to_identifier(name, quoted=True), table=table) for name in names]
    star.set("except_", [exp.to_identifier(name, quoted=True) for name in (*excepted, *names)])
    position = select.expressions.index(star)
    select.set("expressions", [*select.expressions[:position], *first, *select.expressions[position:]])


def _using(select: exp.Select) -> Iterator[str]:
    """Yield the columns of USING, outermost join first: their order in the result of nested joins."""
    yield from _named(select)
    source = select.args.get("from_")
    node = source.this if source is not None else None
    while isinstance(node, exp.Expr):
        yield from _named(node)
        # A parenthesized join, `((SELECT ...) AS a JOIN ...)`, is parsed as a subquery without a query.
        bracketed = isinstance(node, exp.Paren | exp.Subquery) and isinstance(
            node.this, exp.Paren | exp.Subquery | exp.Table
        )
        node = node.this if bracketed else None


def _named(holder: exp.Expr) -> Iterator[str]:
    for join in reversed(holder.args.get("joins") or []):
        yield from (identifier.name for identifier in join.args.get("using") or [])
