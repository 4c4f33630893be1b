"""Types of the values that the warehouse passes on: bound values, rows, and options as they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from snowpipe_ml.local.core import errors

if TYPE_CHECKING:
    from snowflake.connector.errors import ProgrammingError

Params: TypeAlias = Sequence[object] | Mapping[str, object] | None
"""The values that are bound to ``?`` and ``:1``, or by name to ``:name``."""

Row: TypeAlias = tuple[Any, ...]
"""A row of a result in Python's types. The types of its values are known only by the query."""

Option: TypeAlias = "str | int | float | bool | list[Option] | dict[str, Option] | None"
"""The value of ``KEY = value``: what a token reads as, a list, or options in parentheses. JSON can hold it."""

Options: TypeAlias = dict[str, Option]
"""Options by their key, in upper case."""


def text_option(options: Mapping[str, Option], key: str) -> str | None:
    """Return an option that takes a string; None without it.

    Raises:
        ProgrammingError: the value is not a string.
    """
    value = options.get(key)
    if value is not None and not isinstance(value, str):
        raise _invalid(key, value)
    return value


def number_option(options: Mapping[str, Option], key: str, default: int) -> int:
    """Return an option that takes a whole number; a default without it.

    Raises:
        ProgrammingError: the value is not a number.
    """
    value = options.get(key) or default
    try:
        if isinstance(value, str | int | float):
            return int(value)
    except ValueError:
        pass
    raise _invalid(key, value)


def list_option(options: Mapping[str, Option], key: str) -> list[str]:
    """Return an option that takes a list of strings; one string is a list of one.

    Raises:
        ProgrammingError: the value is something else.
    """
    value = options.get(key) or []
    items = value if isinstance(value, list) else [value]
    texts = [item for item in items if isinstance(item, str)]
    if len(texts) < len(items):
        raise _invalid(key, value)
    return texts


def _invalid(key: str, value: Option) -> ProgrammingError:
    return errors.error(
        1008, "22023", f"SQL compilation error:\ninvalid value [{value}] for parameter '{key}'"
    )
