"""The tokens of MATCH_RECOGNIZE that sqlglot's parser does not know."""

from __future__ import annotations

from sqlglot.tokenizer_core import Token, TokenType

_KNOWN = frozenset({"FIRST", "LAST", "NEXT"})


def complete_skip(tokens: list[Token], start: int) -> int:
    """Write ``AFTER MATCH SKIP TO b`` as ``TO LAST b``, which it means.

    https://docs.snowflake.com/en/sql-reference/constructs/match_recognize

    Args:
        tokens: the tokens of a statement.
        start: the place of MATCH_RECOGNIZE.

    Returns:
        the number of added tokens.
    """
    depth = 0
    for place in range(start + 1, len(tokens) - 2):
        depth += (tokens[place].token_type == TokenType.L_PAREN) - (
            tokens[place].token_type == TokenType.R_PAREN
        )
        if depth == 0:
            break
        words = [token.text.upper() for token in tokens[place : place + 3]]
        after = tokens[place + 3].text.upper() if place + 3 < len(tokens) else ""
        if depth == 1 and words[:2] == ["SKIP", "TO"] and (words[2] not in _KNOWN or after == "PATTERN"):
            if words[2] == "NEXT":
                continue
            to = tokens[place + 1]
            tokens.insert(place + 2, Token(TokenType.VAR, "LAST", to.line, to.col, to.start, to.end))
            return 1
    return 0
