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
        return _query_id(session, node.expressions[0] if node.expressions else None)
    if isinstance(node, exp.Column):
        return node.name
    raise errors.UnsupportedError(f"{node.sql(dialect='snowflake')} as an argument here", "Give a constant")


def _query_id(session: Session, place: exp.Expr | None) -> str:
    """Return the id of a query of the session: the first is 1, the latest is -1."""
    written = place.sql() if place is not None else "-1"
    if not written.lstrip("-").isdigit() or int(written) == 0:
        raise errors.UnsupportedError(f"LAST_QUERY_ID({written})", "Give an integer other than 0")
    known, number = session.last_query_ids, int(written)
    if abs(number) > len(known) or (number > 0 and len(known) >= session.KEPT_QUERIES):
        raise errors.UnsupportedError(
            f"LAST_QUERY_ID({written}) beyond the latest {session.KEPT_QUERIES} queries of the session"
        )
    return known[number - 1 if number > 0 else number]
