"""Find and copy the nodes of a sqlglot tree: several times faster than sqlglot's own ``find_all`` and ``copy``."""

from __future__ import annotations

from typing import TypeVar, cast

from sqlglot import exp

_Node = TypeVar("_Node", bound=exp.Expr)
# Half of the nodes of a tree are of these classes, which contain no nodes.
_LEAVES = frozenset({exp.Identifier, exp.Literal})
# By the classes that are looked for: whether a class of nodes is one of them. Some calls look for a hundred.
_MATCHES: dict[tuple[type[exp.Expr], ...], dict[type[exp.Expr], bool]] = {}


def nodes(tree: exp.Expr, *classes: type[_Node]) -> list[_Node]:
    """List the nodes of these classes in the order of the text, each after the nodes that contain it.

    The list is made at once, so the tree may be changed while it is used.
    """
    matches = _MATCHES.setdefault(classes, {})
    found: list[_Node] = []
    stack: list[exp.Expr] = [tree]
    while stack:
        node = stack.pop()
        own = node.__class__
        match = matches.get(own)
        if match is None:
            match = matches[own] = issubclass(own, classes)
        if match:
            found.append(cast(_Node, node))
        if own in _LEAVES:
            continue
        for value in reversed(node.args.values()):
            if not value or value is True:
                continue
            if isinstance(value, exp.Expr):
                stack.append(value)
            elif type(value) is list:
                stack.extend(item for item in reversed(value) if isinstance(item, exp.Expr))
    return found


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
