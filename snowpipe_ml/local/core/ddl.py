"""Definitions as DuckDB prints them, read token by token: names and bodies may contain any text."""

from __future__ import annotations

from sqlglot import Token, TokenType
from sqlglot.dialects.duckdb import DuckDB


def after_name(definition: str) -> str:
    """Return what follows the name in a ``CREATE TABLE`` or ``CREATE VIEW`` statement of DuckDB.

    >>> after_name('CREATE VIEW db.s."a (b" (x) AS SELECT 1;')
    '(x) AS SELECT 1;'
    """
    tokens = DuckDB().tokenize(definition)
    return definition[tokens[_after_name(tokens)].start :]


def query_of(definition: str) -> str:
    """Return the query in a ``CREATE VIEW`` statement of DuckDB.

    >>> query_of('CREATE VIEW db.s.v ("x AS y", z) AS SELECT 1;')
    'SELECT 1'
    """
    tokens = DuckDB().tokenize(definition)
    at = next(
        i for i in range(_after_name(tokens), len(tokens)) if tokens[i].token_type is TokenType.ALIAS
    )  # names of columns are quoted, or no word that is reserved
    return definition[tokens[at + 1].start :].rstrip().removesuffix(";")


def _after_name(tokens: list[Token]) -> int:
    kinds = (TokenType.TABLE, TokenType.VIEW)
    at = next(i for i, token in enumerate(tokens) if token.token_type in kinds) + 2
    while tokens[at].token_type is TokenType.DOT:
        at += 2
    return at
