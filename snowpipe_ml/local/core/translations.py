"""Translations and facts that a session keeps: a repeated query is not parsed and translated again.

A translation depends on the text, on the objects that it names and on the session's settings; only
translations that depend on nothing else may be kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple, TypeAlias, TypeVar, cast

T = TypeVar("T")
_KEPT = 200
Translated: TypeAlias = tuple[str, tuple[str | None, ...]]
"""The DuckDB SQL of a query, and for each column whether it is an ARRAY or an OBJECT."""


class Translations:
    """The last translations, by the text of the query and the state in which it was translated."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Translated] = OrderedDict()

    def find(self, text: str, state: Hashable) -> Translated | None:
        """Return the translation of a query that was translated in this state; None if it was not."""
        found = self._kept.get((text, state))
        if found is not None:
            self._kept.move_to_end((text, state))
        return found

    def keep(self, text: str, state: Hashable, translated: Translated) -> None:
        """Keep a translation."""
        self._kept[text, state] = translated
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
