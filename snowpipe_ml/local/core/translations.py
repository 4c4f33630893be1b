"""Translations and columns that a session keeps: a repeated query is not parsed and translated again.

A translation depends on the text, on the objects that it names and on the session's settings; only
translations that depend on nothing else may be kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import TypeAlias

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


class KnownColumns:
    """The (name, DuckDB type) of the columns of tables and views, until a statement may have changed one."""

    def __init__(self) -> None:
        self._version: Hashable = None
        self._kept: dict[Hashable, list[tuple[str, str]]] = {}

    def find(self, table: Hashable, version: Hashable) -> list[tuple[str, str]] | None:
        """Return the columns that a table has in a version of the catalog; None if they are not kept."""
        return self._kept.get(table) if version == self._version else None

    def keep(self, table: Hashable, version: Hashable, columns: list[tuple[str, str]]) -> None:
        """Keep the columns of a table, and forget those of other versions of the catalog."""
        if version != self._version:
            self._version, self._kept = version, {}
        self._kept[table] = columns
