"""Translations and facts that a session keeps: a repeated query is not parsed and translated again.

A translation depends on the text, on the objects that it names and on the session's settings; only
translations that depend on nothing else may be kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeAlias, TypeVar, cast

T = TypeVar("T")
_KEPT = 200
Translated: TypeAlias = tuple[str, tuple[str | None, ...]]
"""The DuckDB SQL of a query, and for each column whether it is an ARRAY or an OBJECT."""


class Latest(Generic[T]):
    """The latest findings about queries, by the text of a query and the state of the session then."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, T] = OrderedDict()

    def find(self, text: str, state: Hashable) -> T | None:
        """Return what is kept of a query in this state; None if nothing is."""
        found = self._kept.get((text, state))
        if found is not None:
            self._kept.move_to_end((text, state))
        return found

    def keep(self, text: str, state: Hashable, found: T) -> None:
        """Keep what a query was translated to."""
        self._kept[text, state] = found
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)


class KnownNames(NamedTuple):
    """The names of a version of the catalog.

    Attributes:
        version: the version.
        schemas: the schemas, each with its database.
        odd: the tables and views whose names have lower-case letters.
    """

    version: Hashable
    schemas: frozenset[tuple[str, str]]
    odd: frozenset[tuple[str, str, str]]


class Facts:
    """Facts about tables and views, until a statement may have changed one."""

    def __init__(self) -> None:
        self._version: Hashable = None
        self._kept: dict[Hashable, object] = {}

    def known(self, version: Hashable, key: Hashable, find: Callable[[], T]) -> T:
        """Return what ``find`` returns; it is called once for a key in a version of the catalog."""
        if version != self._version:
            self._version, self._kept = version, {}
        kept = self._kept
        if key not in kept:
            kept[key] = find()
        return cast(T, kept[key])
