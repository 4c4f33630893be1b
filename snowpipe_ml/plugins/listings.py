"""The results of SHOW on a target, kept so that a run asks once for each schema and kind of object."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from snowpipe_ml.sql import Identifier, QualifiedName, Sql, like_pattern, sql

_FRESH = 600.0  # seconds


class Listed(Protocol):
    """A row of SHOW, of Snowpark or of a connection."""

    def as_dict(self) -> Mapping[str, object]:
        """Return the values by the names of the columns."""


ShownRow = Mapping[str, object]
"""A row of SHOW by the names of its columns."""

Ask = Callable[[Sql], Sequence[Listed]]
"""Runs one statement and returns its rows."""


class Listings:
    """Keeps the rows of SHOW by schema and kind for some minutes; safe for several threads.

    Whoever asks for an object is about to change it. Its rows are therefore handed out once, and whoever asks
    next gets the answer of the target.

    Args:
        clock: the seconds since some moment.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, QualifiedName | None], tuple[float, dict[str, list[ShownRow]]]] = {}
        self._lock = threading.Lock()

    def all(self, ask: Ask, what: str, schema: QualifiedName | None) -> dict[str, list[ShownRow]]:
        """List all objects of a kind, and keep the answer.

        Args:
            ask: runs one statement.
            what: the plural of the kind, as SHOW has it.
            schema: the schema; None for objects of the account.

        Returns:
            The rows by the name of the object: overloads of a function have several.
        """
        rows: dict[str, list[ShownRow]] = {}
        for row in ask(sql("SHOW {what}{place}", what=Sql(what), place=_place(schema))):
            shown = row.as_dict()
            rows.setdefault(str(shown["name"]), []).append(shown)
        with self._lock:
            self._kept[what, schema] = self._clock(), {name: list(found) for name, found in rows.items()}
        return rows

    def of(self, ask: Ask, what: str, schema: QualifiedName | None, name: Identifier) -> list[ShownRow]:
        """Return the rows of one object: those that were listed, the first time, and then those of the target.

        The arguments are those of :meth:`all`.
        """
        with self._lock:
            at, kept = self._kept.get((what, schema), (float("-inf"), {}))
            if self._clock() - at < _FRESH and _ASKED not in kept.get(name.name, ()):
                found = kept.get(name.name, [])
                kept[name.name] = [_ASKED]
                return found
        statement = sql(
            "SHOW {what} LIKE {name}{place}", what=Sql(what), name=like_pattern(name), place=_place(schema)
        )
        shown = [row.as_dict() for row in ask(statement)]
        return [row for row in shown if row["name"] == name.name]

    def forget(self, name: Identifier) -> None:
        """Forget what was listed of all objects of a name, which have changed or may have."""
        with self._lock:
            for _, kept in self._kept.values():
                kept[name.name] = [_ASKED]


_ASKED: ShownRow = {}


def _place(schema: QualifiedName | None) -> Sql:
    return Sql("") if schema is None else sql(" IN SCHEMA {schema}", schema=schema)
