"""The statements of Snowflake's reference, so that those that are not served are refused by name.

https://docs.snowflake.com/en/sql-reference/sql-all
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

# Words between CREATE and the kind of object that belong to no name of a statement.
_MODIFIERS = ("TEMPORARY", "TEMP", "SCOPED", "TRANSIENT", "VOLATILE", "LOCAL", "GLOBAL", "SECURE")


@cache
def snowflake_statements() -> frozenset[tuple[str, ...]]:
    """Return the first words of the statements that create, change, drop, show or describe an object."""
    lines = (files(__package__) / "snowflake_statements.txt").read_text(encoding="ascii").splitlines()
    return frozenset(tuple(line.split()) for line in lines)


def unserved(words: Sequence[str], served: str | None) -> str | None:
    """Return the name of a documented statement that no handler serves; None if there is none.

    Args:
        words: the first words of a statement, in upper case.
        served: the first words of the statements that the found handler serves; None without a handler.
    """
    words = list(words)
    if words[:1] == ["DESC"]:
        words[0] = "DESCRIBE"
    if words[:1] == ["CREATE"]:
        if words[1:3] in (["OR", "REPLACE"], ["OR", "ALTER"]):
            del words[1:3]
        while len(words) > 1 and words[1] in _MODIFIERS:
            del words[1]
    known = len(served.split()) if served is not None else 0
    for length in range(min(len(words), 8), max(known, 1), -1):
        if tuple(words[:length]) in snowflake_statements():
            return " ".join(words[:length])
    return None
