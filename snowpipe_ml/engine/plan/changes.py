"""Differences between a step's last success and now, in words: the reasons to run it again."""

from __future__ import annotations

import json
from collections.abc import Mapping

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.versions import EMPTY, STALE, Version
from snowpipe_ml.plugins import Kind, Resource


def changed_settings(before: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """Return which settings differ, with both values; None if none does."""
    changes = []
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if old != new:
            changes.append(f"{key} changed from {_short(old)} to {_short(new)}")
    return "; ".join(changes) or None


def _short(text: str | None) -> str:
    if text is None:
        return "nothing"
    value = json.loads(text)
    plain = value if isinstance(value, str) else text
    return plain if len(plain) <= 60 else plain[:57] + "..."


def changed_outputs(
    before: Mapping[Resource, Version], now: Mapping[Resource, Version], shared: set[Resource]
) -> str | None:
    """Return which output of a step no longer is as the step has left it; None if none differs.

    Args:
        before: the outputs after the last success.
        now: the current versions.
        shared: the outputs that several steps write.
    """
    for resource, version in before.items():
        if resource not in now:
            return f"output {resource.name} no longer exists"
        if resource.kind is Kind.STREAM:
            if now[resource].token == STALE:
                return f"the stream {resource.name} is stale"
            continue
        # An output of several steps has the version that the last of them left.
        if resource not in shared and now[resource].token != version.token:
            return f"output {resource.name} was changed after the step wrote it"
    return None


def changed_inputs(before: Mapping[Resource, Version], now: Mapping[Resource, Version]) -> str | None:
    """Return which input of a step has changed since its last success; None if none has.

    The changes of a stream are consumed, so it has none if it has no data.

    Args:
        before: the inputs before the last success.
        now: the current versions.
    """
    for resource, version in before.items():
        if resource not in now:
            return f"{resource.name} no longer exists"
        current = now[resource]
        if resource.kind is Kind.STREAM:
            if current.token != EMPTY:
                return f"the stream {resource.name} {'is stale' if current.token == STALE else 'has data'}"
            continue
        if current.token == version.token:
            continue
        if resource.kind is Kind.TABLE and None not in (current.rows, version.rows):
            more = (current.rows or 0) - (version.rows or 0)
            if more:
                return f"{resource.name} has {abs(more):,} {'more' if more > 0 else 'fewer'} rows"
        return f"{resource.name} changed"
    return None


def shared_outputs(graph: Graph) -> set[Resource]:
    """Return the resources that several nodes write, or that a node only appends to."""
    once: set[Resource] = set()
    found: set[Resource] = set()
    for node in graph.nodes.values():
        for resource in node.writes:
            if resource in once or resource.adds:
                found.add(resource)
            once.add(resource)
    return found
