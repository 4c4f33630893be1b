"""What of a run that failed or was killed need not be done again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from snowpipe_ml.engine.graph import Graph, Node
from snowpipe_ml.plugins import Kind, like_pattern
from snowpipe_ml.sql import QualifiedName, Sql

if TYPE_CHECKING:
    from snowflake.snowpark import Session


def still_done(
    graph: Graph, done: Mapping[str, str], fingerprints: Mapping[str, str], session: Session
) -> frozenset[str]:
    """The steps that succeeded, would do the same again, whose tables are there, and that need nothing that runs again.

    Declared objects are always made sure of: that costs little, and someone may have dropped one.

    Args:
        graph: what is to be run.
        done: step -> fingerprint, of those that succeeded.
        fingerprints: of the steps now.
        session: for asking what is there.
    """
    kept: set[str] = set()
    for name, node in graph.nodes.items():
        if not _has_data(node) or done.get(name) != fingerprints[name]:
            continue
        again = [above for above in graph.needs(name) if _has_data(graph.nodes[above]) and above not in kept]
        if not again and all(
            _is_there(session, resource.name) for resource in node.writes if resource.kind is Kind.TABLE
        ):
            kept.add(name)
    return frozenset(kept)


def _has_data(node: Node) -> bool:
    return not node.declared or node.path[0] == "sources"


def _is_there(session: Session, name: object) -> bool:
    assert isinstance(name, QualifiedName)
    where = f" IN SCHEMA {QualifiedName(name.parts[:-1]).sql}" if len(name.parts) > 1 else ""
    rows = session.sql(Sql(f"SHOW OBJECTS LIKE {like_pattern(name.name).sql}{where}").text).collect()
    return any(row["name"] == name.name.name for row in rows)
