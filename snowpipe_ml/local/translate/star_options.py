"""Expand the stars of a SELECT list whose options DuckDB cannot combine.

``* ILIKE 'x%'`` with RENAME or REPLACE, and a column that is both replaced and renamed:
https://docs.snowflake.com/en/sql-reference/sql/select
"""

from __future__ import annotations

import re

from sqlglot import exp

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.names import refers_to_cte


def expand_stars(tree: exp.Expr, session: Session) -> None:
    """Replace such stars by the columns, whose names are in stored form.

    Raises:
        UnsupportedError: the columns are not known.
    """
    for star in nodes(tree, exp.Star):
        item = star.parent if isinstance(star.parent, exp.Column) else star
        select = item.parent
        if not isinstance(select, exp.Select) or item.arg_key != "expressions" or not _needs_columns(star):
            continue
        expanded = _expanded(star, _columns(select, item, session))
        listed: list[exp.Expr] = []
        for output in select.expressions:
            listed += expanded if output is item else [output]
        select.set("expressions", listed)


def _needs_columns(star: exp.Expr) -> bool:
    replaced, renamed = _replaced(star), _renamed(star)
    return bool((star.args.get("ilike") and (replaced or renamed)) or replaced.keys() & renamed.keys())


def _replaced(star: exp.Expr) -> dict[str, exp.Expr]:
    return {part.alias: part.this for part in star.args.get("replace") or []}


def _renamed(star: exp.Expr) -> dict[str, str]:
    return {part.this.name: part.alias for part in star.args.get("rename") or []}


def _columns(select: exp.Select, item: exp.Expr, session: Session) -> list[exp.Column]:
    """Return the columns of a star; of a table, or of all tables of the FROM clause."""
    from_ = select.args.get("from_")
    sources = [from_.this] if from_ is not None else []
    sources += [join.this for join in select.args.get("joins") or []]
    if isinstance(item, exp.Column):
        sources = [source for source in sources if source.alias_or_name == item.table]
    found: list[exp.Column] = []
    for source in sources:
        plain = isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier)
        if not plain or refers_to_cte(source) or source.args.get("pivots") or source.name.startswith("@"):
            raise UnsupportedError("these options of * together", "Name the columns")
        name = session.resolve(tuple(part.name for part in source.parts))
        found += [
            exp.column(exp.to_identifier(stored.name, quoted=True), table=source.alias_or_name, quoted=True)
            for stored in stored_columns(session, name)
        ]
    return found


def _expanded(star: exp.Expr, columns: list[exp.Column]) -> list[exp.Expr]:
    pattern = star.args.get("ilike")
    excluded = {part.name for part in star.args.get("except_") or []}
    replaced, renamed = _replaced(star), _renamed(star)
    shown = [
        column
        for column in columns
        if column.name not in excluded and (pattern is None or _is_like(column.name, pattern.name))
    ]
    return [
        exp.alias_(
            replaced[column.name].copy() if column.name in replaced else column,
            exp.to_identifier(renamed.get(column.name, column.name), quoted=True),
        )
        for column in shown
    ]


def _is_like(name: str, pattern: str) -> bool:
    marks = {"%": ".*", "_": "."}
    return re.fullmatch("".join(marks.get(each, re.escape(each)) for each in pattern), name, re.I) is not None
