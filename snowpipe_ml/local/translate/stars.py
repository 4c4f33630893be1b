"""Expansion of ``*`` in the arguments of a function, as in ``ARRAY_CONSTRUCT(*)``."""

from __future__ import annotations

import re

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.translate.outputs import star_columns


def is_star(node: exp.Expr) -> bool:
    """Return whether a node is ``*`` or ``t.*``."""
    return isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star))


def named_columns(node: exp.Expr, star: exp.Expr) -> list[exp.Column]:
    """Return the columns that a star selects; ``node`` is the call that has the star as an argument.

    EXCLUDE and ILIKE of the star are respected.

    Raises:
        UnsupportedError: the columns of the relation are not known.
    """
    columns = star_columns(node)
    if columns is None:
        raise UnsupportedError("* for the columns of this relation", "Name the columns")
    table = star.table if isinstance(star, exp.Column) else ""
    options = star.this if isinstance(star, exp.Column) else star
    excluded = {column.name for column in options.args.get("except_") or []}
    pattern = options.args.get("ilike")
    found = []
    for source, name, type_ in columns:
        if (table and source != table) or name in excluded:
            continue
        if pattern is not None and not _is_like(name, pattern.name):
            continue
        column = exp.column(
            exp.to_identifier(name, quoted=True),
            table=exp.to_identifier(source, quoted=True) if source else None,
        )
        column.type = type_
        found.append(column)
    return found


def expand_stars(call: exp.Expr) -> list[exp.Expr]:
    """Return the arguments of a call, with the columns in place of a star."""
    return [
        argument
        for written in call.expressions
        for argument in (named_columns(call, written) if is_star(written) else [written])
    ]


def _is_like(name: str, pattern: str) -> bool:
    expression = "".join(
        ".*" if character == "%" else "." if character == "_" else re.escape(character)
        for character in pattern
    )
    return re.fullmatch(expression, name, re.I | re.S) is not None
