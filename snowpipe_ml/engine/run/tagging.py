"""Setting of the declared tags on what a step wrote."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.plugins import Kind
from snowpipe_ml.plugins.outputs import tag_pairs, with_tags
from snowpipe_ml.spec.models import Tag
from snowpipe_ml.sql import Identifier, QualifiedName, Sql, sql


def values_of(tags: Mapping[str, Tag]) -> dict[Identifier, str]:
    """Return the values of the declared tags that have one."""
    return {Identifier.parse(name): tag.value for name, tag in tags.items() if tag.value is not None}


def set_tags(
    node: Node,
    tags: Mapping[Identifier, str],
    tagged: Collection[QualifiedName],
    execute: Callable[[Sql], None],
) -> None:
    """Set the tags of the run on a step's outputs.

    Args:
        node: the step.
        tags: the values of the tags.
        tagged: the outputs that were created with them.
        execute: runs an idempotent statement.
    """
    if node.declared or not tags:
        return
    pairs = tag_pairs(tags)
    for resource in node.writes:
        if resource.kind is Kind.TABLE and isinstance(resource.name, QualifiedName):
            if resource.name in tagged:
                continue
            kind = Sql(resource.word)
            execute(
                sql("ALTER {kind} {name} SET TAG {pairs}", kind=kind, name=resource.name, pairs=pairs),
            )


def planned_with_tags(
    node: Node, tags: Mapping[Identifier, str], statements: tuple[Sql, ...]
) -> tuple[Sql, ...]:
    """Return the statements of a step whose outputs do not exist yet, with those that tag them."""
    if node.declared or not tags:
        return statements
    names = [r.name for r in node.writes if r.kind is Kind.TABLE and isinstance(r.name, QualifiedName)]
    tagged: set[QualifiedName] = set()
    planned: list[Sql] = []
    for statement in statements:
        for name in names:
            if (created := with_tags(statement, name, tags)) is not None:
                tagged.add(name)
                planned.append(created)
                break
        else:
            planned.append(statement)
    set_tags(node, tags, tagged, planned.append)
    return tuple(planned)
