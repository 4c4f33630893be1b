"""Setting of the declared tags on what a step wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.plugins import Kind
from snowpipe_ml.spec.models import Tag
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, join, sql


def set_tags(node: Node, tags: Mapping[str, Tag], execute: Callable[[Sql], None]) -> None:
    """Set the declared tags that have a value on a step's outputs.

    Args:
        node: the step.
        tags: the declared tags.
        execute: runs an idempotent statement.
    """
    values = {name: tag.value for name, tag in tags.items() if tag.value is not None}
    if node.declared or not values:
        return
    pairs = join(
        ", ",
        [
            sql("{name} = {value}", name=Identifier.parse(name), value=Literal(value))
            for name, value in values.items()
        ],
    )
    for resource in node.writes:
        if resource.kind is Kind.TABLE and isinstance(resource.name, QualifiedName):
            kind = Sql("VIEW" if resource.view else "TABLE")
            execute(
                sql("ALTER {kind} {name} SET TAG {pairs}", kind=kind, name=resource.name, pairs=pairs),
            )
