"""The tables of a spec that are compared, with their names on both targets and the keys that their steps declare."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins import Kind
from snowpipe_ml.plugins.target import Target
from snowpipe_ml.sql import Identifier, QualifiedName

Key = tuple[Identifier, ...]

_PERIOD = Identifier("DATE")
"""The column with the beginning of a period in the output of `features`."""


@dataclass(frozen=True)
class Subject:
    """A table to compare.

    Attributes:
        name: its name in the spec.
        here: its whole name on A; None if the spec has no such table there.
        there: its whole name on B; None if the spec has no such table there.
        keys: the keys that its step declares, the most likely first.
    """

    name: QualifiedName
    here: QualifiedName | None
    there: QualifiedName | None
    keys: tuple[Key, ...]


def subjects(graphs: tuple[Graph, Graph], targets: tuple[Target, Target]) -> list[Subject]:
    """Return the tables and views that the steps of a spec write and that it declares.

    Args:
        graphs: the graphs of the spec for A and for B. Variables may give a table different names in them.
        targets: the targets.
    """
    written = [dict(_written(graph)) for graph in graphs]
    found: dict[tuple[QualifiedName | None, QualifiedName | None], Subject] = {}
    for place in dict.fromkeys([*written[0], *written[1]]):
        names = [each[place][1] if place in each else None for each in written]
        here, there = (
            None if name is None else whole_name(name, target)
            for name, target in zip(names, targets, strict=True)
        )
        known = next(each[place] for each in written if place in each)
        keys = tuple(_keys(known[0]))
        earlier = found.get((here, there))
        if earlier is None or (keys and not earlier.keys):
            found[here, there] = Subject(known[1], here, there, keys)
    return list(found.values())


def _written(graph: Graph) -> Iterator[tuple[tuple[str, int], tuple[Node, QualifiedName]]]:
    for node in graph.nodes.values():
        for place, resource in enumerate(node.writes):
            if resource.kind is Kind.TABLE and isinstance(resource.name, QualifiedName):
                yield (node.name, place), (node, resource.name)


def whole_name(name: QualifiedName, target: Target) -> QualifiedName:
    """Return the name of a table on a target, with its database and schema."""
    around = (target.database, target.schema_)[: 3 - len(name.parts)]
    return QualifiedName((*around, *name.parts))


def _keys(node: Node) -> Iterator[Key]:
    """Yield the keys that the settings of a step name."""
    key, series, time = (
        getattr(node.step.settings, name, None) for name in ("key", "partition_by", "timestamp")
    )
    if isinstance(key, Identifier):
        yield (key,)
    elif isinstance(key, tuple) and key and all(isinstance(column, Identifier) for column in key):
        yield key
    if isinstance(series, Identifier):
        for column in (time, _PERIOD):
            if isinstance(column, Identifier):
                yield series, column


def selected(found: Sequence[Subject], patterns: Sequence[str]) -> list[Subject]:
    """Return the tables whose names match one of some patterns with ``*`` and ``?``; all if there is no pattern.

    Raises:
        UsageError: a pattern matches no table.
    """
    if not patterns:
        return list(found)
    chosen: list[Subject] = []
    for pattern in patterns:
        matching = [subject for subject in found if _matches(subject.name, pattern)]
        if not matching:
            raise UsageError(f"--select {pattern}: no such table; the spec has {_listed(found)}")
        chosen += matching
    return [subject for subject in found if subject in chosen]


def _matches(name: QualifiedName, pattern: str) -> bool:
    return any(
        fnmatch.fnmatchcase(text.lower(), pattern.lower())
        for text in (name.sql, name.name.sql, name.name.name)
    )


def _listed(found: Sequence[Subject]) -> str:
    return ", ".join(str(subject.name) for subject in found) or "none"


def given_keys(texts: Sequence[str], found: Sequence[Subject]) -> Mapping[Subject, Key]:
    """Return the key of each table for which one is given.

    Args:
        texts: each ``COLUMN,COLUMN`` for all tables, or ``TABLE=COLUMN,COLUMN`` for some.
        found: the tables.

    Raises:
        UsageError: a text has no column, or its table is not compared.
    """
    keys: dict[Subject, Key] = {}
    for text in sorted(texts, key=lambda text: "=" in text):  # one of a table precedes one of all
        table, equals, columns = text.rpartition("=")
        try:
            key = tuple(Identifier.parse(column) for column in columns.split(","))
        except ValueError as error:
            raise UsageError(f"--key {text}: {error}; expected [TABLE=]COLUMN,COLUMN") from error
        matching = [each for each in found if not equals or _matches(each.name, table)]
        if not matching:
            raise UsageError(f"--key {text}: {table} is not compared; compared are {_listed(found)}")
        keys.update(dict.fromkeys(matching, key))
    return keys
