"""The spread operator, ``IN (** [1, 2])``."""

from __future__ import annotations

from sqlglot.tokenizer_core import Token, TokenType

from snowpipe_ml.local.core import errors

# The tokens in an array of constants.
_CONSTANTS = frozenset(
    {
        *(TokenType.COMMA, TokenType.DASH, TokenType.FALSE, TokenType.NULL, TokenType.NUMBER),
        *(TokenType.STRING, TokenType.TRUE),
    }
)


def spread(tokens: list[Token]) -> list[Token] | None:
    """Take out the operator and the brackets of ``** [1, 2]``, which leaves the values; None if there is none.

    https://docs.snowflake.com/en/sql-reference/operators-expansion

    Raises:
        UnsupportedError: the operand is not an array of constants.
    """
    kept: list[Token] = []
    place, found = 0, False
    while place < len(tokens):
        begins = place > 0 and tokens[place - 1].token_type in (TokenType.L_PAREN, TokenType.COMMA)
        if not begins or [token.token_type for token in tokens[place : place + 2]] != [TokenType.STAR] * 2:
            kept.append(tokens[place])
            place += 1
            continue
        opening = place + 2
        closing = next(
            (n for n in range(opening, len(tokens)) if tokens[n].token_type == TokenType.R_BRACKET), opening
        )
        inner = tokens[opening + 1 : closing]
        if (
            tokens[opening].token_type != TokenType.L_BRACKET
            or not {token.token_type for token in inner} <= _CONSTANTS
        ):
            raise errors.UnsupportedError("the spread operator ** with an array that is not constant")
        kept += inner
        place, found = closing + 1, True
    return kept if found else None
