"""Statements that are nested more deeply than Python's limit of recursion allows by default."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from snowpipe_ml.local.core import errors

_Result = TypeVar("_Result")

# Parsing takes some twenty calls a level, so Python's default of 1,000 ends below fifty levels, which loops over a
# DataFrame's columns reach. Functions in C have stack for this many calls in a thread, too.
_DEEPEST = 6000


def deeply(parse: Callable[[], _Result]) -> _Result:
    """Call a recursive function; if Python's limit of recursion is too low for it, raise the limit and call it again.

    The limit stays raised, as the passes over the statement need it, too.

    Raises:
        UnsupportedError: the statement is nested more deeply still.
    """
    try:
        return parse()
    except RecursionError:
        if sys.getrecursionlimit() < _DEEPEST:
            sys.setrecursionlimit(_DEEPEST)
    try:
        return parse()
    except RecursionError as error:
        raise errors.UnsupportedError(
            "a statement that is nested so deeply", "Write a part of it to a table or a variable"
        ) from error
