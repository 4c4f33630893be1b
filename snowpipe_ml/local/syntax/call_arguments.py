"""Count the arguments of calls as they are written, before sqlglot makes nodes of them.

Functions that sqlglot has a class for are counted here. sqlglot would drop an argument that its class does not
have, or give a syntax error. All other functions are counted by their signatures, in
``translate/signatures.py``.
"""

from __future__ import annotations

from sqlglot.tokenizer_core import Token, TokenType

from snowpipe_ml.local.core import errors

_ANY = 1000
# The least and the greatest number of arguments.
# https://docs.snowflake.com/en/sql-reference/functions-all
_COUNTS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(
        (
            *(
                "ANY_VALUE",
                "AVG",
                "COUNT_IF",
                "FIRST_VALUE",
                "KURTOSIS",
                "LAST_VALUE",
                "MAX",
                "MEDIAN",
                "MIN",
            ),
            *("MODE", "NTILE", "NULLIFZERO", "SKEW", "STDDEV", "STDDEV_POP", "STDDEV_SAMP", "SUM"),
            *("VARIANCE", "VARIANCE_POP", "VARIANCE_SAMP", "VAR_POP", "VAR_SAMP", "ZEROIFNULL"),
        ),
        (1, 1),
    ),
    **dict.fromkeys(
        (
            *("APPROX_PERCENTILE", "CORR", "COVAR_POP", "COVAR_SAMP", "DIV0", "DIV0NULL", "EQUAL_NULL"),
            *("IFNULL", "MOD", "NTH_VALUE", "NULLIF", "NVL", "OBJECT_AGG", "REGR_AVGX", "REGR_AVGY"),
            *("REGR_COUNT", "REGR_INTERCEPT", "REGR_R2", "REGR_SLOPE", "REGR_SXX", "REGR_SXY", "REGR_SYY"),
        ),
        (2, 2),
    ),
    **dict.fromkeys(("CUME_DIST", "DENSE_RANK", "PERCENT_RANK", "RANK", "ROW_NUMBER"), (0, 0)),
    **dict.fromkeys(("IFF", "NVL2"), (3, 3)),
    "FLATTEN": (1, 5),
    "GET_DDL": (2, 3),
    "SPLIT_TO_TABLE": (2, 2),
    "STRTOK_SPLIT_TO_TABLE": (1, 2),
    **dict.fromkeys(("LAG", "LEAD"), (1, 3)),
    **dict.fromkeys(("APPROX_COUNT_DISTINCT", "COUNT", "GREATEST", "LEAST"), (1, _ANY)),
    **dict.fromkeys(("MAX_BY", "MIN_BY"), (2, 3)),
    "COALESCE": (2, _ANY),
    "DECODE": (3, _ANY),
    "LISTAGG": (1, 2),
}
_NEVER_DISTINCT = frozenset(
    {
        *("APPROX_PERCENTILE", "CORR", "COVAR_POP", "COVAR_SAMP", "MEDIAN", "MODE", "PERCENTILE_CONT"),
        *("PERCENTILE_DISC", "REGR_AVGX", "REGR_AVGY", "REGR_COUNT", "REGR_INTERCEPT", "REGR_R2"),
        *("REGR_SLOPE", "REGR_SXX", "REGR_SXY", "REGR_SYY"),
    }
)
"""The aggregate functions that take no DISTINCT."""
_OPENING = (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE)
_CLOSING = (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE)


def check_arguments(name: str, tokens: list[Token], place: int, text: str) -> None:
    """Check a call as far as its tokens tell.

    Args:
        name: the name of the function, in upper case.
        tokens: the tokens of the statement.
        place: the place of the name among them; the opening parenthesis follows it.
        text: the statement.

    Raises:
        ProgrammingError: the call has too few or too many arguments, or a DISTINCT that the function does not take.
    """
    least, most = _COUNTS.get(name, (0, _ANY))
    if name not in _COUNTS and name not in _NEVER_DISTINCT:
        return
    if (
        name in _NEVER_DISTINCT
        and place + 2 < len(tokens)
        and tokens[place + 2].token_type == TokenType.DISTINCT
    ):
        raise errors.compilation(f"DISTINCT is not supported for the function {name}.")
    depth, given, end = 0, 0, None
    for end in tokens[place + 1 :]:
        kind = end.token_type
        if kind in _OPENING:
            depth += 1
        elif kind in _CLOSING:
            depth -= 1
            if not depth:
                break
        given += (depth == 1 and kind == TokenType.COMMA) or (not given and kind != TokenType.L_PAREN)
    if end is None or depth:
        return  # the parser says where the parenthesis is missing
    if not least <= given <= most:
        number, what, expected = (938, "not enough", least) if given < least else (939, "too many", most)
        written = name + text[tokens[place].end + 1 : end.end + 1]
        raise errors.error(
            number,
            "42601",
            f"SQL compilation error:\n{what} arguments for function [{written}], expected {expected}, got {given}",
        )
