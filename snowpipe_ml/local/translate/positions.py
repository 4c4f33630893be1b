"""Translate columns that are named by their position: ``$2``, and ``"$2"`` where no column has that name.

https://docs.snowflake.com/en/sql-reference/constructs/values
"""

from __future__ import annotations

import re

from sqlglot import exp

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.inference import infer

_POSITION = re.compile(r"\$(\d+)")


def unquote_positions(tree: exp.Expr, session: Session) -> bool:
    """Replace ``"$2"``, which Snowpark writes, by ``$2`` if no column has that name; return whether there was any."""
    found = False
    for column in nodes(tree, exp.Column):
        match = _POSITION.fullmatch(column.name) if isinstance(column.this, exp.Identifier) else None
        if match is None or column.table or _is_name(tree, column.name, session):
            continue
        column.replace(exp.Parameter(this=exp.Literal.number(match.group(1))))
        found = True
    return found


def _is_name(tree: exp.Expr, name: str, session: Session) -> bool:
    if any(alias.alias == name for alias in tree.find_all(exp.Alias, exp.PivotAlias)):
        return True
    for alias in tree.find_all(exp.TableAlias):
        if any(column.name == name for column in alias.args.get("columns") or []):
            return True
    for table in tree.find_all(exp.Table):
        parts = tuple(part.name for part in table.parts)
        if not isinstance(table.this, exp.Identifier) or (len(parts) < 3 and not session.schema):
            continue
        if any(stored.name == name for stored in stored_columns(session, session.resolve(parts))):
            return True
    return False


def name_positions(tree: exp.Expr, session: Session) -> None:
    """Replace the ``$2`` that are still left by names: of the columns of subqueries and joins.

    Raises:
        ProgrammingError: the relation has fewer columns.
        UnsupportedError: the columns of the relation are not known.
    """
    for parameter in nodes(tree, exp.Parameter):
        select = parameter.find_ancestor(exp.Select)
        if not parameter.name.isdigit() or select is None or select.args.get("from_") is None:
            continue
        number = int(parameter.name)
        probe = exp.select(exp.Star())
        for key in ("from_", "joins", "with_"):
            value = select.args.get(key)
            if value:
                probe.set(key, [each.copy() for each in value] if isinstance(value, list) else value.copy())
        relation = infer(probe, session)
        names = [name for name, _ in relation] if relation is not None else []
        qualified = isinstance(parameter.parent, exp.Column)
        if relation is not None and not 1 <= number <= len(names) and not qualified:
            raise errors.invalid_identifier(f"${number}")
        if relation is not None and not qualified and names.count(names[number - 1]) == 1:
            parameter.replace(exp.column(exp.to_identifier(names[number - 1], quoted=True)))
        elif isinstance(parameter.parent, exp.Alias) and parameter.parent.parent is select:
            parameter.replace(exp.Var(this=f"#{number}"))  # DuckDB's own, of a type that is not known here
        else:
            raise errors.UnsupportedError(f"the column ${number} of this relation", "Name the column")
