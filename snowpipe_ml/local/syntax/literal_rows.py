"""Read an INSERT of many rows of constants without a tree: a tree has a node for each of them.

A statement with anything else among its values is not read here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlglot.dialects.snowflake import Snowflake

# The part before the rows, with the columns of the table.
_HEAD = re.compile(
    r"""\s*INSERT\s+(?:OVERWRITE\s+)?INTO\s+(?:TABLE\s+)?
    (?:[A-Za-z_][\w$]*|"(?:[^"]|"")+")(?:\s*\.\s*(?:[A-Za-z_][\w$]*|"(?:[^"]|"")+"))*\s*
    (?:\((?:[\s\w$,]|"(?:[^"]|"")+")+\)\s*)?
    VALUES(?=\s*\()""",
    re.X | re.I,
)
_OPEN = re.compile(r"\s*\(")
_VALUE = re.compile(
    r"""\s*(?:'((?:[^'\\]+|''|\\.)*)'|(-?\d+(?:\.\d+)?)|(NULL|TRUE|FALSE))\s*([,)])""", re.I | re.S
)
_NEXT = re.compile(r"\s*(?:,|(;?\s*\Z))")
_FEWEST = 500
"""The fewest characters of a statement that is worth reading."""


@dataclass(frozen=True, slots=True)
class Constants:
    """The constants of a column.

    Attributes:
        kind: TEXT, NUMBER or BOOLEAN; empty if all are NULL.
        values: the values of texts and Booleans, and numbers as they are written.
    """

    kind: str
    values: list[str | None]


def literal_rows(text: str) -> tuple[str, list[Constants]] | None:
    """Read ``INSERT INTO t (a, b) VALUES (1, 'x'), (2, NULL)``.

    Returns:
        The text before the rows, and the constants of each column; None for another statement, for rows that
        differ in length, and for a column of constants of several kinds.
    """
    head = _HEAD.match(text) if len(text) >= _FEWEST else None
    if head is None:
        return None
    position, width = head.end(), 0
    kinds: list[str] = []
    values: list[str | None] = []
    ended = False
    while not ended:
        opening = _OPEN.match(text, position)
        if opening is None:
            return None
        position, before, mark = opening.end(), len(values), ","
        while mark == ",":
            found = _VALUE.match(text, position)
            if found is None:
                return None
            string, number, word, mark = found.groups()
            position = found.end()
            if string is not None:
                kinds.append("TEXT")
                values.append(_unquoted(string))
            elif number is not None:
                kinds.append("NUMBER")
                values.append(number)
            elif word[0] in "nN":
                kinds.append("")
                values.append(None)
            else:
                kinds.append("BOOLEAN")
                values.append(word.upper())
        width = width or len(values)
        following = _NEXT.match(text, position)
        if following is None or len(values) - before != width:
            return None
        position, ended = following.end(), following.group(1) is not None
    columns = []
    for number_ in range(width):
        distinct = set(kinds[number_::width]) - {""}
        if len(distinct) > 1:
            return None
        columns.append(Constants(distinct.pop() if distinct else "", values[number_::width]))
    return text[: head.end()], columns


def _unquoted(written: str) -> str:
    """Return the value of a string from what is written between its quotes."""
    if "\\" in written:
        return str(Snowflake().tokenize(f"'{written}'")[0].text)
    return written.replace("''", "'")
