"""Find the nodes of a sqlglot tree: several times faster than sqlglot's own ``find_all``."""

from __future__ import annotations

from typing import TypeVar

from sqlglot import exp

_Node = TypeVar("_Node", bound=exp.Expr)


def nodes(tree: exp.Expr, *classes: type[_Node]) -> list[_Node]:
    """List the nodes of these classes in the order of the text, each after the nodes that contain it.

    The list is made at once, so the tree may be changed while it is used.
    """
    found: list[_Node] = []
    stack: list[exp.Expr] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, classes):
            found.append(node)
        for value in reversed(node.args.values()):
            if isinstance(value, exp.Expr):
                stack.append(value)
            elif type(value) is list:
                stack.extend(item for item in reversed(value) if isinstance(item, exp.Expr))
    return found
