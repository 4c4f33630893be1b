"""Chains of statements, ``SHOW TABLES ->> SELECT "name" FROM $1``.

https://docs.snowflake.com/en/sql-reference/operators-flow
"""

from __future__ import annotations

import uuid

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import literal
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.reader import Reader, Token

_PIPE = "->>"
_TRANSACTIONS = (["BEGIN"], ["BEGIN", "TRANSACTION"], ["BEGIN", "WORK"], ["START", "TRANSACTION"])


def chained(text: str) -> list[str]:
    """Return the statements of a chain; empty for a single statement.

    Raises:
        ProgrammingError: the chain lacks a statement.
    """
    if _PIPE not in text:
        return []
    reader = Reader(text)
    starts, ends, depth = [0], [], 0
    for token in reader.tokens:
        if token.kind != "mark":
            continue
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text == "-" and text.startswith(_PIPE, token.start):
            ends.append(token.start)
            starts.append(token.start + len(_PIPE))
    if len(starts) == 1 or _is_block(Reader(text[: ends[0]])):
        return []
    statements = [text[start:end].strip() for start, end in zip(starts, [*ends, len(text)], strict=True)]
    firsts = [next(iter(Reader(statement).tokens), None) for statement in statements]
    if None in firsts:
        raise errors.syntax(f"syntax error unexpected '{_PIPE}': a statement is expected on both sides.")
    # In `a ->> 'b'` of other dialects, the mark is an operator.
    return statements if all(first is not None and first.kind == "word" for first in firsts) else []


def _is_block(reader: Reader) -> bool:
    """Return whether a text is the beginning of a block of Snowflake Scripting, whose statements may be chains."""
    words = [token.upper for token in reader.tokens]
    return words[:1] == ["DECLARE"] or (words[:1] == ["BEGIN"] and words not in _TRANSACTIONS)


def run_chain(session: Session, statements: list[str]) -> Result:
    """Run statements in order; each may read the results of those before it. Return the last result."""
    ids: list[str] = []
    result: Result | None = None
    for statement in statements:
        text = _with_results(statement, ids)
        ids.append(str(uuid.uuid4()))
        result = session.client.perform(text, None, ids[-1])
    assert result is not None
    return result


def _with_results(text: str, ids: list[str]) -> str:
    """Replace ``FROM $2`` by the result of the statement that is so many places before this one.

    Raises:
        ProgrammingError: the number is not that of an earlier statement.
    """
    tokens = Reader(text).tokens
    pieces, position = [], 0
    for before, mark, number in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if before.upper not in ("FROM", "JOIN") or not _is_parameter(mark, number):
            continue
        if not 1 <= int(number.text) <= len(ids):
            raise errors.syntax(
                f"syntax error unexpected '${number.text}': no statement precedes by so many."
            )
        pieces += [text[position : mark.start], f"TABLE(RESULT_SCAN({literal(ids[-int(number.text)])}))"]
        position = number.end
    return "".join(pieces) + text[position:]


def _is_parameter(mark: Token, number: Token) -> bool:
    return mark.text == "$" and number.kind == "number" and number.start == mark.end
