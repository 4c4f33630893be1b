"""Split scripts into statements."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from snowpipe_ml.local.syntax.reader import Reader, Token

FIRST_WORD = re.compile(r"\s*\(?\s*([A-Za-z]+)")

# The words before a block: a block is a statement, or the body of a procedure or task.
_BEFORE_BLOCKS = ("", ";", "AS", "BEGIN", "DO", "ELSE", "LOOP", "REPEAT", "THEN")
# The words behind the END of a construct of Snowflake Scripting other than a block or a CASE.
_CONSTRUCTS = ("FOR", "IF", "LOOP", "REPEAT", "WHILE")


def split(text: str) -> Iterator[str]:
    """Yield the statements of a script; a block of Snowflake Scripting is one statement."""
    return (statement for _, statement in statements(text))


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the position of the first token of each statement, and the statement."""
    tokens = Reader(text).tokens
    place = 0
    while place < len(tokens):
        end = end_of_statement(tokens, place)
        if end > place:
            last = tokens[end].start if end < len(tokens) else len(text)
            begin = tokens[place - 1].end if place else 0
            yield tokens[place].start, text[begin:last].strip().rstrip(";").rstrip()
        place = end + 1


def placeholders(text: str) -> int:
    """Return the number of ``?`` in a text, but not in its strings and comments."""
    return sum(token.text == "?" for token in Reader(text).tokens)


def starts_block(tokens: Sequence[Token], place: int) -> bool:
    """Return whether a token is the first of a block, and BEGIN is not that of a transaction."""
    word = tokens[place].upper
    before = tokens[place - 1].upper if place else ""
    if word not in ("BEGIN", "DECLARE") or before not in _BEFORE_BLOCKS:
        return False
    after = tokens[place + 1].upper if place + 1 < len(tokens) else ""
    return word == "DECLARE" or after not in ("", ";", "NAME", "TRANSACTION", "WORK")


def end_of_statement(tokens: Sequence[Token], place: int) -> int:
    """Return the index of the semicolon behind the statement that starts with a token."""
    return _end(tokens, place, of_block=False)


def end_of_block(tokens: Sequence[Token], place: int) -> int:
    """Return the index of the token behind the END of the block that starts with a token."""
    return _end(tokens, place, of_block=True)


def _end(tokens: Sequence[Token], place: int, *, of_block: bool) -> int:
    depth = 0
    declaring: list[
        int
    ] = []  # the depths of the blocks whose BEGIN is to come; a declared procedure has its own
    while place < len(tokens):
        word = tokens[place].upper
        after = tokens[place + 1].upper if place + 1 < len(tokens) else ""
        if word == ";" and not depth:
            return place
        if word == "BEGIN" and declaring[-1:] == [depth] and tokens[place - 1].upper != "AS":
            declaring.pop()
        elif starts_block(tokens, place):
            depth += 1
            if word == "DECLARE":
                declaring.append(depth)
        elif word == "CASE" and tokens[place].kind == "word":
            depth += tokens[place - 1].upper != "END"
        elif word == "END" and depth and after not in _CONSTRUCTS:
            depth -= 1
            if of_block and not depth:
                return place + 1
        place += 1
    return len(tokens)
