"""Definitions as DuckDB prints them, read token by token: names and bodies may contain any text."""

from __future__ import annotations

from sqlglot import TokenType
from sqlglot.dialects.duckdb import DuckDB


def after_name(definition: str) -> str:
    """Return what follows the name in a ``CREATE TABLE`` or ``CREATE VIEW`` statement of DuckDB.

    >>> after_name('CREATE VIEW db.s."a (b" (x) AS SELECT 1;')
    '(x) AS SELECT 1;'
    """
    tokens = DuckDB().tokenize(definition)
    kinds = (TokenType.TABLE, TokenType.VIEW)
    at = next(i for i, token in enumerate(tokens) if token.token_type in kinds) + 2
    while tokens[at].token_type is TokenType.DOT:
        at += 2
    return definition[tokens[at].start :]
