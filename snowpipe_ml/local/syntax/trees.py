"""Find and copy the nodes of a sqlglot tree: several times faster than sqlglot's own ``find_all`` and ``copy``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from sqlglot import exp

_Node = TypeVar("_Node", bound=exp.Expr)
# Half of the nodes of a tree are of these classes, which contain no nodes.
_LEAVES = frozenset({exp.Identifier, exp.Literal})


class Matches(dict[type[exp.Expr], bool]):
    """Whether a class of nodes is one of those that are searched for: one look-up for each node."""

    def __init__(self, classes: tuple[type[exp.Expr], ...]) -> None:
        super().__init__()
        self._classes = classes

    def __missing__(self, of: type[exp.Expr]) -> bool:
        self[of] = match = issubclass(of, self._classes)
        return match


# By the classes that are searched for. Some calls search for a hundred.
_MATCHES: dict[tuple[type[exp.Expr], ...], Matches] = {}


class _Listed(threading.local):
    """The tree that this thread does not change for now, with its nodes."""

    tree: tuple[exp.Expr, list[exp.Expr]] | None = None


_LISTED = _Listed()


def nodes(tree: exp.Expr, *classes: type[_Node]) -> list[_Node]:
    """List the nodes of these classes in the order of the text, each after the nodes that contain it.

    The list is made at once, so the tree may be changed while it is used.
    """
    matches = _MATCHES.get(classes)
    if matches is None:
        matches = _MATCHES[classes] = Matches(classes)
    listed = _LISTED.tree
    if listed is not None and listed[0] is tree:
        return cast(list[_Node], [node for node in listed[1] if matches[node.__class__]])
    found: list[exp.Expr] = []
    stack: list[exp.Expr] = [tree]
    while stack:
        node = stack.pop()
        own = node.__class__
        if matches[own]:
            found.append(node)
        if own in _LEAVES:
            continue
        for value in reversed(node.args.values()):
            if not value or value is True:
                continue
            if isinstance(value, exp.Expr):
                stack.append(value)
            elif type(value) is list:
                stack.extend(item for item in reversed(value) if isinstance(item, exp.Expr))
    return cast(list[_Node], found)


@contextmanager
def unchanged(tree: exp.Expr) -> Iterator[None]:
    """Search the tree once for all searches in the block, in which no node is added, replaced or removed."""
    every = nodes(tree, exp.Expr)
    before, _LISTED.tree = _LISTED.tree, (tree, every)
    try:
        yield
    finally:
        _LISTED.tree = before


class Present:
    """The classes of a tree's nodes, found by one search, which tells whether searches for rare classes are needed."""

    def __init__(self, tree: exp.Expr) -> None:
        self._classes = {node.__class__ for node in nodes(tree, exp.Expr)}

    def has(self, *classes: type[exp.Expr]) -> bool:
        """Return whether the tree had a node of one of these classes, which have no subclasses, or could get one."""
        return not self._classes.isdisjoint(classes)


def nodes_by_level(tree: exp.Expr) -> list[exp.Expr]:
    """List all nodes, each before those of the level below it, in the order of sqlglot's ``walk``."""
    found = [tree]
    for node in found:
        for value in node.args.values():
            if isinstance(value, exp.Expr):
                found.append(value)
            elif type(value) is list:
                found.extend(item for item in value if isinstance(item, exp.Expr))
    return found


def copied(tree: _Node) -> _Node:
    """Copy a tree. The types and the values in ``meta`` are those of the original nodes, and are not copied."""
    root = _twin(tree)
    stack: list[tuple[exp.Expr, exp.Expr]] = [(tree, root)]
    while stack:
        node, twin = stack.pop()
        args = twin.args
        for key, value in node.args.items():
            if isinstance(value, exp.Expr):
                args[key] = child = _twin(value)
                child.parent, child.arg_key = twin, key
                stack.append((value, child))
            elif type(value) is list:
                items: list[object] = []
                args[key] = items
                for item in value:
                    if isinstance(item, exp.Expr):
                        child = _twin(item)
                        child.parent, child.arg_key, child.index = twin, key, len(items)
                        stack.append((item, child))
                        items.append(child)
                    else:
                        items.append(item)
            else:
                args[key] = value
    return root


def _twin(node: _Node) -> _Node:
    """Make a node of the same class without its arguments."""
    twin = node.__class__()
    twin.comments, twin._type, twin._hash = node.comments, node._type, node._hash
    if node._meta is not None:
        twin._meta = node._meta.copy()
    return twin
