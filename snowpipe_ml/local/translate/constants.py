"""Evaluate constant arguments of functions while a statement is translated."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session


def constant(session: Session, node: exp.Expr) -> str | int:
    """Return the value of a constant argument: a literal, an unquoted name, or LAST_QUERY_ID().

    Raises:
        UnsupportedError: the argument is not a constant.
    """
    if isinstance(node, exp.Literal):
        return node.name if node.is_string else int(node.name)
    if isinstance(node, exp.Anonymous) and node.name.upper() == "LAST_QUERY_ID":
        index = int(node.expressions[0].name) if node.expressions else -1
        return session.last_query_ids[index]
    if isinstance(node, exp.Column):
        return node.name
    raise errors.UnsupportedError(f"{node.sql(dialect='snowflake')} as an argument here", "Give a constant")
