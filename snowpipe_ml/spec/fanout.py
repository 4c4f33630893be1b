"""Expand ``foreach``: one step of a spec becomes several nodes, one for each item.

``load`` with ``foreach: [north, south]`` becomes ``load[north]`` and ``load[south]``; ``{{ item }}`` is
the item in its settings, its query and its condition. The items of a query are its rows, each a mapping
of its columns, fetched when a run begins. Without a connection, one placeholder represents all rows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from snowpipe_ml.errors import TemplateError, UsageError
from snowpipe_ml.spec.document import Document
from snowpipe_ml.spec.templates import Namespace, render_query
from snowpipe_ml.sql import Sql
from snowpipe_ml.text.problems import Path, Problem
from snowpipe_ml.text.redaction import redact

Rows = Callable[[Sql], Sequence[Mapping[str, object]]]
"""A function that runs a query on the target and returns its rows."""

_PLAIN = re.compile(r"[^\w.-]+")
_UNKNOWN = "each"


def base_name(step: str) -> str:
    """Return the name that a node has in the spec: ``load`` for ``load[north]``."""
    return step.partition("[")[0]


def is_object(node: str) -> bool:
    """Return whether a node is a declared object, such as ``stages.s``. Items may contain dots too."""
    return "." in base_name(node)


class _AnyRow(Namespace):
    """A placeholder for the rows of a query that has not run: every column has the same text."""

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> object:
        return _UNKNOWN


@dataclass
class FanOut:
    """The steps of a spec with each ``foreach`` expanded.

    Attributes:
        steps: settings by node name, not rendered yet.
        items: the item of each node that has one.
        nodes: the nodes of each step that has a ``foreach``.
        problems: the mistakes in ``foreach``.
    """

    steps: dict[str, object] = field(default_factory=dict)
    items: dict[str, object] = field(default_factory=dict)
    nodes: dict[str, list[str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def spread(
    document: Document,
    steps: Mapping[str, object],
    render: Callable[[object, Path], object],
    scope: Mapping[str, object],
    rows: Rows | None,
) -> FanOut:
    """Expand the steps that have a ``foreach``.

    Args:
        document: the source of positions.
        steps: the settings as written.
        render: renders the value at a path.
        scope: the names that the templates of a query can use.
        rows: runs a query; None without a connection.
    """
    found = FanOut()
    for name, settings in steps.items():
        if not isinstance(settings, dict) or settings.get("foreach") is None:
            found.steps[name] = settings
            continue
        path: Path = ("steps", name, "foreach")
        rest = {key: value for key, value in settings.items() if key != "foreach"}
        found.nodes[name] = []
        for item in _items(document, render(settings["foreach"], path), path, scope, rows, found.problems):
            node = f"{name}[{_label(item)}]"
            if node in found.steps:
                found.problems.append(document.problem(f"foreach has {_label(item)!r} twice", path))
                continue
            found.steps[node] = rest
            found.items[node] = Namespace("item", item) if type(item) is dict else item
            found.nodes[name].append(node)
    return found


def _items(
    document: Document,
    value: object,
    path: Path,
    scope: Mapping[str, object],
    rows: Rows | None,
    problems: list[Problem],
) -> Sequence[object]:
    if isinstance(value, list | tuple):
        return value
    if not isinstance(value, dict) or not isinstance(value.get("query"), str):
        problems.append(document.problem(f"'foreach' must be a list, or a query, not {value!r}", path))
        return ()
    if rows is None:
        return [_AnyRow("item", {})]
    try:
        query, _ = render_query(value["query"], scope)
    except TemplateError as error:
        problems.append(document.problem(error.message, (*path, "query"), hint=error.hint))
        return ()
    try:
        return [dict(row) for row in rows(query)]
    except Exception as error:
        where = document.position((*path, "query"))
        raise UsageError(
            f"{where}: the items of {path[1]} could not be read: {error}\n"
            "  the query of foreach runs before any step: the tables that it reads must exist already"
        ) from error


def _label(item: object) -> str:
    """Return the text that identifies an item in a node's name; text that is not plain gets a digest."""
    if isinstance(item, _AnyRow):
        return "..."
    text = "-".join(map(str, item.values())) if isinstance(item, dict) else str(item)
    plain = _PLAIN.sub("_", text if redact(text) == text else "secret")[:40]
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
